"""The background doors of messages."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.jobs import Tools
from reevit_server.core.scope import Scope
from reevit_server.messages import actions, integrations, metrics, models, sending
from reevit_server.messages.sending import Way


async def deliver(tools: Tools, scope: Scope, *ids: str, way: Way) -> None:
    """Sends a message, if it is its turn."""
    for id in ids:
        sent = await sending.deliver(tools, scope, id, way=way)
        if sent is not None:
            metrics.observe(sent)


async def on_event(tools: Tools, scope: Scope, told: Sequence[asyncpg.Record], /) -> None:
    """A customer who was deleted is forgotten in what was written to them."""
    for event in told:
        if event["type"] == "customer.deleted":
            async with tools.db.transaction(repeatable=True) as conn:
                await actions.erase(conn, scope, customer_id=event["subject_id"], now=tools.clock())


async def queue_due(conn: Connection, *, now: datetime, limit: int) -> int:
    """Gives jobs to messages whose time has come and that have a place; of how many integrations."""
    served = 0
    for row in await integrations.take_with_due(conn, at_once_max=models.AT_ONCE_MAX, now=now, limit=limit):
        scope = Scope(row["org_id"], row["mode"])
        served += await sending.release(conn, scope, integration_id=row["id"], now=now) > 0
    return served
