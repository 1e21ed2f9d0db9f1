"""Sending a message: prepare, send, settle.

A message is `scheduled` until its time has come and its integration has a place for it, `queued` while a job for it
is in the queue, and `sending` during an attempt. Each integration sends so many at once and no more. A worker that
dies leaves its message `sending`; the job comes back, and goes on once that attempt's time is over.
"""

import asyncio
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from reevit_server import customers, notices, organizations
from reevit_server.core.database import PASSING, Connection
from reevit_server.core.jobs import Job, NotYet, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.messages import integrations, models, store, suppressing, writing
from reevit_server.messages.models import Standing
from reevit_server.messages.writing import Prepared
from reevit_server.providers import senders, smtp
from reevit_server.providers.sending import Sent

DELIVER = "messages.deliver"
NOBODY_SENDS = Standing("outbox", "no_integration", "Nobody sends for this channel; read it here.")
INTERRUPTED = Standing(
    "failed", "interrupted", "The server stopped while it sent this, and nobody knows whether it was sent."
)
_SPREADS = 2**20


class Way(NamedTuple):
    """How messages leave this installation, and what its operator says of that."""

    connect: smtp.Connect  # to mail servers; says too whether private addresses are allowed
    public_url: str  # where links in messages lead
    test_recipients: tuple[str, ...]  # whom messages of test mode may reach
    is_reachable: bool = True  # whether those links lead anywhere but to this machine


class _Vacated(NamedTuple):
    """A message was not to be sent after all; its place is free."""

    integration_id: str


async def deliver(tools: Tools, scope: Scope, id: str, *, way: Way) -> Sent | None:
    """One attempt, if it is this message's turn; what came of it."""
    # Not `repeatable`: were it undone, an SMS would be sent again.
    async with tools.db.transaction() as conn:
        prepared = await _prepare(conn, scope, id, sealer=tools.sealer, way=way, now=tools.clock())
    if prepared is None:
        return None
    if isinstance(prepared, _Vacated):
        # By itself: whoever locks both locks the integration first.
        async with tools.db.transaction(repeatable=True) as conn:
            await lock_and_release(conn, scope, integration_id=prepared.integration_id, now=tools.clock())
        return None
    credentials = writing.credentials_of(
        tools.sealer, scope, prepared.integration, private=way.connect.private
    )
    if isinstance(credentials, Sent):
        sent = credentials
    else:
        message = await asyncio.to_thread(writing.written, prepared)
        sent = await senders.send(credentials, message, post=tools.post, connect=way.connect)
    await _settle_patiently(tools, scope, prepared, sent)
    return sent


async def release(conn: Connection, scope: Scope, *, integration_id: str, now: datetime) -> int:
    """Gives an integration's free places to the messages that have waited longest; how many. It is locked."""
    ids = await store.take_due(conn, scope, integration_id=integration_id, now=now)
    await enqueue(conn, *(Job(DELIVER, scope, (id,)) for id in ids))
    return len(ids)


async def lock_and_release(conn: Connection, scope: Scope, *, integration_id: str, now: datetime) -> None:
    """The same for an integration that is not locked yet; nothing, if it is off or gone."""
    integration = await integrations.find_for_update(conn, scope, id=integration_id)
    if integration is not None and integration["enabled"]:
        await release(conn, scope, integration_id=integration_id, now=now)


async def _prepare(
    conn: Connection, scope: Scope, id: str, *, sealer: Sealer, way: Way, now: datetime
) -> Prepared | _Vacated | None:
    """Begins an attempt; None when there is nothing to send, or not by this job. Raises NotYet."""
    message = await store.find_for_update(conn, scope, id=id)
    if message is None or message["status"] not in ("queued", "sending"):
        return None  # purged, or dealt with
    if message["status"] == "sending":
        if message["sending_until"] > now:
            # No longer than an attempt, also when the clock has been set back since.
            left = (message["sending_until"] - now).total_seconds()
            raise NotYet(min(left, models.SENDING_SECONDS))
        await store.interrupt_attempt(conn, scope, message_id=id, now=now)
        if message["attempt_count"] >= models.ATTEMPTS_MAX:
            # Whatever it is that does not let an attempt end, the next would not either.
            await store.update_standing(conn, scope, id=id, standing=INTERRUPTED, now=now)
            return _Vacated(message["integration_id"])
    integration = await integrations.find(conn, scope, id=message["integration_id"])
    standing = await _obstacle(conn, scope, message, integration, sealer=sealer, way=way, now=now)
    if integration is None or standing is not None:
        await store.update_standing(conn, scope, id=id, standing=standing or NOBODY_SENDS, now=now)
        return _Vacated(message["integration_id"])
    until = now + timedelta(seconds=models.SENDING_SECONDS)
    attempt = await store.begin_attempt(
        conn, scope, id=id, provider=integration["provider"], until=until, now=now
    )
    unsubscribe_url = None
    if message["purpose"] == "marketing" and message["channel"] == "email":
        unsubscribe_url = suppressing.link(
            sealer, scope, way.public_url, channel="email", address=message["recipient"]
        )
    return Prepared(
        message=message,
        integration=integration,
        attempt=attempt,
        seller=await organizations.get_seller(conn, id=scope.org_id),
        receipt=await notices.facts_of_payment(conn, scope, id=message["receipt_of"])
        if message["receipt_of"]
        else None,
        unsubscribe_url=unsubscribe_url,
        at=now,
    )


