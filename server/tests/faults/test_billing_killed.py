"""Whoever bills is killed in the middle of a billing run: every period is billed and charged once all the same."""

import itertools
import random
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, NamedTuple

import httpx

from reevit_server.core.clock import utc_now
from tests.faults.conftest import Extent
from tests.faults.load import Request, Shop
from tests.faults.stage import Stage, kill, until
from tests.makers import ok

_PEOPLE = 20  # of each shop; each has several subscriptions
_SOON = timedelta(hours=1)
_STRICT = {"plan_id": "strict", "delays": ["1m"], "on_exhausted": "cancel"}


class _Fate(NamedTuple):
    """What the sandbox plays, attempt by attempt, and what becomes of the subscription and of its invoice."""

    scenario: str
    status: str
    invoice: str
    attempts: int
    plan_id: str = "team"


_FATES = (
    *(_Fate("succeed", "active", "paid", 1),) * 5,
    _Fate("timeout", "active", "paid", 1),
    _Fate("fail,succeed", "active", "paid", 2),
    _Fate("fail:stolen_card", "past_due", "failed", 1),
    _Fate("fail,fail", "canceled", "failed", 2, "strict"),
)


async def test_a_billing_run_whose_worker_is_killed_charges_everybody_once(
    stage_for_many: Stage, extent: Extent
):
    stage = stage_for_many
    with stage.serving():
        await _open(stage)
        for _ in range(extent.billing_runs):
            with stage.working() as process:
                await _subscribe(stage, extent.subscriptions)
                await _until_charged(stage, random.randint(10, 80))
                kill(process.pid)
                process.wait()
                await _until_over(stage, extent)
        await _check_fates(stage)
        await stage.check()


