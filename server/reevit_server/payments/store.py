"""The SQL of payments. Refunds are in `refunds.py`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.payments.models import RECONCILE_DELAYS
from reevit_server.payments.schemas import PaymentQuery

_COLUMNS = """
    p.id, p.org_id, p.mode, p.customer_id, p.amount, p.amount_refunded, p.currency, p.status, p.method, p.country,
    p.reference, p.description, p.metadata, p.provider, p.connection_id, p.provider_ref_id, p.fee_amount,
    p.failure_code, p.failure_message, p.source, p.source_id, p.next_action, p.occurred_at, p.succeeded_at,
    p.created_at, p.updated_at, p.attempt_count,
    (
        SELECT c.external_id
        FROM customers AS c
        WHERE c.org_id = p.org_id AND c.mode = p.mode AND c.id = p.customer_id
    ) AS external_customer_id
"""


async def insert(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any]
) -> asyncpg.Record | None:
    """The new payment; None when its reference is taken."""
    return await conn.fetchrow(
        f"""
        INSERT INTO payments AS p
               (org_id, mode, id, customer_id, amount, currency, status, method, country, reference, description,
                metadata, provider, provider_ref_id, fee_amount, failure_code, failure_message, source, source_id,
                client_secret_sha256, next_action, occurred_at, succeeded_at, created_at, updated_at, reconcile_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                $23, $24, $24, CASE WHEN $7 = 'processing' THEN $24::timestamptz + $25::interval END)
        ON CONFLICT ON CONSTRAINT payments_reference_taken DO NOTHING
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["customer_id"],
        fields["amount"],
        fields["currency"],
        fields["status"],
        fields["method"],
        fields["country"],
        fields["reference"],
        fields["description"],
        fields["metadata"],
        fields["provider"],
        fields["provider_ref_id"],
        fields["fee_amount"],
        fields["failure_code"],
        fields["failure_message"],
        fields["source"],
        fields["source_id"],
        fields["client_secret_sha256"],
        fields["next_action"],
        fields["occurred_at"],
        fields["succeeded_at"],
        fields["created_at"],
        RECONCILE_DELAYS[0],
    )


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM payments AS p WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """The payment, locked until the transaction ends, with what checks a client_secret."""
    return await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}, p.client_secret_sha256
        FROM payments AS p
        WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3
        FOR UPDATE OF p
        """,
        scope.org_id,
        scope.mode,
        id,
    )


async def find_id_by_reference(conn: Connection, scope: Scope, *, reference: str) -> str | None:
    id: str | None = await conn.fetchval(
        "SELECT id FROM payments WHERE org_id = $1 AND mode = $2 AND reference = $3",
        scope.org_id,
        scope.mode,
        reference,
    )
    return id


async def update_intent(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    """What may change before a payment is charged. Raises UniqueViolationError `payments_reference_taken`."""
    return await fetch_one(
        conn,
        f"""
        UPDATE payments AS p
        SET customer_id = $4, amount = $5, currency = $6, method = $7, country = $8, reference = $9,
            description = $10, metadata = $11, updated_at = $12
        WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["customer_id"],
        fields["amount"],
        fields["currency"],
        fields["method"],
        fields["country"],
        fields["reference"],
        fields["description"],
        fields["metadata"],
        now,
    )


async def update_outcome(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    status: str,
    provider_ref_id: str | None,
    failure_code: str | None,
    failure_message: str | None,
    next_action: dict[str, Any] | None,
    now: datetime,
) -> asyncpg.Record:
    """Writes how an attempt went; over one that had failed, how another one did.

    A payment happens when it succeeds, and that is now.
    """
    return await fetch_one(
        conn,
        f"""
        UPDATE payments AS p
        SET status = $4, provider_ref_id = coalesce($5, p.provider_ref_id), failure_code = $6, failure_message = $7,
            next_action = $8, updated_at = $9,
            attempt_count = p.attempt_count + (p.status = 'failed')::integer,
            occurred_at = CASE WHEN $4 = 'succeeded' THEN $9 ELSE p.occurred_at END,
            succeeded_at = CASE WHEN $4 = 'succeeded' THEN $9::timestamptz END,
            reconcile_at = CASE WHEN $4 = 'processing' THEN $9::timestamptz + $10::interval END, reconcile_count = 0
        WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        status,
        provider_ref_id,
        failure_code,
        failure_message,
        next_action,
        now,
        RECONCILE_DELAYS[0],
    )


async def begin_again(
    conn: Connection, scope: Scope, *, id: str, metadata: Mapping[str, Any], method: str | None, now: datetime
) -> asyncpg.Record:
    """A further attempt is under way."""
    return await fetch_one(
        conn,
        f"""
        UPDATE payments AS p
        SET status = 'processing', attempt_count = p.attempt_count + 1, metadata = $4, method = $5,
            failure_code = NULL, failure_message = NULL, next_action = NULL, updated_at = $6,
            reconcile_at = $6::timestamptz + $7::interval, reconcile_count = 0
        WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        metadata,
        method,
        now,
        RECONCILE_DELAYS[0],
    )


