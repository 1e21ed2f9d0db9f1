"""What an organization has stored, counted table by table: the proof that a refused request left nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reevit_server.core.database import Database
from tests.makers import Merchant


async def rows_of(db: Database, org_id: str) -> dict[str, int]:
    """How many rows an organization has in every table that can hold any."""
    async with db.read() as conn:
        tables = await conn.fetch(
            """
            SELECT table_name FROM information_schema.columns
            WHERE table_schema = 'public' AND column_name = 'org_id'
            ORDER BY table_name
            """
        )
        counts = ", ".join(f"(SELECT count(*) FROM {name} WHERE org_id = $1) AS {name}" for (name,) in tables)
        return dict(await conn.fetchrow(f"SELECT {counts}", org_id) or {})


@asynccontextmanager
async def nothing_stored(db: Database, merchant: Merchant) -> AsyncIterator[None]:
    """Whatever happens in the block leaves the merchant's tables as they were."""
    before = await rows_of(db, merchant.org_id)
    assert {"customers", "payments", "events", "idempotency_keys", "customer_totals"} <= before.keys()
    yield
    assert await rows_of(db, merchant.org_id) == before
