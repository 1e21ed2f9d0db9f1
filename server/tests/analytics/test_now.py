"""What happens at this very instant counts already: on a test clock that stands still, most things do."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.analytics.conftest import Shop
from tests.analytics.telling import deed, subscribe
from tests.makers import Merchant, ok


async def top(merchant: Merchant, **params: Any) -> dict[str, Any]:
    return ok(await merchant.test.get("/v1/customers/top", params=params))


async def value(merchant: Merchant, customer: dict[str, Any], **params: Any) -> dict[str, Any]:
    return ok(await merchant.test.get(f"/v1/customers/{customer['id']}/value", params=params))


def amounts(answer: dict[str, Any]) -> list[int]:
    return [customer["amount"] for customer in answer["customers"]]


def later(instant: str, microseconds: int = 1) -> str:
    """Another instant, by the smallest step there is, as the API writes it."""
    moved = datetime.fromisoformat(instant) + timedelta(microseconds=microseconds)
    return moved.isoformat().replace("+00:00", "Z")


async def standing_still(merchant: Merchant, time_of_day: str) -> str:
    """The instant at which the test clock stands now, some days from here."""
    days = (datetime.fromisoformat((await clock(merchant))["now"]) + timedelta(days=3)).date()
    moved = await deed(merchant, "/v1/sandbox/clock/advance", to=f"{days}T{time_of_day}Z")
    return str(moved["now"])


async def clock(merchant: Merchant) -> dict[str, Any]:
    return ok(await merchant.test.get("/v1/sandbox/clock"))


@pytest.mark.parametrize("time_of_day", ["00:00:00", "12:30:00.000001", "23:59:59.999999"])
@pytest.mark.parametrize("period", ["7d", "30d", "90d", "365d"])
async def test_a_period_ends_with_what_happens_now(merchant: Merchant, period: str, time_of_day: str):
    now = await standing_still(merchant, time_of_day)
    customer = await merchant.customer()
    await subscribe(merchant, customer)
    assert amounts(await top(merchant, period=period)) == [1500]
    payment = await merchant.payment(customer_id=customer["id"], amount=100)
    await merchant.refund(payment["id"], amount=30)
    answer = await top(merchant, period=period)
    assert amounts(answer) == [1570]
    assert amounts(await top(merchant, period=period, metric="payment_count")) == [2]
    assert answer["to"] == later(now), "`to` is not in the window, now is"
    assert amounts(await top(merchant, **{"from": answer["from"], "to": answer["to"]})) == [1570]


@pytest.mark.parametrize("time_of_day", ["00:00:00", "12:30:00"])
async def test_a_window_without_an_end_ends_with_what_happens_now(merchant: Merchant, time_of_day: str):
    now = await standing_still(merchant, time_of_day)
    await merchant.payment(customer={"external_id": "ada"}, amount=100)
    assert amounts(await top(merchant, **{"from": "2000-01-01T00:00:00Z"})) == [100]
    assert amounts(await top(merchant, **{"from": now})) == [100]
    assert amounts(await top(merchant, to=now)) == [], "an end that is given is not in the window"
    assert amounts(await top(merchant, to=later(now))) == [100]
    assert amounts(await top(merchant, **{"from": later(now)})) == []


async def test_a_value_as_of_now_counts_what_happens_now(merchant: Merchant):
    now = await standing_still(merchant, "12:30:00")
    customer = await merchant.customer()
    await subscribe(merchant, customer)
    payment = await merchant.payment(customer_id=customer["id"], amount=100)
    await merchant.refund(payment["id"], amount=30)
    kept = await value(merchant, customer, explain="true", include_total="true")
    assert sorted(entry["amount"] for entry in kept["entries"]) == [-30, 100, 1500]
    assert kept["total"] == 3
    reckoned = await value(merchant, customer, explain="true", include_total="true", as_of=now)
    assert {**reckoned, "as_of": None} == kept
    earlier = await value(merchant, customer, explain="true", include_total="true", as_of=later(now, -1))
    assert (earlier["totals"], earlier["entries"], earlier["total"]) == ([], [], 0)


async def test_entries_add_up_to_totals_whatever_the_clock_of_the_server_that_is_asked(shop: Shop):
    """Of two servers one is always a little behind; and a payment may come in after a request for the value did."""
    await shop.customer("ada")
    payment = await shop.pay("ada", 1000)
    await shop.refund(payment, 300)
    shop.clock.now -= timedelta(milliseconds=5)
    there = "/v1/customers/external/ada/value?explain=true&include_total=true"
    answer = ok(await shop.merchant.test.get(there))
    assert sum(entry["amount"] for entry in answer["entries"]) == 700
    assert answer["total"] == 2
    assert [total["lifetime_value"] for total in answer["totals"]] == [700]
