"""The deeds on organizations. They are an operator's, from the command line: no API key reaches across them."""

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, Database
from reevit_server.core.ids import new_id
from reevit_server.organizations import store
from reevit_server.organizations.errors import OrganizationNotFound
from reevit_server.organizations.models import Seller
from reevit_server.organizations.schemas import SellerPatch

_BATCH = 1000


async def create(conn: Connection, *, name: str, currency: str, now: datetime) -> asyncpg.Record:
    """A new organization; `currency` is the one its rankings speak of when a request names none."""
    return await store.insert(conn, id=new_id("org"), name=name, currency=currency, now=now)


async def get(conn: Connection, *, id: str) -> asyncpg.Record:
    """Raises OrganizationNotFound."""
    return _found(await store.find(conn, id=id), id)


async def update(
    conn: Connection, *, id: str, name: str | None = None, currency: str | None = None
) -> asyncpg.Record:
    """Another name or currency; what is None stays. Raises OrganizationNotFound."""
    return _found(await store.update(conn, id=id, name=name, currency=currency), id)


async def get_seller(conn: Connection, *, id: str) -> Seller:
    """Who sells, as papers say it: by its own name unless it has another for them. Raises OrganizationNotFound."""
    return _seller(_found(await store.find_seller(conn, id=id), id))


async def update_seller(conn: Connection, *, id: str, patch: SellerPatch) -> Seller:
    """Changes what the patch names. Papers made from now on say so, of old invoices too.

    Raises OrganizationNotFound.
    """
    stored = _found(await store.find_seller_for_update(conn, id=id), id)
    fields = {**stored, **patch.model_dump(exclude_unset=True)}
    return _seller(await store.update_seller(conn, id=id, fields=fields))


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


def _found(row: asyncpg.Record | None, id: str) -> asyncpg.Record:
    if row is None:
        raise OrganizationNotFound(
            f"There is no organization {id}; `reevit orgs list` shows those there are."
        )
    return row


def _seller(row: asyncpg.Record) -> Seller:
    return Seller(
        name=row["seller_name"] or row["name"],
        address=row["seller_address"],
        logo=row["seller_logo"],
        tax_line=row["tax_line"],
        locale=row["locale"],
    )
