"""A worker with jobs of the test's own: in this process, or in one that can be killed.

`python -m tests.core.working DSN` is that process. It says what it begins, a line each, until SIGTERM.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

import asyncpg

from reevit_server.core import logs, queue
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection, Database
from reevit_server.core.jobs import Duty, Job, Kind, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from tests.makers import MASTER_KEY
from tests.running import environment, start
from tests.webhooks.clockwork import Outside

SCOPE = Scope("org_1", "test")
PATIENCE_SECONDS = 60
_EMAIL = "ada@example.com"


class Diary:
    """Jobs that are done by writing down their ids."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    async def __call__(self, _: Tools, __: Scope, *ids: str) -> None:
        self.entries += ids


class Hanging:
    """Jobs that go on until they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._let_go = asyncio.Event()

    async def __call__(self, _: Tools, __: Scope, *ids: str) -> None:
        self.begun += ids
        await self._let_go.wait()
        self.ended += ids

    def let_go(self) -> None:
        self._let_go.set()


def job(name: str, *ids: str) -> Job:
    return Job(name, SCOPE, ids)


async def leave(db: Database, *jobs: Job) -> None:
    """Enqueues jobs in a transaction that commits."""
    async with db.transaction() as conn:
        await enqueue(conn, *jobs)


class Failed(Exception):
    """What a transaction of a test fails of."""


async def leave_and_fail(db: Database, *jobs: Job) -> None:
    """Enqueues jobs in a transaction that rolls back."""
    async with db.transaction() as conn:
        await enqueue(conn, *jobs)
        assert await conn.fetchval("SELECT count(*) FROM pgqueuer") == len(jobs)
        raise Failed


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def until_empty(db: Database) -> None:
    """Until no job is left in the queue, whatever became of it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := await queued(db):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)


async def queued(db: Database) -> list[tuple[str, str, int]]:
    """What is in the queue: name, status, how often it was asked for again."""
    async with db.read() as conn:
        rows = await conn.fetch("SELECT entrypoint, status::text, attempts FROM pgqueuer ORDER BY id")
    return [tuple(row) for row in rows]


@asynccontextmanager
async def working(
    db: Database,
    dsn: str,
    *kinds: Kind,
    duties: Sequence[Duty] = (),
    inside_max: int = 10,
    outside_max: int = 10,
    under_way: queue.UnderWay | None = None,
) -> AsyncIterator[asyncio.Event]:
    """A worker until the block ends, or until the event is set that it gets."""
    stopping = asyncio.Event()
    running = asyncio.create_task(
        queue.run(
            dsn,
            Tools(db, utc_now, Sealer(MASTER_KEY), Outside()),
            kinds=kinds,
            duties=duties,
            inside_max=inside_max,
            outside_max=outside_max,
            stopping=stopping,
            under_way=set() if under_way is None else under_way,
        )
    )
    try:
        yield stopping
    finally:
        stopping.set()
        await asyncio.wait_for(running, PATIENCE_SECONDS)


@contextmanager
def process(dsn: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker in a process of its own. Its log is JSON, on standard error."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "tests.core.working", dsn]
    worker = start(command, env=environment(**settings), **streams)
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def _tell(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def _say(tools: Tools, scope: Scope, *ids: str) -> None:
    _tell("say", *ids)


async def _hang(tools: Tools, scope: Scope, *ids: str) -> None:
    _tell("hang", *ids)
    await asyncio.sleep(600)


async def _collide(tools: Tools, scope: Scope, *ids: str) -> None:
    """Goes wrong the first time, by a unique index that nobody reckoned with."""
    _tell("collide", *ids)
    async with tools.db.transaction() as conn:
        await conn.execute("CREATE TABLE IF NOT EXISTS people (email text PRIMARY KEY)")
        known = await conn.fetchval("SELECT count(*) FROM people")
    try:
        for _ in range(2 - known * 2):
            async with tools.db.transaction() as conn:
                await conn.execute("INSERT INTO people VALUES ($1)", _EMAIL)
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name == "people_phone_taken"


async def _go_wrong(conn: Connection, *, now: datetime, limit: int) -> int:
    _tell("go_wrong")
    return 1 // 0


async def _main(dsn: str) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    kinds = [Kind("say", _say), Kind("hang", _hang), Kind("collide", _collide)]
    duties = [Duty("go_wrong", "* * * * * *", _go_wrong)]
    async with await Database.open(dsn) as db, working(db, dsn, *kinds, duties=duties):
        await told.wait()


if __name__ == "__main__":
    logs.configure("json")
    asyncio.run(_main(sys.argv[1]))
