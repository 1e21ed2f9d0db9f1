"""A lost connection and a misused one: the first is waited for, the second is a bug and told as one."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from fastapi import APIRouter

from reevit_server.api_keys import Authenticator
from reevit_server.core import clock
from reevit_server.core.answer import Answer, no_content
from reevit_server.core.database import LOST_CONNECTION, Connection, Database
from reevit_server.core.errors import Unavailable
from reevit_server.core.front import Front
from reevit_server.core.http import Call
from reevit_server.core.rate_limit import RateLimiter
from reevit_server.core.routing import Routes
from reevit_server.core.sealing import Sealer
from tests.makers import MASTER_KEY, Api, refused

_KILL = "SELECT pg_terminate_backend($1, 5000)"
_KILL_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def _while_it_works(conn: Connection, outsider: asyncpg.Connection) -> None:
    working = asyncio.create_task(conn.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.1)
    await outsider.execute(_KILL, conn.get_server_pid())
    await working


async def _before_its_next_statement(conn: Connection, outsider: asyncpg.Connection) -> None:
    await outsider.execute(_KILL, conn.get_server_pid())
    await conn.execute("SELECT 1")


async def _while_we_look_away(conn: Connection, outsider: asyncpg.Connection) -> None:
    statement = f"SELECT pg_terminate_backend({conn.get_server_pid()})"
    killing = asyncio.create_task(outsider.execute(statement))
    await asyncio.sleep(0)  # without parameters, it is sent by now
    time.sleep(0.2)  # noqa: ASYNC251 - nobody reads what the server says before it hangs up
    await conn.execute("SELECT 1")
    await killing


@pytest.mark.parametrize("moment", [_while_it_works, _before_its_next_statement, _while_we_look_away])
@pytest.mark.parametrize("within", ["transaction", "snapshot", "read"])
async def test_a_connection_that_is_cut_is_lost_whenever_it_happens(
    db: Database, dsn: str, within: str, moment: Callable[[Connection, asyncpg.Connection], Awaitable[None]]
):
    outsider = await asyncpg.connect(dsn)
    with pytest.raises(LOST_CONNECTION):
        async with getattr(db, within)() as conn:
            await moment(conn, outsider)
    await outsider.close()
    async with db.read() as conn:
        assert await conn.fetchval("SELECT 1") == 1


async def test_a_transaction_whose_connection_is_cut_before_its_end_is_lost(db: Database, dsn: str):
    outsider = await asyncpg.connect(dsn)
    with pytest.raises(LOST_CONNECTION):
        async with db.transaction() as conn:
            await outsider.execute(_KILL, conn.get_server_pid())
    await outsider.close()


async def test_in_a_storm_everything_that_fails_is_a_lost_connection(empty_dsn: str):
    """Cut at any moment there is: while connecting, and between the server's last words and its hanging up."""
    lost = 0
    outsider = await asyncpg.connect(empty_dsn)
    async with await Database.open(empty_dsn, connections_max=8) as db:
        over = asyncio.Event()

        async def work() -> None:
            nonlocal lost
            while not over.is_set():
                try:
                    async with db.transaction() as conn:
                        await conn.execute("SELECT pg_sleep(0.001)")
                        await asyncio.sleep(random.random() / 100)
                        await conn.fetchval("SELECT 1")
                    async with db.read() as conn:
                        await conn.fetchval("SELECT '1'::jsonb")
                except LOST_CONNECTION:
                    lost += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(12):
                tasks.create_task(work())
            for _ in range(60):
                await asyncio.sleep(0.03)
                await outsider.execute(_KILL_OTHERS)
            over.set()
    await outsider.close()
    assert lost > 60


async def test_a_misuse_of_the_driver_is_no_lost_connection(db: Database):
    with pytest.raises(asyncpg.InterfaceError, match="another operation is in progress") as misuse:
        async with db.read() as conn:
            await _misuse(conn)
    assert not isinstance(misuse.value, LOST_CONNECTION)
    with pytest.raises(asyncpg.InterfaceError, match="released back to the pool") as misuse:
        await conn.execute("SELECT 1")
    assert not isinstance(misuse.value, LOST_CONNECTION)


async def _misuse(conn: Connection) -> None:
    working = asyncio.create_task(conn.execute("SELECT pg_sleep(0.05)"))
    await asyncio.sleep(0)
    try:
        await conn.execute("SELECT 1")
    finally:
        await working


async def test_a_misuse_of_the_driver_is_a_bug_and_not_a_busy_server(dsn: str):
    router = APIRouter()

    @router.get("/misuse")
    async def misuse(call: Call) -> Answer:
        async with call.db.transaction() as conn:
            await _misuse(conn)
        return no_content()

    front = Front(
        Routes(router.routes),
        open_database=lambda: Database.open(dsn),
        authenticate=Authenticator(),
        rate_limiter=RateLimiter(0),
        sealer=Sealer(MASTER_KEY),
        clock=clock.utc_now,
    )
    async with Api(front) as api, api.client() as client:
        refused(await client.get("/misuse"), 500, "server_error")


async def test_a_pool_that_closes_is_unavailable(dsn: str):
    db = await Database.open(dsn)
    await db.close()
    with pytest.raises(Unavailable):
        async with db.read():
            pass


async def test_only_what_can_be_repeated_does_not_wait_for_the_disk(empty_dsn: str):
    async with await Database.open(empty_dsn) as db:
        for _ in range(2):
            async with db.transaction(repeatable=True) as conn:
                assert await conn.fetchval("SHOW synchronous_commit") == "off"
            async with db.transaction() as conn:
                assert await conn.fetchval("SHOW synchronous_commit") == "on"
            async with db.read() as conn:
                assert await conn.fetchval("SHOW synchronous_commit") == "on"
        with pytest.raises(asyncpg.UndefinedTableError):
            await _begin_and_fail(db)
        async with db.read() as conn:
            assert await conn.fetchval("SELECT to_regclass('notes')") is None
        assert await db.unsafe_settings() == []


async def _begin_and_fail(db: Database) -> None:
    async with db.transaction(repeatable=True) as conn:
        await conn.execute("CREATE TABLE notes ()")
        await conn.execute("SELECT 1 FROM there_is_none")
