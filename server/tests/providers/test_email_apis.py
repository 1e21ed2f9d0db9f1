"""Mail by Resend and SendGrid: the requests that their documentation asks for, and what each answer means."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from reevit_server.providers import email_apis
from reevit_server.providers.email_apis import Resend, SendGrid
from reevit_server.providers.sending import Email, Sent
from tests.providers.letters import HTML, KEY, LOGO, MESSAGE_ID, PDF, email
from tests.providers.webapi import api, only, says
from tests.webhooks.hostile import Scenario, hangs_up, resets

RESEND = Resend(api_key="re_123456789")
SENDGRID = SendGrid(api_key="SG.abc-def_1.23")

Send = Callable[[Email, Scenario], Awaitable[Sent]]


async def _by_resend(message: Email, scenario: Scenario) -> Sent:
    async with api(scenario) as (_, post, base_url):
        return await email_apis.send_by_resend(RESEND, message, post=post, base_url=base_url)


async def _by_sendgrid(message: Email, scenario: Scenario) -> Sent:
    async with api(scenario) as (_, post, base_url):
        return await email_apis.send_by_sendgrid(SENDGRID, message, post=post, base_url=base_url)


both = pytest.mark.parametrize("send", [_by_resend, _by_sendgrid], ids=["resend", "sendgrid"])


async def test_resend_gets_the_letter_it_asks_for():
    letter = email(
        from_name='Ama "the" Shop',
        subject="💸 Paid",
        html="<p>é</p>",
        reply_to="support@shop.example.com",
        list_unsubscribe_url="https://shop.example.com/u/1",
        attachments=(PDF,),
    )
    answer = {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}
    async with api(says(200, answer)) as (there, post, base_url):
        sent = await email_apis.send_by_resend(RESEND, letter, post=post, base_url=base_url)
    assert (sent.outcome, sent.provider_ref, sent.code, sent.message) == ("sent", answer["id"], None, None)
    request = only(there)
    assert request.line == "POST /emails HTTP/1.1"
    assert request.headers["authorization"] == "Bearer re_123456789"
    assert request.headers["idempotency-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Reevit/")
    assert orjson.loads(request.body) == {
        "from": '"Ama \\"the\\" Shop" <hello@shop.example.com>',
        "to": ["ada@example.com"],
        "subject": "💸 Paid",
        "text": "Thank you, Ada.\n",
        "html": "<p>é</p>",
        "reply_to": "support@shop.example.com",
        "headers": {
            "Message-ID": MESSAGE_ID,
            "List-Unsubscribe": "<https://shop.example.com/u/1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "attachments": [
            {
                "filename": "Réçu.pdf",
                "content": base64.b64encode(PDF.content).decode(),
                "content_type": "application/pdf",
            }
        ],
    }


async def test_sendgrid_gets_the_letter_it_asks_for():
    letter = email(
        subject="💸 Paid", html="<p>é</p>", reply_to="support@shop.example.com", attachments=(PDF,)
    )
    async with api(says(202, b"", "X-Message-Id: 14c5d75ce93.dfd.64b469")) as (there, post, base_url):
        sent = await email_apis.send_by_sendgrid(SENDGRID, letter, post=post, base_url=base_url)
    assert (sent.outcome, sent.code, sent.message) == ("sent", None, None)
    request = only(there)
    assert request.line == "POST /v3/mail/send HTTP/1.1"
    assert request.headers["authorization"] == "Bearer SG.abc-def_1.23"
    assert request.headers["content-type"] == "application/json"
    assert orjson.loads(request.body) == {
        "personalizations": [{"to": [{"email": "ada@example.com"}]}],
        "from": {"email": "hello@shop.example.com", "name": "Ama's Shop"},
        "reply_to": {"email": "support@shop.example.com"},
        "subject": "💸 Paid",
        "content": [
            {"type": "text/plain", "value": "Thank you, Ada.\n"},
            {"type": "text/html", "value": "<p>é</p>"},
        ],
        "headers": {"Message-ID": MESSAGE_ID},
        "attachments": [
            {
                "content": base64.b64encode(PDF.content).decode(),
                "filename": "Réçu.pdf",
                "type": "application/pdf",
                "disposition": "attachment",
            }
        ],
    }


async def test_a_picture_in_line_goes_with_the_name_that_the_html_calls_it_by():
    letter = email(html=HTML, attachments=(LOGO, PDF))
    async with api(says(200, {"id": "x"})) as (there, post, base_url):
        await email_apis.send_by_resend(RESEND, letter, post=post, base_url=base_url)
        await email_apis.send_by_sendgrid(SENDGRID, letter, post=post, base_url=base_url)
    by_resend, by_sendgrid = (orjson.loads(request.body)["attachments"] for request in there.requests)
    picture, file = (base64.b64encode(one.content).decode() for one in (LOGO, PDF))
    # https://resend.com/docs/dashboard/emails/embed-inline-images
    assert by_resend == [
        {"filename": "logo.png", "content": picture, "content_type": "image/png", "content_id": "logo"},
        {"filename": "Réçu.pdf", "content": file, "content_type": "application/pdf"},
    ]
    # https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
    assert by_sendgrid == [
        {
            "content": picture,
            "filename": "logo.png",
            "type": "image/png",
            "disposition": "inline",
            "content_id": "logo",
        },
        {"content": file, "filename": "Réçu.pdf", "type": "application/pdf", "disposition": "attachment"},
    ]


@pytest.mark.parametrize(
    ("status", "name", "outcome"),
    [
        (400, "validation_error", "never"),
        (401, "missing_api_key", "never"),
        (403, "invalid_api_key", "never"),
        (409, "invalid_idempotent_request", "never"),
        (409, "concurrent_idempotent_requests", "later"),
        (422, "invalid_from_address", "never"),
        (429, "rate_limit_exceeded", "later"),
        (429, "daily_quota_exceeded", "later"),
        (500, "internal_server_error", "later"),
    ],
)
async def test_resend_says_which_refusals_pass(status: int, name: str, outcome: str):
    answer = {"statusCode": status, "name": name, "message": "Because re_123456789 says so."}
    sent = await _by_resend(email(), says(status, answer))
    assert (sent.outcome, sent.code) == (outcome, f"http_{status}")
    assert sent.message == f"{name}: Because *** says so."


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "never"), (401, "never"), (413, "never"), (429, "later"), (503, "later")]
)
async def test_sendgrid_says_what_is_wrong(status: int, outcome: str):
    answer = {
        "errors": [
            {"message": "The from address does not match a verified Sender.", "field": "from", "help": None},
            {"message": "Bad.", "field": None},
        ]
    }
    sent = await _by_sendgrid(email(), says(status, answer))
    assert (sent.outcome, sent.code) == (outcome, f"http_{status}")
    assert sent.message == "The from address does not match a verified Sender. Bad."


@both
async def test_who_is_told_to_wait_says_how_long(send: Send):
    sent = await send(email(), says(429, {"message": "Slow down"}, "Retry-After: 17"))
    assert (sent.outcome, sent.code, sent.retry_after) == ("later", "http_429", 17)


@both
@pytest.mark.parametrize(
    ("scenario", "code", "unsure"),
    [
        (says(302, b"", "Location: https://example.com/"), "http_302", False),
        (says(500, b"<html>oops"), "http_500", False),
        (says(502, b"no gateway"), "http_502", True),
        (hangs_up, "connection_lost", True),
        (resets, "connection_lost", True),
    ],
    ids=["redirect", "500", "502", "hangs up", "breaks"],
)
async def test_no_answer_that_is_one_is_a_fact(send: Send, scenario: Scenario, code: str, unsure: bool):
    sent = await send(email(), scenario)
    assert (sent.outcome, sent.code) == ("never" if code == "http_302" else "later", code)
    assert sent.is_unsure is unsure
    assert sent.message


@both
@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'"x"', b'{"id":', b'{"errors":[1,{"message":2}]}', b"\xff\xfe"]
)
async def test_an_answer_in_another_form_is_no_trouble(send: Send, answer: bytes):
    assert (await send(email(), says(200, answer))).outcome == "sent"
    sent = await send(email(), says(400, answer))
    assert (sent.outcome, sent.code) == ("never", "http_400")


@both
@pytest.mark.parametrize(
    "fields",
    [
        {"to": "a@x.com, b@x.com"},
        {"to": "A <a@x.com>"},
        {"subject": "Hi\r\nBcc: b@x.com"},
        {"from_name": "Ama\nX: y"},
        {"subject": "x" * 2**20},
        {"text": "\ud83d"},
        {"attachments": (LOGO,)},
    ],
)
async def test_what_would_be_another_letter_is_not_even_asked_for(send: Send, fields: dict[str, Any]):
    sent = await send(email(**fields), says(200, {"id": "x"}))
    assert (sent.outcome, sent.code, sent.provider_ref) == ("never", "invalid_message", None)


@pytest.mark.parametrize("key", ["", "k" * 257, "ké"])
async def test_a_key_that_resend_would_refuse_is_not_sent(key: str):
    sent = await _by_resend(email(idempotency_key=key), says(200, {"id": "x"}))
    assert (sent.outcome, sent.code) == ("never", "invalid_message")


@pytest.mark.parametrize("key", ["", "re_1\r\nX-Evil: 1", "re 1", "ré"])
async def test_an_api_key_cannot_write_headers(key: str):
    async with api(says(200, {"id": "x"})) as (there, post, base_url):
        for sent in (
            await email_apis.send_by_resend(Resend(api_key=key), email(), post=post, base_url=base_url),
            await email_apis.send_by_sendgrid(SendGrid(api_key=key), email(), post=post, base_url=base_url),
        ):
            assert (sent.outcome, sent.code) == ("never", "invalid_settings")
    assert there.requests == []
