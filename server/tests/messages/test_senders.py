"""Those who send over HTTP: each gets one message as it documents, and a repeat only where that does no harm."""

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
import standardwebhooks

from reevit_server.core.clock import utc_now
from reevit_server.core.egress import Reply
from tests.makers import ok
from tests.messages.office import FROM, INTEGRATIONS, Office
from tests.messages.writing import (
    ACCOUNTS,
    ADA,
    PHONE,
    SECRET,
    at,
    found,
    sender,
    sent,
    suppressions,
    write,
)
from tests.webhooks.clockwork import Sent

SID = ACCOUNTS["twilio"]["credentials"]["account_sid"]
CHANNELS = {"twilio": "sms", "africas_talking": "sms", "hubtel": "sms", "chat": "notification"}
SMS = ("twilio", "africas_talking", "hubtel")
TAKEN = {
    "resend": Reply(9, 200, body='{"id":"49a3999c"}'),
    "sendgrid": Reply(9, 202, body=""),
    "twilio": Reply(9, 201, body=f'{{"sid": "SM{"0" * 32}"}}'),
    "africas_talking": Reply(
        9, 201, body='{"SMSMessageData":{"Recipients":[{"statusCode":101,"messageId":"ATXid_1"}]}}'
    ),
    "hubtel": Reply(9, 200, body='{"status":0,"messageId":"a-1"}'),
    "chat": Reply(9, 200, body="ok"),
    "webhook": Reply(9, 204, body=""),
}
LOST = Reply(15_000, error="timeout", error_message="No whole answer within 15 seconds.")
BUSY = Reply(5, 429, retry_after="3600", body="{}")


async def left(shop: Office, provider: str, **fields: Any) -> tuple[dict[str, Any], Sent]:
    """A message that is taken at once, and the request that it left as."""
    await sender(shop, provider)
    shop.outside.answer(TAKEN[provider])
    message = await sent(shop, channel=CHANNELS.get(provider, "email"), **fields)
    assert (message["status"], message["attempt_count"]) == ("sent", 1)
    (request,) = shop.outside.take()
    assert await shop.work.run_for(days=2) == 0
    assert shop.outside.take() == []
    return message, request


def form(request: Sent) -> dict[str, list[str]]:
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    return parse_qs(request.body.decode(), strict_parsing=True)


async def test_a_letter_by_resend_has_the_messages_id_as_its_key(shop: Office):
    message, request = await left(shop, "resend", html="<p>On its way.</p>")
    assert request.url == "https://api.resend.com/emails"
    assert request.headers["Authorization"] == "Bearer re_123456789"
    assert request.headers["Idempotency-Key"] == message["id"]
    shop_name = request.json["from"].partition(" <")[0]
    assert shop_name.startswith("Shop "), "it is from the organization, by its name"
    assert request.json == {
        "from": f"{shop_name} <{FROM}>",
        "to": [ADA],
        "subject": "Your order",
        "text": "It is on its way.\n",
        "html": "<p>On its way.</p>",
        "headers": {"Message-ID": f"<{message['id']}@example.com>"},
    }
    assert message["provider_ref"] == "49a3999c"


async def test_a_letter_by_sendgrid_goes_to_one_person(shop: Office):
    message, request = await left(shop, "sendgrid")
    assert request.url == "https://api.sendgrid.com/v3/mail/send"
    assert request.json["personalizations"] == [{"to": [{"email": ADA}]}]
    assert request.json["headers"] == {"Message-ID": f"<{message['id']}@example.com>"}
    assert request.json["from"]["email"] == FROM


async def test_a_short_message_by_twilio(shop: Office):
    message, request = await left(shop, "twilio")
    assert request.url == f"https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages.json"
    login = base64.b64encode(f"{SID}:t0ken-of-twilio".encode()).decode()
    assert request.headers["Authorization"] == f"Basic {login}"
    assert form(request) == {"To": [PHONE], "From": ["+15005550006"], "Body": ["It is on its way."]}
    assert (message["to"], message["provider_ref"]) == (PHONE, "SM" + "0" * 32)


async def test_a_short_message_by_africas_talking(shop: Office):
    message, request = await left(shop, "africas_talking")
    assert request.url == "https://api.africastalking.com/version1/messaging"
    assert request.headers["apiKey"] == "atsk_0123456789"
    assert form(request) == {"username": ["ama"], "to": [PHONE], "message": ["It is on its way."]}
    assert message["provider_ref"] == "ATXid_1"


