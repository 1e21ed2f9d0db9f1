"""The SQL of integrations."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.messages.schemas import IntegrationQuery

_COLUMNS = """
    i.id, i.org_id, i.mode, i.name, i.channel, i.provider, i.credentials, i.from_address, i.from_name, i.reply_to,
    i.enabled, i.created_at, i.updated_at
"""
_THIS = "i.org_id = $1 AND i.mode = $2 AND i.id = $3 AND i.deleted_at IS NULL"


async def lock_all(conn: Connection, scope: Scope) -> None:
    """Makes who adds integrations wait for each other until this transaction ends, so that they can be counted."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('integrations/' || $1 || '/' || $2, 0))",
        scope.org_id,
        scope.mode,
    )


async def insert(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    """Raises UniqueViolationError `integrations_name_taken`."""
    return await fetch_one(
        conn,
        f"""
        INSERT INTO integrations AS i
               (org_id, mode, id, name, channel, provider, credentials, from_address, from_name, reply_to, enabled,
                created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["name"],
        fields["channel"],
        fields["provider"],
        fields["credentials"],
        fields["from_address"],
        fields["from_name"],
        fields["reply_to"],
        fields["enabled"],
        now,
    )


async def find(conn: Connection, scope: Scope, *, id: str, keep: bool = False) -> asyncpg.Record | None:
    """`keep` it from deletion until the transaction ends: what is given to it meanwhile is not left with nobody."""
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM integrations AS i WHERE {_THIS} {'FOR KEY SHARE' if keep else ''}",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """Locked until the transaction ends: who gives its places to messages counts them alone."""
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM integrations AS i WHERE {_THIS} FOR NO KEY UPDATE",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_for_deletion(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """Locked, once nobody keeps it any more: what was given to it by then can be seen."""
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM integrations AS i WHERE {_THIS} FOR UPDATE", scope.org_id, scope.mode, id
    )


async def find_of_channel(
    conn: Connection, scope: Scope, *, channel: str, keep: bool = False
) -> asyncpg.Record | None:
    """The one that sends when nobody names another: the oldest that is on. `keep` as above."""
    return await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}
        FROM integrations AS i
        WHERE i.org_id = $1 AND i.mode = $2 AND i.channel = $3 AND i.enabled
        ORDER BY i.created_at, i.id
        LIMIT 1
        {"FOR KEY SHARE" if keep else ""}
        """,
        scope.org_id,
        scope.mode,
        channel,
    )


async def find_named(conn: Connection, scope: Scope, *, name: str) -> str | None:
    """The id of the integration with this name."""
    id: str | None = await conn.fetchval(
        "SELECT id FROM integrations WHERE org_id = $1 AND mode = $2 AND name = $3 AND deleted_at IS NULL",
        scope.org_id,
        scope.mode,
        name,
    )
    return id


async def update(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    """Raises UniqueViolationError `integrations_name_taken`."""
    return await fetch_one(
        conn,
        f"""
        UPDATE integrations AS i
        SET name = $4, credentials = $5, from_address = $6, from_name = $7, reply_to = $8, enabled = $9,
            updated_at = $10
        WHERE {_THIS}
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["name"],
        fields["credentials"],
        fields["from_address"],
        fields["from_name"],
        fields["reply_to"],
        fields["enabled"],
        now,
    )


async def delete(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """Forgets its credentials. The row stays, because messages say who sent them."""
    await conn.execute(
        f"""
        UPDATE integrations AS i
        SET credentials = NULL, enabled = false, deleted_at = $4, updated_at = $4
        WHERE {_THIS}
        """,
        scope.org_id,
        scope.mode,
        id,
        now,
    )


async def take_with_due(
    conn: Connection, *, at_once_max: int, now: datetime, limit: int
) -> list[asyncpg.Record]:
    """Integrations of all organizations that have a message to send now and a place for it, locked.

    Each is asked for one such message: with EXISTS, PostgreSQL would count all that wait behind a full one.
    """
    return list(
        await conn.fetch(
            """
            SELECT i.org_id, i.mode, i.id
            FROM integrations AS i
            CROSS JOIN LATERAL (
                SELECT
                FROM messages AS m
                WHERE m.org_id = i.org_id AND m.mode = i.mode AND m.integration_id = i.id
                  AND m.status = 'scheduled' AND m.next_attempt_at <= $1
                LIMIT 1
            ) AS due
            WHERE i.enabled
              AND (
                  SELECT count(*)
                  FROM messages AS m
                  WHERE m.org_id = i.org_id AND m.mode = i.mode AND m.integration_id = i.id
                    AND m.status IN ('queued', 'sending')
              ) < $2
            LIMIT $3
            FOR NO KEY UPDATE OF i SKIP LOCKED
            """,
            now,
            at_once_max,
            limit,
        )
    )


async def count(conn: Connection, scope: Scope, query: IntegrationQuery | None = None) -> int:
    where = _where(scope, query or IntegrationQuery())
    total: int = await conn.fetchval(f"SELECT count(*) FROM integrations AS i WHERE {where}", *where.values)
    return total


async def select(
    conn: Connection, scope: Scope, query: IntegrationQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    if after is not None:
        where.add("(i.created_at, i.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM integrations AS i
            WHERE {where}
            ORDER BY i.created_at DESC, i.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


def _where(scope: Scope, query: IntegrationQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("i.org_id = $1 AND i.mode = $2 AND i.deleted_at IS NULL")
    where.add_if("i.channel = {}", query.channel)
    return where
