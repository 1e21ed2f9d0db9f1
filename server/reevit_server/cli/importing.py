"""The work behind `reevit import`: one batch is stored while the next is read, and everything refused is told."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, NamedTuple, TextIO

import asyncpg
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from reevit_server.cli.connection import stderr
from reevit_server.core import bulk, tabular
from reevit_server.core.clock import utc_now
from reevit_server.core.database import LOST_CONNECTION, Connection, Database
from reevit_server.core.errors import Unavailable
from reevit_server.core.scope import Scope
from reevit_server.core.tabular import Fault, Format, Lines, Refusal, RowRefused, UnreadableTable

_SHOWN_MAX = 20
_PATIENCE_SECONDS = 30  # how long a batch is tried again while the database is restarting or busy
_PASSING = (
    *LOST_CONNECTION,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    bulk.Overtaken,
    Unavailable,
)


def tell(text: str) -> None:
    """Says something on standard error; what a file says cannot reach the terminal as commands."""
    stderr.print("".join(c if c.isprintable() else "\ufffd" for c in text), markup=False)


class Batch(NamedTuple):
    """Some rows of the file: how many, which of them are good, what is wrong with the others."""

    read: int
    rows: list[tuple[int, Any]]
    refusals: list[Refusal]
    position: int  # bytes


class Table:
    """A file's rows, read and parsed a batch at a time."""

    def __init__(self, lines: Lines, format: Format, how: bulk.Import, renamed: dict[str, str]) -> None:
        self._lines = lines
        self._records = tabular.records(lines, format, how.fields, renamed)
        self._how = how
        self._begun = False

    def take(self) -> Batch:
        """The next rows; none at the end of the file.

        Raises UnreadableTable in the first batch, when nothing is stored yet; later that is a refusal too.
        """
        now = utc_now()
        read = 0
        rows: list[tuple[int, Any]] = []
        refusals: list[Refusal] = []
        try:
            for record in itertools.islice(self._records, bulk.BATCH_ROWS):
                read += 1
                if isinstance(record, Refusal):
                    refusals.append(record)
                    continue
                try:
                    rows.append((record.line, self._how.parse(record.values, now)))
                except RowRefused as refused:
                    refusals += [Refusal(record.line, *fault) for fault in refused.faults]
        except UnreadableTable as error:
            if not self._begun:
                raise
            read += 1
            refusals.append(
                Refusal(self._lines.number, *Fault("", "unreadable", f"{error} The rest is not read"))
            )
        self._begun = True
        return Batch(read, rows, refusals, self._lines.bytes_read)


class Refusals:
    """Tells of refused rows: the first few on standard error, all of them in the report."""

    def __init__(self, report: TextIO | None) -> None:
        self.count = 0
        self._writer = report and tabular.CsvWriter(report, Refusal._fields)

    def say(self, refusals: list[Refusal]) -> None:
        for refusal in refusals:
            self.count += 1
            if self._writer:
                self._writer.write(refusal._asdict())
            if self.count <= _SHOWN_MAX:
                field = f"{refusal.field}: " if refusal.field else ""
                tell(f"line {refusal.line}: {field}{refusal.reason} ({refusal.code})")

    @property
    def untold(self) -> int:
        """How many were in neither place."""
        return 0 if self._writer else max(0, self.count - _SHOWN_MAX)


async def load(
    db: Database,
    scope: Scope,
    how: bulk.Import,
    table: Table,
    first: Batch,
    refusals: Refusals,
    *,
    dry_run: bool,
    progress: Callable[[int, int], None],
) -> bulk.Loaded:
    """Stores batch after batch, each in a transaction of its own, and reads the next one meanwhile.

    A dry run is one transaction, that writes nothing but what it foresees.
    """
    total = bulk.Loaded()
    batch = first
    async with AsyncExitStack() as stack:
        rehearsal = None
        if dry_run:
            rehearsal = await stack.enter_async_context(db.transaction())
            await bulk.unhurried(rehearsal)
        while batch.read:
            storing = _store(db, rehearsal, scope, how, batch.rows)
            following, loaded = await asyncio.gather(asyncio.to_thread(table.take), storing)
            found = sorted(batch.refusals + loaded.refusals)
            refusals.say(found)
            total.counts["read"] += batch.read
            total.counts["refused"] += len({refusal.line for refusal in found})
            total.counts.update(loaded.counts)
            total.amounts.update(loaded.amounts)
            progress(batch.position, total.counts["read"])
            batch = following
    return total


async def _store(
    db: Database, rehearsal: Connection | None, scope: Scope, how: bulk.Import, rows: list[tuple[int, Any]]
) -> bulk.Loaded:
    """One batch, whole. What passes, such as a restart of the database, is waited for, and the batch done again."""
    if not rows:
        return bulk.Loaded()
    if rehearsal is not None:
        return await how.load(rehearsal, scope, rows, now=utc_now(), dry_run=True)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            async with db.transaction() as conn:
                return await how.load(conn, scope, rows, now=utc_now(), dry_run=False)
        except _PASSING as error:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The database does not take the rows from line {rows[0][0]} on: {type(error).__name__} {error}. "
                    "What came before them is stored; import the same file again to go on."
                ) from error
        await asyncio.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - jitter, not a secret


@contextmanager
def progress_bar(noun: str, size: int | None) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if that is a terminal; call it with the bytes and the rows that are done."""
    if not stderr.is_terminal:
        yield lambda _bytes, _rows: None
        return
    columns = (
        TextColumn("Importing {task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr) as bar:
        task = bar.add_task(noun, total=size, rows=0)
        yield lambda bytes_done, rows_done: bar.update(task, completed=bytes_done, rows=rows_done)
