"""The SQL of a customer's value and state, and of payment statistics. Rankings are in `ranking.py`."""

from datetime import datetime

import asyncpg

from reevit_server.analytics.schemas import StatsQuery
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page


async def select_totals_as_of(
    conn: Connection, scope: Scope, *, customer_id: str, as_of: datetime
) -> list[asyncpg.Record]:
    """A customer's totals as they stood, folded from every payment and refund up to that instant."""
    return list(
        await conn.fetch(
            """
            SELECT currency, sum(spent) AS total_spent, sum(refunded) AS total_refunded,
                   sum(spent) - sum(refunded) AS lifetime_value, sum(payments) AS payment_count,
                   min(paid_at) AS first_payment_at, max(paid_at) AS last_payment_at
            FROM (
                SELECT currency, amount AS spent, 0 AS refunded, 1 AS payments, succeeded_at AS paid_at
                FROM payments
                WHERE org_id = $1 AND mode = $2 AND customer_id = $3 AND succeeded_at <= $4
                UNION ALL
                SELECT currency, 0, amount, 0, NULL
                FROM refunds
                WHERE org_id = $1 AND mode = $2 AND customer_id = $3 AND occurred_at <= $4
            ) AS move
            GROUP BY currency
            HAVING sum(payments) > 0
            ORDER BY payment_count DESC, last_payment_at DESC, currency
            LIMIT 200  -- there are fewer currencies
            """,
            scope.org_id,
            scope.mode,
            customer_id,
            as_of,
        )
    )


async def select_entries(
    conn: Connection,
    scope: Scope,
    *,
    customer_id: str,
    as_of: datetime | None,
    currency: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
    offset: int,
) -> list[asyncpg.Record]:
    """Every payment and refund that counts, or counted at an instant, the latest first; each from its own index."""
    where = Where(scope.org_id, scope.mode, customer_id)
    where.add("org_id = $1 AND mode = $2 AND customer_id = $3")
    where.add_if("currency = {}", currency)
    if after is not None:
        where.add("(occurred_at, id) < ({}, {})", *after)
    until = f"coalesce({where.parameter(as_of)}::timestamptz, 'infinity')"
    return list(
        await conn.fetch(
            f"""
            (
                SELECT 'payment' AS type, id, id AS payment_id, succeeded_at AS at, amount, currency, reference,
                       occurred_at
                FROM payments
                WHERE {where} AND succeeded_at <= {until}
                ORDER BY occurred_at DESC, id DESC
                {page(limit + offset)}
            )
            UNION ALL
            (
                SELECT 'refund', id, payment_id, occurred_at, -amount, currency, NULL, occurred_at
                FROM refunds
                WHERE {where} AND occurred_at <= {until}
                ORDER BY occurred_at DESC, id DESC
                {page(limit + offset)}
            )
            ORDER BY occurred_at DESC, id DESC
            {page(limit, offset=offset)}
            """,
            *where.values,
        )
    )


async def count_entries(
    conn: Connection, scope: Scope, *, customer_id: str, as_of: datetime | None, currency: str | None
) -> int:
    total: int = await conn.fetchval(
        """
        SELECT (
            SELECT count(*) FROM payments
            WHERE org_id = $1 AND mode = $2 AND customer_id = $3
              AND succeeded_at <= coalesce($4::timestamptz, 'infinity')
              AND ($5::text IS NULL OR currency = $5)
        ) + (
            SELECT count(*) FROM refunds
            WHERE org_id = $1 AND mode = $2 AND customer_id = $3
              AND occurred_at <= coalesce($4::timestamptz, 'infinity')
              AND ($5::text IS NULL OR currency = $5)
        )
        """,
        scope.org_id,
        scope.mode,
        customer_id,
        as_of,
        currency,
    )
    return total


async def select_living_subscriptions(
    conn: Connection, scope: Scope, *, customer_id: str, limit: int
) -> list[asyncpg.Record]:
    """A customer's subscriptions that are not canceled, the latest first."""
    return list(
        await conn.fetch(
            f"""
            SELECT s.id, s.org_id, s.mode, s.customer_id, s.plan_id, s.amount, s.currency, s.method, s.interval,
                   s.interval_count, s.status, s.metadata, s.start_at, s.trial_end_at, s.current_period_start,
                   s.current_period_end, s.cancel_at_period_end, s.pending_changes, s.paused_at, s.canceled_at,
                   s.created_at, s.updated_at,
                   (
                       SELECT i.id
                       FROM invoices AS i
                       WHERE i.org_id = s.org_id AND i.mode = s.mode AND i.subscription_id = s.id
                       ORDER BY i.period_start DESC
                       LIMIT 1
                   ) AS latest_invoice_id
            FROM subscriptions AS s
            WHERE s.org_id = $1 AND s.mode = $2 AND s.customer_id = $3 AND s.status <> 'canceled'
            ORDER BY s.created_at DESC, s.id DESC
            {page(limit)}
            """,
            scope.org_id,
            scope.mode,
            customer_id,
        )
    )


async def select_open_invoices(
    conn: Connection, scope: Scope, *, customer_id: str, limit: int
) -> list[asyncpg.Record]:
    """A customer's invoices that are neither paid nor canceled, the latest first."""
    return list(
        await conn.fetch(
            f"""
            SELECT i.id, i.org_id, i.mode, i.number, i.customer_id, i.subscription_id, i.plan_id, i.description,
                   i.amount, i.currency, i.method, i.status, i.period_start, i.period_end, i.due_at, i.payment_id,
                   i.attempt_count, i.next_attempt_at, i.failure_code, i.failure_message, i.metadata, i.paid_at,
                   i.canceled_at, i.created_at, i.updated_at
            FROM invoices AS i
            WHERE i.org_id = $1 AND i.mode = $2 AND i.customer_id = $3 AND i.status IN ('draft', 'due', 'failed')
            ORDER BY i.created_at DESC, i.id DESC
            {page(limit)}
            """,
            scope.org_id,
            scope.mode,
            customer_id,
        )
    )


async def sum_by_status(conn: Connection, scope: Scope, query: StatsQuery) -> list[asyncpg.Record]:
    """How many payments of each status in each currency, and how much."""
    where = Where(scope.org_id, scope.mode)
    where.add("org_id = $1 AND mode = $2")
    where.add_if("currency = {}", query.currency)
    where.add_if("created_at >= {}", query.created_after)
    where.add_if("created_at < {}", query.created_before)
    return list(
        await conn.fetch(
            f"""
            SELECT currency, status, count(*) AS payments, sum(amount) AS amount, sum(amount_refunded) AS refunded
            FROM payments
            WHERE {where}
            GROUP BY currency, status
            ORDER BY currency, status
            LIMIT 2000  -- currencies times statuses
            """,
            *where.values,
        )
    )
