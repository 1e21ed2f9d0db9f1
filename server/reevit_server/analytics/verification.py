"""Proof that what is kept is right: every figure made again from what it is made of, and compared."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope


class Drift(NamedTuple):
    """A figure that is not what its payments and refunds, its subscriptions or its invoice say."""

    org_id: str
    mode: str
    subject: str
    figure: str
    stored: str | None
    recomputed: str | None


# Each finds rows (subject, figure, stored, recomputed) in one scope, in one snapshot of its own.
_TOTALS = """
    WITH fold AS (
        SELECT customer_id, currency, sum(spent) AS total_spent, sum(refunded) AS total_refunded,
               sum(payments) AS payment_count, min(paid_at) AS first_payment_at, max(paid_at) AS last_payment_at
        FROM (
            SELECT customer_id, currency, amount AS spent, 0 AS refunded, 1 AS payments, succeeded_at AS paid_at
            FROM payments
            WHERE org_id = $1 AND mode = $2 AND customer_id IS NOT NULL AND succeeded_at IS NOT NULL
            UNION ALL
            SELECT customer_id, currency, 0, amount, 0, NULL
            FROM refunds
            WHERE org_id = $1 AND mode = $2 AND customer_id IS NOT NULL
        ) AS move
        GROUP BY customer_id, currency
    ),
    kept AS (
        SELECT customer_id, currency, total_spent, total_refunded, payment_count, first_payment_at, last_payment_at
        FROM customer_totals
        WHERE org_id = $1 AND mode = $2
    )
    SELECT customer_id || ' ' || currency AS subject, figure, stored, recomputed
    FROM fold
    FULL JOIN kept USING (customer_id, currency)
    CROSS JOIN LATERAL (
        VALUES ('total_spent', kept.total_spent::text, fold.total_spent::text),
               ('total_refunded', kept.total_refunded::text, fold.total_refunded::text),
               ('payment_count', kept.payment_count::text, fold.payment_count::text),
               ('first_payment_at', kept.first_payment_at::text, fold.first_payment_at::text),
               ('last_payment_at', kept.last_payment_at::text, fold.last_payment_at::text)
    ) AS compared (figure, stored, recomputed)
    WHERE stored IS DISTINCT FROM recomputed
"""
# Of payments that succeeded at one instant, any may have been counted last.
_METHODS = """
    SELECT t.customer_id || ' ' || t.currency AS subject, 'last_method' AS figure, t.last_method AS stored,
           string_agg(DISTINCT p.method, ' or ') AS recomputed
    FROM customer_totals AS t
    JOIN payments AS p
      ON p.org_id = t.org_id AND p.mode = t.mode AND p.customer_id = t.customer_id AND p.currency = t.currency
     AND p.succeeded_at = t.last_payment_at
    WHERE t.org_id = $1 AND t.mode = $2
    GROUP BY t.customer_id, t.currency, t.last_method
    HAVING NOT bool_or(p.method IS NOT DISTINCT FROM t.last_method)
"""
_DAYS = """
    WITH fold AS (
        SELECT customer_id, currency, day, sum(spent) AS spent, sum(refunded) AS refunded,
               sum(payments) AS payment_count
        FROM (
            SELECT customer_id, currency, (succeeded_at AT TIME ZONE 'UTC')::date AS day,
                   amount AS spent, 0 AS refunded, 1 AS payments
            FROM payments
            WHERE org_id = $1 AND mode = $2 AND customer_id IS NOT NULL AND succeeded_at IS NOT NULL
            UNION ALL
            SELECT customer_id, currency, (occurred_at AT TIME ZONE 'UTC')::date, 0, amount, 0
            FROM refunds
            WHERE org_id = $1 AND mode = $2 AND customer_id IS NOT NULL
        ) AS move
        GROUP BY customer_id, currency, day
    ),
    kept AS (
        SELECT customer_id, currency, day, spent, refunded, payment_count
        FROM customer_days
        WHERE org_id = $1 AND mode = $2
    )
    SELECT customer_id || ' ' || currency || ' ' || day AS subject, figure, stored, recomputed
    FROM fold
    FULL JOIN kept USING (customer_id, currency, day)
    CROSS JOIN LATERAL (
        VALUES ('day.spent', kept.spent::text, fold.spent::text),
               ('day.refunded', kept.refunded::text, fold.refunded::text),
               ('day.payment_count', kept.payment_count::text, fold.payment_count::text)
    ) AS compared (figure, stored, recomputed)
    WHERE stored IS DISTINCT FROM recomputed
