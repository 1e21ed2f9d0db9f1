"""The bell: whoever commits work is heard soon after, and a crowd is heard as one."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import orjson
import pytest

from reevit_server.core.bell import CHANNEL, Bell
from reevit_server.core.database import Database
from reevit_server.core.jobs import enqueue
from tests.core.working import Failed, job, leave, leave_and_fail, until

Heard = asyncio.Queue[str]


@pytest.fixture
async def db(empty_dsn: str) -> AsyncIterator[Database]:
    """Nobody else's bell is heard here."""
    async with await Database.open(empty_dsn, connections_max=20) as opened:
        yield opened


@pytest.fixture
async def heard(empty_dsn: str) -> AsyncIterator[Heard]:
    """What somebody who listens hears."""
    messages: Heard = asyncio.Queue()
    conn = await asyncpg.connect(empty_dsn)
    await conn.add_listener(CHANNEL, lambda *said: messages.put_nowait(said[-1]))
    yield messages
    await conn.close()


async def _next(heard: Heard) -> str:
    return await asyncio.wait_for(heard.get(), 60)


async def test_committed_work_is_announced_in_the_words_that_pgqueuer_knows(db: Database, heard: Heard):
    await leave(db, job("say", "1"))
    message = orjson.loads(await _next(heard))
    assert {name: message[name] for name in ("channel", "operation", "table", "type")} == {
        "channel": "ch_pgqueuer",
        "operation": "insert",
        "table": "pgqueuer",
        "type": "table_changed_event",
    }


async def test_what_leaves_no_work_or_is_rolled_back_is_silent(db: Database, heard: Heard):
    async with db.transaction() as conn:
        await enqueue(conn)
    with pytest.raises(Failed):
        await leave_and_fail(db, job("say", "1"))
    await db.close()  # which waits for the bell
    assert heard.empty()


async def test_of_a_hundred_commits_at_once_a_few_are_announced_and_all_are_told_of(
    db: Database, heard: Heard
):
    async def commit(number: int) -> None:
        await leave(db, job("say", str(number)))

    await asyncio.gather(*(commit(number) for number in range(100)))
    await db.close()
    await until(lambda: not heard.empty())
    assert heard.qsize() < 50


async def test_a_commit_right_after_an_announcement_is_announced_too(db: Database, heard: Heard):
    for number in range(20):
        await leave(db, job("say", str(number)))
        await _next(heard)
        while not heard.empty():
            heard.get_nowait()


async def test_a_ring_while_the_bell_sounds_is_a_ring_of_its_own():
    """What it tells of may have been committed too late for the first one."""
    sounded, let_go = 0, asyncio.Event()

    async def send() -> None:
        nonlocal sounded
        sounded += 1
        await let_go.wait()

    bell = Bell(send)
    bell.ring()
    bell.ring()
    await until(lambda: sounded == 1)
    bell.ring()
    bell.ring()
    await until(lambda: sounded == 2)
    let_go.set()
    await bell.close()
    assert sounded == 2


async def test_who_closes_the_database_waits_for_what_was_rung(db: Database, heard: Heard):
    await leave(db, job("say", "1"))
    await db.close()
    await _next(heard)


async def test_a_bell_that_cannot_be_heard_stops_nobody(db: Database, empty_dsn: str):
    """The workers look by themselves too."""
    outsider = await asyncpg.connect(empty_dsn)
    for number in range(2):
        await leave(db, job("say", str(number)))
    # The second one's announcement is about to be made.
    await outsider.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1",
        outsider.get_server_pid(),
    )
    await db.close()
    assert await outsider.fetchval("SELECT count(*) FROM pgqueuer") == 2
    await outsider.close()
