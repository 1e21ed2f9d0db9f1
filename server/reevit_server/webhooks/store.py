"""The SQL of webhook endpoints. That of deliveries is in `deliveries.py`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page

_COLUMNS = """
    w.id, w.org_id, w.mode, w.kind, w.url, w.description, w.events, w.status, w.disabled_reason, w.secret,
    w.previous_secret, w.previous_secret_until, w.failing_since, w.seen_at, w.created_at, w.updated_at
"""
_HERE = "w.org_id = $1 AND w.mode = $2 AND w.deleted_at IS NULL"


async def insert(
    conn: Connection, scope: Scope, *, id: str, kind: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        INSERT INTO webhook_endpoints AS w
               (org_id, mode, id, kind, url, description, events, status, disabled_reason, secret, seen_at,
                created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        kind,
        fields["url"],
        fields["description"],
        fields["events"],
        fields["status"],
        fields["disabled_reason"],
        fields["secret"],
        now if kind == "listener" else None,
        now,
    )


async def lock_all(conn: Connection, scope: Scope) -> None:
    """Makes who adds endpoints wait for each other until this transaction ends, so that they can be counted."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoints/' || $1 || '/' || $2, 0))",
        scope.org_id,
        scope.mode,
    )


async def count(conn: Connection, scope: Scope, *, listeners: bool = False) -> int:
    """Those that there are; listeners are left out unless they are asked for."""
    total: int = await conn.fetchval(
        f"SELECT count(*) FROM webhook_endpoints AS w WHERE {_HERE} AND (w.kind <> 'listener' OR $3)",
        scope.org_id,
        scope.mode,
        listeners,
    )
    return total


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """An endpoint that is told of events, not one that listens."""
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM webhook_endpoints AS w WHERE {_HERE} AND w.id = $3 AND w.kind <> 'listener'",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_config(conn: Connection, scope: Scope) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM webhook_endpoints AS w WHERE {_HERE} AND w.kind = 'config'",
        scope.org_id,
        scope.mode,
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """Any endpoint, listeners and deleted ones too, locked until this transaction ends.

    Whoever changes a delivery that is under way does it under this lock, so that what is sent at once can be counted
    and no place is left empty while somebody waits for it.
    """
    return await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}, w.deleted_at
        FROM webhook_endpoints AS w
        WHERE w.org_id = $1 AND w.mode = $2 AND w.id = $3
        FOR NO KEY UPDATE OF w
        """,
        scope.org_id,
        scope.mode,
        id,
    )


async def find_of_delivery_for_update(
    conn: Connection, scope: Scope, *, delivery_id: str
) -> asyncpg.Record | None:
    """The same by one of its deliveries; None when that was purged."""
    return await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}, w.deleted_at
        FROM webhook_endpoints AS w
        WHERE w.org_id = $1 AND w.mode = $2 AND w.id = (
            SELECT endpoint_id FROM webhook_deliveries WHERE org_id = $1 AND mode = $2 AND id = $3
        )
        FOR NO KEY UPDATE OF w
        """,
        scope.org_id,
        scope.mode,
        delivery_id,
    )


async def lock(conn: Connection, scope: Scope, *, ids: Sequence[str]) -> list[asyncpg.Record]:
    """Several endpoints, locked like one, and in the same order by all who lock several."""
    return list(
        await conn.fetch(
            f"""
            SELECT w.id, w.status
            FROM webhook_endpoints AS w
            WHERE w.org_id = $1 AND w.mode = $2 AND w.id = ANY($3)
            ORDER BY w.id
            {page(len(ids))}
            FOR NO KEY UPDATE OF w
            """,
            scope.org_id,
            scope.mode,
            ids,
        )
    )


async def select(
    conn: Connection, scope: Scope, *, after: tuple[datetime, str] | None, limit: int, offset: int
) -> list[asyncpg.Record]:
    """Newest first, without those that listen."""
    where = Where(scope.org_id, scope.mode)
    where.add(f"{_HERE} AND w.kind <> 'listener'")
    if after is not None:
        where.add("(w.created_at, w.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM webhook_endpoints AS w
            WHERE {where}
            ORDER BY w.created_at DESC, w.id DESC
            {page(limit, offset=offset)}
            """,
            *where.values,
        )
    )


async def select_told(
    conn: Connection, scope: Scope, *, seen_after: datetime, limit: int
) -> list[asyncpg.Record]:
    """Whoever is told when something happens: not disabled, and listeners only while they ask.

    `has_line` is whether something waits already to be told to it.
    """
    return list(
        await conn.fetch(
            f"""
            SELECT w.id, w.kind, w.events,
                   EXISTS (
                       SELECT 1
                       FROM webhook_deliveries AS d
                       WHERE d.org_id = w.org_id AND d.mode = w.mode AND d.endpoint_id = w.id AND d.status = 'waiting'
                   ) AS has_line
            FROM webhook_endpoints AS w
            WHERE {_HERE} AND w.status <> 'disabled' AND (w.kind <> 'listener' OR w.seen_at > $3)
            {page(limit)}
            """,
            scope.org_id,
            scope.mode,
            seen_after,
        )
    )


async def update(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    """Changes the columns that `fields` names, all of them constants of ours."""
    changes = ", ".join(f"{column} = ${number}" for number, column in enumerate(fields, 5))
    return await fetch_one(
        conn,
        f"""
        UPDATE webhook_endpoints AS w
        SET updated_at = $4, {changes}
        WHERE w.org_id = $1 AND w.mode = $2 AND w.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        now,
        *fields.values(),
    )


