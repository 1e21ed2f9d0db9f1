"""The SQL of API keys."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope

_COLUMNS = """
    id, org_id, mode, name, scopes, 'pfk_' || mode || '_' || public_id AS prefix, created_at, revoked_at
"""


async def insert(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    public_id: str,
    secret_sha256: bytes,
    name: str | None,
    scopes: list[str],
    now: datetime,
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        INSERT INTO api_keys (org_id, mode, id, public_id, secret_sha256, name, scopes, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        public_id,
        secret_sha256,
        name,
        scopes,
        now,
    )


async def find_by_public_id(conn: Connection, public_id: str) -> asyncpg.Record | None:
    """The one statement without a scope: the key is what tells the scope."""
    return await conn.fetchrow(
        """
        SELECT org_id, mode, secret_sha256, scopes
        FROM api_keys
        WHERE public_id = $1 AND revoked_at IS NULL
        """,
        public_id,
    )


async def select(
    conn: Connection, scope: Scope, *, after: tuple[datetime, str] | None, limit: int, offset: int
) -> list[asyncpg.Record]:
    """Newest first, revoked ones among them."""
    at, id = after or (None, None)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM api_keys
            WHERE org_id = $1 AND mode = $2 AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4))
            ORDER BY created_at DESC, id DESC
            LIMIT $5 OFFSET $6
            """,
            scope.org_id,
            scope.mode,
            at,
            id,
            limit,
            offset,
        )
    )


async def count(conn: Connection, scope: Scope) -> int:
    total: int = await conn.fetchval(
        "SELECT count(*) FROM api_keys WHERE org_id = $1 AND mode = $2", scope.org_id, scope.mode
    )
    return total


async def revoke(conn: Connection, scope: Scope, *, id: str, now: datetime) -> bool:
    """Whether there is such a key; the first revocation's instant stays."""
    status = await conn.execute(
        """
        UPDATE api_keys
        SET revoked_at = coalesce(revoked_at, $4)
        WHERE org_id = $1 AND mode = $2 AND id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
        now,
    )
    return bool(status == "UPDATE 1")
