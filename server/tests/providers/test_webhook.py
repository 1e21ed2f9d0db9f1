"""Calls to a merchant's own server: whoever verifies webhooks verifies these, with code that is not ours."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import standardwebhooks

from reevit_server.core import egress
from reevit_server.providers import webhook
from reevit_server.providers.sending import Call, Sent
from reevit_server.providers.webhook import Webhook
from tests.providers.letters import CALL_ID, call
from tests.providers.webapi import only, says
from tests.webhooks.hostile import LOOPBACK, Request, Scenario, hangs_up, receiver

SECRET = "whsec_" + base64.b64encode(bytes(range(224, 256))).decode()


async def sent_to(scenario: Scenario, message: Call, *, secret: str = SECRET) -> tuple[Sent, list[Request]]:
    async with egress.opened(private=True) as post, receiver(scenario) as there:
        sent = await webhook.send(Webhook(url=there.url, secret=secret), message, post=post)
        return sent, there.requests


async def arrived(message: Call, *, secret: str = SECRET) -> Request:
    sent, requests = await sent_to(says(200, b"ok"), message, secret=secret)
    assert (sent.outcome, sent.code, sent.message, sent.provider_ref) == ("sent", None, None, None)
    (request,) = requests
    return request


def verifies(request: Request, secret: str = SECRET) -> bool:
    """By the published package; its clock is the true one."""
    try:
        found = standardwebhooks.Webhook(secret).verify(request.body, request.headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    assert found == orjson.loads(request.body)
    return True


async def test_the_body_arrives_as_it_is_and_verifies():
    message = call()
    request = await arrived(message)
    assert request.line == "POST /hooks HTTP/1.1"
    assert request.body == message.body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Reevit/")
    assert request.headers["webhook-id"] == CALL_ID
    assert verifies(request)
    by_hand = hmac.new(SECRET.encode(), message.body, hashlib.sha256).hexdigest()
    assert request.headers["x-reevit-signature"] == f"sha256={by_hand}"


@pytest.mark.parametrize("size", [24, 33, 64])
async def test_a_secret_of_any_size_that_is_accepted_verifies(size: int):
    secret = "whsec_" + base64.b64encode(bytes(255 - number for number in range(size))).decode()
    request = await arrived(call(), secret=secret)
    assert verifies(request, secret)
    assert not verifies(request, SECRET)


async def test_whatever_is_changed_on_the_way_does_not_verify():
    request = await arrived(call())
    later = str(int(request.headers["webhook-timestamp"]) + 1)
    for body, headers in (
        (request.body + b" ", {}),
        (request.body.replace(b"4200", b"4300"), {}),
        (request.body, {"webhook-id": "msg_0002"}),
        (request.body, {"webhook-timestamp": later}),
    ):
        assert not verifies(Request(request.line, request.headers | headers, body))


async def test_it_is_signed_at_the_time_of_the_attempt_and_refused_when_that_is_old():
    now = datetime.now(UTC)
    first = await arrived(call(written_at=now - timedelta(minutes=10)))
    second = await arrived(call(written_at=now))
    assert second.headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert (verifies(first), verifies(second)) == (False, True)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_answer_of_2xx_says_that_it_was_taken(status: int):
    sent, _ = await sent_to(says(status), call())
    assert (sent.outcome, sent.code) == ("sent", None)


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        ("never", [301, 307, 400, 401, 403, 404, 409, 410, 413, 422]),
        ("later", [408, 425, 429, 500, 502, 503, 504]),
    ],
)
async def test_a_refusal_says_whether_it_passes(outcome: str, statuses: list[int]):
    for status in statuses:
        sent, _ = await sent_to(says(status, b"So it is."), call())
        assert (sent.outcome, sent.code, sent.message) == (outcome, f"http_{status}", "So it is.")


async def test_who_is_told_to_wait_says_how_long():
    sent, _ = await sent_to(says(503, b"", "Retry-After: 17"), call())
    assert (sent.outcome, sent.code, sent.retry_after) == ("later", "http_503", 17)


async def test_a_server_that_hangs_up_is_a_fact():
    sent, _ = await sent_to(hangs_up, call())
    assert (sent.outcome, sent.code, sent.is_unsure) == ("later", "connection_lost", True)


async def test_no_secret_that_was_repeated_is_passed_on():
    said = f"No {SECRET}, no {SECRET.removeprefix('whsec_')}!"
    sent, _ = await sent_to(says(401, said.encode()), call())
    assert sent.message == "No ***, no ***!"


@pytest.mark.parametrize(
    "message",
    [
        call(body=b""),
        call(body=b"name=Ada"),
        call(body=b'{"a":NaN}'),
        call(body=b'{"a":"\xff"}'),
        call(id=""),
        call(id="msg_1.2"),
        call(id="msg_1\r\nX: y"),
        call(id="msg_\u00e9"),
        call(id="x" * 201),
    ],
)
async def test_what_is_no_call_is_not_made(message: Call):
    sent, requests = await sent_to(says(200), message)
    assert (sent.outcome, sent.code, requests) == ("never", "invalid_message", [])
    assert sent.message


@pytest.mark.parametrize("address", [LOOPBACK, "169.254.169.254", "10.0.0.1"])
async def test_no_call_goes_to_an_address_that_is_denied(address: str):
    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    async with egress.opened(private=False, resolve=resolve) as post, receiver(says(200)) as there:
        settings = Webhook(url=f"https://shop.example:{there.port}/hooks", secret=SECRET)
        sent = await webhook.send(settings, call(), post=post)
    assert (sent.outcome, sent.code, there.connections) == ("never", "address_denied", 0)


async def test_an_address_in_any_script_travels_in_ascii():
    async def resolve(host: str, port: int) -> list[str]:
        return [LOOPBACK]

    async with egress.opened(private=True, resolve=resolve) as post, receiver(says(200)) as there:
        settings = Webhook(url=f"http://b\u00fccher.example:{there.port}/\u00fc?x=\u00e9", secret=SECRET)
        sent = await webhook.send(settings, call(), post=post)
    request = only(there)
    assert sent.outcome == "sent"
    assert request.line == "POST /%C3%BC?x=%C3%A9 HTTP/1.1"
    assert request.headers["host"] == f"xn--bcher-kva.example:{there.port}"
    assert verifies(request)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        SECRET.replace("whsec_", "whpk_"),
        SECRET + "\n",
        SECRET.rstrip("="),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
async def test_a_secret_that_signs_nothing_is_refused(secret: str):
    settings = Webhook(url="https://shop.example/hooks", secret=secret)
    assert list(settings.check()) == ["secret"]
    assert not secret or secret not in str(settings)
    sent, requests = await sent_to(says(200), call(), secret=secret)
    assert (sent.outcome, sent.code, requests) == ("never", "invalid_settings", [])


def test_the_address_is_that_of_a_public_host_and_all_faults_are_named_at_once():
    assert Webhook(url="https://shop.example/hooks", secret=SECRET).check() == {}
    assert list(Webhook(url="http://shop.example/hooks", secret=SECRET).check()) == ["url"]
    assert list(Webhook(url="https://127.0.0.1/hooks", secret=SECRET).check()) == ["url"]
    assert Webhook(url="http://localhost:8000/hooks", secret=SECRET).check(private=True) == {}
    assert list(Webhook(url="", secret="").check()) == ["url", "secret"]
