"""The SQL of templates."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.workflows.schemas import TemplateQuery

_COLUMNS = "t.id, t.org_id, t.mode, t.name, t.channel, t.subject, t.text, t.html, t.created_at, t.updated_at"


async def insert(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    """Raises UniqueViolationError `templates_name_taken`."""
    return await fetch_one(
        conn,
        f"""
        INSERT INTO templates AS t
               (org_id, mode, id, name, channel, subject, text, html, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["name"],
        fields["channel"],
        fields["subject"],
        fields["text"],
        fields["html"],
        now,
    )


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM templates AS t WHERE t.org_id = $1 AND t.mode = $2 AND t.id = $3",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM templates AS t WHERE t.org_id = $1 AND t.mode = $2 AND t.id = $3 FOR UPDATE",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_for_share(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """Kept until the transaction ends: whoever deletes it waits, and then sees who names it."""
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM templates AS t WHERE t.org_id = $1 AND t.mode = $2 AND t.id = $3 FOR KEY SHARE",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_named(conn: Connection, scope: Scope, *, name: str) -> str | None:
    """The id of the template with this name."""
    id: str | None = await conn.fetchval(
        "SELECT id FROM templates WHERE org_id = $1 AND mode = $2 AND name = $3",
        scope.org_id,
        scope.mode,
        name,
    )
    return id


async def update(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    """Raises UniqueViolationError `templates_name_taken`."""
    return await fetch_one(
        conn,
        f"""
        UPDATE templates AS t
        SET name = $4, subject = $5, text = $6, html = $7, updated_at = $8
        WHERE t.org_id = $1 AND t.mode = $2 AND t.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["name"],
        fields["subject"],
        fields["text"],
        fields["html"],
        now,
    )


async def delete(conn: Connection, scope: Scope, *, id: str) -> None:
    await conn.execute(
        "DELETE FROM templates WHERE org_id = $1 AND mode = $2 AND id = $3", scope.org_id, scope.mode, id
    )


async def select(
    conn: Connection, scope: Scope, query: TemplateQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    if after is not None:
        where.add("(t.created_at, t.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM templates AS t
            WHERE {where}
            ORDER BY t.created_at DESC, t.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


async def count(conn: Connection, scope: Scope, query: TemplateQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM templates AS t WHERE {where}", *where.values)
    return total


def _where(scope: Scope, query: TemplateQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("t.org_id = $1 AND t.mode = $2")
    where.add_if("t.channel = {}", query.channel)
    return where
