"""The SQL that keeps what each customer has paid: exact, per currency, in the transaction of the money itself.

These are the last statements of their transactions: everybody who pays the same customer at once queues for
one row, and should hold it as briefly as can be. All lock totals before days, so that none waits in a circle.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from reevit_server.core import bulk
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope


async def add_payment(
    conn: Connection,
    scope: Scope,
    *,
    customer_id: str,
    currency: str,
    amount: int,
    method: str | None,
    at: datetime,
) -> None:
    """Counts a payment that succeeded at `at`. Late arrivals of older payments leave the latest as it is."""
    await conn.execute(
        """
        WITH total AS (
            INSERT INTO customer_totals AS t
                   (org_id, mode, customer_id, currency, total_spent, total_refunded, payment_count,
                    first_payment_at, last_payment_at, last_method)
            VALUES ($1, $2, $3, $4, $5, 0, 1, $7, $7, $6)
            ON CONFLICT (org_id, mode, customer_id, currency) DO UPDATE
            SET total_spent = t.total_spent + excluded.total_spent,
                payment_count = t.payment_count + 1,
                first_payment_at = least(t.first_payment_at, excluded.first_payment_at),
                last_payment_at = greatest(t.last_payment_at, excluded.last_payment_at),
                last_method = CASE
                    WHEN excluded.last_payment_at >= t.last_payment_at THEN excluded.last_method
                    ELSE t.last_method
                END
            RETURNING t.customer_id
        )
        INSERT INTO customer_days AS d (org_id, mode, currency, day, customer_id, spent, refunded, payment_count)
        SELECT $1, $2, $4, ($7 AT TIME ZONE 'UTC')::date, total.customer_id, $5, 0, 1
        FROM total
        ON CONFLICT (org_id, mode, currency, day, customer_id) DO UPDATE
        SET spent = d.spent + excluded.spent, payment_count = d.payment_count + 1
        """,
        scope.org_id,
        scope.mode,
        customer_id,
        currency,
        amount,
        method,
        at,
    )


async def select_lifetime_values(
    conn: Connection, scope: Scope, customer_ids: Sequence[str]
) -> dict[str, dict[str, int]]:
    """What these customers have paid, less what they got back, by customer and currency, in minor units."""
    rows = await conn.fetch(
        """
        SELECT customer_id, currency, total_spent - total_refunded AS lifetime_value
        FROM customer_totals
        WHERE org_id = $1 AND mode = $2 AND customer_id = ANY($3)
        """,
        scope.org_id,
        scope.mode,
        customer_ids,
    )
    values: dict[str, dict[str, int]] = {}
    for row in rows:
        values.setdefault(row["customer_id"], {})[row["currency"]] = row["lifetime_value"]
    return values


async def add_refund(
    conn: Connection, scope: Scope, *, customer_id: str, currency: str, amount: int, at: datetime
) -> None:
    """Counts a refund, on the day it was made: a window's value is what came in less what went back in it."""
    await conn.execute(
        """
        WITH total AS (
            UPDATE customer_totals
            SET total_refunded = total_refunded + $5
            WHERE org_id = $1 AND mode = $2 AND customer_id = $3 AND currency = $4
            RETURNING customer_id
        )
        INSERT INTO customer_days AS d (org_id, mode, currency, day, customer_id, spent, refunded, payment_count)
        SELECT $1, $2, $4, ($6 AT TIME ZONE 'UTC')::date, total.customer_id, 0, $5, 0
        FROM total
        ON CONFLICT (org_id, mode, currency, day, customer_id) DO UPDATE
        SET refunded = d.refunded + excluded.refunded
        """,
        scope.org_id,
        scope.mode,
        customer_id,
        currency,
        amount,
        at,
    )


class PastPayment(NamedTuple):
    """A payment that came in before or elsewhere, with what of it went back since; the amounts are minor units."""

    id: str
    customer_id: str
    currency: str
    amount: int
    amount_refunded: int
    method: str | None
    succeeded_at: datetime


_STAGED = """
    id text COLLATE "C",
    customer_id text COLLATE "C",
    currency text,
    amount bigint,
    amount_refunded bigint,
    method text,
    succeeded_at timestamptz
"""


async def add_history(conn: Connection, scope: Scope, payments: list[PastPayment]) -> None:
    """`add_payment` and `add_refund` for many at once; a refund counts on the day of its payment.

    Totals before days and rows in order, like everybody else's.
    """
    await bulk.copy(conn, "past_payments", _STAGED, payments)
    await conn.execute(
        """
        INSERT INTO customer_totals AS t
               (org_id, mode, customer_id, currency, total_spent, total_refunded, payment_count,
                first_payment_at, last_payment_at, last_method)
        SELECT $1, $2, p.customer_id, p.currency, sum(p.amount), sum(p.amount_refunded), count(*),
               min(p.succeeded_at), max(p.succeeded_at),
               (array_agg(p.method ORDER BY p.succeeded_at DESC, p.id DESC))[1]
        FROM past_payments AS p
        GROUP BY p.customer_id, p.currency
        ORDER BY p.customer_id, p.currency
        ON CONFLICT (org_id, mode, customer_id, currency) DO UPDATE
        SET total_spent = t.total_spent + excluded.total_spent,
            total_refunded = t.total_refunded + excluded.total_refunded,
            payment_count = t.payment_count + excluded.payment_count,
            first_payment_at = least(t.first_payment_at, excluded.first_payment_at),
            last_payment_at = greatest(t.last_payment_at, excluded.last_payment_at),
            last_method = CASE
                WHEN excluded.last_payment_at >= t.last_payment_at THEN excluded.last_method
                ELSE t.last_method
            END
        """,
        scope.org_id,
        scope.mode,
    )
    await conn.execute(
        """
        INSERT INTO customer_days AS d (org_id, mode, currency, day, customer_id, spent, refunded, payment_count)
        SELECT $1, $2, p.currency, (p.succeeded_at AT TIME ZONE 'UTC')::date AS day, p.customer_id,
               sum(p.amount), sum(p.amount_refunded), count(*)
        FROM past_payments AS p
        GROUP BY p.currency, day, p.customer_id
        ORDER BY p.currency, day, p.customer_id
        ON CONFLICT (org_id, mode, currency, day, customer_id) DO UPDATE
        SET spent = d.spent + excluded.spent,
            refunded = d.refunded + excluded.refunded,
            payment_count = d.payment_count + excluded.payment_count
        """,
        scope.org_id,
        scope.mode,
    )
