"""Background work in steps: one kind of job after the other, or by a worker who dies on the way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from reevit_server.core.database import Connection, Database
from tests.http.rows import rows_of
from tests.webhooks.clockwork import Clockwork, Queued


async def waiting(work: Clockwork, name: str) -> list[Queued]:
    """The jobs of this kind that wait now."""
    return [job for job in await work.queued() if job.name == name]


async def do_all(work: Clockwork, name: str) -> int:
    """Does those, and no others; how many."""
    jobs = await waiting(work, name)
    for job in jobs:
        await work.do(job)
        await work.take_out(job)
    return len(jobs)


class Died(Exception):
    """A worker that is no more."""


class _Mortal:
    """The way to the database of a worker who dies once it has committed so many transactions."""

    def __init__(self, db: Database, lives: int) -> None:
        self._db = db
        self._lives = lives
        self.read = db.read

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[Connection]:
        if not self._lives:
            raise Died
        self._lives -= 1
        async with self._db.transaction(**options) as conn:
            yield conn


async def dies(work: Clockwork, *, after: int) -> bool:
    """Works until everything is done, or until it has committed so many transactions; whether it died."""
    tools = work.tools
    work.tools = tools._replace(db=cast(Database, _Mortal(tools.db, after)))
    try:
        await work.run()
    except Died:
        return True
    finally:
        work.tools = tools
    return False


async def places_of(db: Database, org_id: str, words: list[str]) -> set[tuple[str, str]]:
    """In which tables of an organization one of these words stands, and which."""
    found = set()
    async with db.read() as conn:
        for table in await rows_of(db, org_id):
            rows = await conn.fetch(
                f"SELECT kept::text AS text FROM {table} AS kept WHERE org_id = $1", org_id
            )
            found |= {(table, word) for row in rows for word in words if word in row["text"]}
    return found