async def test_a_short_message_by_hubtel(shop: Office):
    message, request = await left(shop, "hubtel")
    assert request.url == "https://sms.hubtel.com/v1/messages/send"
    assert request.json == {"From": "AmaShop", "To": PHONE[1:], "Content": "It is on its way."}
    assert message["provider_ref"] == "a-1"


async def test_a_note_to_a_chat(shop: Office):
    message, request = await left(shop, "chat")
    assert request.url == ACCOUNTS["chat"]["credentials"]["url"]
    assert request.json == {"text": "Ada paid."}
    assert message["to"] is None


@pytest.mark.parametrize("provider", SMS)
async def test_a_short_message_that_may_have_arrived_is_not_sent_again(shop: Office, provider: str):
    await sender(shop, provider)
    shop.outside.answer(LOST, TAKEN[provider])
    message = await sent(shop, channel="sms")
    assert (message["status"], message["reason"]) == ("failed", "timeout")
    assert await shop.work.run_for(days=2) == 0
    assert len(shop.outside.take()) == 1


@pytest.mark.parametrize("provider", TAKEN)
async def test_who_asks_for_time_gets_it_and_is_sent_the_message_again(shop: Office, provider: str):
    await sender(shop, provider)
    shop.outside.answer(BUSY, TAKEN[provider])
    message = await sent(shop, channel=CHANNELS.get(provider, provider if provider == "webhook" else "email"))
    assert message["status"] == "scheduled"
    wait = (at(message["next_attempt_at"]) - shop.work.clock()).total_seconds()
    assert 3600 <= wait <= 1.2 * 3600
    await shop.work.run_for(hours=2)
    message = await found(shop, message["id"])
    assert (message["status"], message["attempt_count"]) == ("sent", 2)
    first, second = shop.outside.take()
    assert first.url == second.url
    if provider != "webhook":  # which says, and signs, which attempt it is
        assert first.body == second.body


async def test_a_line_that_never_stood_has_brought_no_short_message(shop: Office):
    await sender(shop, "twilio")
    refused = Reply(1, error="connection_failed", error_message="No connection: Connection refused.")
    shop.outside.answer(refused, TAKEN["twilio"])
    message = await sent(shop, channel="sms")
    assert message["status"] == "scheduled"
    await shop.work.run_for(minutes=1)
    assert (await found(shop, message["id"]))["status"] == "sent"


@pytest.mark.parametrize("purpose", ["transactional", "marketing"])
async def test_a_repeat_by_resend_is_the_same_to_the_last_byte(shop: Office, purpose: str):
    """Or Resend would refuse it: it knows that key with another letter."""
    await sender(shop, "resend")
    shop.outside.answer(LOST, TAKEN["resend"])
    message = await sent(shop, purpose=purpose, html="<p>On its way.</p>")
    await shop.work.run_for(minutes=1)
    assert (await found(shop, message["id"]))["status"] == "sent"
    first, second = shop.outside.take()
    assert first == second
    assert ("List-Unsubscribe" in first.json["headers"]) is (purpose == "marketing")


async def test_a_repeat_by_resend_with_a_receipt_is_the_same_to_the_last_byte(shop: Office):
    await sender(shop, "resend")
    shop.outside.answer(LOST, TAKEN["resend"])
    customer = await shop.merchant.customer(name="Ada", email=ADA)
    payment = await shop.merchant.payment(customer_id=customer["id"])
    message = await sent(shop, customer_id=customer["id"], receipt_of=payment["id"])
    await shop.merchant.refund(payment["id"], amount=1)
    await shop.work.run_for(minutes=1)
    assert (await found(shop, message["id"]))["status"] == "sent"
    first, second = shop.outside.take()
    assert first == second
    (attachment,) = first.json["attachments"]
    assert attachment["filename"] == f"receipt-{payment['id']}.pdf"
    assert base64.b64decode(attachment["content"]).startswith(b"%PDF-")


REFUSALS = {
    "twilio": Reply(9, 400, body='{"code":21610,"message":"Attempt to send to unsubscribed recipient"}'),
    "africas_talking": Reply(
        9, 201, body='{"SMSMessageData":{"Recipients":[{"statusCode":406,"status":"UserInBlacklist"}]}}'
    ),
    "hubtel": Reply(9, 400, body='{"status":1,"statusDescription":"Invalid destination"}'),
}