async def update_failing(conn: Connection, scope: Scope, *, id: str, since: datetime | None) -> None:
    """Remembers since when an endpoint only fails, or forgets it."""
    await conn.execute(
        "UPDATE webhook_endpoints SET failing_since = $4 WHERE org_id = $1 AND mode = $2 AND id = $3",
        scope.org_id,
        scope.mode,
        id,
        since,
    )


async def delete(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """Takes an endpoint away with its secrets; the row stays for its deliveries."""
    await conn.execute(
        """
        UPDATE webhook_endpoints
        SET deleted_at = $4, updated_at = $4, status = 'disabled', disabled_reason = 'turned_off', secret = NULL,
            previous_secret = NULL, previous_secret_until = NULL
        WHERE org_id = $1 AND mode = $2 AND id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
        now,
    )


async def purge(conn: Connection, *, deleted_before: datetime, limit: int) -> int:
    """Deletes what is left of endpoints whose last delivery is gone too; how many."""
    status = await conn.execute(
        f"""
        DELETE FROM webhook_endpoints
        WHERE (org_id, mode, id) IN (
            SELECT w.org_id, w.mode, w.id
            FROM webhook_endpoints AS w
            WHERE w.deleted_at < $1 AND NOT EXISTS (
                SELECT 1
                FROM webhook_deliveries AS d
                WHERE d.org_id = w.org_id AND d.mode = w.mode AND d.endpoint_id = w.id
            )
            {page(limit)}
        )
        """,
        deleted_before,
    )
    return int(status.rsplit(" ", 1)[1])


async def take_gone(conn: Connection, *, seen_before: datetime, limit: int) -> list[asyncpg.Record]:
    """Listeners that have not asked for a while, of all organizations; locked, and without those who just ask."""
    return list(
        await conn.fetch(
            f"""
            SELECT w.org_id, w.mode, w.id
            FROM webhook_endpoints AS w
            WHERE w.kind = 'listener' AND w.deleted_at IS NULL AND w.seen_at < $1
            ORDER BY w.org_id, w.mode, w.id
            {page(limit)}
            FOR NO KEY UPDATE OF w SKIP LOCKED
            """,
            seen_before,
        )
    )


async def take_neglected(conn: Connection, *, stuck_before: datetime, limit: int) -> list[asyncpg.Record]:
    """Endpoints of all organizations that nobody moves on; locked.

    Such as are disabled and were to be told too much for one transaction to give up; whose deliveries wait while
    none is under way (it was purged); or with one whose job is gone, long after whoever sent it has ended.
    """
    return list(
        await conn.fetch(
            f"""
            SELECT w.org_id, w.mode, w.id, w.kind, w.status
            FROM webhook_endpoints AS w
            WHERE CASE
                WHEN w.status = 'disabled' THEN EXISTS (
                    SELECT 1
                    FROM webhook_deliveries AS d
                    WHERE d.org_id = w.org_id AND d.mode = w.mode AND d.endpoint_id = w.id
                      AND d.status IN ('queued', 'waiting', 'scheduled')
                )
                WHEN w.kind = 'listener' THEN false
                ELSE (w.status = 'active' AND EXISTS (
                    SELECT 1
                    FROM webhook_deliveries AS d
                    WHERE d.org_id = w.org_id AND d.mode = w.mode AND d.endpoint_id = w.id AND d.status = 'waiting'
                ) AND NOT EXISTS (
                    SELECT 1
                    FROM webhook_deliveries AS d
                    WHERE d.org_id = w.org_id AND d.mode = w.mode AND d.endpoint_id = w.id
                      AND d.status IN ('queued', 'sending')
                )) OR EXISTS (
                    SELECT 1
                    FROM webhook_deliveries AS d
                    WHERE d.org_id = w.org_id AND d.mode = w.mode AND d.endpoint_id = w.id AND d.status = 'sending'
                      AND d.sending_until < $1
                )
            END
            ORDER BY w.org_id, w.mode, w.id
            {page(limit)}
            FOR NO KEY UPDATE OF w SKIP LOCKED
            """,
            stuck_before,
        )
    )
