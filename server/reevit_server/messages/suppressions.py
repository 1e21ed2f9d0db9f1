"""The SQL of suppressions: who is not written to any more."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page

_COLUMNS = "s.id, s.org_id, s.mode, s.channel, s.hint, s.covers, s.reason, s.created_at"


async def upsert(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    channel: str,
    fingerprint: bytes,
    hint: str,
    covers: str,
    reason: str,
    now: datetime,
) -> asyncpg.Record:
    """One for each address and reason; what covers everything is not narrowed by what covers less."""
    return await fetch_one(
        conn,
        f"""
        INSERT INTO suppressions AS s (org_id, mode, id, channel, fingerprint, hint, covers, reason, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT ON CONSTRAINT suppressions_once DO UPDATE
        SET covers = CASE WHEN s.covers = 'everything' THEN s.covers ELSE excluded.covers END
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        channel,
        fingerprint,
        hint,
        covers,
        reason,
        now,
    )


async def select_of_address(
    conn: Connection, scope: Scope, *, channel: str, fingerprint: bytes
) -> list[asyncpg.Record]:
    """Everything that stands against an address, the strongest first."""
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM suppressions AS s
            WHERE s.org_id = $1 AND s.mode = $2 AND s.channel = $3 AND s.fingerprint = $4
            ORDER BY s.covers, s.created_at, s.id
            LIMIT 10
            """,
            scope.org_id,
            scope.mode,
            channel,
            fingerprint,
        )
    )


async def delete_of_address(
    conn: Connection, scope: Scope, *, channel: str, fingerprint: bytes, reason: str
) -> None:
    """Takes one reason back; others stay."""
    await conn.execute(
        """
        DELETE FROM suppressions
        WHERE org_id = $1 AND mode = $2 AND channel = $3 AND fingerprint = $4 AND reason = $5
        """,
        scope.org_id,
        scope.mode,
        channel,
        fingerprint,
        reason,
    )


async def delete(conn: Connection, scope: Scope, *, id: str) -> bool:
    """Whether it was there."""
    gone = await conn.fetchval(
        "DELETE FROM suppressions WHERE org_id = $1 AND mode = $2 AND id = $3 RETURNING true",
        scope.org_id,
        scope.mode,
        id,
    )
    return bool(gone)


async def select(
    conn: Connection,
    scope: Scope,
    *,
    channel: str | None,
    fingerprints: list[bytes] | None,
    after: tuple[datetime, str] | None,
    limit: int,
    offset: int,
) -> list[asyncpg.Record]:
    """Newest first."""
    where = _where(scope, channel, fingerprints)
    if after is not None:
        where.add("(s.created_at, s.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM suppressions AS s
            WHERE {where}
            ORDER BY s.created_at DESC, s.id DESC
            {page(limit, offset=offset)}
            """,
            *where.values,
        )
    )


async def count(
    conn: Connection, scope: Scope, *, channel: str | None, fingerprints: list[bytes] | None
) -> int:
    where = _where(scope, channel, fingerprints)
    total: int = await conn.fetchval(f"SELECT count(*) FROM suppressions AS s WHERE {where}", *where.values)
    return total


def _where(scope: Scope, channel: str | None, fingerprints: list[bytes] | None) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("s.org_id = $1 AND s.mode = $2")
    where.add_if("s.channel = {}", channel)
    where.add_if("s.fingerprint = ANY({})", fingerprints)
    return where
