"""The SQL of subscriptions. Retry policies are in `policies.py`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.subscriptions.models import NOTICE_DAYS
from reevit_server.subscriptions.schemas import SubscriptionQuery

_COLUMNS = """
    s.id, s.org_id, s.mode, s.customer_id, s.plan_id, s.amount, s.currency, s.method, s.interval, s.interval_count,
    s.status, s.metadata, s.start_at, s.trial_end_at, s.anchor_at, s.period_number, s.current_period_start,
    s.current_period_end, s.cancel_at_period_end, s.pending_changes, s.paused_at, s.canceled_at, s.created_at,
    s.updated_at,
    (
        SELECT c.external_id
        FROM customers AS c
        WHERE c.org_id = s.org_id AND c.mode = s.mode AND c.id = s.customer_id
    ) AS external_customer_id,
    (
        SELECT i.id
        FROM invoices AS i
        WHERE i.org_id = s.org_id AND i.mode = s.mode AND i.subscription_id = s.id
        ORDER BY i.period_start DESC
        LIMIT 1
    ) AS latest_invoice_id
"""

# Which are still to be told of before they renew. As the indexes of 0021 say it, or they are not used.
UPCOMING = f"""
    status IN ('trialing', 'active') AND NOT cancel_at_period_end
    AND current_period_end - current_period_start > interval '{2 * NOTICE_DAYS} days'
    AND told_renewal_at IS DISTINCT FROM current_period_end
"""


async def insert(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        INSERT INTO subscriptions AS s
               (org_id, mode, id, customer_id, plan_id, amount, currency, method, interval, interval_count, status,
                metadata, start_at, trial_end_at, anchor_at, period_number, current_period_start,
                current_period_end, queue_at, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18, $19, $19)
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["customer_id"],
        fields["plan_id"],
        fields["amount"],
        fields["currency"],
        fields["method"],
        fields["interval"],
        fields["interval_count"],
        fields["status"],
        fields["metadata"],
        fields["start_at"],
        fields["trial_end_at"],
        fields["anchor_at"],
        fields["period_number"],
        fields["current_period_start"],
        fields["current_period_end"],
        now,
    )


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM subscriptions AS s WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """The subscription, locked until the transaction ends."""
    return await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}
        FROM subscriptions AS s
        WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3
        FOR UPDATE OF s
        """,
        scope.org_id,
        scope.mode,
        id,
    )


async def find_means_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """How a subscription is paid; and what the sandbox plays, said by the subscription or by its customer.

    The subscription is locked until the transaction ends, so that nobody ends it while a charge begins.
    """
    return await fetch_one(
        conn,
        """
        SELECT s.status, s.method, coalesce(s.metadata ->> 'sandbox', c.metadata ->> 'sandbox') AS scenario
        FROM subscriptions AS s
        JOIN customers AS c ON c.org_id = s.org_id AND c.mode = s.mode AND c.id = s.customer_id
        WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3
        FOR UPDATE OF s
        """,
        scope.org_id,
        scope.mode,
        id,
    )


