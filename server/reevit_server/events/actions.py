"""Recording what happened, so that others can be told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.ids import new_id
from reevit_server.core.jobs import Job, enqueue_together
from reevit_server.core.scope import Scope
from reevit_server.events import store
from reevit_server.events.errors import EventNotFound
from reevit_server.events.models import KNOWN_TYPES

FAN_OUT = "events.fan_out"


class Change(NamedTuple):
    """One event to be: `type` in the past tense (`payment.succeeded`), `data` as JSON, ready for the wire."""

    type: str
    subject_id: str
    customer_id: str | None
    data: bytes


async def record(conn: Connection, scope: Scope, *changes: Change, now: datetime) -> None:
    """Writes the events of a change, in the order given, in the transaction of the change, and the job that tells
    whoever listens.
    """
    ids = await record_quietly(conn, scope, *changes, now=now)
    enqueue_together(conn, Job(FAN_OUT, scope, tuple(ids)))


async def record_quietly(conn: Connection, scope: Scope, *changes: Change, now: datetime) -> list[str]:
    """Writes events that nobody is told of but whom the caller tells; their ids."""
    assert all(change.type in KNOWN_TYPES for change in changes), "docs/events.md tells of every type"
    ids = [new_id("evt") for _ in changes]
    await store.insert(
        conn,
        scope,
        ids=ids,
        types=[change.type for change in changes],
        subject_ids=[change.subject_id for change in changes],
        customer_ids=[change.customer_id for change in changes],
        data=[change.data for change in changes],
        now=now,
    )
    return ids


async def select(conn: Connection, scope: Scope, ids: Sequence[str]) -> list[asyncpg.Record]:
    """Events by id, as far as they are still there, in the order in which they happened."""
    return await store.select_by_ids(conn, scope, ids)


async def select_latest(conn: Connection, scope: Scope, *, type: str, limit: int) -> list[asyncpg.Record]:
    """The latest events of a type, the last one first."""
    return await store.select_latest(conn, scope, type=type, limit=limit)


async def forget(conn: Connection, scope: Scope, *, id: str) -> None:
    """Takes the person out of one event that has been told to everybody it was kept for."""
    await store.forget(conn, scope, id=id)


async def erase(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Forgets a customer's personal data in all that was recorded of it."""
    await store.erase(conn, scope, customer_id=customer_id)


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """Raises EventNotFound."""
    event = await store.find(conn, scope, id=id)
    if event is None:
        raise EventNotFound
    return event


async def purge(conn: Connection, *, kept_days: int, now: datetime, limit: int) -> int:
    """Deletes what is older, and what was told of it; how many events. Call again while it returns `limit`.

    Old by the world's time: an organization's test clock may stand months behind or ahead of it.
    """
    return await store.purge(conn, before=now - timedelta(days=kept_days), limit=limit)
