"""Lists of customers: one page in the order asked for, across the parts that a sort by value has."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server import organizations
from reevit_server.core.database import Connection
from reevit_server.core.errors import ValidationError
from reevit_server.core.paging import Cut, InvalidCursor, cut, encode
from reevit_server.core.scope import Scope
from reevit_server.customers import listing
from reevit_server.customers.listing import NEVER_PAID, Place, Wanted
from reevit_server.customers.models import addresses, without_addresses, words
from reevit_server.customers.schemas import CustomerQuery

PAID = "paid"
# Where a search looks first, without its index: a word that one customer in ninety has fills its page there, and
# through the index would be every such customer found and sorted.
_NEAR = 2000


async def page(conn: Connection, scope: Scope, query: CustomerQuery) -> tuple[Cut, int | None]:
    """One page of customers, and how many there are in all if that was asked.

    Newest first, no customer is skipped or shown twice, whatever is written meanwhile. Sorted by value, one whose
    value changes between two pages moves, as it must, and may be met again or missed.
    """
    if query.search is not None and not words(query.search):
        raise ValidationError.of("search", "no_words", "`search` needs at least one letter or digit.")
    query = await _loosened(conn, scope, query)
    currency = query.currency or await _default_currency(conn, scope, query)
    if query.sort_by == "created_at":
        order = f"created_at:{query.sort_order}"
        after = query.after(order, (datetime, str))
        wanted = Wanted(scope, query, currency, query.limit + 1, query.offset)
        rows = await _nearest(
            listing.select_by_creation, conn, wanted, after=(after[0], after[1]) if after else None
        )
        found = cut(rows, query.limit, order, "created_at", "id")
    else:
        found = await _by_value(conn, scope, query, currency)
    total = await listing.count(conn, scope, query, currency=currency) if query.include_total else None
    return found, total


async def _loosened(conn: Connection, scope: Scope, query: CustomerQuery) -> CustomerQuery:
    """An address that nobody has is searched for by its words: it may be a part of something longer."""
    if (
        query.search is None
        or not addresses(query.search)
        or await listing.is_known(conn, scope, query.search)
    ):
        return query
    return query.model_copy(update={"search": without_addresses(query.search)})


async def _nearest(
    select: Callable[..., Awaitable[list[asyncpg.Record]]], conn: Connection, wanted: Wanted, *, after: Any
) -> list[asyncpg.Record]:
    """A page; of a search, first from what is near, which is enough where its words are common."""
    if wanted.query.search is not None:
        found = await select(conn, wanted, after=after, among=_NEAR)
        if len(found) == wanted.limit:
            return found
    return await select(conn, wanted, after=after)


async def _default_currency(conn: Connection, scope: Scope, query: CustomerQuery) -> str:
    """The organization's currency; asked for only when the page depends on it."""
    if query.sort_by == "created_at" and query.min_spent is None:
        return ""
    currency: str = (await organizations.get(conn, id=scope.org_id))["currency"]
    return currency


async def _by_value(conn: Connection, scope: Scope, query: CustomerQuery, currency: str) -> Cut:
    """The part with totals first when the order falls, last when it rises: who never paid has paid least."""
    order = f"{query.sort_by}:{query.sort_order}:{currency}"
    after = query.after(order, (str, str, str))
    place = Place(*after) if after else None
    parts = [PAID, NEVER_PAID] if query.sort_order == "desc" else [NEVER_PAID, PAID]
    if place is not None:
        if place.part not in parts:
            raise InvalidCursor
        parts = parts[parts.index(place.part) :]
    rows: list[Any] = []
    places: list[Place] = []
    offset = query.offset
    for part in parts:
        after_in_part = place if place is not None and place.part == part else None
        wanted = Wanted(scope, query, currency, query.limit + 1 - len(rows), offset)
        if part == PAID:
            found = await _nearest(listing.select_by_total, conn, wanted, after=after_in_part)
        else:
            found = await listing.select_never_paid(conn, wanted, after=after_in_part)
        rows += found
        places += [Place(part, _text(row["sort_key"]), row["id"]) for row in found]
        if len(rows) > query.limit:
            break
        if offset and part == parts[0]:
            offset = max(0, offset - await _size(conn, scope, query, currency, part))
    if len(rows) <= query.limit:
        return Cut(rows, has_more=False, next_cursor=None)
    return Cut(rows[: query.limit], has_more=True, next_cursor=encode(order, *places[query.limit - 1]))


async def _size(conn: Connection, scope: Scope, query: CustomerQuery, currency: str, part: str) -> int:
    with_total = await listing.count_with_total(conn, scope, query, currency=currency)
    if part == PAID:
        return with_total
    return await listing.count(conn, scope, query, currency=currency) - with_total


def _text(key: Any) -> str:
    return key.isoformat() if isinstance(key, datetime) else str(key)
