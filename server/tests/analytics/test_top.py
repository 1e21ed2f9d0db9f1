"""Who are the best customers? Of all time, of a window to the instant, in one currency at a time."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.analytics.conftest import Shop
from tests.makers import ok, refused

EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


async def top(shop: Shop, **params) -> dict:
    return ok(await shop.merchant.test.get("/v1/customers/top", params=params))


def amounts(answer: dict) -> dict[str, int]:
    return {customer["external_id"]: customer["amount"] for customer in answer["customers"]}


async def a_busy_fortnight(shop: Shop, seed: int) -> None:
    """Payments and refunds of six customers in two currencies at odd instants, some on midnight exactly."""
    chance = random.Random(seed)
    for number in range(6):
        await shop.customer(f"c{number}")
    start = shop.clock.now
    paid: list[dict] = []
    instants = sorted(
        start + timedelta(days=chance.randrange(14), hours=chance.choice([0, 12, chance.uniform(0, 24)]))
        for _ in range(60)
    )
    for instant in instants:
        shop.clock.now = instant
        if paid and chance.random() < 0.25:
            payment = paid.pop(chance.randrange(len(paid)))
            await shop.refund(payment, chance.randint(1, payment["amount"]))
        else:
            currency = chance.choice(["GHS", "GHS", "XOF"])
            paid.append(await shop.pay(f"c{chance.randrange(6)}", chance.randint(1, 10_000), currency))
    shop.clock.now = start + timedelta(days=15)


@pytest.mark.parametrize("metric", ["lifetime_value", "total_spent", "payment_count"])
async def test_the_all_time_ranking_is_the_fold_of_all_moves(shop: Shop, metric: str):
    await a_busy_fortnight(shop, seed=1)
    for currency in ("GHS", "XOF"):
        answer = await top(shop, metric=metric, currency=currency)
        assert amounts(answer) == shop.expected(metric, currency, *EVER)
        listed = [customer["amount"] for customer in answer["customers"]]
        assert listed == sorted(listed, reverse=True)
        assert [customer["rank"] for customer in answer["customers"]] == list(range(1, len(listed) + 1))
        assert (answer["currency"], answer["metric"], answer["period"]) == (currency, metric, "all")


async def test_a_window_is_exact_to_the_instant(shop: Shop):
    await a_busy_fortnight(shop, seed=2)
    chance = random.Random(3)
    first = min(at for at, *_ in shop.moves)
    instants = [at for at, *_ in shop.moves] + [first.replace(hour=0) + timedelta(days=d) for d in range(15)]
    for _ in range(60):
        start, end = sorted(chance.sample(instants, 2))
        if start == end:
            continue
        for metric in ("lifetime_value", "total_spent", "payment_count"):
            window = {"from": start.isoformat(), "to": end.isoformat()}
            answer = await top(shop, metric=metric, currency="GHS", **window)
            assert amounts(answer) == shop.expected(metric, "GHS", start, end), (start, end, metric)
            assert answer["period"] == "custom"


@pytest.mark.parametrize(("period", "days"), [("7d", 7), ("30d", 30), ("90d", 90), ("365d", 365)])
async def test_a_period_is_so_many_days_back_from_now(shop: Shop, period: str, days: int):
    await shop.customer("early")
    await shop.customer("late")
    end = shop.clock.now + timedelta(days=400)
    shop.clock.now = end - timedelta(days=days, microseconds=1)
    await shop.pay("early", 900)
    shop.clock.now = end - timedelta(days=days)
    await shop.pay("late", 100)
    shop.clock.now = end
    assert amounts(await top(shop, period=period)) == {"late": 100}
    assert amounts(await top(shop, period="all")) == {"early": 900, "late": 100}


async def test_a_refund_counts_on_the_day_it_is_made(shop: Shop):
    await shop.customer("ada")
    payment = await shop.pay("ada", 1000)
    shop.clock.now += timedelta(days=40)
    await shop.refund(payment, 300)
    shop.clock.now += timedelta(seconds=1)
    assert amounts(await top(shop, period="7d")) == {"ada": -300}
    assert amounts(await top(shop)) == {"ada": 700}


async def test_currencies_are_never_added_together(shop: Shop):
    await shop.customer("ada")
    await shop.pay("ada", 100, "GHS")
    await shop.pay("ada", 70_000, "XOF")
    assert amounts(await top(shop)) == {"ada": 100}  # the organization's currency
    assert amounts(await top(shop, currency="XOF")) == {"ada": 70_000}
    assert amounts(await top(shop, currency="KES")) == {}


async def test_a_ranking_can_be_of_tagged_customers_only(shop: Shop):
    await shop.customer("plain")
    await shop.customer("vip", tags=["vip", "accra"])
    await shop.customer("half", tags=["vip"])
    for name in ("plain", "vip", "half"):
        await shop.pay(name, 100)
    for period in ({}, {"period": "7d"}):
        shop.clock.now += timedelta(seconds=1)
        assert set(amounts(await top(shop, tag="vip", **period))) == {"vip", "half"}
        assert set(amounts(await top(shop, tag=["vip", "accra"], **period))) == {"vip"}


async def test_deleted_customers_and_guests_are_not_ranked(shop: Shop):
    await shop.customer("gone")
    await shop.customer("here")
    await shop.pay("gone", 500)
    await shop.pay("here", 100)
    await shop.merchant.payment(amount=999)
    assert (await shop.merchant.test.delete("/v1/customers/external/gone")).status_code == 204
    shop.clock.now += timedelta(seconds=1)
    assert amounts(await top(shop)) == {"here": 100}
    assert amounts(await top(shop, period="30d")) == {"here": 100}


async def test_as_many_are_ranked_as_were_asked_for(shop: Shop):
    for number in range(12):
        await shop.customer(f"c{number}")
        await shop.pay(f"c{number}", 100 + number)
    assert list(amounts(await top(shop))) == [f"c{number}" for number in range(11, 1, -1)]
    assert list(amounts(await top(shop, limit=2))) == ["c11", "c10"]


@pytest.mark.parametrize(
    "params",
    [
        {"period": "7d", "from": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"period": "3d"},
        {"limit": "101"},
        {"metric": "beauty"},
        {"currency": "GHX"},
        {"from": "yesterday"},
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(shop: Shop, params: dict):
    refused(await shop.merchant.test.get("/v1/customers/top", params=params), 400, "validation_error")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01T00:00:00Z", "0001-06-01T00:00:00Z"),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59-14:00"),
        ("9998-12-31T06:00:00Z", "9999-06-01T00:00:00Z"),
    ],
)
async def test_a_window_in_which_nothing_can_be_stored_is_empty(shop: Shop, start: str, end: str):
    await shop.customer("ada")
    await shop.pay("ada", 100)
    assert amounts(await top(shop, **{"from": start, "to": end})) == {}
