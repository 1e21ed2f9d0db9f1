"""Notes to chat channels: each chat gets the body it documents, and no customer's name wakes a whole channel."""

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from reevit_server.core import egress
from reevit_server.providers import chat
from reevit_server.providers.chat import IncomingWebhook
from reevit_server.providers.sending import Note, Sent
from tests.providers.letters import note
from tests.providers.webapi import only, says
from tests.webhooks.hostile import LOOPBACK, Request, Scenario, hangs_up, receiver

PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


@asynccontextmanager
async def channel(host: str, scenario: Scenario):
    """A chat of this name, on loopback."""

    async def resolve(host: str, port: int) -> list[str]:
        return [LOOPBACK]

    async with egress.opened(private=True, resolve=resolve) as post, receiver(scenario) as there:

        async def send(message: Note, path: str = PATH) -> Sent:
            settings = IncomingWebhook(url=f"http://{host}:{there.port}{path}")
            return await chat.send(settings, message, post=post)

        yield send, there


async def asked(host: str, text: str) -> tuple[Sent, Request]:
    async with channel(host, says(200, b"ok")) as (send, there):
        return await send(note(text)), only(there)


def _card(text: str) -> Mapping[str, Any]:
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [{"type": "TextBlock", "text": text, "wrap": True}],
                },
            }
        ],
    }


TEXT = "<!channel> Ada & Co paid 5 € 💸 @everyone"
DISCORD = {"content": TEXT, "allowed_mentions": {"parse": []}}


@pytest.mark.parametrize(
    ("host", "body"),
    [
        ("hooks.slack.com", {"text": "&lt;!channel&gt; Ada &amp; Co paid 5 € 💸 @everyone"}),
        ("discord.com", DISCORD),
        ("canary.discord.com", DISCORD),
        ("discordapp.com", DISCORD),
        ("contoso.webhook.office.com", _card(TEXT)),
        ("prod-01.westeurope.logic.azure.com", _card(TEXT)),
        ("default01.02.environment.api.powerplatform.com", _card(TEXT)),
        ("chat.googleapis.com", {"text": TEXT}),
        ("notdiscord.com", {"text": TEXT}),
        ("discord.com.example.org", {"text": TEXT}),
    ],
)
async def test_each_chat_gets_the_body_it_documents(host: str, body: Mapping[str, Any]):
    sent, request = await asked(host, TEXT)
    assert (sent.outcome, sent.code, sent.provider_ref) == ("sent", None, None)
    assert request.line == f"POST {PATH} HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert orjson.loads(request.body) == body


async def test_an_address_in_any_script_travels_in_ascii():
    async with channel("chat.bücher.example", says(200, b"ok")) as (send, there):
        sent = await send(note(), "/räume/1?nach=über")
    request = only(there)
    assert sent.outcome == "sent"
    assert request.line == "POST /r%C3%A4ume/1?nach=%C3%BCber HTTP/1.1"
    assert request.headers["host"] == f"chat.xn--bcher-kva.example:{there.port}"


async def test_what_is_too_long_for_discord_is_cut():
    _, request = await asked("discord.com", "💸" * 2001)
    assert orjson.loads(request.body)["content"] == "💸" * 1999 + "…"


@pytest.mark.parametrize(
    ("scenario", "outcome", "code", "message"),
    [
        (says(204), "sent", None, None),
        (says(202), "sent", None, None),
        (says(400, b"invalid_payload"), "never", "http_400", "invalid_payload"),
        (says(403, b"action_prohibited"), "never", "http_403", "action_prohibited"),
        (says(404, b"channel_not_found"), "never", "http_404", "channel_not_found"),
        (says(410, b"channel_is_archived"), "never", "http_410", "channel_is_archived"),
        (says(500, b"rollup_error"), "later", "http_500", "rollup_error"),
        (says(404, f"No {PATH}".encode()), "never", "http_404", "No /services/***/***/***"),
    ],
)
async def test_a_chat_says_which_refusals_pass(
    scenario: Scenario, outcome: str, code: str | None, message: str | None
):
    async with channel("hooks.slack.com", scenario) as (send, _):
        sent = await send(note())
    assert (sent.outcome, sent.code, sent.message) == (outcome, code, message)


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("0.35", 1), ("999999999", 86400), ("soon", None)])
async def test_a_chat_that_is_told_too_much_says_how_long_to_wait(text: str, seconds: int | None):
    async with channel("discord.com", says(429, {"retry_after": 0.35}, f"Retry-After: {text}")) as (send, _):
        sent = await send(note())
    assert (sent.outcome, sent.code, sent.retry_after) == ("later", "http_429", seconds)


async def test_a_chat_that_hangs_up_is_a_fact():
    async with channel("hooks.slack.com", hangs_up) as (send, _):
        sent = await send(note())
    assert (sent.outcome, sent.code, sent.is_unsure) == ("later", "connection_lost", True)


@pytest.mark.parametrize("text", ["half \ud83d", "a\0b"])
async def test_a_text_that_cannot_be_written_is_not_sent(text: str):
    async with channel("hooks.slack.com", says(200)) as (send, there):
        sent = await send(note(text))
    assert (sent.outcome, sent.code, there.requests) == ("never", "invalid_message", [])


@pytest.mark.parametrize("address", [LOOPBACK, "169.254.169.254", "10.0.0.1"])
async def test_no_note_goes_to_an_address_that_is_denied(address: str):
    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    async with egress.opened(private=False, resolve=resolve) as post, receiver(says(200)) as there:
        settings = IncomingWebhook(url=f"https://chat.example.com:{there.port}{PATH}")
        sent = await chat.send(settings, note(), post=post)
    assert (sent.outcome, sent.code, there.connections) == ("never", "address_denied", 0)


def test_an_address_is_a_secret_and_must_be_one_of_a_public_host():
    hook = IncomingWebhook(url=f"https://hooks.slack.com{PATH}")
    assert hook.check() == {}
    assert "XXXX" not in repr(hook)
    for url in (
        "",
        "http://hooks.slack.com/x",
        "https://127.0.0.1/x",
        "https://u:p@hooks.slack.com/x",
        "ftp://x.com",
    ):
        assert list(IncomingWebhook(url=url).check()) == ["url"]
    assert IncomingWebhook(url="http://localhost:8065/hooks/x").check(private=True) == {}
