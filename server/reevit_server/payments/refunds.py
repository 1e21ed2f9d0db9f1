"""The SQL of refunds."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page

_COLUMNS = """
    r.id, r.org_id, r.mode, r.payment_id, r.customer_id, r.amount, r.currency, r.status, r.reason,
    r.provider_ref_id, r.occurred_at, r.created_at
"""


async def insert(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    payment_id: str,
    amount: int,
    reason: str | None,
    now: datetime,
) -> asyncpg.Record:
    """The refund; customer and currency are the payment's own, copied by the statement itself."""
    return await fetch_one(
        conn,
        f"""
        INSERT INTO refunds AS r
               (org_id, mode, id, payment_id, customer_id, amount, currency, status, reason, occurred_at, created_at)
        SELECT p.org_id, p.mode, $3, p.id, p.customer_id, $5, p.currency, 'succeeded', $6, $7, $7
        FROM payments AS p
        WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $4
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        payment_id,
        amount,
        reason,
        now,
    )


async def select(
    conn: Connection,
    scope: Scope,
    *,
    payment_id: str,
    after: tuple[datetime, str] | None,
    limit: int,
    offset: int,
) -> list[asyncpg.Record]:
    """A payment's refunds, the latest first."""
    where = Where(scope.org_id, scope.mode, payment_id)
    where.add("r.org_id = $1 AND r.mode = $2 AND r.payment_id = $3")
    if after is not None:
        where.add("(r.created_at, r.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM refunds AS r
            WHERE {where}
            ORDER BY r.created_at DESC, r.id DESC
            {page(limit, offset=offset)}
            """,
            *where.values,
        )
    )


async def count(conn: Connection, scope: Scope, *, payment_id: str) -> int:
    total: int = await conn.fetchval(
        "SELECT count(*) FROM refunds WHERE org_id = $1 AND mode = $2 AND payment_id = $3",
        scope.org_id,
        scope.mode,
        payment_id,
    )
    return total


async def select_of_customer(
    conn: Connection, scope: Scope, *, customer_id: str, after: tuple[datetime, str] | None, limit: int
) -> list[asyncpg.Record]:
    """A customer's refunds, the latest first."""
    where = Where(scope.org_id, scope.mode, customer_id)
    where.add("r.org_id = $1 AND r.mode = $2 AND r.customer_id = $3")
    if after is not None:
        where.add("(r.occurred_at, r.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM refunds AS r
            WHERE {where}
            ORDER BY r.occurred_at DESC, r.id DESC
            {page(limit)}
            """,
            *where.values,
        )
    )


async def count_of_customer(conn: Connection, scope: Scope, *, customer_id: str) -> int:
    total: int = await conn.fetchval(
        "SELECT count(*) FROM refunds WHERE org_id = $1 AND mode = $2 AND customer_id = $3",
        scope.org_id,
        scope.mode,
        customer_id,
    )
    return total
