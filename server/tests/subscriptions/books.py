"""What must be true of subscriptions and invoices after whatever was done: each statement finds what is not."""

from typing import Any

from reevit_server.analytics import verification
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from tests.scenarios import fold

# A period that has begun has its invoice, and no two invoices of a subscription share a moment.
_UNBILLED = """
    SELECT s.id, s.status, s.current_period_start
    FROM subscriptions AS s
    WHERE s.org_id = $1 AND s.mode = $2
      AND (s.period_number > 0) <> EXISTS (
          SELECT FROM invoices AS i
          WHERE i.org_id = s.org_id AND i.mode = s.mode AND i.subscription_id = s.id
            AND i.period_start = s.current_period_start AND i.period_end = s.current_period_end
      )
"""
_OVERLAPPING = """
    SELECT one.id, other.id AS other_id
    FROM invoices AS one
    JOIN invoices AS other
      ON other.org_id = one.org_id AND other.mode = one.mode AND other.subscription_id = one.subscription_id
     AND other.id <> one.id AND other.period_start >= one.period_start AND other.period_start < one.period_end
    WHERE one.org_id = $1 AND one.mode = $2
"""
# Numbers as they are counted: 1, 2, 3 and so on, and the last one given is the last one there is.
_GAPS = """
    SELECT count(*) AS invoices, max(i.number) AS highest, (
        SELECT n.last FROM invoice_numbers AS n WHERE n.org_id = $1 AND n.mode = $2
    ) AS given
    FROM invoices AS i
    WHERE i.org_id = $1 AND i.mode = $2
    HAVING count(*) <> coalesce(max(i.number), 0) OR max(i.number) <> (
        SELECT n.last FROM invoice_numbers AS n WHERE n.org_id = $1 AND n.mode = $2
    )
"""
# Past due is who has an invoice that was given up; or one that was, and is being charged again.
_MISJUDGED = """
    SELECT s.id, s.status
    FROM subscriptions AS s
    LEFT JOIN invoices AS i
      ON i.org_id = s.org_id AND i.mode = s.mode AND i.subscription_id = s.id AND i.status IN ('failed', 'due')
    WHERE s.org_id = $1 AND s.mode = $2
    GROUP BY s.id, s.status
    HAVING s.status IN ('trialing', 'active') AND bool_or(i.status = 'failed')
        OR s.status = 'past_due' AND count(i.id) = 0
"""
# Nothing that is still open is forgotten: somebody looks at it at an instant, or at its payment.
_FORGOTTEN = """
    SELECT i.id, i.status, p.status AS payment_status
    FROM invoices AS i
    LEFT JOIN payments AS p ON p.org_id = i.org_id AND p.mode = i.mode AND p.id = i.payment_id
    WHERE i.org_id = $1 AND i.mode = $2 AND i.status IN ('draft', 'due')
      AND CASE
          WHEN i.next_attempt_at IS NOT NULL THEN i.queue_at IS NULL OR p.status = 'processing'
          ELSE p.status IS DISTINCT FROM 'processing' OR p.reconcile_at IS NULL
      END
    UNION ALL
    SELECT id, status, NULL
    FROM subscriptions
    WHERE org_id = $1 AND mode = $2
      AND (queue_at IS NULL) <> (
          status = 'canceled' OR status = 'paused' AND NOT cancel_at_period_end
      )
"""
# A renewal is told of beforehand once.
_TOLD_TWICE = """
    SELECT subject_id, data ->> 'next_renewal_at' AS renewal_at, count(*) AS times
    FROM events
    WHERE org_id = $1 AND mode = $2 AND type = 'subscription.renewal_upcoming'
    GROUP BY subject_id, data ->> 'next_renewal_at'
    HAVING count(*) > 1
"""
# Each invoice is paid once, by a payment that succeeded once.
_TWICE = """
    SELECT subject_id, type, count(*) AS times
    FROM events
    WHERE org_id = $1 AND mode = $2
      AND type IN ('invoice.created', 'invoice.paid', 'payment.succeeded', 'subscription.created')
    GROUP BY subject_id, type
    HAVING count(*) > 1
"""


async def drift(db: Database, scope: Scope) -> list[Any]:
    """Everything that is not as it must be; empty when all is well."""
    found: list[Any] = await fold.drift(db, scope)
    async with db.snapshot() as conn:
        found += [row async for row in verification.verify(conn, scope)]
        for statement in (_UNBILLED, _OVERLAPPING, _GAPS, _MISJUDGED, _FORGOTTEN, _TOLD_TWICE, _TWICE):
            found += [dict(row) for row in await conn.fetch(statement, scope.org_id, scope.mode)]
    return found
