"""Deeds that meet half-way: what one of them has begun, the other finds as it is, and nobody is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from reevit_server import payments, subscriptions
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection, Database
from reevit_server.payments import actions as payment_actions
from reevit_server.providers.base import SUCCEEDED, Outcome
from reevit_server.sandbox import store as clocks
from reevit_server.subscriptions import actions, collecting, renewing
from reevit_server.subscriptions.schemas import SubscriptionCancel, SubscriptionCreate
from tests.events.recorded import types_of
from tests.locks import until_waiting
from tests.makers import Merchant, created, ok
from tests.webhooks.clockwork import Clockwork

MONTHLY = {"amount": 1500, "currency": "GHS", "interval": "monthly"}
NOW = SubscriptionCancel()


async def subscription_of(merchant: Merchant, customer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {**MONTHLY, "customer_id": customer["id"], **fields}
    return created(await merchant.test.post("/v1/subscriptions", json=body))


async def invoice_of(merchant: Merchant, subscription: dict[str, Any]) -> dict[str, Any]:
    """The latest one."""
    shown = ok(await merchant.test.get(f"/v1/subscriptions/{subscription['id']}"))
    return ok(await merchant.test.get(f"/v1/invoices/{shown['latest_invoice_id']}"))


async def begun(db: Database, merchant: Merchant, **fields: Any) -> tuple[dict[str, Any], str, datetime]:
    """A subscription whose first period has just begun, the invoice that nobody has charged yet, and when that is.

    So it stands between the two transactions of a worker's job.
    """
    subscription = await subscription_of(merchant, await merchant.customer(), trial_days=1, **fields)
    now = utc_now() + timedelta(days=1, minutes=1)
    async with db.transaction() as conn:
        invoice_id = await renewing.renew(conn, merchant.scope, id=subscription["id"], now=now)
    assert invoice_id is not None
    return subscription, invoice_id, now


async def charging(db: Database, merchant: Merchant, invoice_id: str, *, now: datetime) -> asyncpg.Record:
    """The payment whose attempt is under way: a worker that has prepared a charge."""
    async with db.transaction() as conn:
        payment = await collecting._prepare(conn, merchant.scope, invoice_id=invoice_id, now=now)
    assert payment is not None
    return payment


async def told(
    db: Database, merchant: Merchant, payment: asyncpg.Record, outcome: Outcome, *, now: datetime
) -> None:
    """The worker hears how it went."""
    async with db.transaction() as conn:
        await payments.settle(conn, merchant.scope, payment, outcome, now=now, then=subscriptions.follow)


async def waiting(
    dsn: str, db: Database, deed: Callable[[Connection], Awaitable[Any]]
) -> "asyncio.Task[None]":
    """A deed that has begun meanwhile, and waits for what our transaction holds."""

    async def do() -> None:
        async with db.transaction() as conn:
            await deed(conn)

    outsider = await asyncpg.connect(dsn)
    try:
        task = asyncio.create_task(do())
        await until_waiting(outsider, 1)
    finally:
        await outsider.close()
    return task


async def test_a_cancellation_waits_for_a_charge_that_is_just_beginning(
    db: Database, dsn: str, merchant: Merchant
):
    """Else an invoice would be canceled for which the money comes in a moment later."""
    subscription, invoice_id, now = await begun(db, merchant)

    async def cancel(conn: Connection) -> None:
        await actions.cancel(conn, merchant.scope, id=subscription["id"], given=NOW, now=now)

    async with db.transaction() as conn:
        payment = await collecting._prepare(conn, merchant.scope, invoice_id=invoice_id, now=now)
        canceling = await waiting(dsn, db, cancel)
    await canceling
    assert payment is not None
    await told(db, merchant, payment, SUCCEEDED, now=now)
    assert await types_of(db, merchant, invoice_id) == ["invoice.created", "invoice.paid"]
    assert (await invoice_of(merchant, subscription))["status"] == "paid"
    assert (await types_of(db, merchant, subscription["id"]))[-1] == "subscription.canceled"


async def test_a_charge_does_not_begin_while_its_subscription_is_being_canceled(
    db: Database, dsn: str, merchant: Merchant
):
    subscription, invoice_id, now = await begun(db, merchant)

    async def charge(conn: Connection) -> None:
        await collecting.collect_in_sandbox(conn, merchant.scope, invoice_id=invoice_id, now=now)

    async with db.transaction() as conn:
        await actions.cancel(conn, merchant.scope, id=subscription["id"], given=NOW, now=now)
        beginning = await waiting(dsn, db, charge)
    await beginning
    assert (await invoice_of(merchant, subscription))["payment_id"] is None
    assert await types_of(db, merchant, invoice_id) == ["invoice.created", "invoice.canceled"]


async def test_nobody_is_charged_again_for_a_subscription_that_was_canceled_while_the_bank_was_asked(
    db: Database, merchant: Merchant
):
    subscription, invoice_id, now = await begun(db, merchant, metadata={"sandbox": "requires_action,succeed"})
    payment = await charging(db, merchant, invoice_id, now=now)
    async with db.transaction() as conn:
        await actions.cancel(conn, merchant.scope, id=subscription["id"], given=NOW, now=now)
    await told(db, merchant, payment, Outcome("requires_action"), now=now)
    invoice = await invoice_of(merchant, subscription)
    assert invoice["status"] == "due", "the customer may still approve what was asked for in time"
    later = now + timedelta(days=2)
    async with db.transaction() as conn:
        await collecting.collect_in_sandbox(conn, merchant.scope, invoice_id=invoice_id, now=later)
    shown = ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))
    assert shown["status"] == "canceled"
    assert (await invoice_of(merchant, subscription))["status"] == "failed"


@pytest.mark.parametrize("scenario", ["fail:stolen_card", "timeout"])
async def test_an_invoice_of_somebody_who_was_erased_is_canceled_when_its_turn_comes(
    db: Database, merchant: Merchant, scenario: str
):
    """Whatever it stood at then: nobody can be asked any more, and nothing is left for the schedule to look at."""
    customer = await merchant.customer()
    subscription = await subscription_of(merchant, customer, metadata={"sandbox": scenario})
    invoice = await invoice_of(merchant, subscription)
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    clockwork = Clockwork.in_the_present(db, merchant.org_id)
    await clockwork.run()
    if scenario == "timeout":
        async with db.transaction() as conn:
            await payment_actions.complete_in_sandbox(
                conn,
                merchant.scope,
                id=invoice["payment_id"],
                outcome="fail",
                now=utc_now(),
                then=subscriptions.follow,
            )
    assert (await invoice_of(merchant, subscription))["status"] == "failed"
    retried = ok(await merchant.test.post(f"/v1/invoices/{invoice['id']}/retry", json={}))
    assert (retried["status"], retried["next_retry_at"]) == ("canceled", None)
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "60d"}))


@pytest.mark.parametrize(
    ("duty", "scenario", "wait"),
    [
        ("subscriptions.queue_renewals", "succeed", timedelta(days=32)),
        ("subscriptions.queue_collections", "fail,succeed", timedelta(minutes=16)),
        ("payments.queue_unsettled", "timeout", timedelta(minutes=2)),
    ],
)
async def test_a_clock_whose_mover_died_before_the_first_step_leaves_the_work_to_the_worker(
    db: Database, merchant: Merchant, duty: str, scenario: str, wait: timedelta
):
    """It has not been moved: time goes on as in the world, and so does billing."""
    subscription = await subscription_of(merchant, await merchant.customer(), metadata={"sandbox": scenario})
    clockwork = Clockwork.in_the_present(db, merchant.org_id)
    await clockwork.run()
    held_until = utc_now() + wait
    async with db.transaction() as conn:
        await clocks.hold(conn, merchant.scope, holder="dead", now=utc_now(), until=held_until)
    clockwork.clock.now = held_until - timedelta(seconds=1)
    await clockwork.fulfil(duty)
    assert await clockwork.queued() == []
    clockwork.clock.now = held_until
    await clockwork.fulfil(duty)
    assert await clockwork.run() > 0
    renewed = duty == "subscriptions.queue_renewals"
    invoice = await invoice_of(merchant, subscription)
    assert (invoice["number"], invoice["status"]) == ("INV-000002" if renewed else "INV-000001", "paid")


async def test_what_somebody_catches_up_with_is_left_to_them(db: Database, merchant: Merchant):
    """Else two would charge for two periods at once, and the later one perhaps first."""
    subscription = await subscription_of(merchant, await merchant.customer(), interval="daily")
    clockwork = Clockwork.in_the_present(db, merchant.org_id)
    await clockwork.run()
    now = clockwork.clock.advance(days=3)
    until = now + timedelta(minutes=5)
    async with db.transaction() as conn:
        assert await renewing.renew(conn, merchant.scope, id=subscription["id"], now=now, until=until)
    await clockwork.run()
    for instant, names in ((now, []), (until, [subscriptions.RENEW, subscriptions.COLLECT])):
        clockwork.clock.now = instant
        await clockwork.fulfil("subscriptions.queue_renewals")
        await clockwork.fulfil("subscriptions.queue_collections")
        assert [job.name for job in await clockwork.queued()] == names
    await clockwork.run()
    assert (await invoice_of(merchant, subscription))["number"] == "INV-000004"


async def test_who_takes_over_charges_for_the_period_that_was_left_before_another_begins(
    db: Database, merchant: Merchant
):
    subscription, _, now = await begun(db, merchant, interval="daily")
    clockwork = Clockwork.in_the_present(db, merchant.org_id)
    await clockwork.run()
    clockwork.clock.now = now + timedelta(days=2)
    await clockwork.fulfil("subscriptions.queue_renewals")
    await clockwork.run()
    async with db.read() as conn:
        rows = await conn.fetch(
            """
            SELECT type FROM events
            WHERE org_id = $1 AND type IN ('subscription.renewed', 'invoice.paid')
            ORDER BY created_at, id
            """,
            merchant.org_id,
        )
    assert [row["type"] for row in rows] == ["subscription.renewed", "invoice.paid"] * 3
    assert (await invoice_of(merchant, subscription))["number"] == "INV-000003"


async def test_a_customer_may_subscribe_while_the_clock_renews_what_they_have(
    db: Database, dsn: str, merchant: Merchant
):
    """The last invoice number and the customer's profile are locked in one order, by both."""
    customer = await merchant.customer()
    subscription = await subscription_of(merchant, customer)
    declining = {"metadata": {"sandbox": "fail:stolen_card"}}
    ok(await merchant.test.patch(f"/v1/subscriptions/{subscription['id']}", json=declining))
    now = utc_now() + timedelta(days=32)
    new = SubscriptionCreate(**MONTHLY, customer_id=customer["id"])

    async def subscribe(conn: Connection) -> None:
        await actions.create(conn, merchant.scope, new, now=now)

    async with db.transaction() as conn:
        invoice_id = await renewing.renew(conn, merchant.scope, id=subscription["id"], now=now)
        assert invoice_id is not None
        subscribing = await waiting(dsn, db, subscribe)
        await collecting.collect_in_sandbox(conn, merchant.scope, invoice_id=invoice_id, now=now)
    await subscribing
    shown = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (shown["subscription_status"], shown["active_subscriptions"]) == ("active", 1)


