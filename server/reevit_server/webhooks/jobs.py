"""The background doors of webhooks."""

from datetime import datetime, timedelta

from reevit_server.core.database import Connection
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.webhooks import deliveries, metrics, models, store, telling

_STUCK_SECONDS = 300  # a job comes back long before


async def deliver(tools: Tools, scope: Scope, *ids: str) -> None:
    """Tells one endpoint of one event."""
    for id in ids:
        reply = await telling.deliver(tools, scope, id)
        if reply is not None:
            metrics.observe(reply)


async def tend(conn: Connection, *, now: datetime, limit: int) -> int:
    """Moves on endpoints that nobody else would; how many. A net: with luck it never holds anything."""
    neglected = await store.take_neglected(
        conn, stuck_before=now - timedelta(seconds=_STUCK_SECONDS), limit=limit
    )
    for endpoint in neglected:
        scope, id = Scope(endpoint["org_id"], endpoint["mode"]), endpoint["id"]
        if endpoint["status"] == "disabled":
            await telling.give_up(conn, scope, endpoint_id=id, now=now)
            continue
        await deliveries.put_back(conn, scope, endpoint_id=id, now=now - timedelta(seconds=_STUCK_SECONDS))
        if endpoint["status"] == "active":
            await telling.release(conn, scope, endpoint_id=id, limit=models.AT_ONCE_MAX)
    return len(neglected)


async def queue_due(conn: Connection, *, now: datetime, limit: int) -> int:
    """Gives jobs to deliveries whose next attempt has come; how many have come."""
    due = await deliveries.take_due(conn, now=now, limit=limit)
    jobs = [
        Job(telling.DELIVER, Scope(row["org_id"], row["mode"]), (row["id"],))
        for row in due
        if row["status"] == "queued"
    ]
    await enqueue(conn, *jobs)
    return len(due)
