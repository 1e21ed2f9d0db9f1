"""The SQL of organizations."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, fetch_one


async def insert(conn: Connection, *, id: str, name: str, currency: str, now: datetime) -> asyncpg.Record:
    return await fetch_one(
        conn,
        """
        INSERT INTO organizations (id, name, currency, created_at)
        VALUES ($1, $2, $3, $4)
        RETURNING id, name, currency, created_at
        """,
        id,
        name,
        currency,
        now,
    )


async def find(conn: Connection, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow("SELECT id, name, currency, created_at FROM organizations WHERE id = $1", id)


async def select(conn: Connection, *, after: tuple[datetime, str] | None, limit: int) -> list[asyncpg.Record]:
    """The oldest first."""
    at, id = after or (None, None)
    return list(
        await conn.fetch(
            """
            SELECT id, name, currency, created_at
            FROM organizations
            WHERE $1::timestamptz IS NULL OR (created_at, id) > ($1, $2)
            ORDER BY created_at, id
            LIMIT $3
            """,
            at,
            id,
            limit,
        )
    )
