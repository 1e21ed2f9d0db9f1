"""What webhooks keep, read from the tables themselves."""

from typing import Any

from reevit_server.core.database import Database
from tests.makers import Merchant


async def endpoints(db: Database, merchant: Merchant) -> list[dict[str, Any]]:
    """Every endpoint that the organization has or had; `text` is the whole row."""
    async with db.read() as conn:
        rows = await conn.fetch(
            """
            SELECT id, kind, status, secret, previous_secret, deleted_at, w::text AS text
            FROM webhook_endpoints AS w
            WHERE org_id = $1
            ORDER BY id
            """,
            merchant.org_id,
        )
    return [dict(row) for row in rows]


async def statuses(db: Database, merchant: Merchant) -> dict[str, int]:
    """How many deliveries the organization has, by status."""
    async with db.read() as conn:
        rows = await conn.fetch(
            "SELECT status, count(*) FROM webhook_deliveries WHERE org_id = $1 GROUP BY status",
            merchant.org_id,
        )
    return dict(rows)
