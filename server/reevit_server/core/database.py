"""The road to PostgreSQL: a pool that never waits long, and transactions that end where they began."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, Self, cast

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from reevit_server.core.bell import CHANNEL, RING, Bell, message
from reevit_server.core.errors import Unavailable

Connection = PoolConnectionProxy


class Row(Protocol):
    """A row of a result, or a mapping in its shape."""

    def keys(self) -> Iterable[str]: ...

    def __getitem__(self, column: str, /) -> Any: ...


ACQUIRE_SECONDS = 2
SESSION = {
    "application_name": "reevit",
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
}

# What Postgres or the network may do to us at any time, and after which nothing of ours was kept. Not the driver's
# InterfaceError: that is how it tells of its misuse, a bug of ours. Where it is about a connection that is gone,
# `_Borrowed` says so with a PostgresConnectionError.
LOST_CONNECTION = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
)

# What passes by itself: the database is away or busy, or took us for the victim of a deadlock. Nothing was done.
PASSING = (*LOST_CONNECTION, Unavailable, asyncpg.DeadlockDetectedError)

_BEYOND_64_BITS = re.compile(rb"[0-9]{19}")

# Either may be about our code, or about a connection that went away under it.
_COMPLAINTS = (asyncpg.InterfaceError, asyncpg.InternalClientError)


class _PooledConnection(asyncpg.Connection):
    """A connection on which nothing outlives a transaction, so that giving it back needs no round trip."""

    left_work = False  # whether a transaction enqueued something, and the bell is to be rung
    finish: Callable[[Any], Awaitable[None]] | None = None  # what a transaction does last

    def get_reset_query(self) -> str:
        return ""

    def leave_work(self) -> None:
        self.left_work = True

    def take_left_work(self) -> bool:
        left, self.left_work = self.left_work, False
        return left

    def finish_with(self, finish: Callable[[Any], Awaitable[None]] | None) -> None:
        self.finish = finish


class Database:
    """A pool of connections to one PostgreSQL database. Use as `async with await Database.open(dsn) as db`."""

    def __init__(self, pool: asyncpg.Pool, repeatable_pool: asyncpg.Pool, *, acquire_seconds: float) -> None:
        self._pool = pool
        self._repeatable_pool = repeatable_pool
        self._acquire_seconds = acquire_seconds
        self._bell = Bell(self._notify)

    @classmethod
    async def open(
        cls, dsn: str, *, connections_max: int = 10, acquire_seconds: float = ACQUIRE_SECONDS
    ) -> Self:
        async def pool(**settings: str) -> asyncpg.Pool:
            return await asyncpg.create_pool(
                dsn,
                min_size=0,  # a process may start while the database is away, and serve when it is back
                max_size=connections_max,
                command_timeout=12,  # after the server's own statement_timeout, as the net below it
                connection_class=_PooledConnection,
                init=_teach_json,
                server_settings={**SESSION, **settings},
            )

        return cls(await pool(), await pool(synchronous_commit="off"), acquire_seconds=acquire_seconds)

    async def close(self) -> None:
        await self._bell.close()
        await self._pool.close()
        await self._repeatable_pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def unsafe_settings(self) -> list[str]:
        """The server's settings, if any, under which a crash loses payments that were acknowledged."""
        async with self.read() as conn:
            rows = await conn.fetch(
                """
                SELECT name FROM pg_settings
                WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
                ORDER BY name
                """
            )
        return [row["name"] for row in rows]

    def read(self) -> "_Borrowed":
        """A connection for single statements, each its own snapshot: `async with db.read() as conn`.

        Raises Unavailable when none is free in time (2 seconds, unless opened otherwise), and one of LOST_CONNECTION
        when it is lost meanwhile.
        """
        return _Borrowed(self._pool, self._acquire_seconds)

    @asynccontextmanager
    async def transaction(self, *, repeatable: bool = False) -> AsyncIterator[Connection]:
        """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

        A `repeatable` one does not wait for the disk: a crash of the database may undo it, within about a second.
        Only for what the queue does again then, with no harm: its job is taken out of the queue later, by a
        transaction that is behind this one in the log, and not at all if the database crashed in between. Such
        transactions have connections of their own, so that none has to be told first.
        """
        borrowed = self.read()
        if repeatable:
            borrowed = _Borrowed(self._repeatable_pool, self._acquire_seconds)
        async with borrowed as conn:
            own = cast(_PooledConnection, conn)
            own.finish_with(None)  # of one that was rolled back
            async with conn.transaction():
                yield conn
                if own.finish is not None:
                    await own.finish(conn)
            if own.take_left_work():
                self._bell.ring()

    async def _notify(self) -> None:
        with suppress(Unavailable, *LOST_CONNECTION):  # the workers look by themselves too
            async with self.read() as conn:
                await conn.execute(RING, CHANNEL, message())

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A read-only transaction in which every statement sees the same instant (for reports, exports)."""
        async with self.read() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            yield conn


class _Borrowed:
    """A connection of the pool for the time of a block. A class, because every request enters one."""

    __slots__ = ("_conn", "_patience", "_pool")

    def __init__(self, pool: asyncpg.Pool, patience: float) -> None:
        self._pool = pool
        self._patience = patience

    async def __aenter__(self) -> Connection:
        try:
            # With one free there is nothing to wait for, and a timer costs as much as a part of the statement.
            timeout = None if self._pool.get_idle_size() else self._patience
            self._conn: Connection = await self._pool.acquire(timeout=timeout)
        except TimeoutError:
            raise Unavailable("All database connections are busy; send the request again.") from None
        except asyncpg.InterfaceError:
            if self._pool.is_closing():
                raise Unavailable("The server is stopping; send the request again.") from None
            raise
        return self._conn

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        lost = isinstance(error, _COMPLAINTS) and await _is_lost(self._conn, error)
        if lost or isinstance(error, asyncpg.PostgresConnectionError):
            with suppress(asyncpg.InterfaceError):  # the pool has taken it away already
                self._conn.terminate()  # or giving it back would begin with a ROLLBACK, and fail
        await self._pool.release(self._conn)
        if lost:
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost") from error


async def _is_lost(conn: Any, complaint: BaseException) -> bool:
    """Whether a complaint of the driver is about a connection that is gone, and not about what we did with it."""
    try:
        if conn.is_closed():
            return True
    except asyncpg.InterfaceError:
        return True  # the pool has taken away what it saw closed, before we gave it back
    if not isinstance(complaint, asyncpg.InternalClientError):
        return False
    # Between the server's last words and the end of the line the driver is in disarray and the connection counts as
    # open. One that still answers is not lost.
    try:
        await conn.execute("SELECT 1", timeout=1)
    except (*_COMPLAINTS, *LOST_CONNECTION):
        return True
    except asyncpg.PostgresError:
        pass  # an answer too
    return False


def withhold_data(error: BaseException | None) -> None:
    """Takes the rows' values out of what is going to be logged: of a database error, and of those it came from."""
    while error is not None:
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None
        error = error.__cause__ or error.__context__


