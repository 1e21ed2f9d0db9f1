"""What payments and refunds add up to, computed afresh in SQL: the yardstick for every figure that is kept."""

from typing import Any

from reevit_server.core.database import Database
from reevit_server.core.scope import Scope

_DIFFERENCE = "(({kept}) EXCEPT ({fold})) UNION ALL (({fold}) EXCEPT ({kept}))"

_KEPT_TOTALS = """
    SELECT customer_id, currency, total_spent, total_refunded, lifetime_value, payment_count,
           first_payment_at, last_payment_at
    FROM customer_totals
    WHERE org_id = $1 AND mode = $2
"""
_TOTALS = """
    SELECT p.customer_id, p.currency, sum(p.amount), coalesce(sum(back.amount), 0),
           sum(p.amount) - coalesce(sum(back.amount), 0), count(*), min(p.succeeded_at), max(p.succeeded_at)
    FROM payments AS p
    LEFT JOIN (
        SELECT payment_id, sum(amount) AS amount FROM refunds WHERE org_id = $1 AND mode = $2 GROUP BY payment_id
    ) AS back ON back.payment_id = p.id
    WHERE p.org_id = $1 AND p.mode = $2 AND p.customer_id IS NOT NULL
      AND p.status IN ('succeeded', 'partially_refunded', 'refunded')
    GROUP BY p.customer_id, p.currency
"""
_KEPT_DAYS = """
    SELECT customer_id, currency, day, spent, refunded, payment_count
    FROM customer_days
    WHERE org_id = $1 AND mode = $2
"""
_DAYS = """
    SELECT customer_id, currency, day, sum(spent), sum(refunded), sum(payments)::bigint
    FROM (
        SELECT customer_id, currency, (succeeded_at AT TIME ZONE 'UTC')::date AS day,
               amount AS spent, 0 AS refunded, 1 AS payments
        FROM payments
        WHERE org_id = $1 AND mode = $2 AND customer_id IS NOT NULL
          AND status IN ('succeeded', 'partially_refunded', 'refunded')
        UNION ALL
        SELECT customer_id, currency, (occurred_at AT TIME ZONE 'UTC')::date, 0, amount, 0
        FROM refunds
        WHERE org_id = $1 AND mode = $2 AND customer_id IS NOT NULL
    ) AS movements
    GROUP BY customer_id, currency, day
"""
# A refund belongs to its payment's customer and currency, and all of a payment's refunds are what it says.
_REFUNDS = """
    SELECT p.id, p.amount, p.amount_refunded, coalesce(sum(r.amount), 0) AS refunds
    FROM payments AS p
    LEFT JOIN refunds AS r ON r.org_id = p.org_id AND r.mode = p.mode AND r.payment_id = p.id
    WHERE p.org_id = $1 AND p.mode = $2
    GROUP BY p.id, p.amount, p.amount_refunded
    HAVING coalesce(sum(r.amount), 0) <> p.amount_refunded
        OR p.amount_refunded > p.amount
        OR bool_or(r.currency <> p.currency)
        OR bool_or(r.customer_id IS DISTINCT FROM p.customer_id AND r.id IS NOT NULL)
"""


async def drift(db: Database, scope: Scope) -> list[dict[str, Any]]:
    """Every row in which a kept figure differs from what payments and refunds say; empty when all is well."""
    found: list[dict[str, Any]] = []
    statements = (
        _DIFFERENCE.format(kept=_KEPT_TOTALS, fold=_TOTALS),
        _DIFFERENCE.format(kept=_KEPT_DAYS, fold=_DAYS),
        _REFUNDS,
    )
    async with db.snapshot() as conn:
        for statement in statements:
            found += [dict(row) for row in await conn.fetch(statement, scope.org_id, scope.mode)]
    return found


# Sealed bodies begin with a 1, and show nothing.
_CLEAR_BODY = r"""
    CASE WHEN substr(kept.body, 1, 1) = '\x01' THEN '' ELSE convert_from(coalesce(kept.body, ''), 'UTF8') END
"""
# Until everybody has been told whom to forget, the erasure's own event names them by your id, and by nothing else.
_EVENT = """
    CASE WHEN kept.type = 'customer.deleted' THEN to_jsonb(kept) #- '{data,customer,external_id}'
         ELSE to_jsonb(kept)
    END::text
"""


async def traces(db: Database, scope: Scope, words: list[str]) -> dict[str, set[str]]:
    """Those of `words` that are still somewhere in the organization's rows, and in which tables."""
    found: dict[str, set[str]] = {}
    async with db.snapshot() as conn:
        for table, text in (
            ("customers", "kept::text"),
            ("payments", "kept::text"),
            ("refunds", "kept::text"),
            ("events", _EVENT),
            ("idempotency_keys", _CLEAR_BODY),
            ("webhook_endpoints", "kept::text"),
            ("webhook_deliveries", "kept::text"),
            ("webhook_attempts", "kept::text"),
        ):
            rows = await conn.fetch(
                f"SELECT {text} AS text FROM {table} AS kept WHERE kept.org_id = $1 AND kept.mode = $2",
                scope.org_id,
                scope.mode,
            )
            for word in words:
                if any(word in row["text"] for row in rows):
                    found.setdefault(word, set()).add(table)
    return found
