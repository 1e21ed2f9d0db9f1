"""Somebody else's locks: they stop a deed where a test wants it, so that another one can overtake it there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg


@asynccontextmanager
async def held(dsn: str, table: str, mode: str) -> AsyncIterator[asyncpg.Connection]:
    """Locks a table while the block runs. Ours wait for a lock for 2 seconds, so the block must be shorter."""
    conn = await asyncpg.connect(dsn)
    try:
        async with conn.transaction():
            await conn.execute(f"LOCK TABLE {table} IN {mode} MODE")
            yield conn
    finally:
        await conn.close()


async def until_waiting(conn: asyncpg.Connection, count: int) -> None:
    """Until this many transactions of this database wait for somebody's lock."""
    async with asyncio.timeout(1.5):
        while True:
            if await _waiting(conn) >= count:
                return
            await asyncio.sleep(0.005)


async def _waiting(conn: asyncpg.Connection) -> int:
    await conn.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the same activity all the time
    total: int = await conn.fetchval(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
        """
    )
    return total
