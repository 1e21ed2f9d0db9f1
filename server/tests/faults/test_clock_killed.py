"""The process that moves a test clock is killed half-way: the clock stands in between, and goes on from there."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx

from reevit_server.core.clock import utc_now
from tests.faults.load import Request, Shop
from tests.faults.stage import Stage, api_of, kill
from tests.makers import ok, refused
from tests.running import Server

_SUBSCRIPTIONS = 9
_DAYS = 24
_PATIENCE_SECONDS = 60


async def test_a_clock_whose_mover_is_killed_comes_to_where_it_was_to_go_and_nothing_happens_twice(
    stage: Stage,
):
    with stage.serving() as server:
        await stage.open_shops()
        shop = stage.load.shops[0]
        async with httpx.AsyncClient(
            base_url=stage.base_url, headers={"X-Reevit-Key": shop.key}, timeout=_PATIENCE_SECONDS
        ) as client:
            await _subscribe(stage, shop)
            began_at = utc_now()
            to = began_at + timedelta(days=_DAYS)
            await _advance_until_killed(stage, server, shop, client, to=to)
            server.wait_until_ready()
            stands_at = datetime.fromisoformat(ok(await client.get("/v1/sandbox/clock"))["now"])
            assert began_at + timedelta(days=_DAYS / 3) <= stands_at < to
            refused(await _advance(client, to), 409, "clock_is_moving")
            await _let_the_hold_lapse(stage)
            moved = ok(await _advance(client, to))
            assert datetime.fromisoformat(moved["now"]) == to
            assert 0 < moved["renewals"] < _SUBSCRIPTIONS * _DAYS
        billed = await stage.fetch("SELECT count(*) FROM invoices GROUP BY subscription_id")
        assert [row["count"] for row in billed] == [_DAYS + 1] * _SUBSCRIPTIONS
        await stage.check(now=began_at)  # nobody but who moves the clock bills this shop from then on


async def _subscribe(stage: Stage, shop: Shop) -> None:
    """Daily, and charged at once; some are declined for good, some once for each invoice."""
    customer = {"customer": Request(shop, "PUT", "/v1/customers/external/usr_0", {"name": "Ada"})}
    await stage.load.send_these(stage.base_url, customer)
    await stage.load.send_these(
        stage.base_url,
        {
            f"subscription-{number}": Request(shop, "POST", "/v1/subscriptions", _body(number))
            for number in range(_SUBSCRIPTIONS)
        },
    )


def _body(number: int) -> dict[str, Any]:
    return {
        "external_customer_id": "usr_0",
        "amount": 1000 + number,
        "currency": "GHS",
        "interval": "daily",
        "metadata": {
            "key": f"subscription-{number}",
            "sandbox": ("succeed", "fail,succeed", "fail:stolen_card")[number % 3],
        },
    }


async def _advance(client: httpx.AsyncClient, to: datetime) -> httpx.Response:
    return await client.post("/v1/sandbox/clock/advance", json={"to": to.isoformat()})


async def _advance_until_killed(
    stage: Stage, server: Server, shop: Shop, client: httpx.AsyncClient, *, to: datetime
) -> None:
    """Kills who moves the clock when a third of the way is behind it."""
    moving = asyncio.create_task(_advance(client, to))
    third = to - timedelta(days=_DAYS * 2 / 3)
    await stage.until("EXISTS (SELECT FROM sandbox_clocks WHERE now > $1)", third)
    kill(await api_of(server))
    with suppress(httpx.TransportError):
        answer = await moving
        raise AssertionError(answer.text)


async def _let_the_hold_lapse(stage: Stage) -> None:
    """As after a minute in which nobody heard of who moved it."""
    await stage.fetch("UPDATE sandbox_clocks SET held_until = $1", utc_now())
