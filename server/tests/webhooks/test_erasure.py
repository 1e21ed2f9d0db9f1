"""Erasing a customer reaches what webhooks keep: what receivers answered, and by which id they are to forget it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from reevit_server.core.database import Database
from reevit_server.core.egress import Reply
from reevit_server.core.jobs import Tools, scope_and_ids
from reevit_server.webhooks import telling
from tests import locks
from tests.events.recorded import events_of
from tests.makers import Merchant, created, ok
from tests.scenarios.fold import traces
from tests.webhooks.clockwork import BROKEN, FINE, Clockwork, Outside, Sent
from tests.webhooks.wire import HOOKS, deliveries, delivery, do, endpoint, patch

ADA = {
    "external_id": "usr/ada-6612",
    "email": "ada.6612@example.com",
    "name": "Adaline Sixtysix",
    "phone": "+233506612661",
}
ECHO = Reply(1, 200, body="Thank you, Adaline Sixtysix <ada.6612@example.com>")
HOOKS_TOO = "https://other.example/hooks"


@pytest.fixture
async def outsider(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else, who may hold locks, and see who waits for one."""
    conn = await asyncpg.connect(dsn)
    yield conn
    await conn.close()


async def erase(merchant: Merchant, customer: dict[str, Any]) -> None:
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204


async def deletion(db: Database, merchant: Merchant, customer: dict[str, Any]) -> dict[str, Any]:
    """What the event of a customer's deletion says of the customer."""
    *_, event = await events_of(db, merchant, customer["id"])
    assert (event["type"], event["customer_id"]) == ("customer.deleted", customer["id"])
    assert set(event["data"]) == {"id", "customer"}
    return event["data"]["customer"]