async def test_a_billing_run_whose_database_is_killed_or_everything_charges_everybody_once(
    stage: Stage, extent: Extent
):
    with ExitStack() as started:
        server = started.enter_context(stage.serving())
        await _open(stage)
        for killed_whole in (False, True) * extent.billing_runs:
            await _subscribe(stage, extent.subscriptions // 3)
            await _until_charged(stage, random.randint(5, 30))
            if killed_whole:
                kill(server.process.pid, *server.children(), stage.postmaster())
                server.process.wait()
                started.close()
                server = started.enter_context(stage.serving())
            else:
                kill(stage.postmaster())
                await until(lambda: stage.postmaster() is not None)
            await _until_over(stage, extent)
        await _check_fates(stage)
        await stage.check(database_was_killed=True)


async def test_after_days_without_anybody_two_workers_bill_every_period_that_was_missed(
    stage_for_many: Stage, extent: Extent
):
    """Each once, and none before the one before it."""
    stage = stage_for_many
    with stage.serving():
        await _open(stage)
        await _subscribe(stage, extent.subscriptions_to_catch_up)
        await _until_over(stage, extent)
    await _let_pass(stage, timedelta(days=extent.days_missed))
    with stage.serving(), stage.working():
        await _until_over(stage, extent)
        billed = await stage.fetch(
            """
            SELECT count(i.id) FROM subscriptions AS s LEFT JOIN invoices AS i ON i.subscription_id = s.id
            WHERE s.status <> 'canceled' GROUP BY s.id
            """
        )
        assert {row["count"] for row in billed} == {extent.days_missed + 1}
        out_of_order = """
            SELECT subscription_id, period_start
            FROM (
                SELECT i.subscription_id, i.period_start, p.created_at,
                       lag(p.created_at) OVER (PARTITION BY i.subscription_id ORDER BY i.period_start) AS previous_at
                FROM invoices AS i
                JOIN payments AS p ON p.id = i.payment_id
            ) AS charged
            WHERE created_at < previous_at
        """
        assert await stage.fetch(out_of_order) == []
        await stage.check()


async def _open(stage: Stage) -> None:
    await stage.open_shops()
    people = {}
    for shop in _shops(stage):
        async with httpx.AsyncClient(base_url=stage.base_url, headers={"X-Reevit-Key": shop.key}) as client:
            ok(await client.post("/v1/policies/retry", json=_STRICT))
        for number in range(_PEOPLE):
            key = f"person-{shop.scope.org_id}-{number}"
            people[key] = Request(shop, "PUT", f"/v1/customers/external/usr_{number}", {"name": key})
    await stage.load.send_these(stage.base_url, people)


def _shops(stage: Stage) -> list[Shop]:
    return [shop for shop in stage.load.shops if shop.scope.mode == "test"]


async def _subscribe(stage: Stage, count: int) -> None:
    """So many that are due all at once for their first charge, now: the workers', not the requests'."""
    start_at = (utc_now() + _SOON).isoformat()
    first = sum(request.path == "/v1/subscriptions" for request in stage.load.sent.values())
    shops = itertools.cycle(_shops(stage))
    requests = {
        f"subscription-{number}": Request(next(shops), "POST", "/v1/subscriptions", _body(number, start_at))
        for number in range(first, first + count)
    }
    await stage.load.send_these(stage.base_url, requests)
    await _let_pass(stage, _SOON)


def _body(number: int, start_at: str) -> dict[str, Any]:
    fate = _FATES[number % len(_FATES)]
    return {
        "external_customer_id": f"usr_{number % _PEOPLE}",
        "amount": 1000 + number,
        "currency": ("GHS", "XOF")[number % 3 % 2],
        "plan_id": fate.plan_id,
        "interval": "daily",
        "start_at": start_at,
        "metadata": {"key": f"subscription-{number}", "sandbox": fate.scenario},
    }


async def _let_pass(stage: Stage, span: timedelta) -> None:
    """Time in which nobody bills: for subscriptions and invoices everything is that much longer ago.

    At one blow: what is due by then is billed at once, and its invoice must not be moved any more.
    """
    moves = []
    for table, columns in (
        ("subscriptions", "start_at anchor_at current_period_start current_period_end queue_at created_at"),
        ("invoices", "period_start period_end due_at next_attempt_at queue_at created_at"),
    ):
        moved = ", ".join(f"{column} = {column} - $1::interval" for column in columns.split())
        moves.append(f"{table}_moved AS (UPDATE {table} SET {moved})")
    await stage.fetch(f"WITH {', '.join(moves)} SELECT", span)


async def _until_charged(stage: Stage, more: int) -> None:
    """Until the billing run is under way, and so many have been charged in it. Those of earlier runs are older."""
    charged = "SELECT count(*) FROM invoices WHERE created_at > $1 AND status IN ('paid', 'failed')"
    await stage.until(f"({charged}) >= $2", utc_now() - _SOON / 2, more)


async def _until_over(stage: Stage, extent: Extent) -> None:
    """Until everything is charged to the end, also what has to be charged again, whose time comes at once."""
    dead_since = None if extent.waits_for_the_dead else utc_now()
    again = "UPDATE invoices SET next_attempt_at = $1, queue_at = $1 WHERE status = 'due' RETURNING id"
    await stage.until_all_is_told(dead_since=dead_since)
    while await stage.fetch(again, utc_now()):
        await stage.until_all_is_told(dead_since=dead_since)


async def _check_fates(stage: Stage) -> None:
    """Everybody was charged for one period what they owe, as often as it took, and it is in their totals."""
    billed = await stage.fetch(
        """
        SELECT s.metadata ->> 'key' AS key, s.status, i.status AS invoice, i.attempt_count, i.amount
        FROM subscriptions AS s
        LEFT JOIN invoices AS i ON i.subscription_id = s.id
        """
    )
    sent = [key for key, request in stage.load.sent.items() if request.path == "/v1/subscriptions"]
    expected: Counter[tuple[str, str, str]] = Counter()
    fates = {}
    for key in sent:
        number = int(key.removeprefix("subscription-"))
        fate, shop, body = _FATES[number % len(_FATES)], stage.load.sent[key].shop, stage.load.sent[key].body
        fates[key] = (fate.status, fate.invoice, fate.attempts, body["amount"])
        if fate.invoice == "paid":
            expected[shop.scope.org_id, body["external_customer_id"], body["currency"]] += body["amount"]
    assert Counter((key, *fate) for key, fate in fates.items()) == Counter(tuple(row) for row in billed)
    totals = await stage.fetch(
        """
        SELECT t.org_id, c.external_id, t.currency, t.total_spent
        FROM customer_totals AS t
        JOIN customers AS c ON c.org_id = t.org_id AND c.mode = t.mode AND c.id = t.customer_id
        """
    )
    assert {tuple(row)[:3]: row["total_spent"] for row in totals} == expected
