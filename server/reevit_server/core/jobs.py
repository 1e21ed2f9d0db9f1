"""Work that is done later: enqueued in the transaction that makes it true, done by whoever is free, never lost.

The queue is PgQueuer's (`docs/decisions/0008-the-queue-is-pgqueuer.md`); `queue.py` runs it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, cast

import orjson

from reevit_server.core.database import Connection, Database
from reevit_server.core.egress import Post
from reevit_server.core.scope import Mode, Scope
from reevit_server.core.sealing import Sealer

_LOG_KEPT_HOURS = 24


class Job(NamedTuple):
    """An order in the imperative, `webhooks.deliver`, and the ids it is about."""

    name: str
    scope: Scope
    ids: tuple[str, ...]


class Tools(NamedTuple):
    """What work is done with."""

    db: Database
    clock: Callable[[], datetime]
    sealer: Sealer
    post: Post


class NotYet(Exception):
    """The job cannot be done now; it comes again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:.1f} s")
        self.seconds = seconds


class Run(Protocol):
    """Does a job. May be called twice with the same ids, also at once; raises NotYet to be called again."""

    async def __call__(self, tools: Tools, scope: Scope, *ids: str) -> None: ...


class Kind(NamedTuple):
    """How jobs of a name are done. Those that wait for the outside have a queue of their own, in nobody's way."""

    name: str
    run: Run
    outside: bool = False


class Duty(NamedTuple):
    """Work that comes back: `run` does one batch and says how many rows it dealt with; `cron` is in UTC."""

    name: str
    cron: str
    run: Callable[..., Awaitable[int]]  # (conn, now=…, limit=…)
    batch_rows: int = 10_000


async def enqueue(conn: Connection, *jobs: Job) -> None:
    """Leaves work behind, if this transaction commits.

    PgQueuer's own statement also writes every new job into its log, for nobody to read.
    """
    if not jobs:
        return
    await conn.execute(
        """
        INSERT INTO pgqueuer (priority, entrypoint, payload, status)
        SELECT 0, job.entrypoint, job.payload, 'queued'
        FROM unnest($1::text[], $2::bytea[]) AS job (entrypoint, payload)
        """,
        [job.name for job in jobs],
        [orjson.dumps([job.scope.org_id, job.scope.mode, *job.ids]) for job in jobs],
    )
    cast(Any, conn).leave_work()


class _Gathered:
    """Jobs of one transaction that are done in one go, until it ends."""

    def __init__(self) -> None:
        self.ids: dict[tuple[str, str, Mode], list[str]] = {}

    async def __call__(self, conn: Connection) -> None:
        """The transaction's last statement but for its commit."""
        await enqueue(
            conn,
            *(Job(name, Scope(org_id, mode), tuple(ids)) for (name, org_id, mode), ids in self.ids.items()),
        )


def enqueue_together(conn: Connection, job: Job) -> None:
    """Leaves work behind, if this transaction commits: one job for all that it leaves of this name and scope."""
    own = cast(Any, conn)
    gathered = own.finish
    if gathered is None:
        gathered = _Gathered()
        own.finish_with(gathered)
    gathered.ids.setdefault((job.name, job.scope.org_id, job.scope.mode), []).extend(job.ids)


def scope_and_ids(payload: bytes | None) -> tuple[Scope, list[str]]:
    """Whom a job is for, and what it is about."""
    assert payload is not None, "enqueue() writes one"
    org_id, mode, *ids = orjson.loads(payload)
    return Scope(org_id, mode), ids


async def put_back(conn: Connection, *, now: datetime, limit: int) -> int:
    """Gives jobs that were laid aside back to the queue; how many.

    One is laid aside when it went wrong and the database could not even be told to repeat it.
    """
    del now  # the queue lives in the database's time
    status = await conn.execute(
        """
        UPDATE pgqueuer
        SET status = 'queued', updated = now(), execute_after = now()
        WHERE id IN (SELECT id FROM pgqueuer WHERE status = 'failed' LIMIT $1 FOR UPDATE SKIP LOCKED)
        """,
        limit,
    )
    cast(Any, conn).leave_work()
    return int(status.rsplit(" ", 1)[1])


async def purge_log(conn: Connection, *, now: datetime, limit: int) -> int:
    """Deletes what PgQueuer noted of jobs that ended more than a day ago; how many."""
    status = await conn.execute(
        """
        DELETE FROM pgqueuer_log
        WHERE id IN (SELECT id FROM pgqueuer_log WHERE created < $1 ORDER BY created LIMIT $2)
        """,
        now - timedelta(hours=_LOG_KEPT_HOURS),
        limit,
    )
    return int(status.rsplit(" ", 1)[1])


class Depth(NamedTuple):
    """How much of a kind of work is due, and for how long the oldest of it."""

    name: str
    jobs: int
    oldest_seconds: float


async def depths(conn: Connection) -> list[Depth]:
    """The work that is due or under way, by kind; kinds without any are left out."""
    rows = await conn.fetch(
        """
        SELECT entrypoint, count(*) AS jobs, extract(epoch FROM now() - min(execute_after))::float8 AS oldest_seconds
        FROM pgqueuer
        WHERE execute_after <= now()
        GROUP BY entrypoint
        ORDER BY entrypoint
        LIMIT 100
        """
    )
    return [Depth(row["entrypoint"], row["jobs"], row["oldest_seconds"]) for row in rows]
