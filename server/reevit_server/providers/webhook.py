"""A call to a merchant's own server: JSON, signed as webhooks are, so that what verifies those verifies this.

Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md; and
`X-Reevit-Signature`, as the published clients check it.
"""

import re
from dataclasses import dataclass, field

import orjson

from reevit_server.core.addresses import checked_url
from reevit_server.core.egress import Post
from reevit_server.core.signatures import SECRET_PREFIX, reevit_signature, secret_bytes, standard_signature
from reevit_server.providers.sending import USER_AGENT, Call, Sent, judged, refused, unfit

# It is signed as `id.timestamp.body`: a full stop in the id could pass for the one after it.
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where a merchant's server listens, and the secret by which it knows us."""

    url: str
    secret: str = field(repr=False)

    def check(self, *, private: bool = False) -> dict[str, str]:
        """What is missing or malformed, by field."""
        faults = {}
        try:
            checked_url(self.url, private=private)
        except ValueError as error:
            faults["url"] = str(error)
        try:
            secret_bytes(self.secret)
        except ValueError as error:
            faults["secret"] = str(error)
        return faults


async def send(settings: Webhook, call: Call, *, post: Post) -> Sent:
    """Calls the server, which took it when it answers with 2xx; after a 410, as any 4xx that stays, it never will."""
    if (fault := unfit(settings)) is not None:
        return fault
    if not _ID.fullmatch(call.id):
        return refused("invalid_message", "Write the id in ASCII: letters, digits, hyphens and underscores.")
    try:
        orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        return refused("invalid_message", f"The body is not JSON: {error}.")
    address = checked_url(settings.url, private=True)  # as it travels; whether it is private, `post` looks
    secret, at = settings.secret, call.written_at
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Reevit-Signature": reevit_signature(call.body, secret),
        "webhook-id": call.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standard_signature(call.body, secret, id=call.id, at=at),
    }
    reply = await post(address, call.body, headers)
    return judged(reply, hide=(secret, secret.removeprefix(SECRET_PREFIX)))
