"""Listening from behind any wall: `reevit listen` comes and asks, sends what it gets to a local server, and tells
what became of it. A listener is an endpoint without an address, in test mode only, whose deliveries wait to be
fetched.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.egress import Reply
from reevit_server.core.scope import Scope
from reevit_server.webhooks import deliveries, models, store, telling
from reevit_server.webhooks.actions import Rules, insert
from reevit_server.webhooks.endpoint_secrets import opened
from reevit_server.webhooks.errors import ListenerNotFound, TestModeOnly
from reevit_server.webhooks.schemas import LetterOut, ListenerCreate, ListenerResult
from reevit_server.webhooks.signature import letter

_FETCHED_MAX = 20


async def start(
    conn: Connection, scope: Scope, rules: Rules, new: ListenerCreate, *, now: datetime
) -> tuple[asyncpg.Record, str]:
    """A new listener, and what its deliveries are signed with. Raises TestModeOnly, TooManyEndpoints."""
    if scope.mode != "test":
        raise TestModeOnly
    fields = {"url": None, "events": new.events, "description": None}
    return await insert(
        conn, scope, rules, kind="listener", fields=fields, enabled=True, secret=new.signing_secret, now=now
    )


async def fetch(
    conn: Connection,
    scope: Scope,
    rules: Rules,
    *,
    id: str,
    results: Sequence[ListenerResult],
    now: datetime,
) -> list[LetterOut]:
    """Takes what became of earlier deliveries, and gives out those that wait, each once. Raises ListenerNotFound."""
    listener = await _locked(conn, scope, id)
    for result in results:
        await _settle(conn, scope, listener, result, now=now)
    await store.update(conn, scope, id=id, fields={"seen_at": now}, now=now)
    secrets = opened(rules.sealer, scope, listener, now=now)
    # What was given out and never heard of again, because the answer was lost on its way, is given out again.
    await deliveries.put_back(conn, scope, endpoint_id=id, now=now)
    until = now + timedelta(seconds=models.SENDING_SECONDS)
    letters = []
    for delivery_id in await deliveries.take_waiting(conn, scope, endpoint_id=id, limit=_FETCHED_MAX):
        attempt = await deliveries.begin(conn, scope, id=delivery_id, until=until, now=now)
        event = await deliveries.find_with_event(conn, scope, id=delivery_id, now=now)
        assert event is not None, "it was just taken"
        written = letter(event, delivery_id=delivery_id, attempt=attempt, url="", secrets=secrets, now=now)
        letters.append(
            LetterOut(
                delivery_id=delivery_id,
                event_id=event["event_id"],
                type=event["type"],
                headers=written.headers,
                body=written.body.decode(),
            )
        )
    return letters


async def stop(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """Ends a listener; what it did not fetch is given up. Raises ListenerNotFound."""
    await _locked(conn, scope, id)
    await _end(conn, scope, id, now=now)


async def stop_gone(conn: Connection, *, now: datetime, limit: int) -> int:
    """Ends listeners that have not asked for a while; how many."""
    gone = await store.take_gone(
        conn, seen_before=now - timedelta(seconds=models.LISTENER_SECONDS), limit=limit
    )
    for listener in gone:
        await _end(conn, Scope(listener["org_id"], listener["mode"]), listener["id"], now=now)
    return len(gone)


async def _end(conn: Connection, scope: Scope, id: str, *, now: datetime) -> None:
    await store.delete(conn, scope, id=id, now=now)
    await telling.give_up(conn, scope, endpoint_id=id, sending_too=True, now=now)


async def _settle(
    conn: Connection, scope: Scope, listener: asyncpg.Record, result: ListenerResult, *, now: datetime
) -> None:
    """A listener is tried once: who develops sees the failure, and asks for a replay."""
    delivery = await deliveries.find_with_event(conn, scope, id=result.delivery_id, now=now)
    if delivery is None or delivery["endpoint_id"] != listener["id"] or delivery["status"] != "sending":
        return  # purged, told twice, or nothing of this listener's
    reply = models.explained(
        Reply(
            result.latency_ms,
            result.status_code,
            body=result.response_body,
            error=result.error or (None if result.status_code else "no_answer"),
            error_message=result.error_message,
        )
    )
    if delivery["forgotten"]:
        reply = reply._replace(body=None)  # it may name the person who was erased
    standing = models.Standing("delivered")
    if not models.is_delivered(reply):
        standing = models.Standing("exhausted", failures=1)
    await telling.conclude(conn, scope, delivery, reply=reply, standing=standing, now=now)


async def _locked(conn: Connection, scope: Scope, id: str) -> asyncpg.Record:
    listener = await store.find_for_update(conn, scope, id=id)
    if listener is None or listener["deleted_at"] is not None or listener["kind"] != "listener":
        raise ListenerNotFound
    return listener
