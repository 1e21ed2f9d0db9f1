"""The background doors of subscriptions: periods that are over, invoices that are due, customers who are gone."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from reevit_server import invoices
from reevit_server.core import clock
from reevit_server.core.database import Connection
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.subscriptions import collecting, renewing, store, upcoming

RENEW = "subscriptions.renew"
COLLECT = "subscriptions.collect"

# A job comes back by itself long before; this is the net below it.
_AGAIN_SECONDS = 300
_ENDED_AT_ONCE = 100


async def queue_renewals(conn: Connection, *, now: datetime, limit: int) -> int:
    """Leaves a job for each subscription whose period is over; how many."""
    due = await store.take_due(conn, now=now, until=now + timedelta(seconds=_AGAIN_SECONDS), limit=limit)
    await enqueue(conn, *(_job(RENEW, row) for row in due))
    return len(due)


async def queue_collections(conn: Connection, *, now: datetime, limit: int) -> int:
    """Leaves a job for each invoice that is to be charged now; how many."""
    due = await invoices.take_due(conn, now=now, until=now + timedelta(seconds=_AGAIN_SECONDS), limit=limit)
    await enqueue(conn, *(_job(COLLECT, row) for row in due))
    return len(due)


async def tell_upcoming(conn: Connection, *, now: datetime, limit: int) -> int:
    """Tells of each renewal that is near, once in each period; how many."""
    near = await store.take_upcoming(conn, now=now, limit=limit)
    for subscription in near:
        scope = Scope(subscription["org_id"], subscription["mode"])
        await upcoming.record(conn, scope, subscription, now=now)
    return len(near)


def _job(name: str, row: asyncpg.Record) -> Job:
    return Job(name, Scope(row["org_id"], row["mode"]), (row["id"],))


async def renew(tools: Tools, scope: Scope, *ids: str) -> None:
    """Begins every period of a subscription that should have begun by now, and charges for each, one by one.

    No period begins before somebody has asked for the money of the one before it.
    """
    for id in ids:
        charged = None
        while True:
            async with tools.db.transaction() as conn:
                now = await clock.now_of(conn, scope, tools.clock())
                until = now + timedelta(seconds=_AGAIN_SECONDS)
                invoice_id = await renewing.renew(conn, scope, id=id, now=now, until=until)
            if invoice_id in (None, charged):
                break
            await collecting.collect(tools.db, scope, invoice_id=invoice_id, now=now)
            charged = invoice_id


async def collect(tools: Tools, scope: Scope, *ids: str) -> None:
    """Charges an invoice whose time has come."""
    for id in ids:
        async with tools.db.read() as conn:
            now = await clock.now_of(conn, scope, tools.clock())
        await collecting.collect(tools.db, scope, invoice_id=id, now=now)


async def on_event(tools: Tools, scope: Scope, events: Sequence[asyncpg.Record], /) -> None:
    """Ends the subscriptions of a customer who was deleted."""
    for event in events:
        if event["type"] == "customer.deleted":
            await _end_all(tools, scope, customer_id=event["customer_id"])


async def _end_all(tools: Tools, scope: Scope, *, customer_id: str) -> None:
    """One after the other, each in a transaction of its own: whoever holds one may need the customer's profile."""
    ended = _ENDED_AT_ONCE
    while ended == _ENDED_AT_ONCE:
        async with tools.db.read() as conn:
            living = await store.select_living(conn, scope, customer_id=customer_id, limit=_ENDED_AT_ONCE)
        for id in living:
            async with tools.db.transaction() as conn:
                now = await clock.now_of(conn, scope, tools.clock())
                await collecting.end_of_customer(conn, scope, id=id, now=now)
        ended = len(living)
