"""The deeds on organizations. They are an operator's, from the command line: no API key reaches across them."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.ids import new_id
from reevit_server.organizations import store
from reevit_server.organizations.errors import OrganizationNotFound

LIST_MAX = 1000


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


async def select(conn: Connection) -> list[asyncpg.Record]:
    """The oldest thousand organizations."""
    return await store.select(conn, limit=LIST_MAX)
