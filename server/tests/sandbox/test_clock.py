"""The test clock itself: it stands still, goes forward by one hand at a time, and goes on where it was broken off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.sandbox import store
from tests.makers import Merchant, created, ok, refused
from tests.subscriptions import books
from tests.subscriptions.billing import Billing, coming, each, instant, standing, text, types
from tests.webhooks.wire import endpoint

ADVANCE = "/v1/sandbox/clock/advance"


@pytest.fixture
async def billing(db: Database, merchant: Merchant) -> AsyncIterator[Billing]:
    """Subscriptions of a merchant's own, whose books are right at the end."""
    yield Billing(merchant)
    assert await books.drift(db, merchant.scope) == []


async def clock_of(billing: Billing) -> dict[str, Any]:
    return ok(await billing.merchant.test.get("/v1/sandbox/clock"))


async def test_a_clock_goes_with_the_world_until_it_is_moved_and_stands_still_from_then_on(billing: Billing):
    begun = utc_now()
    first = await clock_of(billing)
    second = await clock_of(billing)
    assert (first["stands_still"], second["stands_still"]) == (False, False)
    assert begun <= instant(first["now"]) < instant(second["now"]) <= utc_now()
    moved = await billing.later("90s")
    assert moved["stands_still"] is True
    assert begun + timedelta(seconds=90) <= instant(moved["now"]) <= utc_now() + timedelta(seconds=90)
    assert await clock_of(billing) == {"now": moved["now"], "stands_still": True}
    assert await clock_of(billing) == {"now": moved["now"], "stands_still": True}


@pytest.mark.parametrize(
    ("by", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("1830d", timedelta(days=1830)),
    ],
)
async def test_it_moves_by_just_so_much(billing: Billing, by: str, span: timedelta):
    start = coming(2, 1)
    await billing.at(start)
    assert instant((await billing.later(by))["now"]) == start + span


async def test_it_may_be_moved_to_where_it_stands_but_not_before(billing: Billing):
    start = coming(2, 1)
    await billing.at(start)
    subscription = await billing.subscribe(await billing.merchant.customer(), "fail")
    assert (await billing.at(start))["collections"] == 0
    earlier = {"to": text(start - timedelta(microseconds=1))}
    refusal = refused(await billing.merchant.test.post(ADVANCE, json=earlier), 422, "clock_out_of_reach")
    assert refusal["details"] == {"now": text(start)}
    later = {"to": text(start + timedelta(days=1830, microseconds=1))}
    refused(await billing.merchant.test.post(ADVANCE, json=later), 422, "clock_out_of_reach")
    assert (await clock_of(billing))["now"] == text(start)
    assert each(await billing.invoices(subscription), "attempt_count") == [1]


async def test_a_move_that_is_sent_twice_with_one_key_is_made_once(billing: Billing):
    start = coming(2, 1)
    await billing.at(start)
    subscription = await billing.subscribe(await billing.merchant.customer(), interval="daily")
    headers = {"Idempotency-Key": "a-week"}
    first = await billing.merchant.test.post(ADVANCE, json={"by": "7d"}, headers=headers)
    again = await billing.merchant.test.post(ADVANCE, json={"by": "7d"}, headers=headers)
    assert ok(first)["renewals"] == 7
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await clock_of(billing))["now"] == text(start + timedelta(days=7))
    assert len(await billing.invoices(subscription)) == 8
    other = await billing.merchant.test.post(ADVANCE, json={"by": "8d"}, headers=headers)
    refused(other, 422, "idempotency_key_reused")


async def test_of_one_instant_what_was_begun_earlier_is_ended_first(billing: Billing):
    """Providers are asked, then invoices are charged again, then new periods begin, whoever was there first."""
    start = coming(2, 1)
    await billing.at(start)
    await billing.deed("policies/retry", delays=["1d"])
    customer = await billing.merchant.customer()
    renewing = await billing.subscribe(customer, interval="daily")
    retrying = await billing.subscribe(customer, "fail,succeed", interval="weekly")
    await billing.at(start + timedelta(days=1) - timedelta(minutes=1))
    unheard = await billing.subscribe(customer, "timeout", interval="weekly")
    await billing.news()
    passed = await billing.at(start + timedelta(days=1))
    assert (passed["reconciliations"], passed["collections"], passed["renewals"]) == (1, 1, 1)
    news = await billing.news()
    assert [event["type"] for event in news if event["type"].startswith(("subscription", "invoice"))] == [
        "invoice.paid",
        "invoice.paid",
        "subscription.renewed",
        "invoice.created",
        "invoice.paid",
    ]
    of = [event["data"]["subscription_id"] for event in news if event["type"] == "invoice.paid"]
    assert of == [unheard["id"], retrying["id"], renewing["id"]]


