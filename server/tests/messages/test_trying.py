"""`POST /v1/workflows/integrations/{id}/test`: a short message that says that it works, or why not."""

from typing import Any

import orjson
import pytest
import standardwebhooks

from reevit_server.core.clock import utc_now
from tests.makers import ok, refused
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.writing import ADA, PHONE, SECRET, found, later, sender
from tests.providers.mailserver import mail_server
from tests.webhooks.clockwork import Sent

WORKS = "It works: this integration sends what your workflows write."


async def tried(shop: Office, integration: dict[str, Any], **body: Any) -> dict[str, Any]:
    """What came of a test."""
    answer = await shop.merchant.test.post(f"{INTEGRATIONS}/{integration['id']}/test", json=body)
    assert answer.status_code == 202, answer.text
    begun = answer.json()
    assert (begun["purpose"], begun["status"], begun["attempts"]) == ("test", "queued", [])
    shop.work.clock.now = utc_now()
    await shop.work.run()
    return await found(shop, begun["id"])


async def test_an_email_arrives(shop: Office):
    with mail_server() as box:
        message = await tried(shop, await shop.mail_by(box), to=ADA)
        (received,) = box.received
    assert (message["status"], message["to"], message["subject"]) == ("sent", ADA, "A test")
    assert received.recipients == [ADA]
    assert received.text.strip() == WORKS
    assert received.letter["List-Unsubscribe"] is None


@pytest.mark.parametrize("provider", ["twilio", "africas_talking", "hubtel"])
async def test_a_short_message_leaves(shop: Office, provider: str):
    message = await tried(shop, await sender(shop, provider), to=PHONE)
    (request,) = shop.outside.take()
    assert (message["to"], message["text"]) == (PHONE, WORKS)
    assert PHONE[1:].encode() in request.body


async def test_a_chat_is_told(shop: Office):
    message = await tried(shop, await sender(shop, "chat"))
    (request,) = shop.outside.take()
    assert (message["status"], request.json) == ("sent", {"text": WORKS})


async def test_a_server_is_called_with_a_signature_that_verifies(shop: Office):
    message = await tried(shop, await sender(shop, "webhook"))
    request: Sent
    (request,) = shop.outside.take()
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert message["status"] == "sent"
    told = standardwebhooks.Webhook(SECRET).verify(request.body, headers)
    assert told == request.json
    assert (told["type"], told["delivery_id"], told["attempt"]) == ("integration.test", message["id"], 1)
    assert headers["webhook-id"] == message["id"]
    assert orjson.loads(message["text"]) == {"type": "integration.test"}


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("resend", {}),
        ("resend", {"to": None}),
        ("resend", {"to": PHONE}),
        ("resend", {"to": "ada@example.com, zoe@example.com"}),
        ("resend", {"to": "Ada <ada@example.com>"}),
        ("resend", {"to": "ada@example.com\r\nBcc: zoe@example.com"}),
        ("resend", {"to": 5}),
        ("resend", {"to": [ADA]}),
        ("resend", {"to": ""}),
        ("twilio", {}),
        ("twilio", {"to": ADA}),
        ("twilio", {"to": "0501234567"}),
        ("twilio", {"to": "+233 50 123 4567"}),
        ("chat", {"to": ADA}),
        ("webhook", {"to": "https://elsewhere.example/"}),
    ],
)
async def test_whom_it_goes_to_is_named_for_email_and_sms_and_only_there(
    shop: Office, provider: str, body: dict[str, Any]
):
    made = await sender(shop, provider)
    answer = await shop.merchant.test.post(f"{INTEGRATIONS}/{made['id']}/test", json=body)
    (fault,) = refused(answer, 400, "validation_error")["details"]["fields"]
    assert fault["field"] == "to"
    assert ok(await shop.merchant.test.get("/v1/messages"))["messages"] == []


async def test_a_test_says_why_it_does_not_work(shop: Office):
    with mail_server(answers={"MAIL": "554 5.7.1 Relaying denied for shop@example.com"}) as box:
        message = await tried(shop, await shop.mail_by(box), to=ADA)
    assert (message["status"], message["reason"]) == ("failed", "554")
    assert message["reason_message"] == "5.7.1 Relaying denied for shop@example.com"


async def test_a_test_in_test_mode_reaches_only_whom_the_operator_listed(shop: Office):
    message = await tried(shop, await sender(shop, "resend"), to="ada@elsewhere.example")
    assert (message["status"], message["reason"]) == ("outbox", "test_mode")
    assert shop.outside.take() == []


async def test_who_wants_no_more_messages_can_still_be_sent_a_test(shop: Office):
    """It is somebody of the shop's who asks for it, and wants to know."""
    made = await sender(shop, "resend")
    body = {"channel": "email", "address": ADA}
    assert (await shop.merchant.test.post("/v1/messages/suppressions", json=body)).status_code == 201
    assert (await tried(shop, made, to=ADA))["status"] == "sent"


async def test_one_that_is_off_is_not_tried(shop: Office):
    made = await sender(shop, "resend", enabled=False)
    path = f"{INTEGRATIONS}/{made['id']}"
    refused(await shop.merchant.test.post(f"{path}/test", json={"to": ADA}), 409, "integration_off")
    assert ok(await shop.merchant.test.get("/v1/messages"))["messages"] == []
    ok(await shop.merchant.test.patch(path, json={"enabled": True}))
    assert (await tried(shop, made, to=ADA))["status"] == "sent"


async def test_what_is_tried_when_it_is_switched_off_waits_until_it_is_on(shop: Office):
    made = await sender(shop, "resend")
    path = f"{INTEGRATIONS}/{made['id']}"
    answer = await shop.merchant.test.post(f"{path}/test", json={"to": ADA})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    ok(await shop.merchant.test.patch(path, json={"enabled": False}))
    await later(shop, hours=1)
    assert shop.outside.take() == []
    ok(await shop.merchant.test.patch(path, json={"enabled": True}))
    await shop.work.run()
    assert (await found(shop, answer.json()["id"]))["status"] == "sent"


async def test_with_a_key_a_test_is_sent_once(shop: Office):
    made = await sender(shop, "resend")
    path = f"{INTEGRATIONS}/{made['id']}/test"
    answers = [
        await shop.merchant.test.post(path, json={"to": ADA}, headers={"Idempotency-Key": "once"})
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    await shop.work.run()
    assert len(shop.outside.take()) == 1
