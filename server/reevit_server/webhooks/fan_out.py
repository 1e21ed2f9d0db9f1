"""What follows from an event: a delivery for each endpoint that wants to be told of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from reevit_server import events
from reevit_server.core.database import Connection
from reevit_server.core.ids import new_id
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.webhooks import deliveries, erasing, models, store
from reevit_server.webhooks.telling import DELIVER, forget_deletions


async def on_event(tools: Tools, scope: Scope, told: Sequence[asyncpg.Record], /) -> None:
    """A delivery for each endpoint that wants to be told; twice is the same as once."""
    now = tools.clock()
    async with tools.db.read() as conn:
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
    deleted = [event for event in told if event["type"] == "customer.deleted"]
    if not pairs and not deleted:
        return
    async with tools.db.transaction(repeatable=True) as conn:
        if pairs:
            await _write(conn, scope, pairs, now=now)
        await forget_deletions(conn, scope, [event["id"] for event in deleted])
    for event in deleted:
        async with tools.db.transaction(repeatable=True) as conn:
            await erasing.lock_receivers(conn, scope, customer_id=event["subject_id"])
            await erasing.erase(conn, scope, customer_id=event["subject_id"])


async def _write(
    conn: Connection, scope: Scope, pairs: Sequence[tuple[str, asyncpg.Record]], *, now: datetime
) -> None:
    waiting = await _joining_a_line(conn, scope, [endpoint for _, endpoint in pairs])
    created = await deliveries.insert(
        conn,
        scope,
        ids=[new_id("dlv") for _ in pairs],
        event_ids=[event_id for event_id, _ in pairs],
        endpoint_ids=[endpoint["id"] for _, endpoint in pairs],
        statuses=["waiting" if endpoint["id"] in waiting else "queued" for _, endpoint in pairs],
        now=now,
    )
    await enqueue(conn, *(Job(DELIVER, scope, (row["id"],)) for row in created if row["status"] == "queued"))


async def _joining_a_line(conn: Connection, scope: Scope, endpoints: Sequence[asyncpg.Record]) -> set[str]:
    """The endpoints whose deliveries wait from the start, because others do already.

    Else each would take a job only to find out that there is no place. Under the lock, so that whoever gives up a
    place meanwhile sees them. A listener comes and takes what waits, unless it has stopped meanwhile: nobody would
    ever end what waits for it then, as a job does.
    """
    listeners = {endpoint["id"] for endpoint in endpoints if endpoint["kind"] == "listener"}
    lines = {endpoint["id"] for endpoint in endpoints if endpoint["has_line"]} - listeners
    if not lines | listeners:
        return set()
    locked = await store.lock(conn, scope, ids=sorted(lines | listeners))
    under_way = await deliveries.select_under_way(conn, scope, endpoint_ids=sorted(lines)) if lines else set()
    told = {
        endpoint["id"] for endpoint in locked if endpoint["status"] != "disabled"
    }  # the rest is given up by its job
    return (under_way & told) | {
        endpoint["id"]
        for endpoint in locked
        if endpoint["status"] == "paused" or (endpoint["id"] in listeners and endpoint["status"] == "active")
    }