async def test_whoever_moves_it_holds_it_for_a_minute_from_when_it_was_last_heard_of(
    db: Database, billing: Billing
):
    await billing.at(coming(2, 1))
    scope, now = billing.merchant.scope, utc_now()
    async with db.transaction() as conn:
        held = await store.hold(conn, scope, holder="first", now=now, until=now + timedelta(seconds=60))
        assert held is not None
        assert held["stands_at"] == coming(2, 1)
    answer = await billing.merchant.test.post(ADVANCE, json={"by": "1d"})
    refused(answer, 409, "clock_is_moving")
    assert answer.headers["retry-after"] == "1"
    async with db.transaction() as conn:
        held_until = now + timedelta(seconds=60)
        almost = held_until - timedelta(microseconds=1)
        assert await store.hold(conn, scope, holder="second", now=almost, until=held_until) is None
        assert await store.hold(conn, scope, holder="second", now=held_until, until=utc_now()) is not None
        later = coming(2, 1) + timedelta(days=7)
        assert not await store.move(conn, scope, holder="first", to=later, held_until=held_until)
        await store.release(conn, scope, holder="first")
        assert await store.move(conn, scope, holder="second", to=coming(2, 1), held_until=utc_now())
    moved = await billing.later("1d")
    assert instant(moved["now"]) == coming(2, 1) + timedelta(days=1), "who is dead holds it no more"


@asynccontextmanager
async def held_row(dsn: str, id: str) -> AsyncIterator[None]:
    """Somebody else has this subscription in hand."""
    outsider = await asyncpg.connect(dsn)
    try:
        async with outsider.transaction():
            await outsider.execute("SELECT FROM subscriptions WHERE id = $1 FOR UPDATE", id)
            yield
    finally:
        await outsider.close()


async def test_a_move_that_is_broken_off_is_gone_on_with(db: Database, dsn: str, billing: Billing):
    """Somebody else's lock stops it at the third of four weeks; what was done before is done."""
    start = coming(2, 1)
    await billing.at(start)
    customer = await billing.merchant.customer()
    weekly = await billing.subscribe(customer, interval="weekly")
    await billing.later("17d")
    stuck = await billing.subscribe(customer, interval="daily")
    await billing.news()
    async with held_row(dsn, stuck["id"]):
        to = {"to": text(start + timedelta(days=28))}
        refused(await billing.merchant.test.post(ADVANCE, json=to), 503, "unavailable")
        assert await billing.news() == []
    clock = await clock_of(billing)
    assert clock == {"now": text(start + timedelta(days=17)), "stands_still": True}
    passed = ok(await billing.merchant.test.post(ADVANCE, json=to))
    assert (passed["now"], passed["renewals"]) == (text(start + timedelta(days=28)), 2 + 11)
    assert len(await billing.invoices(weekly)) == 5
    assert standing(await billing.see(customer["id"])) == ("active", 2, (5 + 12) * 1500)


async def test_a_client_who_leaves_lets_the_clock_go_where_it_has_come_to(billing: Billing):
    start = coming(2, 1)
    await billing.at(start)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="daily")
    far = {"by": "1000d"}
    leaving = asyncio.create_task(billing.merchant.test.post(ADVANCE, json=far))
    async with asyncio.timeout(10):
        while len(await billing.invoices(subscription)) < 3:
            pass
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    clock = await clock_of(billing)
    assert start + timedelta(days=2) <= instant(clock["now"]) < start + timedelta(days=1000)
    billed = len(await billing.invoices(subscription))
    passed = (instant(clock["now"]) - start).days
    assert billed == 1 + passed, "the clock stands where everything before it is done"
    await billing.later("1d")
    assert len(await billing.invoices(subscription)) == billed + 1