"""
_REFUNDS = """
    SELECT p.id AS subject, figure, stored, recomputed
    FROM payments AS p
    LEFT JOIN (
        SELECT payment_id, sum(amount) AS amount, min(currency) AS currency, min(customer_id) AS customer_id
        FROM refunds
        WHERE org_id = $1 AND mode = $2
        GROUP BY payment_id
    ) AS r ON r.payment_id = p.id
    CROSS JOIN LATERAL (
        VALUES ('amount_refunded', p.amount_refunded::text, coalesce(r.amount, 0)::text),
               ('refund.currency', p.currency, coalesce(r.currency, p.currency)),
               ('refund.customer_id', p.customer_id, CASE WHEN r.payment_id IS NULL THEN p.customer_id
                                                          ELSE r.customer_id END)
    ) AS compared (figure, stored, recomputed)
    WHERE p.org_id = $1 AND p.mode = $2 AND stored IS DISTINCT FROM recomputed
"""
# A customer's best subscription; what is trialing is as good as active.
_SUBSCRIPTIONS = """
    SELECT c.id AS subject, figure, stored, recomputed
    FROM customers AS c
    LEFT JOIN (
        SELECT customer_id, count(*) FILTER (WHERE status IN ('trialing', 'active')) AS active,
               min(array_position(ARRAY['trialing', 'active', 'past_due', 'paused', 'canceled'], status)) AS best
        FROM subscriptions
        WHERE org_id = $1 AND mode = $2
        GROUP BY customer_id
    ) AS s ON s.customer_id = c.id
    CROSS JOIN LATERAL (
        VALUES ('subscription_status', c.subscription_status,
                coalesce((ARRAY['active', 'active', 'past_due', 'paused', 'canceled'])[s.best], 'none')),
               ('active_subscriptions', c.active_subscriptions::text, coalesce(s.active, 0)::text)
    ) AS compared (figure, stored, recomputed)
    WHERE c.org_id = $1 AND c.mode = $2 AND stored IS DISTINCT FROM recomputed
"""
# Each invoice's number is that of the one before and one more; the first after a gap is named.
_NUMBERS = """
    SELECT id AS subject, 'invoice.number' AS figure, number::text AS stored, (previous + 1)::text AS recomputed
    FROM (
        SELECT id, number, coalesce(lag(number) OVER (ORDER BY number), 0) AS previous
        FROM invoices
        WHERE org_id = $1 AND mode = $2
    ) AS numbered
    WHERE number <> previous + 1
    UNION ALL
    SELECT 'invoices', 'invoice_numbers.last', given.last::text, taken.last::text
    FROM (SELECT max(last) AS last FROM invoice_numbers WHERE org_id = $1 AND mode = $2) AS given
    CROSS JOIN (SELECT max(number) AS last FROM invoices WHERE org_id = $1 AND mode = $2) AS taken
    WHERE given.last IS DISTINCT FROM taken.last
"""
# An invoice is paid when its payment has succeeded, and by that payment alone.
_INVOICES = """
    WITH charged AS (
        SELECT id, payment_id, amount, currency, customer_id, subscription_id, paid_at
        FROM invoices
        WHERE org_id = $1 AND mode = $2 AND (payment_id IS NOT NULL OR status = 'paid')
    ),
    charges AS (
        SELECT id, amount, currency, customer_id, source_id, succeeded_at
        FROM payments
        WHERE org_id = $1 AND mode = $2 AND source = 'subscription'
    )
    SELECT coalesce(i.id, p.id) AS subject, figure, stored, recomputed
    FROM charged AS i
    FULL JOIN charges AS p ON p.id = i.payment_id
    CROSS JOIN LATERAL (
        VALUES ('invoice.payment_id', i.payment_id, p.id),
               ('invoice.amount', i.amount::text, p.amount::text),
               ('invoice.currency', i.currency, p.currency),
               ('invoice.customer_id', i.customer_id, p.customer_id),
               ('invoice.subscription_id', i.subscription_id, p.source_id),
               ('invoice.paid_at', i.paid_at::text, p.succeeded_at::text)
    ) AS compared (figure, stored, recomputed)
    WHERE stored IS DISTINCT FROM recomputed
"""
_STATEMENTS = (_TOTALS, _METHODS, _DAYS, _REFUNDS, _SUBSCRIPTIONS, _NUMBERS, _INVOICES)


async def verify(conn: Connection, scope: Scope) -> AsyncIterator[Drift]:
    """Every figure of this organization and mode that has drifted; none, if all is well.

    `conn` must be in a transaction without a statement_timeout: this reads everything there is.
    """
    for statement in _STATEMENTS:
        async for row in conn.cursor(statement, scope.org_id, scope.mode):
            yield Drift(scope.org_id, scope.mode, *row)
