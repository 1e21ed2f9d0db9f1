"""Telling an endpoint of an event: prepare, send, settle.

A delivery is `queued` while a job for it is in the queue, and `waiting` when its endpoint is sent as much as it may
be at once: then it gets a job from the first one that settles. A failed one is `scheduled`, and queued again when its
time has come. A worker that dies leaves it `sending`; its job comes back, and goes on once that attempt's time is
over.
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from reevit_server import events
from reevit_server.core.answer import to_json
from reevit_server.core.database import PASSING, Connection
from reevit_server.core.egress import Reply
from reevit_server.core.jobs import Job, NotYet, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.webhooks import deliveries, erasing, models, store
from reevit_server.webhooks.endpoint_secrets import opened
from reevit_server.webhooks.schemas import EndpointOut
from reevit_server.webhooks.signature import Letter, letter

DELIVER = "webhooks.deliver"
_SPREADS = 2**20


async def deliver(tools: Tools, scope: Scope, id: str) -> Reply | None:
    """One attempt, if it is this delivery's turn; what came of it."""
    async with tools.db.transaction(repeatable=True) as conn:
        prepared = await prepare(conn, scope, id=id, sealer=tools.sealer, now=tools.clock())
    if prepared is None:
        return None
    reply = models.explained(await tools.post(prepared.url, prepared.body, prepared.headers))
    await _settle_patiently(tools, scope, prepared, reply)
    return reply


async def _settle_patiently(tools: Tools, scope: Scope, sent: Letter, reply: Reply) -> None:
    """Settles, also when the database is away for a moment: else what has been told would be told again."""
    tries = models.SENDING_SECONDS // 2
    for left in reversed(range(tries)):
        try:
            async with tools.db.transaction(repeatable=True) as conn:
                await settle(
                    conn, scope, id=sent.delivery_id, attempt=sent.attempt, reply=reply, now=tools.clock()
                )
            return
        except PASSING:
            if not left:
                raise
            await asyncio.sleep(1)


async def prepare(conn: Connection, scope: Scope, *, id: str, sealer: Sealer, now: datetime) -> Letter | None:
    """Begins an attempt; None when there is nothing to send now, or not by this job.

    Raises NotYet while somebody else may be sending it.
    """
    endpoint = await store.find_of_delivery_for_update(conn, scope, delivery_id=id)
    delivery = await deliveries.find_with_event(conn, scope, id=id, now=now)
    if endpoint is None or delivery is None or delivery["status"] not in ("queued", "sending"):
        return None  # purged, or dealt with
    if delivery["status"] == "sending" and delivery["sending_until"] > now:
        raise NotYet((delivery["sending_until"] - now).total_seconds())
    if endpoint["status"] == "disabled":
        await deliveries.interrupt(conn, scope, ids=[id])
        await deliveries.update_status(conn, scope, id=id, status="disabled", finished_at=now)
        await forget_deletions(conn, scope, [delivery["event_id"]])
        return None
    if endpoint["status"] == "paused" or delivery["sending"] >= models.AT_ONCE_MAX:
        await deliveries.update_status(conn, scope, id=id, status="waiting")
        return None
    until = now + timedelta(seconds=models.SENDING_SECONDS)
    attempt = await deliveries.begin(conn, scope, id=id, until=until, now=now)
    return letter(
        delivery,
        delivery_id=id,
        attempt=attempt,
        url=endpoint["url"],
        secrets=opened(sealer, scope, endpoint, now=now),
        now=now,
    )


