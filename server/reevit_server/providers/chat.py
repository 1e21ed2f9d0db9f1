"""A note to a chat channel, by the incoming-webhook address that the chat gave out for it.

The host says which chat it is. Slack: https://api.slack.com/messaging/webhooks, with `&<>` escaped (or a customer
called <!channel> would wake everybody), https://api.slack.com/reference/surfaces/formatting. Discord:
https://discord.com/developers/docs/resources/webhook#execute-webhook, 2000 characters, mentions off for the same
reason. Teams: https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
and its successor, a workflow at logic.azure.com or api.powerplatform.com; both take a message with an adaptive card.
All others (Mattermost, Rocket.Chat, Google Chat) take what Slack takes: {"text": ...}.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from reevit_server.core.addresses import checked_url
from reevit_server.core.egress import Post
from reevit_server.providers.sending import USER_AGENT, Note, Sent, judged, refused, sendable, unfit

_DISCORD_LENGTH_MAX = 2000
_SLACK = ("slack.com", "slack-gov.com")
_DISCORD = ("discord.com", "discordapp.com")
_TEAMS = ("webhook.office.com", "logic.azure.com", "api.powerplatform.com")
_SECRET_LENGTH_MIN = 9  # of a part of the address; shorter ones are words


@dataclass(frozen=True, kw_only=True)
class IncomingWebhook:
    """Where a channel listens. Whoever knows the address can write there, so all of it is secret."""

    url: str = field(repr=False)

    def check(self, *, private: bool = False) -> dict[str, str]:
        try:
            checked_url(self.url, private=private)
        except ValueError as error:
            return {"url": str(error)}
        return {}


async def send(settings: IncomingWebhook, note: Note, *, post: Post) -> Sent:
    """Writes a note to the channel."""
    if (fault := unfit(settings)) is not None:
        return fault
    try:
        sendable(note.text, what="text")
    except ValueError as error:
        return refused("invalid_message", str(error))
    address = checked_url(settings.url, private=True)  # as it travels; whether it is private, `post` looks
    url = urlsplit(address)
    reply = await post(
        address,
        orjson.dumps(_body(url.hostname or "", note.text)),
        {"Content-Type": "application/json", "User-Agent": USER_AGENT},
    )
    secrets = (part for part in (*url.path.split("/"), url.query) if len(part) >= _SECRET_LENGTH_MIN)
    return judged(reply, hide=(settings.url, address, *secrets))


def _body(host: str, text: str) -> dict[str, Any]:
    if _is_of(host, _SLACK):
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    if _is_of(host, _DISCORD):
        if len(text) > _DISCORD_LENGTH_MAX:
            text = text[: _DISCORD_LENGTH_MAX - 1] + "…"
        return {"content": text, "allowed_mentions": {"parse": []}}
    if _is_of(host, _TEAMS):
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [{"type": "TextBlock", "text": text, "wrap": True}],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        return {"type": "message", "attachments": [attachment]}
    return {"text": text}


def _is_of(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