async def test_a_clock_that_waits_in_a_circle_lets_the_other_pass_and_goes_on(
    db: Database, dsn: str, merchant: Merchant
):
    customer = await merchant.customer()
    subscription = await subscription_of(merchant, customer, metadata={"sandbox": "succeed"})
    declining = {"metadata": {"sandbox": "fail:stolen_card"}}
    ok(await merchant.test.patch(f"/v1/subscriptions/{subscription['id']}", json=declining))
    for _ in range(5):
        stepped_back, answer = await _meet_in_a_circle(dsn, merchant, customer["id"])
        if answer.status_code == 503:  # it waited for too long; whoever moves it asks again
            answer = await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "32d"})
        assert ok(answer)["renewals"] >= 1
        query = {"include_total": True}
        total = ok(await merchant.test.get("/v1/invoices", params=query))["total"]
        assert (await invoice_of(merchant, subscription))["number"] == f"INV-{total:06}"
        if stepped_back:
            return
    raise AssertionError("it was never the clock that let the other pass")


async def _meet_in_a_circle(dsn: str, merchant: Merchant, customer_id: str) -> tuple[bool, httpx.Response]:
    """Whether the clock stepped back rather than who it met, and how its move ended.

    Who waits first looks first whether there is a circle. On a busy machine that may be before there is one, and then
    the other steps back.
    """
    outsider = await asyncpg.connect(dsn)
    try:
        async with outsider.transaction():
            await outsider.execute("SELECT FROM customers WHERE id = $1 FOR NO KEY UPDATE", customer_id)
            moving = asyncio.create_task(merchant.test.post("/v1/sandbox/clock/advance", json={"by": "32d"}))
            await until_waiting(outsider, 1)
            await outsider.execute(
                "UPDATE invoice_numbers SET last = last WHERE org_id = $1", merchant.org_id
            )
        stepped_back = True
    except asyncpg.DeadlockDetectedError:
        stepped_back = False
    finally:
        await outsider.close()
    return stepped_back, await moving


