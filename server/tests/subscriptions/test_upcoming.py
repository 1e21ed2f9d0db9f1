"""Renewals that are told of beforehand by a worker, in the world's time: once, late, and with others at work."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from reevit_server import organizations, subscriptions
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from reevit_server.customers import CustomerId
from reevit_server.customers.actions import delete as delete_customer
from reevit_server.sandbox import store as clocks
from reevit_server.subscriptions import actions, store
from tests.analytics.test_plans import explained, rows_read
from tests.events.recorded import events_of
from tests.locks import until_waiting
from tests.makers import Merchant, created, ok
from tests.subscriptions.billing import NOTICE, RENEWED, UPCOMING, instant
from tests.webhooks.clockwork import Clockwork, Outside
from tests.webhooks.wire import endpoint

DUTY = "subscriptions.tell_upcoming"
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def clockwork(db: Database, merchant: Merchant) -> Clockwork:
    return Clockwork.in_the_present(db, merchant.org_id)


async def weekly(merchant: Merchant, **fields: Any) -> tuple[dict[str, Any], datetime]:
    """Somebody's weekly subscription, and when it renews."""
    customer = await merchant.customer()
    body = {"amount": 1500, "currency": "GHS", "interval": "weekly", "customer_id": customer["id"], **fields}
    subscription = created(await merchant.test.post("/v1/subscriptions", json=body))
    end = instant(subscription["current_period_end"])
    assert end is not None
    return subscription, end


async def told(db: Database, merchant: Merchant, subscription: dict[str, Any]) -> list[datetime]:
    """When its renewals were told of beforehand."""
    events = await events_of(db, merchant, subscription["id"])
    return [event["created_at"] for event in events if event["type"] == UPCOMING]


async def test_it_is_told_three_days_before_and_once(db: Database, merchant: Merchant, clockwork: Clockwork):
    subscription, end = await weekly(merchant)
    clockwork.clock.now = end - NOTICE - MOMENT
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, subscription) == []
    clockwork.clock.now = end - NOTICE
    await clockwork.fulfil(DUTY)
    clockwork.clock.now = end - MOMENT
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, subscription) == [end - NOTICE]


async def test_whoever_listens_is_told_whose_renewal_it_is_and_when(merchant: Merchant, clockwork: Clockwork):
    await endpoint(merchant, events=[UPCOMING])
    customer = await merchant.customer(
        external_id="usr_1", email="ada@example.com", name="Ada Lovelace", tags=["vip"]
    )
    subscription, end = await weekly(merchant, customer_id=customer["id"])
    await clockwork.run_until(end)
    outside = clockwork.tools.post
    assert isinstance(outside, Outside)
    (letter,) = [sent.json for sent in outside.take()]
    assert letter["type"] == UPCOMING
    assert instant(letter["created_at"]) == end - NOTICE
    who = {key: customer[key] for key in ("id", "external_id", "email", "name", "phone", "tags")}
    assert letter["data"] == {**subscription, "customer": who}


async def test_who_was_down_for_a_while_tells_late_but_not_of_what_has_passed(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    """Nobody was there for a month: of what is to come in two days it is told, of what has come it is not."""
    passed, _ = await weekly(merchant)
    late = clockwork.clock.now + 33 * DAY
    await clockwork.run()
    clockwork.clock.now = late
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, passed) == [], "its period is over, and the next has not begun"
    await clockwork.run_until(late)
    assert await told(db, merchant, passed) == [late], "it renews on the 35th day"
    events = Counter(event["type"] for event in await events_of(db, merchant, passed["id"]))
    assert events[RENEWED[0]] == 4


