"""Who is not written to any more: by a bounce, by their own wish, or by the merchant's.

An address is known again by its fingerprint alone, so that it stays suppressed when its person is forgotten.
"""

import base64
import hmac
from datetime import datetime
from typing import NamedTuple

import asyncpg
import orjson

from reevit_server.core.database import Connection
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Mode, Scope
from reevit_server.core.sealing import Sealer
from reevit_server.messages import models, suppressions
from reevit_server.messages.errors import SuppressionNotFound

_ABOUT = "unsubscribe"
_MARK_BYTES = 16  # a short message is paid by its length
_PRINT_BYTES = 32


class Address(NamedTuple):
    """Whom a link to unsubscribe is for."""

    scope: Scope
    channel: str
    fingerprint: bytes
    hint: str


async def suppress(
    conn: Connection,
    scope: Scope,
    sealer: Sealer,
    *,
    channel: str,
    address: str,
    covers: models.Covers,
    reason: str,
    now: datetime,
) -> asyncpg.Record:
    """Nothing more is sent to this address, or nothing but what its owner is owed."""
    return await suppressions.upsert(
        conn,
        scope,
        id=new_id("sup"),
        channel=channel,
        fingerprint=fingerprint(sealer, scope, channel, address),
        hint=models.hint(channel, address),
        covers=covers,
        reason=reason,
        now=now,
    )


async def reason_against(
    conn: Connection, scope: Scope, sealer: Sealer, *, channel: str, address: str | None, purpose: str
) -> str | None:
    """Why this must not be sent to this address; None if nothing is against it."""
    if channel not in models.WITH_RECIPIENT or address is None or purpose == "test":
        return None
    print_ = fingerprint(sealer, scope, channel, address)
    found = await suppressions.select_of_address(conn, scope, channel=channel, fingerprint=print_)
    return next((row["reason"] for row in found if models.covered(row["covers"], purpose)), None)


async def lift(conn: Connection, scope: Scope, *, id: str) -> None:
    """Raises SuppressionNotFound."""
    if not await suppressions.delete(conn, scope, id=id):
        raise SuppressionNotFound


def fingerprint(sealer: Sealer, scope: Scope, channel: str, address: str) -> bytes:
    about = f"suppressions/{scope.org_id}/{scope.mode}/{channel}"
    return sealer.fingerprint(models.normalized(channel, address), about=about)


def fingerprints(sealer: Sealer, scope: Scope, address: str | None) -> list[bytes] | None:
    """What an address may be known by, as one of e-mail and as one of SMS; None for none."""
    if address is None:
        return None
    return [fingerprint(sealer, scope, channel, address) for channel in models.WITH_RECIPIENT]


def link(sealer: Sealer, scope: Scope, public_url: str, *, channel: str, address: str) -> str:
    """Where who gets a message says that there is to be no more of it. It works without this message, and for good.

    It is the same each time, and so is the message at every attempt: Resend refuses one that is not.
    """
    about = [scope.org_id, scope.mode, channel, models.hint(channel, address)]
    told = fingerprint(sealer, scope, channel, address) + orjson.dumps(about)
    token = base64.urlsafe_b64encode(_mark(sealer, told) + told).rstrip(b"=").decode()
    return f"{public_url}/unsubscribe/{token}"


def address_of(sealer: Sealer, token: str) -> Address | None:
    """Whom a link is for; None when nobody made it here."""
    try:
        given = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    mark, told = given[:_MARK_BYTES], given[_MARK_BYTES:]
    if not hmac.compare_digest(mark, _mark(sealer, told)):
        return None
    org_id, mode, channel, hint = orjson.loads(told[_PRINT_BYTES:])
    return Address(Scope(org_id, _mode(mode)), channel, told[:_PRINT_BYTES], hint)


async def unsubscribe(conn: Connection, address: Address, *, now: datetime) -> None:
    """Nothing more is sent there but what its owner is owed: receipts, and notices of their own payments."""
    await suppressions.upsert(
        conn,
        address.scope,
        id=new_id("sup"),
        channel=address.channel,
        fingerprint=address.fingerprint,
        hint=address.hint,
        covers="marketing",
        reason="unsubscribed",
        now=now,
    )


async def resubscribe(conn: Connection, address: Address) -> None:
    """Takes back what `unsubscribe` did, and nothing that others have said."""
    await suppressions.delete_of_address(
        conn,
        address.scope,
        channel=address.channel,
        fingerprint=address.fingerprint,
        reason="unsubscribed",
    )


def _mark(sealer: Sealer, told: bytes) -> bytes:
    """By which a link is known to be one of ours."""
    return sealer.fingerprint(told.hex(), about=_ABOUT)[:_MARK_BYTES]


def _mode(text: str) -> Mode:
    return "live" if text == "live" else "test"
