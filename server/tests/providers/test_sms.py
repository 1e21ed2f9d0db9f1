"""Short messages by Twilio, Africa's Talking and Hubtel: the requests that their documentation asks for, and what
each answer means.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest

from reevit_server.core.egress import Reply
from reevit_server.providers import sms as senders
from reevit_server.providers.sending import Sent, Sms
from reevit_server.providers.sms import AfricasTalking, Hubtel, Twilio
from tests.providers.letters import sms
from tests.providers.webapi import api, only, says
from tests.webhooks.hostile import Scenario, hangs_up, resets

SID = "AC" + "0123456789abcdef" * 2
MESSAGE_SID = "SM" + "0123456789abcdef" * 2
TWILIO = Twilio(account_sid=SID, auth_token="t0ken", sender="+15005550006")
AFRICAS_TALKING = AfricasTalking(username="ama", api_key="atsk_123")
HUBTEL = Hubtel(client_id="qoohqvcp", client_secret="sgrorne", sender="AmaShop")
REFUSED = "refused_recipient"

Send = Callable[[Sms, Scenario], Awaitable[Sent]]


async def _by_twilio(message: Sms, scenario: Scenario) -> Sent:
    async with api(scenario) as (_, post, base_url):
        return await senders.send_by_twilio(TWILIO, message, post=post, base_url=base_url)


async def _by_africas_talking(message: Sms, scenario: Scenario) -> Sent:
    async with api(scenario) as (_, post, base_url):
        return await senders.send_by_africas_talking(AFRICAS_TALKING, message, post=post, base_url=base_url)


async def _by_hubtel(message: Sms, scenario: Scenario) -> Sent:
    async with api(scenario) as (_, post, base_url):
        return await senders.send_by_hubtel(HUBTEL, message, post=post, base_url=base_url)


everybody = pytest.mark.parametrize(
    "send", [_by_twilio, _by_africas_talking, _by_hubtel], ids=["twilio", "africas_talking", "hubtel"]
)


def _at(code: Any, status: str = "Success", message_id: str = "ATXid_1") -> dict[str, Any]:
    recipient = {
        "statusCode": code,
        "number": "+233501234567",
        "status": status,
        "cost": "GHS 0.0300",
        "messageId": message_id,
    }
    return {"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: GHS 0.0300", "Recipients": [recipient]}}


async def test_twilio_gets_the_request_it_asks_for():
    answer = {"account_sid": SID, "body": 'a "sid": "SMnot"', "sid": MESSAGE_SID, "status": "queued"}
    async with api(says(201, answer)) as (there, post, base_url):
        sent = await senders.send_by_twilio(
            TWILIO, sms(text="Merci & +50 % ☕ قبض"), post=post, base_url=base_url
        )
    assert (sent.outcome, sent.provider_ref, sent.code) == ("sent", MESSAGE_SID, None)
    request = only(there)
    assert request.line == f"POST /2010-04-01/Accounts/{SID}/Messages.json HTTP/1.1"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"{SID}:t0ken".encode()).decode()
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == (
        b"To=%2B233501234567&From=%2B15005550006&Body=Merci+%26+%2B50+%25+%E2%98%95+%D9%82%D8%A8%D8%B6"
    )


@pytest.mark.parametrize(
    ("account", "message", "field"),
    [
        (None, "AmaShop", ("From", "AmaShop")),
        ("MG" + "0" * 32, None, ("MessagingServiceSid", "MG" + "0" * 32)),
        ("MG" + "0" * 32, "+15005550006", ("From", "+15005550006")),
    ],
)
async def test_a_message_may_name_its_sender_else_the_account_does(
    account: str | None, message: str | None, field: tuple[str, str]
):
    settings = Twilio(account_sid=SID, auth_token="t0ken", sender=account or "+15005550006")
    async with api(says(201, {"sid": MESSAGE_SID})) as (there, post, base_url):
        await senders.send_by_twilio(settings, sms(sender=message), post=post, base_url=base_url)
    assert parse_qsl(only(there).body.decode())[1] == field


async def test_of_an_answer_longer_than_is_kept_the_message_is_still_sent():
    answer = {"account_sid": SID, "body": "☕" * 700, "sid": MESSAGE_SID}
    sent = await _by_twilio(sms(text="☕" * 700), says(201, answer))
    assert (sent.outcome, sent.provider_ref) == ("sent", None)


@pytest.mark.parametrize(
    ("status", "code", "outcome", "called"),
    [
        (400, 21211, "never", REFUSED),
        (400, 21610, "never", REFUSED),
        (400, 21612, "never", REFUSED),
        (400, 21614, "never", REFUSED),
        (400, 21606, "never", "twilio_21606"),
        (400, 21408, "never", "twilio_21408"),
        (400, 21611, "later", "twilio_21611"),
        (400, 63038, "later", "twilio_63038"),
        (401, 20003, "never", "twilio_20003"),
        (404, 20404, "never", "twilio_20404"),
        (429, 20429, "later", "http_429"),
        (500, 20500, "later", "http_500"),
        (503, 20503, "later", "http_503"),
    ],
)
async def test_twilio_says_which_refusals_pass(status: int, code: int, outcome: str, called: str):
    answer = {"code": code, "message": "No t0ken, no message", "more_info": "https://...", "status": status}
    sent = await _by_twilio(sms(), says(status, answer))
    assert (sent.outcome, sent.code) == (outcome, called)
    assert sent.message == f"Twilio {code}: No ***, no message"


@pytest.mark.parametrize(
    ("settings", "message", "body"),
    [
        (AFRICAS_TALKING, None, b"username=ama&to=%2B233501234567&message=50+%25"),
        (AFRICAS_TALKING, "AmaShop", b"username=ama&to=%2B233501234567&message=50+%25&from=AmaShop"),
        (
            AfricasTalking(username="ama", api_key="atsk_123", sender="20880"),
            None,
            b"username=ama&to=%2B233501234567&message=50+%25&from=20880",
        ),
    ],
)
async def test_africas_talking_gets_the_request_it_asks_for(
    settings: AfricasTalking, message: str | None, body: bytes
):
    async with api(says(201, _at(101))) as (there, post, base_url):
        sent = await senders.send_by_africas_talking(
            settings, sms(sender=message, text="50 %"), post=post, base_url=base_url
        )
    assert (sent.outcome, sent.provider_ref, sent.code) == ("sent", "ATXid_1", None)
    request = only(there)
    assert request.line == "POST /version1/messaging HTTP/1.1"
    assert request.headers["apikey"] == "atsk_123"
    assert request.headers["accept"] == "application/json"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == body


@pytest.mark.parametrize(
    ("code", "outcome", "called"),
    [
        (100, "sent", None),
        (102, "sent", None),
        ("101", "sent", None),
        (401, "never", "africas_talking_401"),
        (402, "never", "africas_talking_402"),
        (403, "never", REFUSED),
        (404, "never", REFUSED),
        (405, "later", "africas_talking_405"),
        (406, "never", REFUSED),
        (407, "never", "africas_talking_407"),
        (409, "never", REFUSED),
        (500, "later", "africas_talking_500"),
        (501, "later", "africas_talking_501"),
        (502, "later", "africas_talking_502"),
    ],
)
async def test_africas_talking_says_201_and_within_what_became_of_it(
    code: Any, outcome: str, called: str | None
):
    sent = await _by_africas_talking(sms(), says(201, _at(code, status="Because", message_id="None")))
    assert (sent.outcome, sent.code) == (outcome, called)
    assert sent.message == (None if outcome == "sent" else f"Africa's Talking {code}: Because")
    assert outcome == "sent" or sent.provider_ref is None


async def test_africas_talking_names_nobody_when_the_sender_is_not_the_account_s():
    answer = {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}
    sent = await _by_africas_talking(sms(), says(201, answer))
    assert (sent.outcome, sent.code) == ("never", "africas_talking_rejected")
    assert sent.message == "Africa's Talking: InvalidSenderId"


async def test_africas_talking_s_sandbox_is_elsewhere():
    asked = []

    async def post(url: str, body: bytes, headers: Any) -> Reply:
        asked.append(url)
        return Reply(1, 201, body=orjson.dumps(_at(101)).decode())

    for username in ("sandbox", "ama"):
        settings = AfricasTalking(username=username, api_key="atsk_123")
        assert (await senders.send_by_africas_talking(settings, sms(), post=post)).outcome == "sent"
    assert asked == [
        "https://api.sandbox.africastalking.com/version1/messaging",
        "https://api.africastalking.com/version1/messaging",
    ]


async def test_hubtel_gets_the_request_it_asks_for():
    answer = {
        "rate": 0.0309,
        "messageId": "9c5f3edc-529e-4182-959b-aeb17b9ddad4",
        "status": 0,
        "networkId": "62001",
        "clientReference": None,
        "statusDescription": "request submitted successfully",
    }
    async with api(says(201, answer)) as (there, post, base_url):
        sent = await senders.send_by_hubtel(HUBTEL, sms(text="Merci ☕"), post=post, base_url=base_url)
    assert (sent.outcome, sent.provider_ref, sent.code) == ("sent", answer["messageId"], None)
    request = only(there)
    assert request.line == "POST /v1/messages/send HTTP/1.1"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"qoohqvcp:sgrorne").decode()
    assert request.headers["content-type"] == "application/json"
    assert orjson.loads(request.body) == {"From": "AmaShop", "To": "233501234567", "Content": "Merci ☕"}


@pytest.mark.parametrize(
    ("status", "answer", "outcome", "called"),
    [
        (200, {"Status": 0, "MessageId": "m1"}, "sent", None),
        (200, {"Status": "0", "MessageId": "m1"}, "sent", None),
        (200, {"status": 1}, "never", REFUSED),
        (400, {"status": 1}, "never", REFUSED),
        (400, {"status": 2}, "never", "hubtel_2"),
        (400, {"status": 3}, "never", "hubtel_3"),
        (400, {"status": 4}, "never", REFUSED),
        (400, {"status": 12}, "later", "hubtel_12"),
        (400, {"status": 0}, "never", "http_400"),
        (401, {}, "never", "http_401"),
        (402, {}, "later", "http_402"),
        (403, {}, "never", REFUSED),
        (404, {}, "never", "http_404"),
        (500, {"status": 1}, "later", "http_500"),
        (502, {}, "later", "http_502"),
    ],
)
async def test_hubtel_says_which_refusals_pass(
    status: int, answer: dict[str, Any], outcome: str, called: str
):
    sent = await _by_hubtel(sms(), says(status, answer))
    assert (sent.outcome, sent.code) == (outcome, called)
    assert sent.provider_ref == ("m1" if outcome == "sent" else None)
    assert outcome == "sent" or sent.message


@pytest.mark.parametrize("send", [_by_africas_talking, _by_hubtel])
@pytest.mark.parametrize(
    "answer", [b"", b"ok", b"[]", b'{"SMSMessageData":[]}', b'{"status":true}', b"<html>Log in to this Wi-Fi"]
)
async def test_an_answer_of_2xx_that_says_nothing_leaves_it_open(send: Send, answer: bytes):
    sent = await send(sms(), says(200, answer))
    assert (sent.outcome, sent.code, sent.is_unsure) == ("later", "bad_answer", True)


@pytest.mark.parametrize(
    "data",
    [
        {"Recipients": [{"statusCode": None}]},
        {"Recipients": [{"statusCode": "Sent"}]},
        {"Recipients": [{}]},
    ],
)
async def test_a_recipient_without_a_code_leaves_it_open(data: dict[str, Any]):
    sent = await _by_africas_talking(sms(), says(201, {"SMSMessageData": data}))
    assert (sent.outcome, sent.code) == ("later", "bad_answer")


@everybody
@pytest.mark.parametrize(
    ("scenario", "outcome", "code", "retry_after", "unsure"),
    [
        (says(429, {}, "Retry-After: 30"), "later", "http_429", 30, False),
        (says(500, b"oops"), "later", "http_500", None, False),
        (says(504), "later", "http_504", None, True),
        (says(308, b"", "Location: https://example.com"), "never", "http_308", None, False),
        (hangs_up, "later", "connection_lost", None, True),
        (resets, "later", "connection_lost", None, True),
    ],
    ids=["429", "500", "504", "redirect", "hangs up", "breaks"],
)
async def test_no_answer_that_is_one_is_a_fact(
    send: Send, scenario: Scenario, outcome: str, code: str, retry_after: int | None, unsure: bool
):
    sent = await send(sms(), scenario)
    assert (sent.outcome, sent.code, sent.retry_after) == (outcome, code, retry_after)
    assert sent.is_unsure is unsure
    assert sent.message


@everybody
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "0501234567"}, REFUSED),
        ({"to": "+233501234567,+233501234568"}, REFUSED),
        ({"to": "+233501234567\r\n"}, REFUSED),
        ({"to": "+233 50 123"}, REFUSED),
        ({"to": "+٢٣٣٥٠١٢٣٤٥٦٧"}, REFUSED),
        ({"to": ""}, REFUSED),
        ({"sender": "Ama\r\nShop"}, "invalid_message"),
        ({"sender": ""}, "invalid_message"),
        ({"sender": "x" * 41}, "invalid_message"),
        ({"text": "half \ud83d"}, "invalid_message"),
        ({"text": "a\0b"}, "invalid_message"),
    ],
)
async def test_what_is_no_message_to_one_phone_is_not_even_asked_for(
    send: Send, fields: dict[str, Any], code: str
):
    sent = await send(sms(**fields), says(201, _at(101)))
    assert (sent.outcome, sent.code, sent.latency_ms) == ("never", code, 0)
