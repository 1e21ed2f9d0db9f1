"""Telling again: of one event, or of all that happened in a time."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from reevit_server.core.database import Database
from reevit_server.core.ids import new_id
from reevit_server.webhooks.replay import EVENTS_MAX
from tests.makers import Merchant, created, ok, refused
from tests.webhooks import rows
from tests.webhooks.clockwork import BROKEN, FINE, Clock, Clockwork, Outside
from tests.webhooks.wire import customers, deliveries, do, endpoint, events, names, patch, seen


async def replay(merchant: Merchant, made: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Of a range; what is answered."""
    answer = await do(merchant, made, "replay", body)
    assert answer.status_code == 202, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def replay_event(merchant: Merchant, event: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    """The deliveries that it is told of by."""
    answer = await merchant.test.post(f"/v1/webhooks/events/{event['id']}/replay", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["event_id"] == event["id"]
    told: list[dict[str, Any]] = answer.json()["deliveries"]
    return told


async def insert_events(db: Database, merchant: Merchant, clock: Clock, count: int) -> None:
    """Events as they would have been recorded, a millisecond after another."""
    async with db.transaction() as conn:
        await conn.execute(
            """
            INSERT INTO events (org_id, mode, id, type, subject_id, data, created_at)
            SELECT $1, 'test', id, 'customer.created', 'cus_none', jsonb_build_object('name', n, 'customer', NULL),
                   $3::timestamptz + n * interval '1 millisecond'
            FROM unnest($2::text[]) WITH ORDINALITY AS new (id, n)
            """,
            merchant.org_id,
            [new_id("evt") for _ in range(count)],
            clock(),
        )
        await conn.execute("ANALYZE events")  # as autovacuum would; else plans for a few rows stay in use


async def forget_events(db: Database, merchant: Merchant) -> None:
    """Purges all that happened, and what was to be told of it."""
    async with db.transaction() as conn:
        await conn.execute("ANALYZE webhook_deliveries")
        await conn.execute("DELETE FROM events WHERE org_id = $1", merchant.org_id)


async def test_an_event_is_told_again_whatever_became_of_it(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    first = await endpoint(merchant, url="https://first.example/")
    second = await endpoint(merchant, url="https://second.example/")
    await endpoint(merchant, url="https://third.example/", events=["payment.*"])
    outside.answer(BROKEN, FINE, url="https://second.example/")
    await merchant.customer(name="Ada")
    await clockwork.run()
    before = {told["endpoint_id"]: told for told in await deliveries(merchant)}
    assert (before[first["id"]]["status"], before[second["id"]]["status"]) == ("delivered", "scheduled")
    outside.take()
    (event,) = await events(merchant)
    again = await replay_event(merchant, event)
    assert sorted(told["id"] for told in again) == sorted(told["id"] for told in before.values())
    assert {told["status"] for told in again} == {"queued"}
    assert {told["finished_at"] for told in again} == {None}
    await clockwork.run()
    sent = outside.take()
    assert sorted(one.url for one in sent) == ["https://first.example/", "https://second.example/"]
    assert {one.json["attempt"] for one in sent} == {2}
    assert {one.headers["webhook-id"] for one in sent} == {event["id"]}, "receivers see that it is the same"
    for told in await deliveries(merchant):
        assert (told["status"], told["attempt_count"]) == ("delivered", 2)
        assert [attempt["number"] for attempt in told["attempts"]] == [1, 2]


async def test_an_endpoint_that_is_named_is_told_in_any_case(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant, url="https://first.example/")
    await merchant.customer(name="Ada")
    await clockwork.run()
    outside.take()
    late = await endpoint(merchant, url="https://late.example/", events=["payment.*"])
    (event,) = await events(merchant)
    (told,) = await replay_event(merchant, event, endpoint_id=late["id"])
    assert (told["endpoint_id"], told["url"]) == (late["id"], "https://late.example/")
    await clockwork.run()
    (sent,) = outside.take()
    assert (sent.url, sent.json["id"], sent.json["attempt"]) == ("https://late.example/", event["id"], 1)


async def test_an_event_that_nobody_is_told_of_is_told_to_nobody(merchant: Merchant, clockwork: Clockwork):
    await endpoint(merchant, events=["payment.*"])
    await endpoint(merchant, enabled=False)
    await merchant.customer(name="Ada")
    await clockwork.run()
    (event,) = await events(merchant)
    assert await replay_event(merchant, event) == []


async def test_what_is_on_its_way_is_not_told_twice(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    await merchant.customer(name="Ada")
    (event,) = await events(merchant)
    (fan_out,) = await clockwork.queued()
    await clockwork.do(fan_out)
    await clockwork.take_out(fan_out)
    for _ in range(3):
        assert [told["status"] for told in await replay_event(merchant, event)] == ["queued"]
        assert (await replay(merchant, made, **{"from": event["created_at"]}))["replayed"] == 0
    await clockwork.run()
    assert names(outside) == ["Ada"]


async def test_an_event_is_told_again_before_the_worker_told_of_it_at_all(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant)
    await merchant.customer(name="Ada")
    (event,) = await events(merchant)
    assert len(await replay_event(merchant, event)) == 1
    await clockwork.run()
    assert names(outside) == ["Ada"]


async def test_what_is_unknown_or_disabled_is_not_told(merchant: Merchant, other: Merchant, clock: Clock):
    await merchant.customer(name="Ada")
    (event,) = await events(merchant)
    path = f"/v1/webhooks/events/{event['id']}/replay"
    off, foreign = await endpoint(merchant, enabled=False), await endpoint(other)
    refused(await merchant.test.post(path, json={"endpoint_id": off["id"]}), 409, "webhook_endpoint_disabled")
    refused(
        await do(merchant, off, "replay", {"from": event["created_at"]}), 409, "webhook_endpoint_disabled"
    )
    for id in (foreign["id"], "whk_01jd8w3v5qe2rvkz6n0c4m8x7a", ""):
        answer = await merchant.test.post(path, json={"endpoint_id": id})
        refused(answer, 404, "webhook_endpoint_not_found")
    unknown = "/v1/webhooks/events/evt_01jd8w3v5qe2rvkz6n0c4m8x7a/replay"
    refused(await merchant.test.post(unknown, json={}), 404, "event_not_found")
    refused(await other.test.post(path, json={}), 404, "event_not_found")
    assert await deliveries(merchant) == []


async def test_a_listener_is_told_again_when_it_asks(merchant: Merchant, clockwork: Clockwork, clock: Clock):
    """It is tried once; who develops mends the program, and has the event told again."""
    listener = created(await merchant.test.post("/v1/webhooks/listeners", json={"events": ["customer.*"]}))
    path = f"/v1/webhooks/listeners/{listener['id']}"
    await merchant.customer(name="Ada")
    await clockwork.run()
    (letter,) = ok(await merchant.test.post(f"{path}/poll", json={}))["deliveries"]
    broken = {"delivery_id": letter["delivery_id"], "latency_ms": 3, "status_code": 500}
    assert ok(await merchant.test.post(f"{path}/poll", json={"results": [broken]}))["deliveries"] == []
    (event,) = await events(merchant)
    for named in ({}, {"endpoint_id": listener["id"]}):
        (told,) = await replay_event(merchant, event, **named)
        assert (told["id"], told["status"]) == (letter["delivery_id"], "waiting")
    await clockwork.run()
    (again,) = ok(await merchant.test.post(f"{path}/poll", json={}))["deliveries"]
    assert (again["event_id"], json.loads(again["body"])["attempt"]) == (event["id"], 2)
    await replay_event(merchant, event)
    clock.advance(minutes=3)
    assert await replay_event(merchant, event) == [], "it has gone"


async def test_a_test_event_is_told_again_to_the_endpoint_that_asked_for_it(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant, url="https://other.example/")
    made = await endpoint(merchant, events=["checkout.completed"])
    assert (await do(merchant, made, "test")).status_code == 202
    await clockwork.run()
    (event,) = await events(merchant, type="webhook.test")
    (told,) = await replay_event(merchant, event)
    assert told["endpoint_id"] == made["id"]
    await clockwork.run()
    assert [(sent.url, sent.json["attempt"]) for sent in outside.take()] == [
        (made["url"], 1),
        (made["url"], 2),
    ]


async def test_of_a_range_only_what_was_not_delivered_is_told_again(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(FINE, BROKEN)
    (begun, *_) = await customers(merchant, clock, "Ada", "Zoe")
    await clockwork.run_for(days=5)
    assert [told["status"] for told in await deliveries(merchant)] == ["exhausted", "delivered"]
    outside.take()
    outside.answer(FINE)
    assert await replay(merchant, made, **{"from": begun.isoformat()}) == {"replayed": 1, "next_from": None}
    await clockwork.run()
    assert names(outside) == ["Zoe"]
    everything = {"from": begun.isoformat(), "undelivered_only": False}
    assert (await replay(merchant, made, **everything))["replayed"] == 2
    await clockwork.run()
    assert names(outside) == ["Ada", "Zoe"]


async def test_a_range_begins_with_its_first_instant_and_ends_before_its_last(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    at = await customers(merchant, clock, "a", "b", "c", "d")
    made = await endpoint(merchant)
    assert (await replay(merchant, made, **{"from": at[1].isoformat(), "to": at[3].isoformat()}))[
        "replayed"
    ] == 2
    await clockwork.run()
    told = names(outside)
    assert told[:2] == ["b", "c"]
    assert sorted(told) == ["a", "b", "c", "d"], "the others by the workers, who had not come to it"
    assert (await replay(merchant, made, **{"from": at[3].isoformat(), "to": at[3].isoformat()}))[
        "replayed"
    ] == 0
    assert (await replay(merchant, made, **{"from": clock().isoformat()}))["replayed"] == 0


@pytest.mark.parametrize(
    ("chosen", "asked", "told"),
    [
        (["payment.*"], None, ["payment.created", "payment.succeeded"]),
        (["payment.succeeded"], ["customer.*"], ["customer.created"]),
        (["payment.succeeded"], ["*"], ["customer.created", "payment.created", "payment.succeeded"]),
        (["*"], ["payment.created", "customer.updated"], ["payment.created"]),
        (["checkout.completed"], None, []),
    ],
)
async def test_a_range_is_of_what_is_asked_for_or_of_what_the_endpoint_is_told_of(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside, chosen, asked, told
):
    begun = clock().isoformat()
    await merchant.payment(customer={"name": "Ada"})
    await clockwork.run()
    clock.advance(seconds=1)
    made = await endpoint(merchant, events=chosen)
    body = {"from": begun, **({"events": asked} if asked else {})}
    assert (await replay(merchant, made, **body))["replayed"] == len(told)
    await clockwork.run()
    assert [sent.json["type"] for sent in outside.take()] == told


async def test_test_events_are_in_no_range(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    begun = clock().isoformat()
    assert (await do(merchant, made, "test")).status_code == 202
    await merchant.customer(name="Ada")
    await clockwork.run()
    clock.advance(seconds=1)
    outside.take()
    assert (await replay(merchant, made, **{"from": begun, "undelivered_only": False}))["replayed"] == 1
    await clockwork.run()
    assert names(outside) == ["Ada"]


async def test_a_paused_endpoint_is_told_again_when_it_is_resumed(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    (begun,) = await customers(merchant, clock, "Ada")
    await clockwork.run()
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    assert (await replay(merchant, made, **{"from": begun.isoformat()}))["replayed"] == 1
    await clockwork.run()
    assert outside.take() == []
    ok(await do(merchant, made, "resume"))
    await clockwork.run()
    assert names(outside) == ["Ada"]


async def test_after_a_week_out_of_order_all_that_was_missed_is_told_in_order(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    """What it was not told of, because it was disabled, has no delivery: it is told of for the first time."""
    made = await endpoint(merchant, events=["customer.*"])
    outside.answer(BROKEN)
    begun = clock().isoformat()
    for day in range(8):
        await merchant.customer(name=f"Day {day}")
        await clockwork.run_for(days=1)
    assert (await seen(merchant, made))["disabled_reason"] == "failing"
    outside.take()
    outside.answer(FINE)
    await patch(merchant, made, enabled=True)
    assert (await replay(merchant, made, **{"from": begun}))["replayed"] == 8
    await clockwork.run()
    assert names(outside) == [f"Day {day}" for day in range(8)]
    assert {told["status"] for told in await deliveries(merchant)} == {"delivered"}


async def test_more_than_one_request_takes_is_told_from_where_it_ended(
    db: Database, merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    begun = clock()
    await insert_events(db, merchant, clock, EVENTS_MAX + 15)
    clock.advance(minutes=1)
    first = await replay(merchant, made, **{"from": begun.isoformat()})
    last = begun + timedelta(milliseconds=EVENTS_MAX)
    assert first["replayed"] == EVENTS_MAX
    assert datetime.fromisoformat(first["next_from"]) == last
    second = await replay(merchant, made, **{"from": first["next_from"]})
    assert second == {"replayed": 15, "next_from": None}
    statuses = await rows.statuses(db, merchant)
    assert statuses["waiting"] == EVENTS_MAX + 15 - statuses["queued"]
    jobs = await clockwork.queued()
    assert len(jobs) == statuses["queued"] <= 20, "given out place by place"
    for job in jobs[:10]:
        await clockwork.do(job)
        await clockwork.take_out(job)
    assert names(outside) == list(range(1, 11))
    await forget_events(db, merchant)  # nobody is to be told all of it
    await clockwork.run()
    assert outside.take() == []


@pytest.mark.parametrize("events_there", [EVENTS_MAX, 3])
async def test_what_fits_into_one_request_has_no_next(
    db: Database, merchant: Merchant, clock: Clock, events_there: int
):
    made = await endpoint(merchant)
    begun = clock()
    ok(await do(merchant, made, "pause"))
    await insert_events(db, merchant, clock, events_there)
    clock.advance(minutes=1)
    answered = await replay(merchant, made, **{"from": begun.isoformat()})
    assert answered == {"replayed": events_there, "next_from": None}
    await forget_events(db, merchant)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": None},
        {"from": "yesterday"},
        {"from": "2026-03-01"},
        {"from": 7},
        {"from": "2026-03-01T00:00:00Z", "to": "soon"},
        {"from": "2026-03-01T00:00:00Z", "events": ["payment.succeded"]},
        {"from": "2026-03-01T00:00:00Z", "undelivered_only": "no"},
        {"from": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"},
        {"from_": "2026-03-01T00:00:00Z"},
    ],
)
async def test_a_range_that_is_none_is_refused(merchant: Merchant, body: dict):
    made = await endpoint(merchant)
    refused(await do(merchant, made, "replay", body), 400, "validation_error")
