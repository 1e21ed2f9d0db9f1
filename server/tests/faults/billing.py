"""What must be true of subscriptions and invoices after any fault (I13), once everything that was due has happened.

Tests of faults leave subscriptions as they were created: what becomes of them comes from their charges alone.
"""

from collections.abc import Sequence
from typing import Any

from reevit_server.core.database import Database

# Of one subscription, one after the other, none left out; and what is running is what was billed last.
_PERIODS_ASTRAY = """
    WITH billed AS (
        SELECT org_id, mode, subscription_id, number, period_start, period_end,
               row_number() OVER its_own AS place, lag(period_end) OVER its_own AS previous_end,
               lag(number) OVER its_own AS previous_number
        FROM invoices
        WINDOW its_own AS (PARTITION BY org_id, mode, subscription_id ORDER BY period_start, number)
    )
    SELECT 'not next to each other' AS what, subscription_id AS id, period_start::text AS more
    FROM billed
    WHERE previous_end <> period_start OR previous_number > number
    UNION ALL
    SELECT 'not what is running', s.id, s.period_number::text
    FROM subscriptions AS s
    LEFT JOIN billed AS b
      ON b.org_id = s.org_id AND b.mode = s.mode AND b.subscription_id = s.id AND b.place = s.period_number
    WHERE s.period_number > 0
      AND (b.period_start, b.period_end) IS DISTINCT FROM (s.current_period_start, s.current_period_end)
    UNION ALL
    SELECT 'billed too often', s.id, count(*)::text
    FROM subscriptions AS s
    JOIN invoices AS i ON i.org_id = s.org_id AND i.mode = s.mode AND i.subscription_id = s.id
    GROUP BY s.org_id, s.mode, s.id, s.period_number
    HAVING count(*) > s.period_number
"""
_NUMBERS_ASTRAY = """
    SELECT org_id, mode, numbered.*, n.last
    FROM (
        SELECT org_id, mode, count(DISTINCT number) AS count, min(number) AS lowest, max(number) AS highest
        FROM invoices
        GROUP BY org_id, mode
    ) AS numbered
    FULL JOIN invoice_numbers AS n USING (org_id, mode)
    WHERE (lowest, highest, n.last) IS DISTINCT FROM (1, count, count)
"""
# One payment for each invoice, of the same sum, tried as often as the invoice says.
_CHARGES_ASTRAY = """
    SELECT i.id AS invoice_id, i.status, i.attempt_count, i.next_attempt_at, p.id AS payment_id, p.status AS payment,
           p.attempt_count AS payment_attempts
    FROM invoices AS i
    FULL JOIN (SELECT * FROM payments WHERE source = 'subscription') AS p
           ON p.org_id = i.org_id AND p.mode = i.mode AND p.id = i.payment_id
    WHERE i.id IS NULL OR p.id IS NULL
       OR (i.subscription_id, i.customer_id, i.amount, i.currency, i.attempt_count)
          IS DISTINCT FROM (p.source_id, p.customer_id, p.amount, p.currency, p.attempt_count)
       OR (i.status, p.status) NOT IN (
              ('paid', 'succeeded'), ('due', 'failed'), ('failed', 'failed'), ('canceled', 'failed')
          )
       OR (i.status = 'paid') <> (p.succeeded_at IS NOT NULL)
       OR (i.status = 'due') <> (i.next_attempt_at IS NOT NULL)
"""
_PROFILES_ASTRAY = """
    WITH counted AS (
        SELECT org_id, mode, customer_id, array_agg(status) AS all_of_them,
               count(*) FILTER (WHERE status IN ('trialing', 'active')) AS active
        FROM subscriptions
        GROUP BY org_id, mode, customer_id
    )
    SELECT c.id, c.subscription_status, c.active_subscriptions, s.all_of_them
    FROM customers AS c
    LEFT JOIN counted AS s ON s.org_id = c.org_id AND s.mode = c.mode AND s.customer_id = c.id
    WHERE (c.active_subscriptions, c.subscription_status) IS DISTINCT FROM (
        coalesce(s.active, 0),
        CASE
            WHEN s.all_of_them && '{trialing,active}' THEN 'active'
            WHEN s.all_of_them && '{past_due}' THEN 'past_due'
            WHEN s.all_of_them && '{paused}' THEN 'paused'
            WHEN s.all_of_them && '{canceled}' THEN 'canceled'
            ELSE 'none'
        END
    )
"""
# Of an active subscription no invoice was given up; of one that is not, at least one was.
_STANDING_ASTRAY = """
    SELECT s.id, s.status, count(i.id)
    FROM subscriptions AS s
    LEFT JOIN invoices AS i
           ON i.org_id = s.org_id AND i.mode = s.mode AND i.subscription_id = s.id AND i.status = 'failed'
    GROUP BY s.org_id, s.mode, s.id, s.status
    HAVING (s.status IN ('past_due', 'canceled')) <> (count(i.id) > 0)
"""
# A provider that did not answer: that is told at most once, if whoever asked lived to hear nothing.
_PROCESSING_ASTRAY = """
    SELECT e.subject_id, count(*)
    FROM events AS e
    JOIN payments AS p ON p.org_id = e.org_id AND p.mode = e.mode AND p.id = e.subject_id
    WHERE e.type = 'payment.processing'
    GROUP BY e.subject_id, p.metadata
    HAVING count(*) > 1 OR (p.metadata ->> 'sandbox') IS DISTINCT FROM 'timeout'
"""
_CHANGES = """
    SELECT org_id, mode, 'subscription.created' AS type, id AS subject_id FROM subscriptions
    UNION ALL SELECT i.org_id, i.mode, 'subscription.renewed', s.id
    FROM invoices AS i
    JOIN subscriptions AS s ON s.org_id = i.org_id AND s.mode = i.mode AND s.id = i.subscription_id
    WHERE i.created_at > s.created_at
    UNION ALL SELECT org_id, mode, 'subscription.past_due', id FROM subscriptions
    WHERE status IN ('past_due', 'canceled')
    UNION ALL SELECT org_id, mode, 'subscription.canceled', id FROM subscriptions WHERE status = 'canceled'
    UNION ALL SELECT org_id, mode, 'invoice.created', id FROM invoices
    UNION ALL SELECT org_id, mode, 'invoice.paid', id FROM invoices WHERE status = 'paid'
    UNION ALL SELECT org_id, mode, 'invoice.canceled', id FROM invoices WHERE status = 'canceled'
    UNION ALL SELECT org_id, mode, 'invoice.failed', id
    FROM invoices, generate_series(1, attempt_count - (status = 'paid')::integer)
"""


async def check(db: Database) -> None:
    """I13, and that what is kept of subscriptions agrees with what became of their invoices."""
    for astray in (
        _PERIODS_ASTRAY,
        _NUMBERS_ASTRAY,
        _CHARGES_ASTRAY,
        _STANDING_ASTRAY,
        _PROFILES_ASTRAY,
        _PROCESSING_ASTRAY,
    ):
        async with db.read() as conn:
            rows = await conn.fetch(astray)
        assert rows == [], (astray, [dict(row) for row in rows])


async def changes(db: Database) -> Sequence[Any]:
    """One row for each change of a subscription or an invoice: organization, mode, the event's type, whose it is."""
    async with db.read() as conn:
        return await conn.fetch(_CHANGES)
