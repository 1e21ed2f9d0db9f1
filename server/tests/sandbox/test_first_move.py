"""A test clock is moved for the first time while a worker has billing in hand: from then on both do the same work."""

import asyncio
from collections import Counter
from datetime import timedelta

from reevit_server.core.database import Database
from tests.events.recorded import types_of
from tests.makers import Merchant, created, ok
from tests.subscriptions.books import drift
from tests.webhooks.clockwork import Clockwork

_SCENARIOS = ("succeed", "fail,succeed", "timeout", "fail:stolen_card", "processing,succeed")
_SUBSCRIPTIONS = 30


async def test_a_worker_and_a_clock_that_meet_bill_every_period_once(db: Database, merchant: Merchant):
    people = [await merchant.customer() for _ in range(4)]
    for number in range(_SUBSCRIPTIONS):
        body = {
            "customer_id": people[number % 4]["id"],
            "amount": 100 + number,
            "currency": "GHS",
            "interval": "daily",
            "start_at": None,
            "metadata": {"sandbox": _SCENARIOS[number % len(_SCENARIOS)]},
        }
        created(await merchant.test.post("/v1/subscriptions", json=body))
    clockwork = Clockwork.in_the_present(db, merchant.org_id)
    await clockwork.run()
    await _let_pass(db, merchant, timedelta(days=1))
    for duty in ("queue_renewals", "queue_collections"):
        await clockwork.fulfil(f"subscriptions.{duty}")
    await clockwork.fulfil("payments.queue_unsettled")
    jobs = await clockwork.queued()
    assert len(jobs) >= _SUBSCRIPTIONS
    turns = asyncio.Semaphore(5)

    async def do(number: int) -> None:
        async with turns:
            await clockwork.do(jobs[number])

    moved, *_ = await asyncio.gather(
        merchant.test.post("/v1/sandbox/clock/advance", json={"by": "3d"}),
        *(do(number) for number in range(len(jobs))),
    )
    ok(moved)
    await clockwork.run()
    async with db.read() as conn:
        rows = await conn.fetch(
            "SELECT count(*) FROM invoices WHERE org_id = $1 GROUP BY subscription_id", merchant.org_id
        )
    assert Counter(row["count"] for row in rows) == {5: _SUBSCRIPTIONS}
    assert await drift(db, merchant.scope) == []


async def test_it_does_not_tell_of_renewals_that_have_passed_meanwhile(db: Database, merchant: Merchant):
    """Nobody has looked for eight days: a week is over, and the one that follows is told of when it is its time."""
    customer = await merchant.customer()
    body = {"customer_id": customer["id"], "amount": 1500, "currency": "GHS", "interval": "weekly"}
    subscription = created(await merchant.test.post("/v1/subscriptions", json=body))
    await _let_pass(db, merchant, timedelta(days=8))
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "1s"}))
    types = await types_of(db, merchant, subscription["id"])
    assert types == ["subscription.created", "subscription.renewed"]
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "3d"}))
    assert await types_of(db, merchant, subscription["id"]) == [*types, "subscription.renewal_upcoming"]


async def _let_pass(db: Database, merchant: Merchant, span: timedelta) -> None:
    """Time in which no worker was there: everything is that much longer ago."""
    async with db.transaction() as conn:
        await conn.execute(
            """
            UPDATE subscriptions
            SET start_at = start_at - $2::interval, anchor_at = anchor_at - $2::interval,
                current_period_start = current_period_start - $2::interval,
                current_period_end = current_period_end - $2::interval, queue_at = queue_at - $2::interval
            WHERE org_id = $1
            """,
            merchant.org_id,
            span,
        )
        await conn.execute(
            """
            UPDATE invoices
            SET period_start = period_start - $2::interval, period_end = period_end - $2::interval,
                next_attempt_at = next_attempt_at - $2::interval, queue_at = queue_at - $2::interval
            WHERE org_id = $1
            """,
            merchant.org_id,
            span,
        )
        await conn.execute(
            "UPDATE payments SET reconcile_at = reconcile_at - $2::interval WHERE org_id = $1",
            merchant.org_id,
            span,
        )
