"""Recording what happened, so that others can be told."""

from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.events import store
from reevit_server.events.errors import EventNotFound

KEPT_DAYS = 30


class Change(NamedTuple):
    """One event to be: `type` in the past tense (`payment.succeeded`), `data` as JSON, ready for the wire."""

    type: str
    subject_id: str
    customer_id: str | None
    data: bytes


async def record(conn: Connection, scope: Scope, *changes: Change, now: datetime) -> None:
    """Writes the events of a change, in the order given, in the transaction of the change."""
    await store.insert(
        conn,
        scope,
        ids=[new_id("evt") for _ in changes],
        types=[change.type for change in changes],
        subject_ids=[change.subject_id for change in changes],
        customer_ids=[change.customer_id for change in changes],
        data=[change.data for change in changes],
        now=now,
    )


async def erase(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Forgets a customer's personal data in all that was recorded of it."""
    await store.erase(conn, scope, customer_id=customer_id)


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """Raises EventNotFound."""
    event = await store.find(conn, scope, id=id)
    if event is None:
        raise EventNotFound
    return event


async def purge(conn: Connection, *, now: datetime, limit: int) -> int:
    """Deletes what is older than 30 days; how many. Call again while it returns `limit`."""
    return await store.purge(conn, before=now - timedelta(days=KEPT_DAYS), limit=limit)
