"""Billing as a worker does it, in the world's time: at its time, late, twice, and by workers that die."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from reevit_server import payments, subscriptions
from reevit_server.app import create_app
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.jobs import Tools
from reevit_server.core.sealing import Sealer
from reevit_server.providers.base import SUCCEEDED, Outcome
from reevit_server.settings import Settings
from reevit_server.subscriptions import collecting, renewing
from tests.events.recorded import types_of
from tests.locks import until_waiting
from tests.makers import MASTER_KEY, Api, Merchant
from tests.subscriptions.billing import (
    BEGUN,
    DECLINED,
    PAID,
    RENEWED,
    UPCOMING,
    Billing,
    each,
    instant,
    periods,
    standing,
    text,
    types,
)
from tests.webhooks.clockwork import Clock, Clockwork, Outside, Queued
from tests.webhooks.wire import endpoint

MOMENT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
WEEK = timedelta(weeks=1)
RENEWALS, COLLECTIONS, UNSETTLED = (
    "subscriptions.queue_renewals",
    "subscriptions.queue_collections",
    "payments.queue_unsettled",
)


@pytest.fixture(scope="module")
async def clock_and_api(dsn: str) -> AsyncIterator[tuple[Clock, Api]]:
    """An application in the time that the test sets."""
    clock = Clock(utc_now())
    settings = Settings(master_key=MASTER_KEY, rate_limit=0, database_connections=6)
    async with Api(create_app(settings, dsn, now=clock)) as started:
        yield clock, started


@pytest.fixture
def clock(clock_and_api: tuple[Clock, Api]) -> Clock:
    """The world's time: it begins now, and stands still."""
    clock_and_api[0].now = utc_now()
    return clock_and_api[0]


@pytest.fixture
def api(clock_and_api: tuple[Clock, Api], clock: Clock) -> Api:
    return clock_and_api[1]


@pytest.fixture
def clockwork(db: Database, clock: Clock, merchant: Merchant) -> Clockwork:
    """A worker for the merchant's organization."""
    return Clockwork(Tools(db, clock, Sealer(MASTER_KEY), Outside()), clock, merchant.org_id)


async def due(clockwork: Clockwork, duty: str) -> Queued:
    """The job that a duty leaves, once everybody has been told of what happened before."""
    await clockwork.run()
    await clockwork.fulfil(duty)
    (job,) = await clockwork.queued()
    return job


async def prepared(db: Database, billing: Billing, invoice: dict[str, Any], now: datetime) -> asyncpg.Record:
    """An attempt that a worker has begun, and not ended."""
    async with db.transaction() as conn:
        payment = await collecting._prepare(conn, billing.merchant.scope, invoice_id=invoice["id"], now=now)
    assert payment is not None
    return payment


async def told(
    db: Database, billing: Billing, attempt: asyncpg.Record, outcome: Outcome, now: datetime
) -> None:
    """A worker hears how an attempt went."""
    async with db.transaction() as conn:
        await payments.settle(
            conn, billing.merchant.scope, attempt, outcome, now=now, then=subscriptions.follow
        )


