"""The SQL of customer profiles. Lists are in `listing.py`, totals in `totals.py`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.customers.models import CustomerRef, ExternalId

# A customer as it goes out: its profile and its totals, most payments first, so that the first is the preferred.
COLUMNS = """
    c.id, c.org_id, c.mode, c.external_id, c.email, c.phone, c.name, c.tags, c.metadata,
    c.subscription_status, c.active_subscriptions, c.created_at, c.updated_at, c.deleted_at,
    (
        SELECT coalesce(
            json_agg(
                json_build_object(
                    'currency', t.currency, 'total_spent', t.total_spent, 'total_refunded', t.total_refunded,
                    'lifetime_value', t.lifetime_value, 'payment_count', t.payment_count,
                    'first_payment_at', t.first_payment_at, 'last_payment_at', t.last_payment_at,
                    'last_method', t.last_method
                )
                ORDER BY t.payment_count DESC, t.last_payment_at DESC, t.currency
            ),
            '[]'
        )
        FROM customer_totals AS t
        WHERE t.org_id = c.org_id AND t.mode = c.mode AND t.customer_id = c.id
    ) AS totals
"""


def _column(ref: CustomerRef) -> str:
    return "external_id" if isinstance(ref, ExternalId) else "id"


async def insert(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    fields: Mapping[str, Any],
    search: Sequence[str],
    now: datetime,
) -> asyncpg.Record | None:
    """The new customer; None when its external_id is taken."""
    return await conn.fetchrow(
        f"""
        INSERT INTO customers AS c
               (org_id, mode, id, external_id, email, phone, name, tags, metadata, search, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, array_to_tsvector($10::text[]), $11, $11)
        ON CONFLICT ON CONSTRAINT customers_external_id_taken DO NOTHING
        RETURNING {COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["external_id"],
        fields["email"],
        fields["phone"],
        fields["name"],
        fields["tags"],
        fields["metadata"],
        search,
        now,
    )


async def find(conn: Connection, scope: Scope, ref: CustomerRef) -> asyncpg.Record | None:
    """The customer, or what is left of a deleted one (`deleted_at` tells)."""
    return await conn.fetchrow(
        f"""
        SELECT {COLUMNS}
        FROM customers AS c
        WHERE c.org_id = $1 AND c.mode = $2 AND c.{_column(ref)} = $3
        """,
        scope.org_id,
        scope.mode,
        str(ref),
    )


async def find_for_update(
    conn: Connection,
    scope: Scope,
    ref: CustomerRef,
    *,
    strength: Literal["NO KEY UPDATE", "UPDATE"] = "NO KEY UPDATE",
) -> asyncpg.Record | None:
    """The same, locked until the transaction ends; with strength UPDATE, against payments that name it too."""
    return await conn.fetchrow(
        f"""
        SELECT {COLUMNS}
        FROM customers AS c
        WHERE c.org_id = $1 AND c.mode = $2 AND c.{_column(ref)} = $3
        FOR {strength} OF c
        """,
        scope.org_id,
        scope.mode,
        str(ref),
    )


async def find_payer(conn: Connection, scope: Scope, ref: CustomerRef) -> asyncpg.Record | None:
    """The few columns that a payment's events carry.

    FOR KEY SHARE: an erasure waits for this transaction, and then also scrubs the event that it is about to
    write; any other change of the profile need not wait, however often this customer pays.
    """
    return await conn.fetchrow(
        f"""
        SELECT c.id, c.external_id, c.email, c.name, c.phone, c.tags
        FROM customers AS c
        WHERE c.org_id = $1 AND c.mode = $2 AND c.{_column(ref)} = $3 AND c.deleted_at IS NULL
        FOR KEY SHARE OF c
        """,
        scope.org_id,
        scope.mode,
        str(ref),
    )


async def update(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    fields: Mapping[str, Any],
    search: Sequence[str],
    now: datetime,
) -> asyncpg.Record:
    """Writes the whole profile. Raises UniqueViolationError `customers_external_id_taken`."""
    return await fetch_one(
        conn,
        f"""
        UPDATE customers AS c
        SET external_id = $4, email = $5, phone = $6, name = $7, tags = $8, metadata = $9,
            search = array_to_tsvector($10::text[]), updated_at = greatest($11, c.updated_at)
        WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3
        RETURNING {COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["external_id"],
        fields["email"],
        fields["phone"],
        fields["name"],
        fields["tags"],
        fields["metadata"],
        search,
        now,
    )


async def delete(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """Empties the profile; the row stays for the payments that point at it."""
    await conn.execute(
        """
        UPDATE customers
        SET external_id = NULL, email = NULL, phone = NULL, name = NULL, tags = '{}', metadata = '{}', search = '',
            updated_at = $4, deleted_at = $4
        WHERE org_id = $1 AND mode = $2 AND id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
        now,
    )


async def lock(conn: Connection, scope: Scope, *, id: str) -> None:
    """Holds the profile until this transaction ends; payments that name it need not wait."""
    await conn.execute(
        "SELECT FROM customers WHERE org_id = $1 AND mode = $2 AND id = $3 FOR NO KEY UPDATE",
        scope.org_id,
        scope.mode,
        id,
    )


async def update_subscriptions(conn: Connection, scope: Scope, *, id: str) -> None:
    """What the profile says of its subscriptions, counted anew: the best status, and how many are active."""
    await conn.execute(
        """
        UPDATE customers
        SET active_subscriptions = counted.active, subscription_status = counted.best
        FROM (
            SELECT count(*) FILTER (WHERE status IN ('trialing', 'active')) AS active,
                   CASE
                       WHEN bool_or(status IN ('trialing', 'active')) THEN 'active'
                       WHEN bool_or(status = 'past_due') THEN 'past_due'
                       WHEN bool_or(status = 'paused') THEN 'paused'
                       WHEN bool_or(status = 'canceled') THEN 'canceled'
                       ELSE 'none'
                   END AS best
            FROM subscriptions
            WHERE org_id = $1 AND mode = $2 AND customer_id = $3
        ) AS counted
        WHERE org_id = $1 AND mode = $2 AND id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
    )
