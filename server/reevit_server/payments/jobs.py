"""The background doors of payments: asking providers how payments ended that nobody knows the end of."""

from datetime import datetime

import asyncpg

from reevit_server.core import clock
from reevit_server.core.database import Connection
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.payments import actions, recurring, store
from reevit_server.payments.charging import Follow
from reevit_server.payments.errors import UnknownSandboxScenario
from reevit_server.providers import sandbox
from reevit_server.providers.base import Outcome

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
    outcome = ask(payment)
    if outcome is not None:
        async with tools.db.transaction() as conn:
            now = await clock.now_of(conn, scope, tools.clock())
            await recurring.settle(conn, scope, payment, outcome, now=now, then=then)


async def reconcile_on_the_clock(
    conn: Connection, scope: Scope, *, id: str, now: datetime, then: Follow
) -> None:
    """The same at an instant of a test clock; where the end is still open, it is asked again later."""
    payment = await actions.get(conn, scope, id=id)
    outcome = ask(payment)
    if outcome is None:
        await store.put_off_reconciling(conn, scope, id=id, now=now)
    else:
        await recurring.settle(conn, scope, payment, outcome, now=now, then=then)


def ask(payment: asyncpg.Record) -> Outcome | None:
    """What the provider says of how a payment ended; None when that is still open."""
    scenario = payment["metadata"].get("sandbox")
    try:
        return sandbox.look_up(None if scenario is None else str(scenario))
    except sandbox.UnknownScenario:
        return Outcome("failed", UnknownSandboxScenario.code, UnknownSandboxScenario().message)
