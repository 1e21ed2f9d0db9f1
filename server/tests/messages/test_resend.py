"""Sending again what failed or stayed in the outbox: the same message, by whoever sends now, and never twice."""

import asyncio

import pytest

from reevit_server.core.egress import Reply
from tests.makers import ok, refused
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.writing import ADA, found, later, sender, sent, write

NO = Reply(9, 422, body='{"name":"validation_error","message":"No."}')
NOBODYS = "msg_01jd8w3v5qe2rvkz6n0c4m8x7a"


async def test_what_failed_is_sent_as_the_same_message_with_all_its_attempts_ahead(shop: Office):
    await sender(shop, "resend")
    shop.outside.answer(NO)
    message = await sent(shop)
    assert (message["status"], message["reason"]) == ("failed", "http_422")
    answer = await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")
    again = answer.json()
    assert (answer.status_code, again["status"], again["reason"]) == (202, "scheduled", None)
    assert again["attempts"] == message["attempts"]
    down = Reply(9, 503, body="")
    shop.outside.answer(*[down] * 6, Reply(9, 200, body="{}"))
    await shop.work.run_for(days=3)
    message = await found(shop, message["id"])
    assert (message["status"], message["attempt_count"]) == ("sent", 8)
    requests = shop.outside.take()
    assert len({(request.body, request.headers["Idempotency-Key"]) for request in requests}) == 1


async def test_what_nobody_could_send_is_sent_once_somebody_can(shop: Office):
    message = await sent(shop)
    assert (message["status"], message["reason"]) == ("outbox", "no_integration")
    still = await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")
    assert (still.status_code, still.json()["status"]) == (202, "outbox")
    made = await sender(shop, "resend")
    answer = await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")
    assert (answer.json()["status"], answer.json()["integration_id"]) == ("scheduled", made["id"])
    await shop.work.run_for(minutes=1)
    assert (await found(shop, message["id"]))["status"] == "sent"
    assert len(shop.outside.take()) == 1


async def test_what_a_deleted_one_was_to_send_is_sent_by_the_next(shop: Office):
    first, second = await sender(shop, "resend"), await sender(shop, "sendgrid")
    id = await write(shop)
    assert (await shop.merchant.test.delete(f"{INTEGRATIONS}/{first['id']}")).status_code == 204
    answer = await shop.merchant.test.post(f"/v1/messages/{id}/resend")
    assert (answer.json()["status"], answer.json()["integration_id"]) == ("scheduled", second["id"])
    await shop.work.run_for(minutes=1)
    (attempt,) = (await found(shop, id))["attempts"]
    assert (attempt["provider"], attempt["integration_id"]) == ("sendgrid", second["id"])


async def test_what_its_own_one_can_still_send_stays_with_it(shop: Office):
    first, second = await sender(shop, "sendgrid"), await sender(shop, "resend")
    shop.outside.answer(NO)
    message = await sent(shop, integration_id=second["id"])
    answer = await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")
    assert answer.json()["integration_id"] == second["id"] != first["id"]


async def test_what_is_sent_or_on_its_way_or_was_held_back_is_not_sent_again(shop: Office):
    integration = await sender(shop, "resend")
    message = await sent(shop)
    refused(
        await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend"), 409, "message_not_resendable"
    )
    queued = await write(shop)
    refused(await shop.merchant.test.post(f"/v1/messages/{queued}/resend"), 409, "message_not_resendable")
    await shop.work.run()
    path = f"{INTEGRATIONS}/{integration['id']}"
    ok(await shop.merchant.test.patch(path, json={"enabled": False}))
    scheduled = await write(shop, integration_id=integration["id"])
    refused(await shop.merchant.test.post(f"/v1/messages/{scheduled}/resend"), 409, "message_not_resendable")
    body = {"channel": "email", "address": ADA}
    assert (await shop.merchant.test.post("/v1/messages/suppressions", json=body)).status_code == 201
    held_back = await sent(shop)
    assert held_back["status"] == "suppressed"
    refused(
        await shop.merchant.test.post(f"/v1/messages/{held_back['id']}/resend"), 409, "message_not_resendable"
    )
    assert len(shop.outside.take()) == 2


async def test_a_foreign_or_unknown_one_is_not_there(shop: Office, other):
    message = await sent(shop)
    for client, id in (
        (other.test, message["id"]),
        (shop.merchant.live, message["id"]),
        (shop.merchant.test, NOBODYS),
    ):
        refused(await client.post(f"/v1/messages/{id}/resend"), 404, "message_not_found")
        refused(await client.get(f"/v1/messages/{id}"), 404, "message_not_found")


async def test_of_many_that_ask_at_once_one_sends_it(shop: Office):
    await sender(shop, "resend")
    shop.outside.answer(NO)
    message = await sent(shop)
    shop.outside.take()
    shop.outside.answer(Reply(9, 200, body="{}"))
    path = f"/v1/messages/{message['id']}/resend"
    answers = await asyncio.gather(*(shop.merchant.test.post(path) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]
    await shop.work.run_for(days=1)
    assert len(shop.outside.take()) == 1
    assert (await found(shop, message["id"]))["attempt_count"] == 2


@pytest.mark.parametrize("covers", ["marketing", "everything"])
async def test_who_wants_none_meanwhile_gets_none(shop: Office, covers: str):
    await sender(shop, "resend")
    shop.outside.answer(NO)
    message = await sent(shop, purpose="marketing")
    shop.outside.take()
    body = {"channel": "email", "address": ADA, "covers": covers}
    assert (await shop.merchant.test.post("/v1/messages/suppressions", json=body)).status_code == 201
    assert (await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")).status_code == 202
    await shop.work.run_for(minutes=1)
    message = await found(shop, message["id"])
    assert (message["status"], message["reason"]) == ("suppressed", "manual")
    assert shop.outside.take() == []


async def test_it_waits_while_its_integration_is_off(shop: Office):
    made = await sender(shop, "resend")
    shop.outside.answer(NO)
    message = await sent(shop)
    shop.outside.answer(Reply(9, 200, body="{}"))
    ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{made['id']}", json={"enabled": False}))
    assert (await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")).status_code == 202
    await later(shop, hours=1)
    assert (await found(shop, message["id"]))["status"] == "scheduled"
    ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{made['id']}", json={"enabled": True}))
    await shop.work.run()
    assert (await found(shop, message["id"]))["status"] == "sent"