async def update_period(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    """The next period begins, on the terms that were to hold from then on."""
    return await fetch_one(
        conn,
        f"""
        UPDATE subscriptions AS s
        SET plan_id = $4, amount = $5, interval = $6, interval_count = $7, status = $8, anchor_at = $9,
            period_number = $10, current_period_start = $11, current_period_end = $12, queue_at = $14,
            cancel_at_period_end = false, pending_changes = NULL, paused_at = NULL, updated_at = $13
        WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["plan_id"],
        fields["amount"],
        fields["interval"],
        fields["interval_count"],
        fields["status"],
        fields["anchor_at"],
        fields["period_number"],
        fields["current_period_start"],
        fields["current_period_end"],
        now,
        fields["queue_at"],
    )


async def update_status(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    status: str,
    cancel_at_period_end: bool,
    now: datetime,
) -> asyncpg.Record:
    """The schedule looks at it when its period is over, if there is anything to do then."""
    return await fetch_one(
        conn,
        f"""
        UPDATE subscriptions AS s
        SET status = $4, cancel_at_period_end = $5, updated_at = $6,
            paused_at = CASE WHEN $4 = 'paused' THEN coalesce(s.paused_at, $6) END,
            canceled_at = CASE WHEN $4 = 'canceled' THEN $6::timestamptz END,
            queue_at = CASE
                WHEN $4 IN ('trialing', 'active', 'past_due') OR $4 = 'paused' AND $5
                THEN greatest(s.queue_at, s.current_period_end)
            END
        WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        status,
        cancel_at_period_end,
        now,
    )


async def update_terms(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        UPDATE subscriptions AS s
        SET pending_changes = $4, method = $5, metadata = $6, updated_at = $7
        WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["pending_changes"],
        fields["method"],
        fields["metadata"],
        now,
    )


async def take_due(conn: Connection, *, now: datetime, until: datetime, limit: int) -> list[asyncpg.Record]:
    """Subscriptions of all organizations whose period is over, each set to be looked at again at `until`.

    Where a test clock stands still, or is about to be moved for the first time, who moves it does this.
    """
    return list(
        await conn.fetch(
            f"""
            WITH due AS MATERIALIZED (
                SELECT org_id, mode, id
                FROM subscriptions
                WHERE queue_at <= $1
                  AND (org_id, mode) NOT IN (
                      SELECT org_id, mode FROM sandbox_clocks WHERE now IS NOT NULL OR held_until > $1
                  )
                ORDER BY queue_at
                {page(limit)}
                FOR UPDATE SKIP LOCKED
            )
            UPDATE subscriptions AS s
            SET queue_at = $2
            FROM due
            WHERE s.org_id = due.org_id AND s.mode = due.mode AND s.id = due.id
            RETURNING s.org_id, s.mode, s.id
            """,
            now,
            until,
        )
    )


async def take_upcoming(conn: Connection, *, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Subscriptions of all organizations that renew soon, each taken once in a period; the soonest first.

    Those whose period is over meanwhile are not told of any more. Test clocks are left alone, as by `take_due`.
    """
    rows = await conn.fetch(
        f"""
        WITH near AS MATERIALIZED (
            SELECT org_id, mode, id
            FROM subscriptions
            WHERE {UPCOMING}
              AND current_period_end > $1
              AND current_period_end <= $1::timestamptz + interval '{NOTICE_DAYS} days'
              AND (org_id, mode) NOT IN (
                  SELECT org_id, mode FROM sandbox_clocks WHERE now IS NOT NULL OR held_until > $1
              )
            ORDER BY current_period_end
            {page(limit)}
            FOR UPDATE SKIP LOCKED
        )
        UPDATE subscriptions AS s
        SET told_renewal_at = s.current_period_end
        FROM near
        WHERE s.org_id = near.org_id AND s.mode = near.mode AND s.id = near.id
        RETURNING {_COLUMNS}
        """,
        now,
    )
    return sorted(rows, key=lambda row: row["current_period_end"])


async def take_upcoming_of(
    conn: Connection, scope: Scope, *, id: str, now: datetime
) -> asyncpg.Record | None:
    """The same of one subscription; None when it does not renew soon, or was taken."""
    return await conn.fetchrow(
        f"""
        UPDATE subscriptions AS s
        SET told_renewal_at = s.current_period_end
        WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3 AND {UPCOMING}
          AND current_period_end > $4
          AND current_period_end <= $4::timestamptz + interval '{NOTICE_DAYS} days'
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        now,
    )


async def select_living(conn: Connection, scope: Scope, *, customer_id: str, limit: int) -> list[str]:
    """The ids of a customer's subscriptions that are not canceled."""
    rows = await conn.fetch(
        f"""
        SELECT id
        FROM subscriptions
        WHERE org_id = $1 AND mode = $2 AND customer_id = $3 AND status <> 'canceled'
        ORDER BY id
        {page(limit)}
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )
    return [row["id"] for row in rows]


async def select(
    conn: Connection, scope: Scope, query: SubscriptionQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    return await _select(conn, where, after=after, limit=query.limit + 1, offset=query.offset)


async def count(conn: Connection, scope: Scope, query: SubscriptionQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM subscriptions AS s WHERE {where}", *where.values)
    return total


async def select_of_customer(
    conn: Connection,
    scope: Scope,
    *,
    customer_id: str,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """A customer's subscriptions, the latest first."""
    where = _where(scope, SubscriptionQuery(customer_id=customer_id))
    return await _select(conn, where, after=after, limit=limit)


async def count_of_customer(conn: Connection, scope: Scope, *, customer_id: str) -> int:
    return await count(conn, scope, SubscriptionQuery(customer_id=customer_id))


async def _select(
    conn: Connection, where: Where, *, after: tuple[datetime, str] | None, limit: int, offset: int = 0
) -> list[asyncpg.Record]:
    if after is not None:
        where.add("(s.created_at, s.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM subscriptions AS s
            WHERE {where}
            ORDER BY s.created_at DESC, s.id DESC
            {page(limit, offset=offset)}
            """,
            *where.values,
        )
    )


def _where(scope: Scope, query: SubscriptionQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("s.org_id = $1 AND s.mode = $2")
    where.add_if("s.customer_id = {}", query.customer_id)
    where.add_if(
        "s.customer_id = (SELECT id FROM customers WHERE org_id = $1 AND mode = $2 AND external_id = {})",
        query.external_customer_id,
    )
    where.add_if("s.plan_id = {}", query.plan_id)
    where.add_if("s.status = {}", query.status)
    where.add_if("s.created_at >= {}", query.created_after)
    where.add_if("s.created_at < {}", query.created_before)
    return where
