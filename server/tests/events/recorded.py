"""What was recorded, read from the table itself."""

from typing import Any

from reevit_server.core.database import Database
from tests.makers import Merchant


async def events_of(db: Database, merchant: Merchant, subject_id: str) -> list[dict[str, Any]]:
    """The events of one customer or payment, in the order in which they happened."""
    async with db.read() as conn:
        rows = await conn.fetch(
            """
            SELECT id, mode, type, subject_id, customer_id, data, actor_id, reason, created_at
            FROM events
            WHERE org_id = $1 AND subject_id = $2
            ORDER BY created_at, id
            """,
            merchant.org_id,
            subject_id,
        )
    return [dict(row) for row in rows]


async def types_of(db: Database, merchant: Merchant, subject_id: str) -> list[str]:
    return [event["type"] for event in await events_of(db, merchant, subject_id)]


async def count_events(db: Database, merchant: Merchant) -> int:
    """All events of the organization, in both modes."""
    async with db.read() as conn:
        total: int = await conn.fetchval("SELECT count(*) FROM events WHERE org_id = $1", merchant.org_id)
    return total
