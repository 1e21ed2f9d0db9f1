"""Whole tables at once: what a noun says of itself so that `reevit import` and `reevit export` can move its rows."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import asyncpg

from reevit_server.core.database import Connection, Row
from reevit_server.core.scope import Scope
from reevit_server.core.tabular import Fields, Refusal

# A transaction's worth: long enough for COPY to pay, short enough that nobody waits long for its locks.
BATCH_ROWS = 10_000
FETCHED_ROWS = 1000  # what an export holds in memory at a time
METADATA_COLUMNS_MAX = 1000  # more in one CSV are no table for anybody
SURVEY_SECONDS = 3600  # how long one look at all rows may take before an export begins


class Overtaken(Exception):
    """Somebody else wrote the same rows between our look and our write: the batch is to be done again."""


@dataclass
class Loaded:
    """What became of a batch's rows."""

    counts: Counter[str] = field(default_factory=Counter)
    amounts: Counter[str] = field(default_factory=Counter)  # money that came in, by currency, in minor units
    refusals: list[Refusal] = field(default_factory=list)


class Load(Protocol):
    """Stores a batch of parsed rows, each with its line, in the caller's transaction.

    With `dry_run` it only says what would happen, and keeps that in temporary tables for the batches after it.
    Raises Overtaken when the batch is to be done again.
    """

    async def __call__(
        self, conn: Connection, scope: Scope, rows: list[tuple[int, Any]], *, now: datetime, dry_run: bool
    ) -> Loaded: ...


@dataclass(frozen=True)
class Import:
    """How a noun takes a table in."""

    fields: Fields
    counts: tuple[str, ...]  # what `load` counts, in the order of the report
    parse: Callable[[dict[str, Any], datetime], Any]  # raises RowRefused
    load: Load
    money: bool = False  # whether the report tells of amounts


@dataclass(frozen=True)
class Export:
    """How a noun gives its table out, read within the caller's snapshot."""

    columns: tuple[str, ...]
    metadata_keys: Callable[[Connection, Scope], Awaitable[list[str]]]
    rows: Callable[[Connection, Scope], AsyncIterator[Row]]


async def survey(conn: Connection, table: str) -> None:
    """Has PostgreSQL look at a table that it knows nothing of yet, before many rows are checked against it.

    In a new database, until it has looked, all indexes are alike to it, and the check of one foreign key may read
    a whole organization.
    """
    known = "SELECT EXISTS (SELECT 1 FROM pg_stats WHERE schemaname = current_schema() AND tablename = $1)"
    if not await conn.fetchval(known, table):
        await conn.execute(f"ANALYZE {table}")


async def unhurried(conn: Connection) -> None:
    """Lifts this transaction's limits of time: who reads our pipe, or feeds it, may pause as they like."""
    await conn.execute("SET LOCAL statement_timeout = 0")
    await conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


async def append(conn: Connection, table: str, columns: str, records: Sequence[Sequence[Any]]) -> None:
    """New rows, of which none is there yet. Raises Overtaken when one is, stored by somebody else meanwhile."""
    try:
        await conn.copy_records_to_table(table, columns=columns.split(), records=records)
    except asyncpg.UniqueViolationError:
        raise Overtaken from None


async def copy(conn: Connection, table: str, columns: str, records: Sequence[Sequence[Any]]) -> None:
    """A temporary table of these records, for set-based statements of this transaction.

    `columns` is its definition, a column a line.
    """
    await conn.execute(f"CREATE TEMPORARY TABLE {table} ({columns}) ON COMMIT DROP")
    await conn.copy_records_to_table(table, records=records)
