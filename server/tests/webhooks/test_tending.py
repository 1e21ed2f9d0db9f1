"""What would be stuck, lost or in everybody's way: many that come due together, lines nobody moves, big endings."""

from datetime import timedelta

import pytest

from reevit_server import worker
from reevit_server.core.database import Database
from reevit_server.webhooks import fan_out, store
from tests.makers import Merchant, ok
from tests.webhooks.clockwork import BROKEN, FINE, Clock, Clockwork, Outside
from tests.webhooks.rows import statuses
from tests.webhooks.wire import customers, do, endpoint, events, patch, seen


@pytest.fixture
def stored(clockwork: Clockwork) -> Database:
    return clockwork.tools.db


async def _deliveries(stored: Database, merchant: Merchant, change: str) -> None:
    async with stored.transaction() as conn:
        await conn.execute(f"UPDATE webhook_deliveries SET {change} WHERE org_id = $1", merchant.org_id)


async def test_of_many_that_come_due_together_only_as_many_are_given_a_job_as_may_be_sent(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside, stored: Database
):
    await endpoint(merchant)
    outside.answer(BROKEN)
    await customers(merchant, clock, *(f"No. {number:02}" for number in range(35)))
    await clockwork.run()
    assert await statuses(stored, merchant) == {"scheduled": 35}
    clock.advance(hours=1)
    await clockwork.fulfil("webhooks.queue_due")
    assert await statuses(stored, merchant) == {"queued": 10, "waiting": 25}
    assert len(await clockwork.queued()) == 10
    outside.answer(FINE)
    await clockwork.run()
    assert await statuses(stored, merchant) == {"delivered": 35}


async def test_who_joins_the_line_of_an_endpoint_that_is_disabled_that_very_moment_is_given_up(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, stored: Database
):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    await customers(merchant, clock, "Ada", "Zoe")
    await clockwork.run()
    async with stored.read() as conn:
        told = await store.select_told(conn, merchant.scope, seen_after=clock(), limit=50)
    assert [row["has_line"] for row in told] == [True]
    await customers(merchant, clock, "Ama")
    [event, *_] = await events(merchant)
    under_way = f"status = 'sending', sending_until = '{(clock() + timedelta(seconds=30)).isoformat()}'"
    await _deliveries(stored, merchant, under_way + ", attempt_count = 1")
    await patch(merchant, made, enabled=False)
    async with stored.transaction() as conn:
        await fan_out._write(conn, merchant.scope, [(event["id"], told[0])], now=clock())
    await clockwork.run()
    assert await statuses(stored, merchant) == {"sending": 2, "disabled": 1}


async def test_a_pause_is_no_failure_and_neither_is_another_address(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(BROKEN)
    await merchant.customer(name="Ada")
    await clockwork.run()
    ok(await do(merchant, made, "pause"))
    clock.advance(days=6)
    assert ok(await do(merchant, made, "resume"))["failing_since"] is None
    await clockwork.run()
    assert (await seen(merchant, made))["status"] == "active"
    clock.advance(days=6)
    changed = await patch(merchant, made, url="https://shop.example/mended")
    assert changed["failing_since"] is None
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert (await seen(merchant, made))["status"] == "active"


async def test_a_line_whose_head_was_purged_is_moved_on(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, stored: Database
):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    await customers(merchant, clock, *(f"No. {number:02}" for number in range(13)))
    await clockwork.run()
    ok(await do(merchant, made, "resume"))
    async with stored.transaction() as conn:
        await conn.execute(
            """
            DELETE FROM events
            WHERE org_id = $1 AND id IN (SELECT event_id FROM webhook_deliveries WHERE status = 'queued')
            """,
            merchant.org_id,
        )
    await clockwork.run()
    assert await statuses(stored, merchant) == {"waiting": 3}
    await clockwork.fulfil("webhooks.tend")
    await clockwork.run()
    assert await statuses(stored, merchant) == {"delivered": 3}


async def test_one_whose_job_is_gone_is_sent_again_long_after_its_attempt_must_have_ended(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, stored: Database
):
    await endpoint(merchant)
    await merchant.customer(name="Ada")
    [fan_out] = await clockwork.queued()
    await clockwork.do(fan_out)
    for job in await clockwork.queued():
        await clockwork.take_out(job)
    await _deliveries(stored, merchant, f"status = 'sending', sending_until = '{clock().isoformat()}'")
    clock.advance(minutes=4)
    await clockwork.fulfil("webhooks.tend")
    assert await statuses(stored, merchant) == {"sending": 1}
    clock.advance(minutes=2)
    await clockwork.fulfil("webhooks.tend")
    await clockwork.run()
    assert await statuses(stored, merchant) == {"delivered": 1}


async def test_what_is_too_much_to_be_given_up_at_once_is_given_up_soon(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, stored: Database
):
    made = await endpoint(merchant)
    await customers(merchant, clock, "Ada")
    await clockwork.run()
    async with stored.transaction() as conn:
        await conn.execute(
            """
            WITH more AS (
                INSERT INTO events (org_id, mode, id, type, subject_id, data, created_at)
                SELECT $1, 'test', 'evt_more_' || number, 'payment.created', 'pay_x', '{}', $3
                FROM generate_series(1, 6000) AS number
                RETURNING id
            )
            INSERT INTO webhook_deliveries (org_id, mode, id, event_id, endpoint_id, status, created_at)
            SELECT $1, 'test', replace(id, 'evt', 'dlv'), id, $2, 'waiting', $3
            FROM more
            """,
            merchant.org_id,
            made["id"],
            clock(),
        )
    await patch(merchant, made, enabled=False)
    assert await statuses(stored, merchant) == {"delivered": 1, "disabled": 5000, "waiting": 1000}
    await clockwork.fulfil("webhooks.tend")
    assert await statuses(stored, merchant) == {"delivered": 1, "disabled": 6000}


async def test_an_answer_to_a_listener_that_is_lost_on_its_way_loses_no_event(
    merchant: Merchant, clockwork: Clockwork, clock: Clock
):
    listener = (await merchant.test.post("/v1/webhooks/listeners", json={})).json()
    address = f"/v1/webhooks/listeners/{listener['id']}/poll"
    await merchant.customer(name="Ada")
    await clockwork.run()
    [lost] = ok(await merchant.test.post(address, json={}))["deliveries"]
    assert ok(await merchant.test.post(address, json={}))["deliveries"] == []
    clock.advance(seconds=31)
    [again] = ok(await merchant.test.post(address, json={}))["deliveries"]
    assert again["event_id"] == lost["event_id"]
    assert again["headers"]["webhook-id"] == lost["headers"]["webhook-id"]


async def test_a_config_that_says_nothing_of_it_stays_on_or_off(merchant: Merchant):
    url = "https://shop.example/reevit"
    ok(await merchant.test.post("/v1/webhooks/config", json={"url": url, "enabled": False}))
    again = ok(await merchant.test.post("/v1/webhooks/config", json={"url": url, "events": ["payment.*"]}))
    assert (again["enabled"], again["events"]) == (False, ["payment.*"])


def test_what_is_done_every_minute_takes_little_at_a_time():
    batches = {duty.name: duty.batch_rows for duty in worker.every(worker.Settings())}
    assert batches["webhooks.tend"] <= 10
    assert batches["events.purge"] * 50 * 10 <= 100_000, (
        "attempts of one batch, with as many endpoints as there may be"
    )
