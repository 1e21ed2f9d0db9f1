"""The background doors of payments: asking providers how payments ended that nobody knows the end of."""

from datetime import datetime

from reevit_server.core import clock
from reevit_server.core.database import Connection
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.payments import actions, recurring, store
from reevit_server.payments.charging import Follow

RECONCILE = "payments.reconcile"


async def queue_unsettled(conn: Connection, *, now: datetime, limit: int) -> int:
    """Leaves a job for each payment whose provider is to be asked now; how many."""
    unsettled = await store.take_unsettled(conn, now=now, limit=limit)
    await enqueue(
        conn, *(Job(RECONCILE, Scope(row["org_id"], row["mode"]), (row["id"],)) for row in unsettled)
    )
    return len(unsettled)


async def reconcile(tools: Tools, scope: Scope, *ids: str, then: Follow) -> None:
    """Asks a payment's provider how it ended, and settles it if the provider knows."""
    (id,) = ids
    async with tools.db.read() as conn:
        payment = await actions.get(conn, scope, id=id)
    outcome = recurring.look_up(payment)
    if outcome is not None:
        async with tools.db.transaction() as conn:
            now = await clock.now_of(conn, scope, tools.clock())
            await recurring.settle(conn, scope, payment, outcome, now=now, then=then)