async def _obstacle(
    conn: Connection,
    scope: Scope,
    message: asyncpg.Record,
    integration: asyncpg.Record | None,
    *,
    sealer: Sealer,
    way: Way,
    now: datetime,
) -> Standing | None:
    """Why a message is not sent after all, or not now; None when nothing is in its way but that nobody sends."""
    if message["forgotten"] or await _is_gone(conn, scope, message["customer_id"]):
        return Standing("suppressed", "customer_deleted")
    if message["status"] == "sending" and message["channel"] == "sms":
        return INTERRUPTED  # it may have arrived, and a second one would not be known as a repeat
    if scope.mode == "test" and not models.may_leave(message["recipient"], way.test_recipients):
        return Standing(
            "outbox",
            "test_mode",
            "In test mode messages go only to addresses in REEVIT_TEST_RECIPIENTS; read it here.",
        )
    if scope.mode == "live" and message["purpose"] == "marketing" and not way.is_reachable:
        return Standing(
            "outbox",
            "no_public_url",
            "Nobody could unsubscribe: set REEVIT_PUBLIC_URL and restart, for what is written from then on.",
        )
    reason = await suppressing.reason_against(
        conn,
        scope,
        sealer,
        channel=message["channel"],
        address=message["recipient"],
        purpose=message["purpose"],
    )
    if reason is not None:
        return Standing("suppressed", reason)
    if integration is not None and not integration["enabled"]:
        return Standing("scheduled", next_attempt_at=now)  # until it is on again
    return None


async def _is_gone(conn: Connection, scope: Scope, customer_id: str | None) -> bool:
    """Whether a message's customer was deleted, though nobody has forgotten the message yet."""
    if customer_id is None:
        return False
    try:
        await customers.get_payer(conn, scope, customers.CustomerId(customer_id))
    except customers.UnknownCustomer:
        return True
    return False


async def _settle_patiently(tools: Tools, scope: Scope, prepared: Prepared, sent: Sent) -> None:
    """Settles, also when the database is away for a moment: else what was sent would be sent again."""
    tries = models.SENDING_SECONDS // 2
    for left in reversed(range(tries)):
        try:
            async with tools.db.transaction() as conn:
                await _settle(conn, scope, prepared, sent, sealer=tools.sealer, now=tools.clock())
            return
        except PASSING:
            if not left:
                raise
            await asyncio.sleep(1)


async def _settle(
    conn: Connection, scope: Scope, prepared: Prepared, sent: Sent, *, sealer: Sealer, now: datetime
) -> None:
    """Writes what came of an attempt, and what follows. Twice is the same as once."""
    integration_id = prepared.integration["id"]
    integration = await integrations.find_for_update(conn, scope, id=integration_id)
    message = await store.find_for_update(conn, scope, id=prepared.message["id"])
    if message is None:
        return  # purged while it was sent
    if message["forgotten"]:
        sent = sent._replace(message=None)  # it may name the person who was erased
    await store.end_attempt(
        conn, scope, message_id=message["id"], number=prepared.attempt, sent=sent, now=now
    )
    waited_for = message["status"] == "sending" or message["reason"] == INTERRUPTED.reason
    if message["attempt_count"] != prepared.attempt or not waited_for:
        return  # settled already, or somebody took it over, for whom this attempt had lasted too long
    standing = models.standing_after(
        message["channel"],
        sent,
        failures=message["failure_count"],
        spread=(secrets.randbelow(2 * _SPREADS) - _SPREADS) / _SPREADS,
        now=now,
    )
    if standing.status == "scheduled" and message["forgotten"]:
        standing = Standing("suppressed", "customer_deleted")
    elif standing.status == "scheduled" and integration is None:
        standing = NOBODY_SENDS
    await store.update_standing(
        conn,
        scope,
        id=message["id"],
        standing=standing,
        failures=0 if sent.outcome == "sent" else 1,
        provider_ref=sent.provider_ref,
        now=now,
    )
    reason = models.refuses_everything(message["channel"], sent)
    if reason is not None and message["recipient"] is not None:
        await suppressing.suppress(
            conn,
            scope,
            sealer,
            channel=message["channel"],
            address=message["recipient"],
            covers="everything",
            reason=reason,
            now=now,
        )
    if integration is not None and integration["enabled"]:
        await release(conn, scope, integration_id=integration_id, now=now)
