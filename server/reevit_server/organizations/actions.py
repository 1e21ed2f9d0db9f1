"""The deeds on organizations. They are an operator's, from the command line: no API key reaches across them."""

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, Database
from reevit_server.core.ids import new_id
from reevit_server.organizations import store
from reevit_server.organizations.errors import OrganizationNotFound

_BATCH = 1000


async def create(conn: Connection, *, name: str, currency: str, now: datetime) -> asyncpg.Record:
    """A new organization; `currency` is the one its rankings speak of when a request names none."""
    return await store.insert(conn, id=new_id("org"), name=name, currency=currency, now=now)


async def get(conn: Connection, *, id: str) -> asyncpg.Record:
    """Raises OrganizationNotFound."""
    row = await store.find(conn, id=id)
    if row is None:
        raise OrganizationNotFound(
            f"There is no organization {id}; `reevit orgs list` shows those there are."
        )
    return row


async def every(db: Database) -> AsyncIterator[asyncpg.Record]:
    """All organizations, the oldest first."""
    after = None
    while True:
        async with db.read() as conn:
            rows = await store.select(conn, after=after, limit=_BATCH)
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        after = (rows[-1]["created_at"], rows[-1]["id"])
