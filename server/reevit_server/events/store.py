"""The SQL of events."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.events.schemas import EventQuery

_COLUMNS = "e.id, e.org_id, e.mode, e.type, e.subject_id, e.data, e.actor_id, e.reason, e.created_at"


async def insert(
    conn: Connection,
    scope: Scope,
    *,
    ids: Sequence[str],
    types: Sequence[str],
    subject_ids: Sequence[str],
    customer_ids: Sequence[str | None],
    data: Sequence[bytes],
    now: datetime,
) -> None:
    """All events of a change in one statement."""
    await conn.execute(
        """
        INSERT INTO events (org_id, mode, id, type, subject_id, customer_id, data, actor_id, reason, created_at)
        SELECT $1, $2, id, type, subject_id, customer_id, data, $8, $9, $10
        FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
          AS change (id, type, subject_id, customer_id, data)
        """,
        scope.org_id,
        scope.mode,
        ids,
        types,
        subject_ids,
        customer_ids,
        data,
        scope.actor_id,
        scope.reason,
        now,
    )


async def erase(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Takes a person out of every event that told of it; ids, amounts, dates and who did it stay.

    A reason is free text, which may well name whom it was about.
    """
    await conn.execute(
        """
        UPDATE events
        SET reason = NULL,
            data = CASE
                WHEN subject_id = customer_id THEN jsonb_build_object('id', subject_id)
                ELSE data || jsonb_build_object('customer', jsonb_build_object('id', customer_id))
                          || jsonb_build_object('external_customer_id', NULL)
            END
        WHERE org_id = $1 AND mode = $2 AND customer_id = $3
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )


async def forget(conn: Connection, scope: Scope, *, id: str) -> None:
    """Leaves of an event's customer nothing but the id."""
    await conn.execute(
        """
        UPDATE events
        SET data = data || jsonb_build_object('customer', jsonb_build_object('id', customer_id))
        WHERE org_id = $1 AND mode = $2 AND id = $3 AND customer_id IS NOT NULL
        """,
        scope.org_id,
        scope.mode,
        id,
    )


async def select_by_ids(conn: Connection, scope: Scope, ids: Sequence[str]) -> list[asyncpg.Record]:
    """Their ids sort by their birth."""
    return list(
        await conn.fetch(
            f"""
            SELECT e.customer_id, {_COLUMNS}
            FROM events AS e
            WHERE e.org_id = $1 AND e.mode = $2 AND e.id = ANY($3)
            ORDER BY e.id
            {page(len(ids))}
            """,
            scope.org_id,
            scope.mode,
            ids,
        )
    )


async def select_latest(conn: Connection, scope: Scope, *, type: str, limit: int) -> list[asyncpg.Record]:
    """The last one first."""
    return list(
        await conn.fetch(
            f"""
            SELECT e.customer_id, {_COLUMNS}
            FROM events AS e
            WHERE e.org_id = $1 AND e.mode = $2 AND e.type = $3
            ORDER BY e.id DESC
            {page(limit)}
            """,
            scope.org_id,
            scope.mode,
            type,
        )
    )


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM events AS e WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3",
        scope.org_id,
        scope.mode,
        id,
    )


async def select(
    conn: Connection, scope: Scope, query: EventQuery, *, after: str | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    where.add_if("e.id < {}", after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM events AS e
            WHERE {where}
            ORDER BY e.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


async def count(conn: Connection, scope: Scope, query: EventQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM events AS e WHERE {where}", *where.values)
    return total


def _where(scope: Scope, query: EventQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("e.org_id = $1 AND e.mode = $2")
    if query.type is not None and query.type.endswith(".*"):
        where.add("starts_with(e.type, {})", query.type.removesuffix("*"))
    else:
        where.add_if("e.type = {}", query.type)
    where.add_if("e.customer_id = {}", query.customer_id)
    where.add_if(
        "e.customer_id = (SELECT id FROM customers WHERE org_id = $1 AND mode = $2 AND external_id = {})",
        query.external_customer_id,
    )
    where.add_if("e.created_at >= {}", query.created_after)
    where.add_if("e.created_at < {}", query.created_before)
    return where


async def purge(conn: Connection, *, before: datetime, limit: int) -> int:
    """Deletes events recorded before that instant of the world's; how many, at most `limit`."""
    status = await conn.execute(
        """
        DELETE FROM events
        WHERE (org_id, mode, id) IN (SELECT org_id, mode, id FROM events WHERE recorded_at < $1 LIMIT $2)
        """,
        before,
        limit,
    )
    return int(status.rsplit(" ", 1)[1])
