"""The SQL of invoices."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.invoices.schemas import InvoiceQuery

_COLUMNS = """
    i.id, i.org_id, i.mode, i.number, i.customer_id, i.subscription_id, i.plan_id, i.description, i.amount,
    i.currency, i.method, i.status, i.period_start, i.period_end, i.due_at, i.payment_id, i.attempt_count,
    i.next_attempt_at, i.given_up, i.failure_code, i.failure_message, i.metadata, i.paid_at, i.canceled_at,
    i.created_at, i.updated_at,
    (
        SELECT c.external_id
        FROM customers AS c
        WHERE c.org_id = i.org_id AND c.mode = i.mode AND c.id = i.customer_id
    ) AS external_customer_id
"""


async def insert(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], queue_at: datetime, now: datetime
) -> asyncpg.Record:
    """The new invoice with the next number, to be charged now.

    Until this transaction ends, nobody else in this organization and mode gets a number: if it does not commit, the
    number is free again. Raises UniqueViolationError `invoices_one_per_period`.
    """
    return await fetch_one(
        conn,
        f"""
        WITH taken AS (
            INSERT INTO invoice_numbers AS n (org_id, mode, last)
            VALUES ($1, $2, 1)
            ON CONFLICT (org_id, mode) DO UPDATE SET last = n.last + 1
            RETURNING n.last
        )
        INSERT INTO invoices AS i
               (org_id, mode, id, number, customer_id, subscription_id, plan_id, description, amount, currency,
                method, status, period_start, period_end, due_at, next_attempt_at, queue_at, created_at, updated_at)
        SELECT $1, $2, $3, taken.last, $4, $5, $6, $7, $8, $9, $10, 'draft', $11, $12, $13, $13, $14, $13, $13
        FROM taken
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["customer_id"],
        fields["subscription_id"],
        fields["plan_id"],
        fields["description"],
        fields["amount"],
        fields["currency"],
        fields["method"],
        fields["period_start"],
        fields["period_end"],
        now,
        queue_at,
    )


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM invoices AS i WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """The invoice, locked until the transaction ends."""
    return await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}
        FROM invoices AS i
        WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3
        FOR UPDATE OF i
        """,
        scope.org_id,
        scope.mode,
        id,
    )


async def find_by_payment_for_update(
    conn: Connection, scope: Scope, *, payment_id: str
) -> asyncpg.Record | None:
    """The invoice that a payment is to pay, locked until the transaction ends."""
    return await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}
        FROM invoices AS i
        WHERE i.org_id = $1 AND i.mode = $2 AND i.payment_id = $3
        FOR UPDATE OF i
        """,
        scope.org_id,
        scope.mode,
        payment_id,
    )


async def update_attempt(
    conn: Connection, scope: Scope, *, id: str, payment_id: str, method: str | None, now: datetime
) -> asyncpg.Record:
    """It is being charged."""
    return await fetch_one(
        conn,
        f"""
        UPDATE invoices AS i
        SET status = 'due', payment_id = $4, method = $5, attempt_count = i.attempt_count + 1,
            next_attempt_at = NULL, queue_at = NULL, failure_code = NULL, failure_message = NULL, updated_at = $6
        WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        payment_id,
        method,
        now,
    )


async def update_status(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    status: str,
    next_attempt_at: datetime | None = None,
    failure: tuple[str | None, str | None],
    now: datetime,
) -> asyncpg.Record:
    """What became of it; the schedule has nothing more to do with it but for the next attempt."""
    return await fetch_one(
        conn,
        f"""
        UPDATE invoices AS i
        SET status = $4, next_attempt_at = $5, queue_at = $5, failure_code = $7, failure_message = $8,
            given_up = given_up OR $4 = 'failed',
            paid_at = CASE WHEN $4 = 'paid' THEN $6::timestamptz END,
            canceled_at = CASE WHEN $4 = 'canceled' THEN $6::timestamptz END,
            updated_at = $6
        WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        status,
        next_attempt_at,
        now,
        *failure,
    )


async def update_metadata(
    conn: Connection, scope: Scope, *, id: str, metadata: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        UPDATE invoices AS i
        SET metadata = $4, updated_at = $5
        WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        metadata,
        now,
    )


