"""The bytes that are sent, and what proves that they are ours: two signatures over the same bytes."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import orjson

from reevit_server.core.database import Row
from reevit_server.core.signatures import reevit_signature, standard_signature

API_VERSION = "2026-11-01"
_AGENT = "Reevit-Webhooks/1.0"


class Letter(NamedTuple):
    """One attempt at telling one endpoint of one event, ready to be sent."""

    delivery_id: str
    attempt: int
    url: str
    body: bytes
    headers: dict[str, str]


def letter(
    event: Row, *, delivery_id: str, attempt: int, url: str, secrets: Sequence[str], now: datetime
) -> Letter:
    """Writes and signs. `event["data"]` is JSON as text, taken over as it is; the event's bytes never change.

    While two secrets are good, `webhook-signature` carries both. `X-Reevit-Signature` has room for one: the attempts
    take turns, so that who knows either of them is reached by the second at the latest.
    """
    signed_at = now.replace(microsecond=0)
    envelope = orjson.dumps(
        {
            "id": event["event_id"],
            "type": event["type"],
            "event": event["type"],
            "org_id": event["org_id"],
            "mode": event["mode"],
            "created_at": event["event_created_at"],
            "api_version": API_VERSION,
            "signature_timestamp": signed_at,
            "delivery_id": delivery_id,
            "attempt": attempt,
        },
        option=orjson.OPT_UTC_Z,
    )
    body = envelope[:-1] + b',"data":' + event["data"].encode() + b"}"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": _AGENT,
        "X-Reevit-Event": event["type"],
        "X-Reevit-Delivery": delivery_id,
        "X-Reevit-Signature": reevit_signature(body, secrets[(attempt - 1) % len(secrets)]),
        "webhook-id": event["event_id"],
        "webhook-timestamp": str(int(signed_at.timestamp())),
        "webhook-signature": " ".join(
            standard_signature(body, secret, id=event["event_id"], at=signed_at) for secret in secrets
        ),
    }
    return Letter(delivery_id, attempt, url, body, headers)