async def test_one_key_moves_it_once_however_often_it_is_asked_and_at_once(billing: Billing):
    start = coming(2, 1)
    await billing.at(start)
    customer = await billing.merchant.customer()
    await billing.subscribe(customer, interval="daily")
    for turn in range(1, 6):
        headers = {"Idempotency-Key": f"turn-{turn}"}

        async def ask(headers: dict[str, str] = headers) -> dict[str, Any]:
            while True:
                answer = await billing.merchant.test.post(ADVANCE, json={"by": "1d"}, headers=headers)
                if answer.status_code == 200:
                    return ok(answer)
                assert answer.status_code == 409
                assert answer.json()["code"] in ("clock_is_moving", "idempotency_key_in_use")

        answers = await asyncio.gather(*(ask() for _ in range(6)))
        assert [answer["renewals"] for answer in answers] == [1] * 6
        assert {answer["now"] for answer in answers} == {text(start + timedelta(days=turn))}


async def test_a_refused_move_is_an_answer_that_its_key_keeps(billing: Billing):
    await billing.at(coming(2, 1))
    headers = {"Idempotency-Key": "far"}
    far = {"by": "1831d"}
    first = await billing.merchant.test.post(ADVANCE, json=far, headers=headers)
    refused(first, 422, "clock_out_of_reach")
    again = await billing.merchant.test.post(ADVANCE, json=far, headers=headers)
    assert (again.status_code, again.content) == (422, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    answer = await billing.merchant.test.post(ADVANCE, json={"by": "1d"}, headers=headers)
    refused(answer, 422, "idempotency_key_reused")


async def test_a_span_that_was_broken_off_and_is_asked_for_again_is_measured_from_where_it_began(
    dsn: str, billing: Billing
):
    start = coming(2, 1)
    await billing.at(start)
    customer = await billing.merchant.customer()
    await billing.subscribe(customer, interval="weekly")
    stuck = await billing.subscribe(customer, interval="monthly")
    month, headers = {"by": "40d"}, {"Idempotency-Key": "forty"}
    async with held_row(dsn, stuck["id"]):
        refused(await billing.merchant.test.post(ADVANCE, json=month, headers=headers), 503, "unavailable")
    assert instant((await clock_of(billing))["now"]) == start + timedelta(days=25), "the notice is stuck"
    answer = await billing.merchant.test.post(ADVANCE, json=month, headers=headers)
    assert ok(answer)["now"] == text(start + timedelta(days=40))


async def test_it_stays_within_the_calendar(db: Database, billing: Billing):
    async with db.transaction() as conn:
        await store.hold(conn, billing.merchant.scope, holder="test", now=utc_now(), until=utc_now())
        last = datetime(9899, 12, 31, tzinfo=UTC)
        await store.move(conn, billing.merchant.scope, holder="test", to=last, held_until=utc_now())
    refused(await billing.merchant.test.post(ADVANCE, json={"by": "2d"}), 422, "clock_out_of_reach")
    ok(await billing.merchant.test.post(ADVANCE, json={"by": "1d"}))
    customer = await billing.merchant.customer()
    made = await billing.subscribe(customer, interval="yearly", interval_count=3, trial_days=730)
    assert made["status"] == "trialing"


async def test_what_serves_machines_lives_in_the_worlds_time(db: Database, billing: Billing):
    await billing.at(coming(2, 1))
    begun = utc_now()
    key = created(await billing.merchant.test.post("/v1/api-keys", json={"name": "till"}))
    hook = await endpoint(billing.merchant)
    headers = {"Idempotency-Key": "once"}
    body = {"external_id": "usr_1"}
    customer = created(await billing.merchant.test.post("/v1/customers", json=body, headers=headers))
    async with db.read() as conn:
        kept_at = await conn.fetchval(
            "SELECT created_at FROM idempotency_keys WHERE org_id = $1", billing.merchant.org_id
        )
    for at in (instant(key["created_at"]), instant(hook["created_at"]), kept_at):
        assert begun <= at <= utc_now()
    assert customer["created_at"] == text(coming(2, 1))
    assert types(await billing.news())[-1] == "customer.created"
