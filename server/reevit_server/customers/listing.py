"""The SQL of customer lists: filters, and pages in the order of creation or of what customers paid.

Sorted by what they paid in one currency, customers come in two parts: those with a total in it, straight from
the index of that total, and those who never paid in it, newest first. A page may span both.
"""

import math
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.paging import InvalidCursor
from reevit_server.core.scope import Scope
from reevit_server.core.text import utc
from reevit_server.core.where import Where, page
from reevit_server.customers.models import addresses, phone_digits, term, words_beside_addresses
from reevit_server.customers.schemas import CustomerQuery
from reevit_server.customers.store import COLUMNS

NEVER_PAID = "never_paid"
_DIGITS_MAX = 40  # more than any total has


class Place(NamedTuple):
    """The last row of a page: which part it was in, its sort key as text, its id."""

    part: str
    key: str
    id: str


class Wanted(NamedTuple):
    """Which customers, and how many of them."""

    scope: Scope
    query: CustomerQuery
    currency: str
    limit: int
    offset: int


def _where(scope: Scope, query: CustomerQuery, currency: str) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("c.org_id = $1 AND c.mode = $2 AND c.deleted_at IS NULL")
    where.add_if("c.external_id = {}", query.external_id)
    where.add_if("lower(c.email) = lower({})", query.email)
    where.add_if("c.phone = {}", query.phone)
    where.add_if("c.tags @> {}::text[]", query.tag)
    where.add_if("c.created_at >= {}", query.created_after)
    where.add_if("c.created_at < {}", query.created_before)
    for key, value in (query.metadata or {}).items():
        readings = [{key: reading} for reading in _readings(value)]
        # OR, not ANY: only OR lets the planner use the index once per reading.
        where.add(f"({' OR '.join(['c.metadata @> {}::jsonb'] * len(readings))})", *readings)
    if query.search is not None:
        where.add("c.search @@ {}::text::tsquery", _tsquery(scope, query.search))
    if query.min_spent is not None:
        where.add(
            """EXISTS (
                SELECT FROM customer_totals AS spent
                WHERE spent.org_id = c.org_id AND spent.mode = c.mode AND spent.customer_id = c.id
                  AND spent.currency = {} AND spent.total_spent >= {}
            )""",
            currency,
            query.min_spent,
        )
    return where


def _readings(value: str) -> list[Any]:
    """What a metadata value written in an address can mean: `5` is a string or a number."""
    readings: list[Any] = [value]
    if value in ("true", "false"):
        readings.append(value == "true")
    for number in (_int64, float):
        try:
            reading = number(value)
        except ValueError:
            continue
        if math.isfinite(reading):
            readings.append(reading)
            break
    return readings


def _int64(digits: str) -> int:
    """Raises ValueError for what no 64-bit integer is: none larger can have been stored."""
    number = int(digits) if len(digits) <= 20 else 2**63
    if not -(2**63) <= number < 2**63:
        raise ValueError(digits)
    return number


def _tsquery(scope: Scope, search: str) -> str:
    """All words, each as the beginning of one; or all of it as one phone number.

    An address is one word: its parts are those of many, and all the names of a shop end in the same `.com`.
    PostgreSQL takes any beginning of a word for a common one, and would sooner read all customers than use the
    index; what is said twice it takes for rare.
    """
    digits = phone_digits(search)
    ways = [[*addresses(search), *words_beside_addresses(search)], [digits] if digits else []]
    return " | ".join(
        "(" + " & ".join(f"{_quoted(term(scope, word))}:*" for word in way * 2) + ")" for way in ways if way
    )


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


async def select_by_creation(
    conn: Connection, wanted: Wanted, *, after: tuple[datetime, str] | None, among: int | None = None
) -> list[asyncpg.Record]:
    """In the order of their creation; with `among`, only those among the next so many customers."""
    query = wanted.query
    where = _where(wanted.scope, query, wanted.currency)
    mine = "c.org_id = $1 AND c.mode = $2 AND c.deleted_at IS NULL"
    if after is not None:
        at, id = where.parameter(after[0]), where.parameter(after[1])
        mine += f" AND (c.created_at, c.id) {_beyond(query)} ({at}, {id})"
    direction = query.sort_order.upper()
    order = f"ORDER BY c.created_at {direction}, c.id {direction}"
    near = f"(SELECT * FROM customers AS c WHERE {mine} {order} {page(among)})" if among else None
    return list(
        await conn.fetch(
            f"""
            SELECT {COLUMNS}
            FROM {near or "customers"} AS c
            WHERE {where} AND {mine}
            {order}
            {page(wanted.limit, offset=wanted.offset)}
            """,
            *where.values,
        )
    )


