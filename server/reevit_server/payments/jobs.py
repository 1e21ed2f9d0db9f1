"""The background doors of payments: asking providers how payments ended that nobody knows the end of."""

from datetime import datetime

from reevit_server.core.database import Connection
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.payments import actions, store
from reevit_server.providers import sandbox

RECONCILE = "payments.reconcile"


async def queue_unsettled(conn: Connection, *, now: datetime, limit: int) -> int:
    """Leaves a job for each payment whose provider is to be asked now; how many."""
    unsettled = await store.take_unsettled(conn, now=now, limit=limit)
    await enqueue(
        conn, *(Job(RECONCILE, Scope(row["org_id"], row["mode"]), (row["id"],)) for row in unsettled)
    )
    return len(unsettled)


async def reconcile(tools: Tools, scope: Scope, *ids: str) -> None:
    """Asks a payment's provider how it ended, and settles it if the provider knows."""
    (id,) = ids
    async with tools.db.read() as conn:
        payment = await actions.get(conn, scope, id=id)
    outcome = sandbox.look_up(str(payment["metadata"].get("sandbox")))
    if outcome is not None:
        async with tools.db.transaction() as conn:
            await actions.reconcile(conn, scope, id=id, outcome=outcome, now=tools.clock())
