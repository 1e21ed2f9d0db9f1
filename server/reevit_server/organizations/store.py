"""The SQL of organizations."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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


async def update(
    conn: Connection, *, id: str, name: str | None, currency: str | None
) -> asyncpg.Record | None:
    """Null leaves what is there."""
    return await conn.fetchrow(
        """
        UPDATE organizations
        SET name = coalesce($2, name), currency = coalesce($3, currency)
        WHERE id = $1
        RETURNING id, name, currency, created_at
        """,
        id,
        name,
        currency,
    )


async def find_seller(conn: Connection, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        """
        SELECT name, seller_name, seller_address, seller_logo, tax_line, locale
        FROM organizations
        WHERE id = $1
        """,
        id,
    )


async def find_seller_for_update(conn: Connection, *, id: str) -> asyncpg.Record | None:
    """The same, locked until the transaction ends."""
    return await conn.fetchrow(
        """
        SELECT name, seller_name, seller_address, seller_logo, tax_line, locale
        FROM organizations
        WHERE id = $1
        FOR NO KEY UPDATE
        """,
        id,
    )


async def update_seller(conn: Connection, *, id: str, fields: Mapping[str, Any]) -> asyncpg.Record:
    return await fetch_one(
        conn,
        """
        UPDATE organizations
        SET seller_name = $2, seller_address = $3, seller_logo = $4, tax_line = $5, locale = $6
        WHERE id = $1
        RETURNING name, seller_name, seller_address, seller_logo, tax_line, locale
        """,
        id,
        fields["seller_name"],
        fields["seller_address"],
        fields["seller_logo"],
        fields["tax_line"],
        fields["locale"],
    )