async def take_due(conn: Connection, *, now: datetime, until: datetime, limit: int) -> list[asyncpg.Record]:
    """Invoices of all organizations that are to be charged now, each set to be looked at again at `until`.

    Where a test clock stands still, or is about to be moved for the first time, who moves it does this.
    """
    return list(
        await conn.fetch(
            f"""
            WITH due AS MATERIALIZED (
                SELECT org_id, mode, id
                FROM invoices
                WHERE queue_at <= $1
                  AND (org_id, mode) NOT IN (
                      SELECT org_id, mode FROM sandbox_clocks WHERE now IS NOT NULL OR held_until > $1
                  )
                ORDER BY queue_at
                {page(limit)}
                FOR UPDATE SKIP LOCKED
            )
            UPDATE invoices AS i
            SET queue_at = $2
            FROM due
            WHERE i.org_id = due.org_id AND i.mode = due.mode AND i.id = due.id
            RETURNING i.org_id, i.mode, i.id
            """,
            now,
            until,
        )
    )


async def has_given_up(conn: Connection, scope: Scope, *, subscription_id: str) -> bool:
    """Whether a subscription has an invoice that was given up, and is not paid since or let off."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM invoices
            WHERE org_id = $1 AND mode = $2 AND subscription_id = $3
              AND (status = 'failed' OR status = 'due' AND given_up)
        )
        """,
        scope.org_id,
        scope.mode,
        subscription_id,
    )
    return found


async def find_draft(conn: Connection, scope: Scope, *, subscription_id: str) -> str | None:
    """The id of a subscription's latest invoice, if it has never been charged."""
    id: str | None = await conn.fetchval(
        """
        SELECT CASE WHEN status = 'draft' THEN id END
        FROM invoices
        WHERE org_id = $1 AND mode = $2 AND subscription_id = $3
        ORDER BY period_start DESC
        LIMIT 1
        """,
        scope.org_id,
        scope.mode,
        subscription_id,
    )
    return id


async def select_open(conn: Connection, scope: Scope, *, subscription_id: str) -> list[asyncpg.Record]:
    """A subscription's invoices that are still to be charged, or are being charged, the oldest first."""
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM invoices AS i
            WHERE i.org_id = $1 AND i.mode = $2 AND i.subscription_id = $3 AND i.status IN ('draft', 'due')
            ORDER BY i.period_start
            {page(1000)}
            """,
            scope.org_id,
            scope.mode,
            subscription_id,
        )
    )


async def select(
    conn: Connection, scope: Scope, query: InvoiceQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    return await _select(conn, where, after=after, limit=query.limit + 1, offset=query.offset)


async def count(conn: Connection, scope: Scope, query: InvoiceQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM invoices AS i WHERE {where}", *where.values)
    return total


async def select_of_customer(
    conn: Connection,
    scope: Scope,
    *,
    customer_id: str,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """A customer's invoices, the latest first."""
    where = _where(scope, InvoiceQuery(customer_id=customer_id))
    return await _select(conn, where, after=after, limit=limit)


async def count_of_customer(conn: Connection, scope: Scope, *, customer_id: str) -> int:
    return await count(conn, scope, InvoiceQuery(customer_id=customer_id))


async def _select(
    conn: Connection, where: Where, *, after: tuple[datetime, str] | None, limit: int, offset: int = 0
) -> list[asyncpg.Record]:
    if after is not None:
        where.add("(i.created_at, i.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM invoices AS i
            WHERE {where}
            ORDER BY i.created_at DESC, i.id DESC
            {page(limit, offset=offset)}
            """,
            *where.values,
        )
    )


def _where(scope: Scope, query: InvoiceQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("i.org_id = $1 AND i.mode = $2")
    where.add_if("i.customer_id = {}", query.customer_id)
    where.add_if(
        "i.customer_id = (SELECT id FROM customers WHERE org_id = $1 AND mode = $2 AND external_id = {})",
        query.external_customer_id,
    )
    where.add_if("i.subscription_id = {}", query.subscription_id)
    where.add_if("i.status = {}", query.status)
    where.add_if("i.created_at >= {}", query.created_after)
    where.add_if("i.created_at < {}", query.created_before)
    return where
