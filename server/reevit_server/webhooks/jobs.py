"""The background doors of webhooks."""

from datetime import datetime

from reevit_server.core.database import Connection
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.webhooks import deliveries, metrics, telling


async def deliver(tools: Tools, scope: Scope, *ids: str) -> None:
    """Tells one endpoint of one event."""
    for id in ids:
        reply = await telling.deliver(tools, scope, id)
        if reply is not None:
            metrics.observe(reply)


async def queue_due(conn: Connection, *, now: datetime, limit: int) -> int:
    """Gives jobs to deliveries whose next attempt has come; how many."""
    due = await deliveries.take_due(conn, now=now, limit=limit)
    await enqueue(
        conn, *(Job(telling.DELIVER, Scope(row["org_id"], row["mode"]), (row["id"],)) for row in due)
    )
    return len(due)
