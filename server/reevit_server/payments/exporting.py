"""`reevit export payments`: what was paid, as a table that `reevit import` takes back, here or elsewhere."""

from collections.abc import AsyncIterator

from reevit_server.core import bulk
from reevit_server.core.database import Connection, Row
from reevit_server.core.scope import Scope

# What is still under way, or was given up before any money moved, is no history.
_SETTLED = "p.status IN ('succeeded', 'failed', 'partially_refunded', 'refunded')"


async def metadata_keys(conn: Connection, scope: Scope) -> list[str]:
    """Every metadata key in use: the columns of a CSV."""
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT key
        FROM payments AS p, jsonb_object_keys(p.metadata) AS key
        WHERE p.org_id = $1 AND p.mode = $2 AND p.metadata <> '{{}}' AND {_SETTLED}
        ORDER BY key
        LIMIT $3
        """,
        scope.org_id,
        scope.mode,
        bulk.METADATA_COLUMNS_MAX + 1,
        timeout=bulk.SURVEY_SECONDS,
    )
    return [row["key"] for row in rows]


async def rows(conn: Connection, scope: Scope) -> AsyncIterator[Row]:
    """The oldest first. What has no reference of its own is named by our id, to be known again, and so are customers.

    `occurred_at` is what totals go by: when the money was there.
    """
    cursor = conn.cursor(
        f"""
        SELECT coalesce(p.reference, p.id) AS reference, coalesce(c.external_id, c.id) AS external_customer_id,
               p.amount, p.currency, p.status, p.amount_refunded, p.method, p.provider, p.provider_ref_id,
               coalesce(p.succeeded_at, p.occurred_at) AS occurred_at, p.description, p.country, p.fee_amount,
               p.failure_code, p.failure_message, p.created_at, p.metadata
        FROM payments AS p
        LEFT JOIN customers AS c ON c.org_id = p.org_id AND c.mode = p.mode AND c.id = p.customer_id
        WHERE p.org_id = $1 AND p.mode = $2 AND {_SETTLED}
        ORDER BY p.id
        """,
        scope.org_id,
        scope.mode,
        prefetch=bulk.FETCHED_ROWS,
    )
    async for row in cursor:
        yield row


EXPORT = bulk.Export(
    columns=(
        *("reference", "external_customer_id", "amount", "currency", "status", "amount_refunded", "method"),
        *("provider", "provider_ref_id", "occurred_at", "description", "country", "fee_amount"),
        *("failure_code", "failure_message", "created_at", "metadata"),
    ),
    metadata_keys=metadata_keys,
    rows=rows,
)
