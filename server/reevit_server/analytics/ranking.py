"""The SQL of rankings: all-time straight from an index of totals, windows from the sums of whole days."""

from collections.abc import Sequence

import asyncpg

from reevit_server.analytics.models import Window
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.customers import COLUMNS


async def select_top(
    conn: Connection, scope: Scope, *, metric: str, currency: str, tags: Sequence[str] | None, limit: int
) -> list[asyncpg.Record]:
    """The best customers of all time; reads as many index entries as it returns rows."""
    where = Where(scope.org_id, scope.mode, currency)
    where.add("t.org_id = $1 AND t.mode = $2 AND t.currency = $3 AND c.deleted_at IS NULL")
    where.add_if("c.tags @> {}::text[]", tags)
    return list(
        await conn.fetch(
            f"""
            SELECT {COLUMNS}, t.{metric} AS amount
            FROM customer_totals AS t
            JOIN customers AS c ON c.org_id = t.org_id AND c.mode = t.mode AND c.id = t.customer_id
            WHERE {where}
            ORDER BY t.{metric} DESC, t.customer_id DESC
            {page(limit)}
            """,
            *where.values,
        )
    )


_AMOUNT = {
    "lifetime_value": "sum(spent) - sum(refunded)",
    "total_spent": "sum(spent)",
    "payment_count": "sum(payment_count)",
}


async def select_top_of_window(
    conn: Connection,
    scope: Scope,
    *,
    window: Window,
    metric: str,
    currency: str,
    tags: Sequence[str] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """The best customers of a window, exact to the instant: whole days from their sums, the rest row by row.

    Sorted first and joined in that order, so that only the customers that are shown are looked up.
    """
    where = Where(scope.org_id, scope.mode, currency)
    moves = _moves(where, window)
    where.add("c.org_id = $1 AND c.mode = $2 AND c.deleted_at IS NULL")
    where.add_if("c.tags @> {}::text[]", tags)
    return list(
        await conn.fetch(
            f"""
            WITH sums AS (
                SELECT customer_id, {_AMOUNT[metric]} AS amount
                FROM ({moves}) AS move
                GROUP BY customer_id
                ORDER BY amount DESC, customer_id DESC
                OFFSET 0
            )
            SELECT {COLUMNS}, sums.amount
            FROM sums
            JOIN customers AS c ON c.id = sums.customer_id
            WHERE {where}
            ORDER BY sums.amount DESC, sums.customer_id DESC
            {page(limit)}
            """,
            *where.values,
        )
    )


def _moves(where: Where, window: Window) -> str:
    """Everything that came in or went back in the window, by customer."""
    parts = []
    if days := window.whole_days():
        first, last = (where.parameter(day) for day in days)
        parts.append(
            f"""
            SELECT customer_id, spent, refunded, payment_count
            FROM customer_days
            WHERE org_id = $1 AND mode = $2 AND currency = $3 AND day >= {first} AND day < {last}
            """
        )
    for edge in window.edges():
        start, end = (where.parameter(instant) for instant in edge)
        parts.append(
            f"""
            SELECT customer_id, amount::numeric AS spent, 0::numeric AS refunded, 1::bigint AS payment_count
            FROM payments
            WHERE org_id = $1 AND mode = $2 AND currency = $3 AND customer_id IS NOT NULL
              AND succeeded_at >= {start} AND succeeded_at < {end}
            """
        )
        parts.append(
            f"""
            SELECT customer_id, 0::numeric, amount::numeric, 0::bigint
            FROM refunds
            WHERE org_id = $1 AND mode = $2 AND currency = $3 AND customer_id IS NOT NULL
              AND occurred_at >= {start} AND occurred_at < {end}
            """
        )
    return " UNION ALL ".join(parts)