async def test_workers_that_look_at_once_tell_of_each_once(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    made = [await weekly(merchant) for _ in range(12)]
    now = clockwork.clock.now = max(end for _, end in made) - NOTICE
    await asyncio.gather(*(clockwork.fulfil(DUTY) for _ in range(4)))
    assert [await told(db, merchant, subscription) for subscription, _ in made] == [[now]] * 12


async def test_a_worker_that_fails_in_between_has_told_of_nothing(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    """That it was told and the event are one change: who comes next does it again."""
    subscription, end = await weekly(merchant)
    clockwork.clock.now = end - NOTICE

    async def die_on_the_way() -> None:
        async with db.transaction() as conn:
            await subscriptions.tell_upcoming(conn, now=end - NOTICE, limit=10_000)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await die_on_the_way()
    assert await told(db, merchant, subscription) == []
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, subscription) == [end - NOTICE]


async def test_what_somebody_changes_at_that_moment_is_left_for_the_next_look(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    paused, end = await weekly(merchant)
    changed, _ = await weekly(merchant)
    now = clockwork.clock.now = end - DAY
    async with db.transaction() as conn:
        await actions.pause(conn, merchant.scope, id=paused["id"], now=now)
        await store.find_for_update(conn, merchant.scope, id=changed["id"])
        await clockwork.fulfil(DUTY)
    later = clockwork.clock.advance(seconds=1)
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, paused) == []
    assert await told(db, merchant, changed) == [later]


async def test_an_erasure_waits_for_what_is_being_told_and_takes_the_person_out_of_it(
    db: Database, dsn: str, merchant: Merchant
):
    customer = await merchant.customer(external_id="usr_1", name="Ada Lovelace")
    subscription, end = await weekly(merchant, customer_id=customer["id"])
    now = end - NOTICE

    async def erase() -> None:
        async with db.transaction() as conn:
            await delete_customer(conn, merchant.scope, CustomerId(customer["id"]), now=now)

    outsider = await asyncpg.connect(dsn)
    try:
        async with db.transaction() as conn:
            await subscriptions.tell_upcoming(conn, now=now, limit=10_000)
            erasing = asyncio.create_task(erase())
            await until_waiting(outsider, 1)
    finally:
        await outsider.close()
    await erasing
    events = await events_of(db, merchant, subscription["id"])
    (near,) = [event for event in events if event["type"] == UPCOMING]
    assert near["data"]["customer"] == {"id": customer["id"]}


async def test_nobody_is_told_of_who_was_deleted_and_others_are(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    gone, end = await weekly(merchant)
    other, other_end = await weekly(merchant)
    async with db.transaction() as conn:
        await delete_customer(conn, merchant.scope, CustomerId(gone["customer_id"]), now=end - 4 * DAY)
    clockwork.clock.now = other_end - NOTICE
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, gone) == []
    assert await told(db, merchant, other) == [other_end - NOTICE]


async def test_where_a_test_clock_stands_still_or_is_just_being_moved_the_worker_tells_of_nothing(
    db: Database, merchant: Merchant, other: Merchant, clockwork: Clockwork
):
    stands, _ = await weekly(merchant)
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "1s"}))
    held, end = await weekly(other)
    async with db.transaction() as conn:
        await clocks.hold(conn, other.scope, holder="first", now=utc_now(), until=end - DAY)
    clockwork.clock.now = end - DAY - MOMENT
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, stands) == await told(db, other, held) == []
    clockwork.clock.now = end - DAY
    await clockwork.fulfil(DUTY)
    assert await told(db, other, held) == [end - DAY], "who held it is dead, and moved nothing"


async def test_a_clock_that_is_moved_for_the_first_time_does_not_tell_again_what_the_worker_has_told(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    """Begun six days ago: it renews tomorrow."""
    subscription, end = await weekly(merchant, start_at=(clockwork.clock.now - 6 * DAY).isoformat())
    now = clockwork.clock.now
    await clockwork.fulfil(DUTY)
    assert await told(db, merchant, subscription) == [now]
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"to": end.isoformat()}))
    assert await told(db, merchant, subscription) == [now]


async def test_what_is_paused_while_the_clock_comes_to_it_is_not_told_of(
    db: Database, dsn: str, merchant: Merchant
):
    subscription, end = await weekly(merchant)
    outsider = await asyncpg.connect(dsn)
    to = {"to": (end - DAY).isoformat()}
    try:
        async with db.transaction() as conn:
            await actions.pause(conn, merchant.scope, id=subscription["id"], now=utc_now())
            moving = asyncio.create_task(merchant.test.post("/v1/sandbox/clock/advance", json=to))
            await until_waiting(outsider, 1)
    finally:
        await outsider.close()
    assert instant(ok(await moving)["now"]) == end - DAY
    assert await told(db, merchant, subscription) == []
    ok(await merchant.test.post(f"/v1/subscriptions/{subscription['id']}/resume"))
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "1s"}))
    assert await told(db, merchant, subscription) == [end - DAY]