async def fetch_one(conn: Connection, statement: str, *values: Any) -> asyncpg.Record:
    """The row of a statement that always gives one: INSERT .. RETURNING, UPDATE of a row that is locked."""
    row = await conn.fetchrow(statement, *values)
    assert row is not None, "this statement always gives a row"
    return row


def _exactly(text: bytes) -> Any:
    """The value of a JSON text, with integers of any size: totals have no limit.

    orjson is quicker, but rounds integers beyond 64 bits.
    """
    return json.loads(text) if _BEYOND_64_BITS.search(text) else orjson.loads(text)


async def _teach_json(conn: Any) -> None:
    """jsonb goes in and out as Python values; bytes that are JSON already go in as they are.

    In its binary form, text behind a byte that says version 1, because COPY takes no other.
    """

    def encode(value: Any) -> bytes:
        return b"\x01" + (value if isinstance(value, bytes) else orjson.dumps(value))

    def decode(binary: bytes) -> Any:
        return _exactly(binary[1:])

    try:
        await conn.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=encode, decoder=decode, format="binary"
        )
        await conn.set_type_codec(
            "json", schema="pg_catalog", encoder=orjson.dumps, decoder=_exactly, format="binary"
        )
    except _COMPLAINTS as error:
        if await _is_lost(conn, error):
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost") from error
        raise