async def renewed_but_not_charged(
    db: Database, billing: Billing, subscription: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """The invoice that a worker has written, and not charged."""
    async with db.transaction() as conn:
        id = await renewing.renew(conn, billing.merchant.scope, id=subscription["id"], now=now)
    assert id is not None
    return await billing.see(id)


async def test_periods_begin_and_are_charged_when_the_one_before_is_over(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    begun = clock.now
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="weekly")
    await billing.news()
    for number in range(1, 4):
        await clockwork.run_until(begun + number * WEEK - MOMENT)
        assert types(await billing.news()) == [UPCOMING]
        await clockwork.run_until(begun + number * WEEK)
        news = await billing.news()
        assert types(news) == [*RENEWED, *PAID]
        assert {instant(event["created_at"]) for event in news} == {begun + number * WEEK}
    bounds = [begun + number * WEEK for number in range(5)]
    invoices = await billing.invoices(subscription)
    assert periods(invoices) == list(pairwise(bounds))
    assert each(invoices, "number") == [f"INV-{number:06}" for number in range(1, 5)]
    assert standing(await billing.see(customer["id"])) == ("active", 1, 6000)


async def test_declined_charges_are_tried_again_at_their_time(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    begun = clock.now
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail,fail,requires_action,succeed")
    news = await billing.news()
    assert types(news)[1:] == [*BEGUN, *DECLINED]
    await clockwork.run_until(begun + timedelta(days=5))
    assert [(event["type"], event["created_at"]) for event in await billing.news()] == [
        ("payment.failed", text(begun + 15 * MINUTE)),
        ("invoice.failed", text(begun + 15 * MINUTE)),
        ("payment.requires_action", text(begun + 75 * MINUTE)),
        ("payment.succeeded", text(begun + 75 * MINUTE + timedelta(days=1))),
        ("invoice.paid", text(begun + 75 * MINUTE + timedelta(days=1))),
    ]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"]) == ("paid", 4)
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_trials_end_and_foreseen_ends_come_by_themselves(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    customer = await billing.merchant.customer()
    trial = await billing.subscribe(customer, trial_days=3)
    ending = await billing.subscribe(customer, interval="daily")
    await billing.deed(f"subscriptions/{ending['id']}/cancel", at_period_end=True)
    await billing.news()
    await clockwork.run_for(days=3)
    assert types(await billing.news(ending["id"])) == ["subscription.canceled"]
    assert each(await billing.invoices(trial), "status") == ["paid"]
    assert standing(await billing.see(customer["id"])) == ("active", 1, 3000)


async def test_after_a_year_without_a_worker_each_missed_period_is_billed_once_and_in_order(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    begun = clock.now
    customer = await billing.merchant.customer()
    weekly = await billing.subscribe(customer, interval="weekly")
    monthly = await billing.subscribe(customer, "fail,succeed")
    await clockwork.run()
    late = clock.advance(days=366, hours=5)
    await clockwork.run_until(late)
    invoices = await billing.invoices(weekly)
    bounds = [begun + number * WEEK for number in range(54)]
    assert periods(invoices) == list(pairwise(bounds))
    assert each(invoices, "status") == ["paid"] * 53
    numbers = each(invoices, "number")
    assert numbers == sorted(numbers)
    assert {instant(invoice["created_at"]) for invoice in invoices[1:]} == {late}
    shown = await billing.see(weekly["id"])
    assert instant(shown["current_period_end"]) == bounds[-1] > late

    # What is declined now is tried again from now on.
    months = await billing.invoices(monthly)
    assert len(months) == 13
    assert each(months, "status") == ["paid", *["due"] * 12], "the first one's retry was missed too"
    assert {instant(invoice["next_retry_at"]) for invoice in months[1:]} == {late + 15 * MINUTE}
    await clockwork.run_until(late + 15 * MINUTE)
    assert each(await billing.invoices(monthly), "status") == ["paid"] * 13
    assert standing(await billing.see(customer["id"])) == ("active", 2, 66 * 1500)


@pytest.mark.parametrize("lived_again", ["after it", "at the same time"])
async def test_a_renewal_that_is_done_twice_charges_once(
    db: Database, billing: Billing, clockwork: Clockwork, clock: Clock, lived_again: str
):
    """A worker died before it could take the job out of the queue, or two had the same one."""
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="weekly")
    clock.advance(days=22)
    job = await due(clockwork, RENEWALS)
    assert job.name == subscriptions.RENEW
    await billing.news()
    if lived_again == "after it":
        await clockwork.do(job)
        await clockwork.do(job)
    else:
        await asyncio.gather(*(clockwork.do(job) for _ in range(5)))
    assert Counter(types(await billing.news())) == Counter([*RENEWED, *PAID] * 3)
    assert each(await billing.invoices(subscription), "status") == ["paid"] * 4
    assert standing(await billing.see(customer["id"])) == ("active", 1, 6000)


@pytest.mark.parametrize("scenario", ["fail,succeed", "fail,fail", "fail,timeout", "fail,requires_action"])
async def test_a_charge_that_is_done_twice_is_tried_once(
    billing: Billing, clockwork: Clockwork, clock: Clock, scenario: str
):
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, scenario)
    clock.advance(minutes=15)
    job = await due(clockwork, COLLECTIONS)
    assert job.name == subscriptions.COLLECT
    await asyncio.gather(*(clockwork.do(job) for _ in range(5)))
    await clockwork.do(job)
    (invoice,) = await billing.invoices(subscription)
    assert invoice["attempt_count"] == 2
    assert invoice["status"] == ("paid" if scenario == "fail,succeed" else "due")


async def test_two_workers_that_look_at_once_take_each_subscription_once(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    customer = await billing.merchant.customer()
    for _ in range(10):
        await billing.subscribe(customer, interval="daily")
    await clockwork.run()
    clock.advance(days=1)
    await asyncio.gather(*(clockwork.fulfil(RENEWALS) for _ in range(4)))
    jobs = await clockwork.queued()
    assert len({job.payload for job in jobs}) == len(jobs) == 10
    assert await clockwork.fulfil(RENEWALS) == 0
    clock.advance(minutes=6)
    assert len(await clockwork.queued()) == 10, "nobody has done them"
    await clockwork.fulfil(RENEWALS)
    assert len(await clockwork.queued()) == 20, "so they are asked for again"
    await clockwork.run()
    assert (await billing.see(customer["id"]))["payment_count"] == 20


async def test_a_worker_that_dies_before_it_charges_is_followed_by_one_that_does(
    db: Database, billing: Billing, clockwork: Clockwork, clock: Clock
):
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="daily")
    await clockwork.run()
    now = clock.advance(days=1)
    invoice = await renewed_but_not_charged(db, billing, subscription, now)
    assert (invoice["status"], invoice["payment_id"], invoice["next_retry_at"]) == ("draft", None, None)
    await clockwork.run_until(now)
    assert (await billing.see(invoice["id"]))["status"] == "paid"
    assert await types_of(db, billing.merchant, invoice["id"]) == ["invoice.created", "invoice.paid"]


@pytest.mark.parametrize(
    ("scenario", "payment", "invoice", "retry"),
    [
        ("succeed", "succeeded", "paid", None),
        ("timeout", "succeeded", "paid", None),
        ("fail", "failed", "due", 16 * MINUTE),
        ("fail:lost_card", "failed", "failed", None),
        ("requires_action", "requires_action", "due", 16 * MINUTE),
        ("processing", "processing", "due", None),
    ],
)
async def test_a_worker_that_dies_while_it_charges_leaves_it_to_the_provider_to_say(
    db: Database,
    billing: Billing,
    clockwork: Clockwork,
    clock: Clock,
    scenario: str,
    payment: str,
    invoice: str,
    retry: timedelta | None,
):
    """A minute later it is asked how it went, and the invoice follows."""
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, scenario, trial_days=1)
    await clockwork.run()
    now = clock.advance(days=1)
    written = await renewed_but_not_charged(db, billing, subscription, now)
    await prepared(db, billing, written, now)
    await clockwork.run_until(now + MINUTE - MOMENT)
    under_way = await billing.see(written["id"])
    assert (under_way["status"], under_way["next_retry_at"], under_way["attempt_count"]) == ("due", None, 1)
    assert (await billing.see(under_way["payment_id"]))["status"] == "processing"
    await clockwork.run_until(now + MINUTE)
    assert (await billing.see(under_way["payment_id"]))["status"] == payment
    after = await billing.see(written["id"])
    assert (after["status"], after["attempt_count"]) == (invoice, 1)
    assert after["next_retry_at"] == (retry and text(now + retry))
    assert standing(await billing.see(customer["id"])) == (
        ("past_due", 0, 0) if invoice == "failed" else ("active", 1, 1500 if invoice == "paid" else 0)
    )


async def test_what_is_heard_late_of_an_older_attempt_changes_nothing(
    db: Database, billing: Billing, clockwork: Clockwork, clock: Clock
):
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "processing", trial_days=1)
    await clockwork.run()
    now = clock.advance(days=1)
    invoice = await renewed_but_not_charged(db, billing, subscription, now)
    first = await prepared(db, billing, invoice, now)
    await told(db, billing, first, Outcome("failed", "card_declined", "The card was declined."), now)
    now = clock.advance(minutes=15)
    second = await prepared(db, billing, invoice, now)
    before = await billing.see(invoice["id"])
    for outcome in (SUCCEEDED, Outcome("failed"), Outcome("processing"), Outcome("requires_action")):
        await told(db, billing, first, outcome, now)
    assert await billing.see(invoice["id"]) == before
    await told(db, billing, second, SUCCEEDED, now)
    for outcome in (SUCCEEDED, Outcome("failed"), Outcome("canceled")):
        await told(db, billing, second, outcome, now)
    after = await billing.see(invoice["id"])
    assert (after["status"], after["attempt_count"]) == ("paid", 2)
    assert (await types_of(db, billing.merchant, second["id"])) == [
        "payment.created",
        "payment.failed",
        "payment.succeeded",
    ]
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_who_finds_that_another_has_begun_the_payment_begins_no_second_one(
    db: Database, dsn: str, billing: Billing, clockwork: Clockwork, clock: Clock
):
    """Even if its clock is so much ahead that to it the next attempt is due."""
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail", trial_days=1)
    await clockwork.run()
    now = clock.advance(days=1)
    invoice = await renewed_but_not_charged(db, billing, subscription, now)
    ahead = clockwork.tools._replace(clock=Clock(now + timedelta(hours=1)))
    outsider = await asyncpg.connect(dsn)
    try:
        async with db.transaction() as conn:
            attempt = await collecting._prepare(
                conn, billing.merchant.scope, invoice_id=invoice["id"], now=now
            )
            assert attempt is not None
            late = asyncio.create_task(subscriptions.collect(ahead, billing.merchant.scope, invoice["id"]))
            await until_waiting(outsider, 1)
            failed = Outcome("failed", "card_declined", "The card was declined.")
            await payments.settle(
                conn, billing.merchant.scope, attempt, failed, now=now, then=subscriptions.follow
            )
    finally:
        await outsider.close()
    await late
    assert each(await billing.payments(customer), "id") == [attempt["id"]]
    after = await billing.see(invoice["id"])
    assert (after["attempt_count"], after["next_retry_at"]) == (1, text(now + 15 * MINUTE))
    await subscriptions.collect(ahead, billing.merchant.scope, invoice["id"])
    after = await billing.see(invoice["id"])
    assert (after["attempt_count"], after["payment_id"]) == (2, attempt["id"])


