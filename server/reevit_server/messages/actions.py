"""The deeds on messages: write one, put one to the test, forget a customer, delete what is old."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.errors import ValidationError
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.messages import connecting, integrations, models, sending, store, suppressing
from reevit_server.messages.errors import IntegrationOff, MessageNotFound, MessageNotResendable
from reevit_server.messages.models import Standing
from reevit_server.messages.schemas import checked_recipient

_TEST_TEXT = "It works: this integration sends what your workflows write."
_TEST_CALL = '{"type":"integration.test"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be sent, to one recipient. An execution's action writes at most one."""

    channel: models.Channel
    purpose: models.Purpose
    recipient: str | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    receipt_of: str | None = None
    integration_id: str | None = None  # None: the one of the channel
    customer_id: str | None = None
    event_id: str | None = None
    execution_id: str | None = None
    position: int | None = None


async def create(
    conn: Connection, scope: Scope, sealer: Sealer, draft: Draft, *, now: datetime
) -> asyncpg.Record | None:
    """A message that leaves when this transaction is committed; None if its action has one already.

    Without anybody who sends, it stays in the outbox; where its recipient is not to be written to, it goes nowhere.
    """
    integration_id = await chosen_integration(
        conn, scope, channel=draft.channel, id=draft.integration_id, keep=True
    )
    against = await suppressing.reason_against(
        conn, scope, sealer, channel=draft.channel, address=draft.recipient, purpose=draft.purpose
    )
    standing = Standing("scheduled")
    if against is not None:
        standing = Standing("suppressed", against)
    elif integration_id is None:
        standing = sending.NOBODY_SENDS
    fields: dict[str, Any] = {
        **asdict(draft),
        "integration_id": integration_id,
        "status": standing.status,
        "reason": standing.reason,
        "reason_message": standing.reason_message,
        "next_attempt_at": now if standing.status == "scheduled" else None,
    }
    return await store.insert(conn, scope, id=new_id("msg"), fields=fields, now=now)


async def chosen_integration(
    conn: Connection, scope: Scope, *, channel: str, id: str | None, keep: bool = False
) -> str | None:
    """Who sends: the one that is named, if it is still there, or else the oldest of the channel that is on.

    `keep` it from deletion until the transaction ends.
    """
    if id is None:
        integration = await integrations.find_of_channel(conn, scope, channel=channel, keep=keep)
    else:
        integration = await integrations.find(conn, scope, id=id, keep=keep)
    return None if integration is None else str(integration["id"])


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """Raises MessageNotFound."""
    message = await store.find(conn, scope, id=id)
    if message is None:
        raise MessageNotFound
    return message


async def test(
    conn: Connection, scope: Scope, sealer: Sealer, *, integration_id: str, to: str | None, now: datetime
) -> asyncpg.Record:
    """A message by this integration, which is sent at once.

    Raises IntegrationNotFound, IntegrationOff, ValidationError.
    """
    integration = await connecting.get(conn, scope, id=integration_id)
    if not integration["enabled"]:
        raise IntegrationOff
    channel = integration["channel"]
    if (channel in models.WITH_RECIPIENT) != (to is not None):
        told = "Name an address in `to`" if to is None else f"A {channel} goes where its integration says"
        raise ValidationError.of("to", "recipient", f"{told}.")
    if to is not None:
        try:
            checked_recipient(channel, to)
        except ValueError as error:
            raise ValidationError.of("to", "recipient", f"{str(error).rstrip('.')}.") from None
    draft = Draft(
        channel=channel,
        purpose="test",
        recipient=to,
        subject="A test" if channel == "email" else None,
        text=_TEST_CALL if channel == "webhook" else _TEST_TEXT,
        integration_id=integration_id,
    )
    message = await create(conn, scope, sealer, draft, now=now)
    assert message is not None, "only an execution's message can be there already"
    await sending.lock_and_release(conn, scope, integration_id=integration_id, now=now)
    return await get(conn, scope, id=message["id"])


async def resend(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record:
    """Sends what failed or stayed in the outbox, by whoever sends for its channel now.

    It is the same message, by which a receiver who has it knows it again. Raises MessageNotFound,
    MessageNotResendable.
    """
    message = await store.find_for_update(conn, scope, id=id)
    if message is None:
        raise MessageNotFound
    dead_links = message["reason"] == "no_public_url"
    if message["status"] not in ("failed", "outbox") or message["forgotten"] or dead_links:
        raise MessageNotResendable
    named = message["integration_id"]
    if named is None or await integrations.find(conn, scope, id=named, keep=True) is None:
        named = await chosen_integration(conn, scope, channel=message["channel"], id=None, keep=True)
    if named is not None:
        await store.update_integration(conn, scope, id=id, integration_id=named)
        await store.update_standing(
            conn, scope, id=id, standing=Standing("scheduled", next_attempt_at=now), now=now
        )
    return await get(conn, scope, id=id)


async def erase(conn: Connection, scope: Scope, *, customer_id: str, now: datetime) -> None:
    """Forgets what was written to a customer, and does not send what was still to be."""
    await store.lock_of_customer(conn, scope, customer_id=customer_id)
    await store.erase(conn, scope, customer_id=customer_id, now=now)


async def purge(conn: Connection, *, kept_days: int, now: datetime, limit: int) -> int:
    """Deletes what was dealt with longer ago; how many. Call again while it returns `limit`."""
    return await store.purge(conn, before=now - timedelta(days=kept_days), limit=limit)
