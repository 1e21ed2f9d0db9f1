"""Lists of customers: one page in the order asked for, across the parts that a sort by value has."""

from datetime import datetime
from typing import Any

from reevit_server import organizations
from reevit_server.core.database import Connection
from reevit_server.core.errors import ValidationError
from reevit_server.core.paging import Cut, InvalidCursor, cut, encode
from reevit_server.core.scope import Scope
from reevit_server.customers import listing
from reevit_server.customers.listing import NEVER_PAID, Place
from reevit_server.customers.models import words
from reevit_server.customers.schemas import CustomerQuery

PAID = "paid"


async def page(conn: Connection, scope: Scope, query: CustomerQuery) -> tuple[Cut, int | None]:
    """One page of customers, and how many there are in all if that was asked.

    Newest first, no customer is skipped or shown twice, whatever is written meanwhile. Sorted by value, one whose
    value changes between two pages moves, as it must, and may be met again or missed.
    """
    if query.search is not None and not words(query.search):
        raise ValidationError.of("search", "no_words", "`search` needs at least one letter or digit.")
    currency = query.currency or await _default_currency(conn, scope, query)
    if query.sort_by == "created_at":
        order = f"created_at:{query.sort_order}"
        after = query.after(order, (datetime, str))
        rows = await listing.select_by_creation(
            conn, scope, query, currency=currency, after=(after[0], after[1]) if after else None
        )
        found = cut(rows, query.limit, order, "created_at", "id")
    else:
        found = await _by_value(conn, scope, query, currency)
    total = await listing.count(conn, scope, query, currency=currency) if query.include_total else None
    return found, total


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
        select = listing.select_by_total if part == PAID else listing.select_never_paid
        found = await select(
            conn,
            scope,
            query,
            currency=currency,
            after=place if place is not None and place.part == part else None,
            limit=query.limit + 1 - len(rows),
            offset=offset,
        )
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