async def put_off_reconciling(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """Sets when the payment's provider is asked again: later and later."""
    await conn.execute(
        """
        UPDATE payments
        SET reconcile_count = reconcile_count + 1,
            reconcile_at = $4::timestamptz + ($5::interval[])[least(reconcile_count + 2, cardinality($5))]
        WHERE org_id = $1 AND mode = $2 AND id = $3 AND reconcile_at IS NOT NULL
        """,
        scope.org_id,
        scope.mode,
        id,
        now,
        RECONCILE_DELAYS,
    )


async def take_unsettled(conn: Connection, *, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Payments of all organizations whose provider is to be asked now, each with its next time set.

    Where a test clock stands still, or is about to be moved for the first time, who moves it does this
    (`sandbox/actions.py`).
    """
    return list(
        await conn.fetch(
            f"""
            WITH due AS MATERIALIZED (
                SELECT org_id, mode, id
                FROM payments
                WHERE reconcile_at <= $1
                  AND (org_id, mode) NOT IN (
                      SELECT org_id, mode FROM sandbox_clocks WHERE now IS NOT NULL OR held_until > $1
                  )
                ORDER BY reconcile_at
                {page(limit)}
                FOR UPDATE SKIP LOCKED
            )
            UPDATE payments AS p
            SET reconcile_count = reconcile_count + 1,
                reconcile_at = $1 + ($2::interval[])[least(reconcile_count + 2, cardinality($2))]
            FROM due
            WHERE p.org_id = due.org_id AND p.mode = due.mode AND p.id = due.id
            RETURNING p.org_id, p.mode, p.id
            """,
            now,
            RECONCILE_DELAYS,
        )
    )


async def update_refunded(
    conn: Connection, scope: Scope, *, id: str, amount_refunded: int, status: str, now: datetime
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        UPDATE payments AS p
        SET amount_refunded = $4, status = $5, updated_at = $6
        WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        amount_refunded,
        status,
        now,
    )


async def select(
    conn: Connection, scope: Scope, query: PaymentQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    if after is not None:
        where.add("(p.created_at, p.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM payments AS p
            WHERE {where}
            ORDER BY p.created_at DESC, p.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


async def count(conn: Connection, scope: Scope, query: PaymentQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM payments AS p WHERE {where}", *where.values)
    return total


def _where(scope: Scope, query: PaymentQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("p.org_id = $1 AND p.mode = $2")
    where.add_if("p.customer_id = {}", query.customer_id)
    where.add_if(
        "p.customer_id = (SELECT id FROM customers WHERE org_id = $1 AND mode = $2 AND external_id = {})",
        query.external_customer_id,
    )
    where.add_if("p.status = {}", query.status)
    where.add_if("p.currency = {}", query.currency)
    where.add_if("p.reference = {}", query.reference)
    where.add_if("p.created_at >= {}", query.created_after)
    where.add_if("p.created_at < {}", query.created_before)
    return where


async def select_of_customer(
    conn: Connection,
    scope: Scope,
    *,
    customer_id: str,
    status: str | None = None,
    after: tuple[datetime, str] | None,
    limit: int,
    offset: int = 0,
) -> list[asyncpg.Record]:
    """A customer's payments, the latest first."""
    where = Where(scope.org_id, scope.mode, customer_id)
    where.add("p.org_id = $1 AND p.mode = $2 AND p.customer_id = $3")
    where.add_if("p.status = {}", status)
    if after is not None:
        where.add("(p.occurred_at, p.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM payments AS p
            WHERE {where}
            ORDER BY p.occurred_at DESC, p.id DESC
            {page(limit, offset=offset)}
            """,
            *where.values,
        )
    )


async def count_of_customer(
    conn: Connection, scope: Scope, *, customer_id: str, status: str | None = None
) -> int:
    total: int = await conn.fetchval(
        """
        SELECT count(*)
        FROM payments
        WHERE org_id = $1 AND mode = $2 AND customer_id = $3 AND ($4::text IS NULL OR status = $4)
        """,
        scope.org_id,
        scope.mode,
        customer_id,
        status,
    )
    return total
