"""A year of a thousand subscriptions in one move of the clock: every period billed, none twice, none left out."""

import os
import time
from collections import Counter
from datetime import datetime, timedelta

import pytest

from reevit_server import customers
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from reevit_server.customers.actions import create as create_customer
from reevit_server.customers.schemas import CustomerCreate
from reevit_server.subscriptions import actions, models
from reevit_server.subscriptions.schemas import SubscriptionCreate
from tests.subscriptions import books
from tests.subscriptions.billing import Billing, coming, text

# `make faults` says `long` and plays all thousand; `make test`, which has less time, every fourth.
SUBSCRIPTIONS = 1000 if os.environ.get("REEVIT_FAULTS") == "long" else 250
AT_ONCE = 100  # of one transaction
MOMENT = timedelta(microseconds=1)


def price(number: int) -> int:
    """Each pays something else, so that no two can be taken for each other."""
    return 1000 + number


async def subscribe_everybody(db: Database, scope: Scope, begun: list[datetime]) -> None:
    """One customer and subscription for each of these instants, which are at most a month ago."""
    for first in range(0, len(begun), AT_ONCE):
        async with db.transaction() as conn:
            now = begun[first]
            for number, start_at in enumerate(begun[first : first + AT_ONCE], first):
                customer = await create_customer(
                    conn, scope, CustomerCreate(external_id=f"usr_{number}"), now=now
                )
                new = SubscriptionCreate(
                    customer_id=customer["id"],
                    plan_id=f"plan_{number % 3}",
                    amount=price(number),
                    currency=("GHS", "NGN", "XOF")[number % 3],
                    interval="monthly",
                    start_at=text(start_at),
                )
                await actions.create(conn, scope, new, now=max(now, start_at))


async def test_every_month_of_every_subscription_is_billed_once(
    db: Database, billing: Billing, capsys: pytest.CaptureFixture[str]
):
    """Begun over four weeks, 42 minutes apart; the year ends just before the first of them has its anniversary."""
    first = coming(1, 3)
    begun = [first + number * timedelta(minutes=42) for number in range(SUBSCRIPTIONS)]
    await billing.at(begun[-1])
    await subscribe_everybody(db, billing.merchant.scope, begun)
    end = models.boundary(first, "monthly", 12, 1) - MOMENT
    expected = {
        number: [
            (at, models.boundary(start, "monthly", 1, month + 1))
            for month in range(12)
            if (at := models.boundary(start, "monthly", 1, month)) <= end
        ]
        for number, start in enumerate(begun)
    }
    assert sum(map(len, expected.values())) == 12 * SUBSCRIPTIONS

    started = time.perf_counter()
    passed = await billing.at(end)
    seconds = time.perf_counter() - started
    with capsys.disabled():
        print(f"\na year of {SUBSCRIPTIONS} monthly subscriptions: {seconds:.1f} s")  # noqa: T201

    assert passed["renewals"] == 11 * SUBSCRIPTIONS
    assert (passed["collections"], passed["reconciliations"]) == (0, 0)
    async with db.snapshot() as conn:
        rows = await conn.fetch(
            """
            SELECT c.external_id, i.number, i.period_start, i.period_end, i.amount, i.status, i.created_at,
                   p.amount AS paid, p.succeeded_at
            FROM invoices AS i
            JOIN customers AS c ON c.org_id = i.org_id AND c.mode = i.mode AND c.id = i.customer_id
            JOIN payments AS p ON p.org_id = i.org_id AND p.mode = i.mode AND p.id = i.payment_id
            WHERE i.org_id = $1 AND i.mode = 'test'
            ORDER BY i.number
            """,
            billing.merchant.org_id,
        )
    assert [row["number"] for row in rows] == list(range(1, 12 * SUBSCRIPTIONS + 1))
    later = rows[SUBSCRIPTIONS:]
    assert [row["created_at"] for row in later] == sorted(row["created_at"] for row in later)
    billed: dict[int, list[tuple[datetime, datetime]]] = {number: [] for number in expected}
    for row in rows:
        number = int(row["external_id"].removeprefix("usr_"))
        billed[number].append((row["period_start"], row["period_end"]))
        assert (row["status"], row["amount"], row["paid"]) == ("paid", price(number), price(number))
    for row in later:
        assert row["created_at"] == row["succeeded_at"] == row["period_start"]
    assert billed == expected
    assert await books.drift(db, billing.merchant.scope) == []
    await check_profiles(db, billing)


async def check_profiles(db: Database, billing: Billing) -> None:
    """Everybody has paid twelve times, in one currency, and has one active subscription."""
    async with db.snapshot() as conn:
        rows = await conn.fetch(
            f"SELECT {customers.COLUMNS} FROM customers AS c WHERE c.org_id = $1", billing.merchant.org_id
        )
    assert Counter((row["subscription_status"], row["active_subscriptions"]) for row in rows) == {
        ("active", 1): SUBSCRIPTIONS
    }
    for row in rows:
        number = int(row["external_id"].removeprefix("usr_"))
        ((total, count),) = [(total["lifetime_value"], total["payment_count"]) for total in row["totals"]]
        assert (total, count) == (12 * price(number), 12)