@pytest.mark.parametrize("provider", SMS)
async def test_a_phone_that_does_not_want_to_be_reached_is_not_written_to_again(shop: Office, provider: str):
    await sender(shop, provider)
    shop.outside.answer(REFUSALS[provider], TAKEN[provider])
    message = await sent(shop, channel="sms")
    assert (message["status"], message["reason"]) == ("failed", "refused_recipient")
    (suppression,) = await suppressions(shop)
    assert (suppression["channel"], suppression["hint"]) == ("sms", "+23350***67")
    assert (suppression["reason"], suppression["covers"]) == ("opted_out", "everything")
    again = await sent(shop, channel="sms")
    assert (again["status"], again["reason"]) == ("suppressed", "opted_out")
    assert len(shop.outside.take()) == 1


BAD_KEYS = {
    "resend": Reply(9, 401, body='{"name":"restricted_api_key","message":"No"}'),
    "sendgrid": Reply(9, 403, body='{"errors":[{"message":"access forbidden"}]}'),
    "twilio": Reply(9, 401, body='{"code":20003,"message":"Authenticate","status":401}'),
    "africas_talking": Reply(9, 401, body="The supplied authentication is invalid"),
    "hubtel": Reply(9, 401, body=""),
}


@pytest.mark.parametrize("provider", BAD_KEYS)
async def test_a_key_that_is_refused_may_be_mended_before_the_message_is_given_up(
    shop: Office, provider: str
):
    integration = await sender(shop, provider)
    shop.outside.answer(BAD_KEYS[provider], TAKEN[provider])
    message = await sent(shop, channel=CHANNELS.get(provider, "email"))
    assert message["status"] == "scheduled"
    (attempt,) = message["attempts"]
    assert attempt["outcome"] == "never"
    credentials = {"credentials": ACCOUNTS[provider]["credentials"]}
    ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{integration['id']}", json=credentials))
    await shop.work.run_for(minutes=1)
    assert (await found(shop, message["id"]))["status"] == "sent"
    assert await suppressions(shop) == []


async def test_a_call_verifies_by_the_published_package_also_when_it_is_repeated_hours_later(shop: Office):
    """Its clock is the true one, and refuses what was signed minutes ago."""
    shop.work.clock.now = utc_now() - timedelta(hours=3)
    await sender(shop, "webhook")
    shop.outside.answer(BUSY, TAKEN["webhook"])
    id = await write(shop, channel="webhook")
    await shop.work.run()
    shop.work.clock.now = utc_now()
    await shop.work.fulfil("messages.queue_due")
    await shop.work.run()
    message = await found(shop, id)
    assert (message["status"], message["attempt_count"]) == ("sent", 2)
    first, second = shop.outside.take()
    webhook = standardwebhooks.Webhook(SECRET)
    with pytest.raises(standardwebhooks.WebhookVerificationError, match="too old"):
        webhook.verify(first.body, lower(first))
    assert webhook.verify(second.body, lower(second)) == second.json
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == id
    for attempt, request in enumerate((first, second), 1):
        told = request.json
        signed_at = at(told.pop("signature_timestamp"))
        assert int(request.headers["webhook-timestamp"]) == signed_at.timestamp()
        assert (told.pop("delivery_id"), told.pop("attempt")) == (id, attempt)
        assert told == orjson.loads(message["text"])


def lower(request: Sent) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def test_no_credentials_are_in_what_the_other_side_repeats(shop: Office):
    for provider, account in ACCOUNTS.items():
        if provider == "smtp":
            continue
        integration = await sender(shop, provider)
        secrets = [str(value) for value in account["credentials"].values()]
        echo = Reply(9, 400, body=f"You said {' and '.join(secrets)}")
        shop.outside.answer(echo)
        channel = CHANNELS.get(provider, provider if provider == "webhook" else "email")
        message = await sent(shop, channel=channel, integration_id=integration["id"])
        assert message["status"] == "failed"
        kept = orjson.dumps(message).decode()
        for name in ("api_key", "auth_token", "client_secret", "secret"):
            if name in account["credentials"]:
                assert account["credentials"][name] not in kept, provider
        assert "T0000secret" not in kept