async def select_by_total(
    conn: Connection, wanted: Wanted, *, after: Place | None, among: int | None = None
) -> list[asyncpg.Record]:
    """Customers with a total in the currency, in its order; `sort_key` tells each one's place.

    With `among`, only those among the next so many totals.
    """
    query = wanted.query
    where = _where(wanted.scope, query, wanted.currency)
    mine = f"t.org_id = $1 AND t.mode = $2 AND t.currency = {where.parameter(wanted.currency)}"
    if after is not None:
        key, id = where.parameter(_typed(query.sort_by, after.key)), where.parameter(after.id)
        mine += f" AND (t.{query.sort_by}, t.customer_id) {_beyond(query)} ({key}, {id})"
    direction = query.sort_order.upper()
    order = f"ORDER BY t.{query.sort_by} {direction}, t.customer_id {direction}"
    totals, their_customers = "customer_totals", "customers"
    if among is not None:
        totals = f"(SELECT * FROM customer_totals AS t WHERE {mine} {order} {page(among)})"
        # One after another, until the page is full: not all that the search finds, for a join with them.
        theirs = "c.org_id = t.org_id AND c.mode = t.mode AND c.id = t.customer_id"
        their_customers = f"LATERAL (SELECT * FROM customers AS c WHERE {theirs} OFFSET 0)"
    return list(
        await conn.fetch(
            f"""
            SELECT {COLUMNS}, t.{query.sort_by} AS sort_key
            FROM {totals} AS t
            JOIN {their_customers} AS c ON c.org_id = t.org_id AND c.mode = t.mode AND c.id = t.customer_id
            WHERE {where} AND {mine}
            {order}
            {page(wanted.limit, offset=wanted.offset)}
            """,
            *where.values,
        )
    )


async def select_never_paid(conn: Connection, wanted: Wanted, *, after: Place | None) -> list[asyncpg.Record]:
    """Customers without a total in the currency, newest first."""
    currency = wanted.currency
    where = _where(wanted.scope, wanted.query, currency)
    where.add(
        """NOT EXISTS (
            SELECT FROM customer_totals AS t
            WHERE t.org_id = c.org_id AND t.mode = c.mode AND t.customer_id = c.id AND t.currency = {}
        )""",
        currency,
    )
    if after is not None:
        where.add("(c.created_at, c.id) < ({}, {})", _typed("created_at", after.key), after.id)
    return list(
        await conn.fetch(
            f"""
            SELECT {COLUMNS}, c.created_at AS sort_key
            FROM customers AS c
            WHERE {where}
            ORDER BY c.created_at DESC, c.id DESC
            {page(wanted.limit, offset=wanted.offset)}
            """,
            *where.values,
        )
    )


async def is_known(conn: Connection, scope: Scope, search: str) -> bool:
    """Whether a search finds anybody at all."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM customers
            WHERE org_id = $1 AND mode = $2 AND deleted_at IS NULL AND search @@ $3::text::tsquery
        )
        """,
        scope.org_id,
        scope.mode,
        _tsquery(scope, search),
    )
    return found


async def count(conn: Connection, scope: Scope, query: CustomerQuery, *, currency: str) -> int:
    where = _where(scope, query, currency)
    total: int = await conn.fetchval(f"SELECT count(*) FROM customers AS c WHERE {where}", *where.values)
    return total


async def count_with_total(conn: Connection, scope: Scope, query: CustomerQuery, *, currency: str) -> int:
    where = _where(scope, query, currency)
    where.add(
        """EXISTS (
            SELECT FROM customer_totals AS t
            WHERE t.org_id = c.org_id AND t.mode = c.mode AND t.customer_id = c.id AND t.currency = {}
        )""",
        currency,
    )
    total: int = await conn.fetchval(f"SELECT count(*) FROM customers AS c WHERE {where}", *where.values)
    return total


def _beyond(query: CustomerQuery) -> str:
    return "<" if query.sort_order == "desc" else ">"


def _typed(column: str, key: str) -> Any:
    """A sort key out of a cursor. Raises InvalidCursor for what was never one."""
    try:
        if column in ("created_at", "last_payment_at"):
            return utc(datetime.fromisoformat(key))
        if column == "payment_count":
            return _int64(key)
        number = Decimal(key)
    except (ValueError, InvalidOperation):
        raise InvalidCursor from None
    if not number.is_finite() or abs(number.adjusted()) > _DIGITS_MAX:
        raise InvalidCursor
    return number
