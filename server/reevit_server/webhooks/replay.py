"""Telling again: of one event, or of all that happened in a time."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from reevit_server import events
from reevit_server.core.database import Connection
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.text import LAST
from reevit_server.webhooks import deliveries, models, outbound, store, telling
from reevit_server.webhooks.errors import EndpointDisabled, EndpointNotFound
from reevit_server.webhooks.schemas import ReplayRange

EVENTS_MAX = 10_000  # of one request: what is written in a second or two


class Replayed(NamedTuple):
    events: int
    next_from: datetime | None


async def replay(
    conn: Connection, scope: Scope, *, event_id: str, endpoint_id: str | None, now: datetime
) -> list[asyncpg.Record]:
    """Tells endpoints of an event again, whatever became of it before; the deliveries.

    One that is named is told in any case; else those that are told of such events, listeners among them.
    Raises EventNotFound, EndpointNotFound, EndpointDisabled.
    """
    event = await events.get(conn, scope, id=event_id)
    if endpoint_id is not None:
        ids = [endpoint_id]
    elif event["type"] == events.TEST:
        ids = [event["subject_id"]]  # nobody else asked for it
    else:
        told = await store.select_told(
            conn,
            scope,
            seen_after=now - timedelta(seconds=models.LISTENER_SECONDS),
            limit=models.ENDPOINTS_MAX,
        )
        ids = sorted(endpoint["id"] for endpoint in told if events.chosen(endpoint["events"], event["type"]))
    for id in ids:
        # One that nobody named, and that was deleted or disabled this very moment, is left out.
        with suppress(*(() if endpoint_id is not None else (EndpointNotFound, EndpointDisabled))):
            await _again(conn, scope, id, [event_id], undelivered_only=False, now=now)
    return await outbound.select_of_event(conn, scope, event_id=event_id, endpoint_ids=ids)


async def replay_range(
    conn: Connection, scope: Scope, *, id: str, given: ReplayRange, now: datetime
) -> Replayed:
    """Tells an endpoint again of what happened in a time, the oldest first, at most 10,000 events.

    Raises EndpointNotFound, EndpointDisabled.
    """
    endpoint = await store.find(conn, scope, id=id)
    if endpoint is None:
        raise EndpointNotFound
    found = await deliveries.select_events(
        conn,
        scope,
        choices=given.events or endpoint["events"],
        from_at=given.from_,
        to_at=given.to or LAST,  # a test clock may be ahead of the world
        limit=EVENTS_MAX + 1,
    )
    page = found[:EVENTS_MAX]
    again = await _again(
        conn, scope, id, [event["id"] for event in page], undelivered_only=given.undelivered_only, now=now
    )
    # Events of one instant may be told of twice, at the seam; that is the same as once for those on their way.
    return Replayed(again, page[-1]["created_at"] if len(found) > EVENTS_MAX else None)


async def _again(
    conn: Connection,
    scope: Scope,
    endpoint_id: str,
    event_ids: list[str],
    *,
    undelivered_only: bool,
    now: datetime,
) -> int:
    endpoint = await store.find_for_update(conn, scope, id=endpoint_id)
    if endpoint is None or endpoint["deleted_at"] is not None:
        raise EndpointNotFound
    if endpoint["status"] == "disabled":
        raise EndpointDisabled
    again = await deliveries.insert_again(
        conn,
        scope,
        ids=[new_id("dlv") for _ in event_ids],
        event_ids=event_ids,
        endpoint_id=endpoint_id,
        undelivered_only=undelivered_only,
        now=now,
    )
    if again and endpoint["status"] == "active" and endpoint["kind"] != "listener":
        await telling.release(conn, scope, endpoint_id=endpoint_id, limit=models.AT_ONCE_MAX)
    return len(again)