async def test_when_nobody_is_to_be_told_the_external_id_is_gone_at_once(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    await endpoint(merchant, events=["payment.*", "customer.created"])
    customer = await merchant.customer(**ADA)
    await erase(merchant, customer)
    named = {"id": customer["id"], "external_id": ADA["external_id"]}
    assert await deletion(db, merchant, customer) == named
    await clockwork.run()
    assert await deletion(db, merchant, customer) == {"id": customer["id"]}


async def test_receivers_are_told_by_your_id_whom_to_forget_and_then_it_is_gone(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant, events=["customer.deleted"])
    customer = await merchant.customer(**ADA)
    await erase(merchant, customer)
    await clockwork.run()
    (sent,) = outside.take()
    named = {"id": customer["id"], "external_id": ADA["external_id"]}
    assert sent.json["data"] == {"id": customer["id"], "customer": named}
    assert all(word not in sent.body.decode() for word in (ADA["name"], ADA["email"], ADA["phone"]))
    assert await deletion(db, merchant, customer) == {"id": customer["id"]}


async def test_it_is_kept_until_the_last_receiver_was_told(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant, url=HOOKS, events=["customer.deleted"])
    await endpoint(merchant, url=HOOKS_TOO, events=["customer.*"])
    customer = await merchant.customer(**ADA)
    outside.answer(BROKEN, BROKEN, FINE, url=HOOKS)
    await erase(merchant, customer)
    await clockwork.run()
    named = {"id": customer["id"], "external_id": ADA["external_id"]}
    assert await deletion(db, merchant, customer) == named
    await clockwork.run_for(seconds=10)
    assert await deletion(db, merchant, customer) == named
    await clockwork.run_for(minutes=10)
    attempts = [sent.json["data"]["customer"] for sent in outside.take() if sent.url == HOOKS]
    assert attempts == [named] * 3
    assert await deletion(db, merchant, customer) == {"id": customer["id"]}


@pytest.mark.parametrize("end", ["exhausted", "turned off", "deleted", "gone"])
async def test_it_is_gone_too_when_the_last_receiver_is_given_up(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside, end: str
):
    made = await endpoint(merchant, events=["customer.deleted"])
    customer = await merchant.customer(**ADA)
    outside.answer(BROKEN)
    await erase(merchant, customer)
    await clockwork.run()
    assert "external_id" in await deletion(db, merchant, customer)
    if end == "exhausted":
        await clockwork.run_for(days=5)
    elif end == "turned off":
        await patch(merchant, made, enabled=False)
    elif end == "deleted":
        assert (await merchant.test.delete(f"/v1/webhooks/endpoints/{made['id']}")).status_code == 204
    else:
        outside.answer(Reply(1, 410))
        await clockwork.run_for(seconds=10)
    assert (await delivery(merchant))["finished_at"] is not None
    assert await deletion(db, merchant, customer) == {"id": customer["id"]}


async def test_a_paused_receiver_is_still_to_be_told(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant, events=["customer.deleted"])
    ok(await do(merchant, made, "pause"))
    customer = await merchant.customer(**ADA)
    await erase(merchant, customer)
    await clockwork.run_for(days=20)
    assert "external_id" in await deletion(db, merchant, customer)
    ok(await do(merchant, made, "resume"))
    await clockwork.run()
    (sent,) = outside.take()
    assert sent.json["data"]["customer"]["external_id"] == ADA["external_id"]
    assert await deletion(db, merchant, customer) == {"id": customer["id"]}


@pytest.mark.parametrize("fetched", [True, False])
async def test_a_listener_that_stops_was_the_last_to_be_told(
    db: Database, merchant: Merchant, clockwork: Clockwork, fetched: bool
):
    listener = created(await merchant.test.post("/v1/webhooks/listeners", json={}))
    path = f"/v1/webhooks/listeners/{listener['id']}"
    customer = await merchant.customer(**ADA)
    await erase(merchant, customer)
    await clockwork.run()
    assert "external_id" in await deletion(db, merchant, customer)
    if fetched:
        assert len(ok(await merchant.test.post(f"{path}/poll", json={}))["deliveries"]) == 2
    assert (await merchant.test.delete(path)).status_code == 204
    assert await deletion(db, merchant, customer) == {"id": customer["id"]}


async def test_two_receivers_that_answer_at_the_same_moment_are_both_the_last(
    db: Database, merchant: Merchant, clockwork: Clockwork, tools: Tools, outsider: asyncpg.Connection
):
    """Each is settled in a transaction that does not see the other's: one of them must wait."""
    for url in (HOOKS, HOOKS_TOO):
        await endpoint(merchant, url=url, events=["customer.deleted"])
    customer = await merchant.customer(**ADA)
    await erase(merchant, customer)
    answers = [await _unanswered(clockwork) for _ in range(2)]

    async def settle(conn: Any, id: str) -> None:
        await telling.settle(conn, merchant.scope, id=id, attempt=1, reply=FINE, now=tools.clock())

    async def settle_by_itself(id: str) -> None:
        async with db.transaction() as conn:
            await settle(conn, id)

    async with db.transaction() as conn:
        await settle(conn, answers[0])
        second = asyncio.create_task(settle_by_itself(answers[1]))
        await locks.until_waiting(outsider, 1)  # for this transaction: else it would not see what it did
    await second
    assert {told["status"] for told in await deliveries(merchant)} == {"delivered"}
    assert await deletion(db, merchant, customer) == {"id": customer["id"]}


async def test_what_receivers_answered_is_forgotten_with_the_person(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant)
    outside.answer(ECHO)
    customer = await merchant.customer(**ADA)
    await merchant.payment(customer_id=customer["id"])
    other = await merchant.customer(name="Zoe")
    await clockwork.run()
    assert {told["attempts"][0]["response_body"] for told in await deliveries(merchant)} == {ECHO.body}
    await erase(merchant, customer)
    await clockwork.run()
    kept = {
        told["event_type"]: told["attempts"][0]["response_body"]
        for told in await deliveries(merchant)
        if told["event_id"] not in {event["id"] for event in await events_of(db, merchant, other["id"])}
    }
    assert kept == dict.fromkeys(
        ["customer.created", "payment.created", "payment.succeeded", "customer.deleted"]
    )
    (about_zoe,) = await events_of(db, merchant, other["id"])
    assert (await delivery(merchant, event_id=about_zoe["id"]))["attempts"][0]["response_body"] == ECHO.body
    async with db.transaction() as conn:  # else its own answer would be a trace
        await conn.execute(
            "UPDATE webhook_attempts SET response_body = NULL WHERE org_id = $1", merchant.org_id
        )
    assert await traces(db, merchant.scope, list(ADA.values())) == {}


async def test_an_answer_that_comes_after_the_erasure_is_not_kept(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    """The attempt was in flight when the customer was erased, and everybody had been told of that."""
    await endpoint(merchant, events=["customer.created"])
    customer = await merchant.customer(**ADA)

    async def answer(_: Sent) -> Reply:
        await erase(merchant, customer)
        (fan_out,) = [job for job in await clockwork.queued() if job.name == "events.fan_out"]
        await clockwork.do(fan_out)
        return ECHO

    outside.answer(answer, FINE)
    await clockwork.run()
    (told,) = await deliveries(merchant, event_id=(await events_of(db, merchant, customer["id"]))[0]["id"])
    (attempt,) = told["attempts"]
    assert (told["status"], attempt["status_code"], attempt["response_body"]) == ("delivered", 200, None)
    assert await traces(db, merchant.scope, list(ADA.values())) == {}


async def test_an_answer_that_is_being_written_while_the_customer_is_erased_is_not_kept(
    db: Database, merchant: Merchant, clockwork: Clockwork, outsider: asyncpg.Connection
):
    """It is stopped between looking whether the person is known and writing; meanwhile the person is erased."""
    await endpoint(merchant, events=["customer.created"])
    customer = await merchant.customer(**ADA)
    id = await _unanswered(clockwork)

    async def settle() -> None:
        async with db.transaction() as conn:
            await telling.settle(conn, merchant.scope, id=id, attempt=1, reply=ECHO, now=clockwork.clock())

    async with outsider.transaction():
        await outsider.execute("SELECT FROM webhook_attempts WHERE delivery_id = $1 FOR UPDATE", id)
        settling = asyncio.create_task(settle())
        await locks.until_waiting(outsider, 1)
        await erase(merchant, customer)
        forgetting = asyncio.create_task(clockwork.run())
        await locks.until_waiting(outsider, 2)  # for who writes: else it would not see what is written
    await settling
    await forgetting
    (attempt,) = (await delivery(merchant))["attempts"]
    assert (attempt["status_code"], attempt["response_body"]) == (200, None)
    assert await traces(db, merchant.scope, list(ADA.values())) == {}


async def test_what_a_listener_answers_after_the_erasure_is_not_kept(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    listener = created(await merchant.test.post("/v1/webhooks/listeners", json={"events": ["payment.*"]}))
    path = f"/v1/webhooks/listeners/{listener['id']}/poll"
    customer = await merchant.customer(**ADA)
    await merchant.payment(customer_id=customer["id"])
    await clockwork.run()
    fetched = ok(await merchant.test.post(path, json={}))["deliveries"]
    assert len(fetched) == 2
    await erase(merchant, customer)
    await clockwork.run()
    results = [
        {"delivery_id": one["delivery_id"], "latency_ms": 3, "status_code": 200, "response_body": ECHO.body}
        for one in fetched
    ]
    ok(await merchant.test.post(path, json={"results": results}))
    for told in await deliveries(merchant):
        assert (told["status"], told["attempts"][0]["response_body"]) == ("delivered", None)
    assert await traces(db, merchant.scope, list(ADA.values())) == {}


async def test_replayed_after_the_erasure_events_tell_of_nobody(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    customer = await merchant.customer(**ADA)
    await merchant.payment(customer_id=customer["id"])
    await erase(merchant, customer)
    await clockwork.run()
    outside.take()
    outside.answer(ECHO)
    body = {"from": customer["created_at"], "undelivered_only": False}
    clockwork.clock.advance(seconds=1)
    assert (await do(merchant, made, "replay", body)).json()["replayed"] == 4
    await clockwork.run()
    sent = outside.take()
    assert len(sent) == 4
    for one in sent:
        assert one.json["data"].get("customer", {"id": customer["id"]}) == {"id": customer["id"]}
        assert not any(word in one.body.decode() for word in ADA.values())
    assert await traces(db, merchant.scope, list(ADA.values())) == {}


async def _unanswered(clockwork: Clockwork) -> str:
    """Begins the next attempt, as a worker does that waits for the answer; the delivery's id."""
    while True:
        job = (await clockwork.queued())[0]
        if job.name == telling.DELIVER:
            break
        await clockwork.do(job)
        await clockwork.take_out(job)
    tools = clockwork.tools
    scope, (id,) = scope_and_ids(job.payload)
    async with tools.db.transaction() as conn:
        letter = await telling.prepare(conn, scope, id=id, sealer=tools.sealer, now=tools.clock())
    assert letter is not None
    await clockwork.take_out(job)
    return id