async def test_an_erasure_ends_subscriptions_while_one_of_them_is_charged(
    db: Database, dsn: str, merchant: Merchant
):
    """None of them waits for another with the customer's profile in its hand."""
    customer = await merchant.customer()
    await subscription_of(merchant, customer)
    charged = await subscription_of(merchant, customer, metadata={"sandbox": "timeout"})
    invoice = await invoice_of(merchant, charged)
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    clockwork = Clockwork.in_the_present(db, merchant.org_id)

    async def be_told(_: Connection) -> None:
        await clockwork.run()

    async with db.transaction() as conn:
        await payments.lock(conn, merchant.scope, id=invoice["payment_id"])
        ending = await waiting(dsn, db, be_told)
        await payment_actions.complete_in_sandbox(
            conn,
            merchant.scope,
            id=invoice["payment_id"],
            outcome="fail:stolen_card",
            now=utc_now(),
            then=subscriptions.follow,
        )
    await ending
    listed = ok(await merchant.test.get("/v1/subscriptions", params={"status": "canceled"}))
    assert len(listed["subscriptions"]) == 2


async def test_what_a_provider_said_of_one_attempt_is_not_taken_for_the_next_one(
    db: Database, dsn: str, merchant: Merchant
):
    subscription = await subscription_of(
        merchant, await merchant.customer(), metadata={"sandbox": "timeout,processing"}
    )
    invoice = await invoice_of(merchant, subscription)
    payment_id = invoice["payment_id"]
    clockwork = Clockwork.in_the_present(db, merchant.org_id)

    async def ask(_: Connection) -> None:
        await payments.reconcile(clockwork.tools, merchant.scope, payment_id, then=subscriptions.follow)

    async with db.transaction() as conn:
        await payment_actions.complete_in_sandbox(
            conn, merchant.scope, id=payment_id, outcome="fail", now=utc_now(), then=subscriptions.follow
        )
        await collecting.retry(conn, merchant.scope, invoice_id=invoice["id"], now=utc_now())
        asking = await waiting(dsn, db, ask)
    await asking
    assert ok(await merchant.test.get(f"/v1/payments/{payment_id}"))["status"] == "processing"


async def test_nor_is_it_for_the_next_attempt_of_a_payment_without_an_invoice(
    db: Database, dsn: str, merchant: Merchant
):
    payment = await merchant.payment(metadata={"sandbox": "timeout"})
    clockwork = Clockwork.in_the_present(db, merchant.org_id)

    async def ask(_: Connection) -> None:
        await payments.reconcile(clockwork.tools, merchant.scope, payment["id"], then=subscriptions.follow)

    async with db.transaction() as conn:
        await payment_actions.complete_in_sandbox(
            conn, merchant.scope, id=payment["id"], outcome="fail", now=utc_now(), then=subscriptions.follow
        )
        await payment_actions.retry(conn, merchant.scope, id=payment["id"], now=utc_now())
        asking = await waiting(dsn, db, ask)
    await asking
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["status"] == "processing"