async def settle(
    conn: Connection, scope: Scope, *, id: str, attempt: int, reply: Reply, now: datetime
) -> None:
    """Writes what came of an attempt, and what follows. Twice is the same as once."""
    endpoint = await store.find_of_delivery_for_update(conn, scope, delivery_id=id)
    delivery = await deliveries.find_with_event(conn, scope, id=id, now=now)
    if endpoint is None or delivery is None:
        return  # purged while it was sent
    if delivery["forgotten"]:
        reply = reply._replace(body=None)  # it may name the person who was erased
    if (delivery["status"], delivery["attempt_count"]) != ("sending", attempt):
        # Somebody took it over, for whom this attempt had lasted too long.
        await deliveries.end_attempt(conn, scope, delivery_id=id, number=attempt, reply=reply)
        return
    standing = models.standing_after(
        reply,
        endpoint_is_disabled=endpoint["status"] == "disabled",
        failing_since=endpoint["failing_since"],
        failures=delivery["failure_count"],
        spread=(secrets.randbelow(2 * _SPREADS) - _SPREADS) / _SPREADS,
        now=now,
    )
    await conclude(conn, scope, delivery, reply=reply, standing=standing, now=now)
    if standing.disables is not None:
        await disable(conn, scope, endpoint, reason=standing.disables, now=now)
        return
    is_failing = standing.status != "delivered"
    if is_failing != (endpoint["failing_since"] is not None) and endpoint["status"] != "disabled":
        await store.update_failing(conn, scope, id=endpoint["id"], since=now if is_failing else None)
    if delivery["others_wait"] and endpoint["status"] == "active":
        free = models.AT_ONCE_MAX - (delivery["under_way"] - 1)
        await release(conn, scope, endpoint_id=endpoint["id"], limit=max(free, 0))


async def conclude(
    conn: Connection,
    scope: Scope,
    delivery: asyncpg.Record,
    *,
    reply: Reply,
    standing: models.Standing,
    now: datetime,
) -> None:
    """Writes how an attempt ended. A customer's deletion that has been told to all is forgotten too."""
    await deliveries.conclude(
        conn,
        scope,
        id=delivery["id"],
        number=delivery["attempt_count"],
        reply=reply,
        standing=standing,
        now=now,
    )
    if delivery["type"] == "customer.deleted":
        await forget_deletions(conn, scope, [delivery["event_id"]])


async def release(conn: Connection, scope: Scope, *, endpoint_id: str, limit: int) -> None:
    """Gives free places to the deliveries that have waited longest. The endpoint is locked."""
    ids = await deliveries.take_waiting(conn, scope, endpoint_id=endpoint_id, limit=limit)
    await enqueue(conn, *(Job(DELIVER, scope, (id,)) for id in ids))


async def disable(
    conn: Connection, scope: Scope, endpoint: asyncpg.Record, *, reason: str, now: datetime
) -> asyncpg.Record:
    """An endpoint is told nothing from now on; what it was to be told is given up. It is locked."""
    changed = await store.update(
        conn,
        scope,
        id=endpoint["id"],
        fields={"status": "disabled", "disabled_reason": reason, "failing_since": None},
        now=now,
    )
    await give_up(conn, scope, endpoint_id=endpoint["id"], now=now)
    if reason != "turned_off" and endpoint["kind"] != "listener":
        out = EndpointOut.of(changed, signing_secret=None)
        await events.record(
            conn, scope, events.Change("webhook_endpoint.disabled", out.id, None, to_json(out)), now=now
        )
    return changed


async def give_up(
    conn: Connection, scope: Scope, *, endpoint_id: str, sending_too: bool = False, now: datetime
) -> None:
    """Ends what an endpoint was still to be told; of very much, a part now and the rest by `tend` soon."""
    ended = await deliveries.disable(conn, scope, endpoint_id=endpoint_id, sending_too=sending_too, now=now)
    if sending_too:
        await deliveries.interrupt(conn, scope, ids=[delivery["id"] for delivery in ended])
    await forget_deletions(conn, scope, [delivery["event_id"] for delivery in ended])


async def forget_deletions(conn: Connection, scope: Scope, event_ids: Sequence[str]) -> None:
    """Takes the external_id out of the deletions among these events that have been told to everybody.

    It was kept only so that receivers know whom to forget.
    """
    deletions = await erasing.lock_deletions(conn, scope, event_ids)
    for event_id in await erasing.select_told(conn, scope, deletions) if deletions else ():
        await events.forget(conn, scope, id=event_id)
