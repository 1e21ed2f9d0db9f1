"""The table of senders: what each needs to send, and a sentence for each field that is not as it should be."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from reevit_server.core import egress
from reevit_server.core.egress import Reply
from reevit_server.providers import chat, email_apis, senders, smtp, webhook
from reevit_server.providers import sms as texts
from reevit_server.providers.senders import SENDERS, BadCredentials, Field, credentials_of, fields_of
from reevit_server.providers.sending import Message
from tests.providers.letters import call, email, note, sms
from tests.webhooks.hostile import LOOPBACK, receiver, silent

GOOD: Mapping[str, dict[str, Any]] = {
    "smtp": {"host": "smtp.example.com", "port": 465, "security": "tls", "username": "u", "password": "p4ss"},
    "resend": {"api_key": "re_s3cret"},
    "sendgrid": {"api_key": "SG.s3cret"},
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "s3cret", "sender": "+15005550006"},
    "africas_talking": {"username": "sandbox", "api_key": "s3cret"},
    "hubtel": {"client_id": "id", "client_secret": "s3cret", "sender": "AmaShop"},
    "chat": {"url": "https://hooks.slack.com/services/T0/B0/s3cret"},
    "webhook": {"url": "https://shop.example/hooks", "secret": "whsec_" + "s3cret+/" * 4},
}


def made(name: str) -> Any:
    return credentials_of(name, GOOD[name], private=False)


everybody = pytest.mark.parametrize("name", SENDERS)


def faults(name: str, given: Mapping[str, Any], *, private: bool = False) -> dict[str, str]:
    with pytest.raises(BadCredentials) as refusal:
        credentials_of(name, given, private=private)
    for field, fault in refusal.value.faults.items():
        assert field in str(refusal.value)
        assert len(fault) > 10
    return refusal.value.faults


def test_every_sender_is_in_these_tests():
    assert set(GOOD) == set(SENDERS)


@everybody
def test_good_credentials_are_good_and_cannot_be_changed(name: str):
    credentials = made(name)
    assert isinstance(credentials, SENDERS[name].credentials)
    assert credentials.check() == {}
    with pytest.raises(FrozenInstanceError):
        setattr(credentials, fields(credentials)[0].name, "other")


@everybody
def test_no_secret_is_shown(name: str):
    shown = repr(made(name))
    assert "s3cret" not in shown
    assert "p4ss" not in shown


def test_what_a_sender_takes_is_told_with_what_of_it_is_secret():
    assert fields_of("smtp") == (
        Field("host", "string", required=True, secret=False),
        Field("port", "integer", required=False, secret=False),
        Field("security", "string", required=False, secret=False),
        Field("username", "string", required=False, secret=False),
        Field("password", "string", required=False, secret=True),
    )
    assert fields_of("webhook") == (
        Field("url", "string", required=True, secret=False),
        Field("secret", "string", required=True, secret=True),
    )


@everybody
def test_what_must_be_given_is_enough(name: str):
    required = {field.name: GOOD[name][field.name] for field in fields_of(name) if field.required}
    assert credentials_of(name, required, private=False).check() == {}
    for field in required:
        assert list(faults(name, {**required, field: None})) == [field]


@everybody
def test_exactly_the_secrets_are_not_shown(name: str):
    shown = repr(made(name))
    for field in fields_of(name):
        if field.name in GOOD[name]:
            assert (repr(GOOD[name][field.name]) in shown) is not field.secret


@everybody
def test_every_fault_is_named_at_once(name: str):
    required = {
        field.name
        for field in fields(SENDERS[name].credentials)
        if field.name in GOOD[name] and name != "smtp"
    } or {"host"}
    assert set(faults(name, {"colour": "blue"})) == required | {"colour"}
    assert set(faults(name, dict.fromkeys(GOOD[name]))) == required


@everybody
def test_a_field_of_another_kind_is_named(name: str):
    for field in GOOD[name]:
        for value in (["x"], {"a": 1}, True, 1.5):
            assert list(faults(name, {**GOOD[name], field: value})) == [field]


@everybody
def test_a_field_that_could_write_headers_is_named(name: str):
    for field, value in GOOD[name].items():
        if isinstance(value, str):
            for bad in ("", f"{value}\r\nX: y", f"{value}\0", "x" * 3000):
                assert list(faults(name, {**GOOD[name], field: bad})) == [field], bad


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"host": "127.0.0.1"}, "host"),
        ({"host": "localhost"}, "host"),
        ({"host": "smtp.example.com:25"}, "host"),
        ({"host": "smtp.example.com/x"}, "host"),
        ({"host": "smtp.example.com?x"}, "host"),
        ({"host": "u@smtp.example.com"}, "host"),
        ({"host": "smtp"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": -1}, "port"),
        ({"security": "none"}, "security"),
        ({"security": "ssl"}, "security"),
        ({"username": None}, "username"),
        ({"password": None}, "password"),
        ({"password": "\ud800"}, "password"),
    ],
)
def test_a_mail_server_is_a_public_one_with_tls(change: dict[str, Any], fault: str):
    assert list(faults("smtp", {**GOOD["smtp"], **change})) == [fault]


def test_local_work_may_use_a_local_mail_server_without_tls():
    given = {"host": "localhost", "port": 1025, "security": "none"}
    assert set(faults("smtp", given)) == {"host", "security"}
    assert isinstance(credentials_of("smtp", given, private=True), smtp.Smtp)


def test_a_host_may_be_written_in_any_script():
    assert smtp.plain_host("smtp.BÜCHER.example", private=False) == "smtp.xn--bcher-kva.example"
    assert smtp.plain_host("::1", private=True) == "::1"


def test_a_sender_of_no_name_here_is_refused_with_those_that_are():
    assert "resend" in faults("pigeon", {})["provider"]


async def test_each_sends_its_own_kind_of_message_where_its_provider_listens():
    asked: list[str] = []

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        asked.append(url)
        return Reply(7, 503, body="Not now")

    messages: Mapping[str, Message] = {
        "email": email(),
        "sms": sms(),
        "notification": note(),
        "webhook": call(),
    }
    async with smtp.opened(private=False) as connect:
        for name, (channel, _) in SENDERS.items():
            credentials = made(name)
            for kind, message in messages.items():
                if kind != channel:
                    with pytest.raises(TypeError):
                        await senders.send(credentials, message, post=post, connect=connect)
            if name != "smtp":
                sent = await senders.send(credentials, messages[channel], post=post, connect=connect)
                assert (sent.outcome, sent.code, sent.latency_ms) == ("later", "http_503", 7)
    assert asked == [
        "https://api.resend.com/emails",
        "https://api.sendgrid.com/v3/mail/send",
        f"https://api.twilio.com/2010-04-01/Accounts/AC{'0' * 32}/Messages.json",
        "https://api.sandbox.africastalking.com/version1/messaging",
        "https://sms.hubtel.com/v1/messages/send",
        "https://hooks.slack.com/services/T0/B0/s3cret",
        "https://shop.example/hooks",
    ]


async def test_who_is_silent_for_15_seconds_may_have_sent_it():
    """All at once, in real time."""
    async with AsyncExitStack() as stack:
        post = await stack.enter_async_context(egress.opened(private=True))
        there = await stack.enter_async_context(receiver(silent))
        base_url = f"http://{LOOPBACK}:{there.port}"
        all_sent = await asyncio.gather(
            email_apis.send_by_resend(made("resend"), email(), post=post, base_url=base_url),
            email_apis.send_by_sendgrid(made("sendgrid"), email(), post=post, base_url=base_url),
            texts.send_by_twilio(made("twilio"), sms(), post=post, base_url=base_url),
            texts.send_by_africas_talking(made("africas_talking"), sms(), post=post, base_url=base_url),
            texts.send_by_hubtel(made("hubtel"), sms(), post=post, base_url=base_url),
            chat.send(chat.IncomingWebhook(url=there.url), note(), post=post),
            webhook.send(webhook.Webhook(url=there.url, secret=GOOD["webhook"]["secret"]), call(), post=post),
        )
    assert there.connections == len(all_sent)
    for sent in all_sent:
        assert (sent.outcome, sent.code, sent.is_unsure) == ("later", "timeout", True)
        assert sent.latency_ms > 14_900


async def test_mail_goes_to_the_mail_server():
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        raise AssertionError(url)

    async with smtp.opened(private=False, resolve=resolve) as connect:
        sent = await senders.send(made("smtp"), email(), post=post, connect=connect)
    assert (sent.outcome, sent.code) == ("never", "address_denied")