async def test_where_a_test_clock_stands_still_the_worker_looks_at_nothing(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    customer = await billing.merchant.customer()
    for scenario in ("succeed", "fail", "timeout"):
        await billing.subscribe(customer, scenario, interval="daily")
    await billing.later("1s")
    await clockwork.run()
    clock.advance(days=400)
    for duty in (RENEWALS, COLLECTIONS, UNSETTLED):
        await clockwork.fulfil(duty)
    assert await clockwork.queued() == []
    await billing.later("1h")
    assert standing(await billing.see(customer["id"])) == ("active", 3, 3000)


async def test_a_job_that_was_left_before_the_clock_was_moved_goes_by_the_clock(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="weekly")
    begun = clock.now
    clock.advance(days=8)
    job = await due(clockwork, RENEWALS)
    await billing.at(begun + timedelta(days=1))
    await clockwork.do(job)
    assert len(await billing.invoices(subscription)) == 1, "in test mode that week is not over"
    await billing.at(begun + timedelta(days=8))
    await clockwork.do(job)
    assert len(await billing.invoices(subscription)) == 2


async def test_the_subscriptions_of_who_is_deleted_end_at_once(
    billing: Billing, clockwork: Clockwork, clock: Clock
):
    customer = await billing.merchant.customer(external_id="usr_1", name="Ada Lovelace")
    other = await billing.subscribe(await billing.merchant.customer())
    mine = [
        await billing.subscribe(customer, "fail"),
        await billing.subscribe(customer, trial_days=9),
        await billing.subscribe(customer, "timeout"),
        await billing.subscribe(customer, "requires_action"),
    ]
    paused = await billing.subscribe(customer)
    await billing.deed(f"subscriptions/{paused['id']}/pause")
    await clockwork.run()
    now = clock.advance(seconds=30)
    assert (await billing.merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    await clockwork.run()
    for subscription in (*mine, paused):
        shown = await billing.see(subscription["id"])
        assert (shown["status"], shown["canceled_at"]) == ("canceled", text(now))
        assert shown["external_customer_id"] is None
    assert (await billing.see(other["id"]))["status"] == "active"
    statuses = [each(await billing.invoices(subscription), "status") for subscription in mine]
    assert statuses == [["canceled"], [], ["due"], ["canceled"]], "only what is under way is waited for"
    await clockwork.run_for(days=90)
    assert each(await billing.invoices(mine[2]), "status") == ["paid"]
    assert len(await billing.invoices(other)) > 1


async def test_a_deletion_is_told_twice_and_ends_everything_once(
    db: Database, billing: Billing, clockwork: Clockwork
):
    customer = await billing.merchant.customer()
    ids = [(await billing.subscribe(customer, "fail"))["id"] for _ in range(3)]
    await clockwork.run()
    assert (await billing.merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    (job,) = await clockwork.queued()
    await asyncio.gather(*(clockwork.do(job) for _ in range(4)))
    await clockwork.do(job)
    for id in ids:
        assert (await types_of(db, billing.merchant, id)).count("subscription.canceled") == 1


async def test_whoever_listens_finds_its_own_user_in_what_is_told_of_billing(
    billing: Billing, clockwork: Clockwork
):
    await endpoint(billing.merchant, events=["subscription.*", "invoice.*"])
    customer = await billing.merchant.customer(
        external_id="usr/ada-5519", name="Ada Lovelace", tags=["vip"], email="ada@example.com"
    )
    subscription = await billing.subscribe(customer, "fail,succeed", interval="weekly")
    await clockwork.run_for(days=7)
    await billing.deed(f"subscriptions/{subscription['id']}/pause")
    await billing.deed(f"subscriptions/{subscription['id']}/cancel")
    await clockwork.run()
    outside = clockwork.tools.post
    assert isinstance(outside, Outside)
    sent = [one.json for one in outside.take()]
    assert Counter(types(sent)) == {
        "subscription.created": 1,
        "subscription.renewal_upcoming": 1,
        "subscription.renewed": 1,
        "subscription.paused": 1,
        "subscription.canceled": 1,
        "invoice.created": 2,
        "invoice.failed": 2,
        "invoice.paid": 1,
        "invoice.canceled": 1,
    }
    who = {key: customer[key] for key in ("id", "external_id", "email", "name", "phone", "tags")}
    for letter in sent:
        data = letter["data"]
        assert data["customer"] == who
        assert (data["customer_id"], data["external_customer_id"]) == (customer["id"], "usr/ada-5519")
        assert data["id"].startswith("sub_" if letter["type"].startswith("subscription") else "inv_")
        changed = letter["type"] in ("subscription.renewed", "subscription.paused", "subscription.canceled")
        assert ("previous_attributes" in data) == changed