async def test_what_is_paused_and_resumed_while_the_clock_comes_to_it_is_told_of_once(
    db: Database, dsn: str, merchant: Merchant
):
    """It comes to a subscription that is paused; when it looks what is next, that is the same one, resumed."""
    subscription, end = await weekly(merchant)
    scope, id, to = merchant.scope, subscription["id"], {"to": (end - DAY).isoformat()}
    outsider = await asyncpg.connect(dsn)
    try:
        async with db.transaction() as conn:
            await actions.pause(conn, scope, id=id, now=utc_now())
            moving = asyncio.create_task(merchant.test.post("/v1/sandbox/clock/advance", json=to))
            await until_waiting(outsider, 1)
            # The look at what is next reads payments too, and has to wait for them.
            looking = outsider.transaction()
            await looking.start()
            await outsider.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        await until_waiting(outsider, 1)
        async with db.transaction() as conn:
            await actions.resume(conn, scope, id=id, now=end - NOTICE)
        await looking.rollback()
    finally:
        await outsider.close()
    assert instant(ok(await moving)["now"]) == end - DAY
    assert await told(db, merchant, subscription) == [end - NOTICE]


_SOMEBODY = """
    INSERT INTO customers (org_id, mode, id, external_id, created_at, updated_at)
    VALUES ($1, 'test', 'cus_1', 'usr_1', $2, $2)
"""
# Of 6000 subscriptions, one a minute, a few renew soon; the others later, were told, are too short, paused, over.
_MANY = """
    INSERT INTO subscriptions (org_id, mode, id, customer_id, amount, currency, interval, interval_count, status,
                               start_at, anchor_at, period_number, current_period_start, current_period_end, queue_at,
                               told_renewal_at, paused_at, canceled_at, created_at, updated_at)
    SELECT $1, 'test', 'sub_' || n, 'cus_1', 1000, 'GHS', 'monthly', 1, status, start, start, 1, start, ends,
           CASE WHEN status IN ('active', 'past_due') THEN ends END, CASE WHEN n % 6 = 1 THEN ends END,
           CASE WHEN status = 'paused' THEN start END, CASE WHEN status = 'canceled' THEN start END, start, start
    FROM (VALUES (ARRAY['active', 'active', 'active', 'paused', 'canceled', 'past_due'])) AS states (of),
         generate_series(1, 6000) AS n,
         LATERAL (SELECT of[1 + n % 6]) AS a (status),
         LATERAL (SELECT $2::timestamptz + interval '3 days' + (n - 30) * interval '1 minute') AS b (ends),
         LATERAL (SELECT ends - CASE WHEN n % 6 = 2 THEN interval '6 days' ELSE interval '30 days' END) AS c (start)
"""


async def test_of_many_subscriptions_only_those_are_read_that_are_to_be_told_of(empty_dsn: str):
    """However many have been told of, or renew later; by a worker, and by a clock for its own organization."""
    now = utc_now()
    async with await Database.open(empty_dsn, connections_max=1) as db, db.transaction() as conn:
        org = await organizations.create(conn, name="Shop", currency="GHS", now=now)
        await conn.execute(_SOMEBODY, org["id"], now)
        await conn.execute(_MANY, org["id"], now)
        await conn.execute("ANALYZE")
    scope = Scope(org["id"], "test")
    async with await Database.open(empty_dsn, connections_max=1) as db, db.read() as conn:
        soon = now + timedelta(minutes=60)
        (plan,) = await explained(conn, lambda: clocks.find_next(conn, scope, since=now, to=soon))
        assert rows_read(plan) <= 10, plan
        near = await store.take_upcoming(conn, now=now, limit=100)
        assert [row["id"] for row in near] == [f"sub_{number}" for number in (6, 12, 18, 24, 30)]
        (plan,) = await explained(conn, lambda: store.take_upcoming(conn, now=soon, limit=5))
        assert rows_read(plan) <= 30, plan
