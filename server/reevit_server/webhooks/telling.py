"""Telling an endpoint of an event: prepare, send, settle.

A delivery is `queued` while a job for it is in the queue, and `waiting` when its endpoint is sent as much as it may
be at once: then it gets a job from the first one that settles. A failed one is `scheduled`, and queued again when its
time has come. A worker that dies leaves it `sending`; its job comes back, and goes on once that attempt's time is
over.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from reevit_server import events
from reevit_server.core.answer import to_json
from reevit_server.core.database import Connection
from reevit_server.core.egress import Reply
from reevit_server.core.ids import new_id
from reevit_server.core.jobs import Job, NotYet, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.webhooks import deliveries, models, store
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
    async with tools.db.transaction(repeatable=True) as conn:
        await settle(conn, scope, id=id, attempt=prepared.attempt, reply=reply, now=tools.clock())
    return reply


async def prepare(conn: Connection, scope: Scope, *, id: str, sealer: Sealer, now: datetime) -> Letter | None:
    """Begins an attempt; None when there is nothing to send now, or not by this job.

    Raises NotYet while somebody else may be sending it.
    """
    endpoint_id = await deliveries.find_endpoint_id(conn, scope, id=id)
    if endpoint_id is None:
        return None  # purged
    endpoint = await store.find_for_update(conn, scope, id=endpoint_id)
    delivery = await deliveries.find_with_event(conn, scope, id=id)
    assert endpoint is not None, "a foreign key keeps it"
    if delivery is None or delivery["status"] not in ("queued", "sending"):
        return None
    if delivery["status"] == "sending" and delivery["sending_until"] > now:
        raise NotYet((delivery["sending_until"] - now).total_seconds())
    if endpoint["status"] == "disabled":
        await finish(conn, scope, delivery, "disabled", now=now)
        return None
    sending = await deliveries.count_sending(conn, scope, endpoint_id=endpoint_id, now=now)
    if endpoint["status"] == "paused" or sending >= models.AT_ONCE_MAX:
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
    endpoint_id = await deliveries.find_endpoint_id(conn, scope, id=id)
    if endpoint_id is None:
        return  # purged while it was sent
    endpoint = await store.find_for_update(conn, scope, id=endpoint_id)
    delivery = await deliveries.find_with_event(conn, scope, id=id)
    assert endpoint is not None, "a foreign key keeps it"
    if delivery is not None and delivery["forgotten"]:
        reply = reply._replace(body=None)  # it may name the person who was erased
    await deliveries.update_attempt(conn, scope, delivery_id=id, number=attempt, reply=reply)
    if delivery is None or (delivery["status"], delivery["attempt_count"]) != ("sending", attempt):
        return  # somebody took it over, for whom this attempt had lasted too long
    if models.is_delivered(reply):
        await _succeed(conn, scope, endpoint, delivery, now=now)
    else:
        await _fail(conn, scope, endpoint, delivery, reply, now=now)


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


async def finish(
    conn: Connection, scope: Scope, delivery: asyncpg.Record, status: str, *, failures: int = 0, now: datetime
) -> None:
    """Ends a delivery. A customer's deletion that has been told to all is forgotten too."""
    await deliveries.update_status(
        conn, scope, id=delivery["id"], status=status, failures=failures, finished_at=now
    )
    if delivery["type"] == "customer.deleted":
        await forget_deletions(conn, scope, [delivery["event_id"]])


async def give_up(
    conn: Connection, scope: Scope, *, endpoint_id: str, sending_too: bool = False, now: datetime
) -> None:
    """Ends all that an endpoint was still to be told."""
    event_ids = await deliveries.disable(
        conn, scope, endpoint_id=endpoint_id, sending_too=sending_too, now=now
    )
    await forget_deletions(conn, scope, event_ids)


async def forget_deletions(conn: Connection, scope: Scope, event_ids: Sequence[str]) -> None:
    """Takes the external_id out of the deletions among these events that have been told to everybody.

    It was kept only so that receivers know whom to forget.
    """
    for event_id in await deliveries.select_told_deletions(conn, scope, event_ids):
        await events.forget(conn, scope, id=event_id)


async def on_event(
    conn: Connection, scope: Scope, told: Sequence[asyncpg.Record], /, *, tools: Tools
) -> None:
    """A delivery for each endpoint that wants to be told; twice is the same as once."""
    now = tools.clock()
    endpoints = await store.select_told(
        conn,
        scope,
        seen_after=now - timedelta(seconds=models.LISTENER_SECONDS),
        limit=models.ENDPOINTS_MAX,
    )
    pairs = [
        (event["id"], endpoint)
        for event in told
        for endpoint in endpoints
        if events.chosen(endpoint["events"], event["type"])
    ]
    if pairs:
        await _write(conn, scope, pairs, now=now)
    for event in told:
        if event["type"] == "customer.deleted":
            await deliveries.erase(conn, scope, customer_id=event["subject_id"])
            await forget_deletions(conn, scope, [event["id"]])


async def _write(
    conn: Connection, scope: Scope, pairs: Sequence[tuple[str, asyncpg.Record]], *, now: datetime
) -> None:
    created = await deliveries.insert(
        conn,
        scope,
        ids=[new_id("dlv") for _ in pairs],
        event_ids=[event_id for event_id, _ in pairs],
        endpoint_ids=[endpoint["id"] for _, endpoint in pairs],
        # A listener comes and takes what waits. Whether another is paused, its job finds out under the lock.
        statuses=["waiting" if endpoint["kind"] == "listener" else "queued" for _, endpoint in pairs],
        now=now,
    )
    await enqueue(conn, *(Job(DELIVER, scope, (row["id"],)) for row in created if row["status"] == "queued"))


async def _succeed(
    conn: Connection, scope: Scope, endpoint: asyncpg.Record, delivery: asyncpg.Record, *, now: datetime
) -> None:
    await finish(conn, scope, delivery, "delivered", now=now)
    recovered = endpoint["failing_since"] is not None
    if recovered:
        await store.update_failing(conn, scope, id=endpoint["id"], since=None)
    if endpoint["status"] == "active":
        await release(conn, scope, endpoint_id=endpoint["id"], limit=1)


async def _fail(
    conn: Connection,
    scope: Scope,
    endpoint: asyncpg.Record,
    delivery: asyncpg.Record,
    reply: Reply,
    *,
    now: datetime,
) -> None:
    if endpoint["status"] == "disabled":
        await finish(conn, scope, delivery, "disabled", failures=1, now=now)
        return
    since = endpoint["failing_since"] or now
    too_long = now - since >= timedelta(days=models.FAILING_DAYS_MAX)
    if too_long or reply.error == "gone":
        await finish(conn, scope, delivery, "disabled", failures=1, now=now)
        await disable(conn, scope, endpoint, reason="failing" if too_long else "gone", now=now)
        return
    if endpoint["failing_since"] is None:
        await store.update_failing(conn, scope, id=endpoint["id"], since=now)
    again = models.next_try(
        delivery["failure_count"] + 1,
        now=now,
        spread=(secrets.randbelow(2 * _SPREADS) - _SPREADS) / _SPREADS,
        retry_after=models.retry_after(reply.retry_after, now=now),
    )
    if again is None:
        await finish(conn, scope, delivery, "exhausted", failures=1, now=now)
    else:
        await deliveries.update_status(
            conn, scope, id=delivery["id"], status="scheduled", failures=1, next_attempt_at=again
        )
    if endpoint["status"] == "active":
        await release(conn, scope, endpoint_id=endpoint["id"], limit=1)
