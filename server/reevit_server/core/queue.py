"""Running the queue: takes jobs out as they come, wakes duties by the clock, and outlives the database's absence.

A job is taken out of the queue for good only after it was done. One whose worker died comes back when its heartbeat
has been still for 30 seconds; one that went wrong comes back later and later, for as long as it takes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job as Picked
from pgqueuer.domain.models import Schedule, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import JOB_STATUS, Channel, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.repository import EntrypointExecutionParameter

from reevit_server.core.bell import CHANNEL
from reevit_server.core.database import PASSING, SESSION, withhold_data
from reevit_server.core.jobs import Duty, Kind, NotYet, Tools, scope_and_ids

log = structlog.get_logger("reevit.queue")

# Everything is named, so that no variable of the operator's environment (PgQueuer reads CHANNEL, QUEUE_TABLE …) does.
NAMES = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel(CHANNEL),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.balanced,
    widen_id=False,
)
HEARTBEAT_SECONDS = 30
_GATHER_SECONDS = 0.02
_LOOK_SECONDS = 5  # how often the queue is looked at when the bell is silent
_BATCH_JOBS = 50
_RESTART_SECONDS = 1
_DELAY_SECONDS_MAX = 300
# How the driver speaks of connections that are cut under it, among others; here they are the queue's own.
_LOST = (
    *PASSING,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    FailingListenerError,
    TimeoutError,
)

Life = Callable[["_Statements", asyncio.Event], Awaitable[None]]
UnderWay = set[asyncio.Task[Any]]


async def run(
    dsn: str,
    tools: Tools,
    *,
    kinds: Sequence[Kind],
    duties: Sequence[Duty],
    inside_max: int,
    outside_max: int,
    stopping: asyncio.Event,
    under_way: UnderWay,
) -> None:
    """Works until `stopping` is set, then finishes what is under way.

    At a time at most `inside_max` jobs that have to do with the database alone, and `outside_max` that wait for
    others. Those under way are in `under_way`, for the caller: one that is cancelled goes back to the queue.
    """
    lanes = [
        partial(_take, tools, [kind for kind in kinds if not kind.outside], inside_max, under_way),
        partial(_take, tools, [kind for kind in kinds if kind.outside], outside_max, under_way),
        partial(_keep_time, tools, duties),
    ]
    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(_live(dsn, lane, stopping))


async def _live(dsn: str, lane: Life, stopping: asyncio.Event) -> None:
    """Keeps a lane going; when the database was away, with new connections."""
    while not stopping.is_set():
        try:
            async with _forwarded(stopping) as shutdown, _connected(dsn, shutdown) as queries:
                await lane(queries, shutdown)
        except _LOST as error:
            log.warning("queue_interrupted", error=type(error).__name__)
            await asyncio.sleep(_RESTART_SECONDS)


class _Statements(Queries):
    """PgQueuer's, but for how it looks for jobs, and how it takes out those that were done."""

    witness: UUID
    shutdown: asyncio.Event  # of the lane
    at_once_max: int
    manager: QueueManager
    _not_before = 0.0

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Picked]:
        """Lets jobs gather for a moment between two looks, unless the last one found more than it could take.

        While jobs arrive steadily, PgQueuer would look again for each of them; a look costs as much as several jobs.
        How many may be under way is counted here: PgQueuer would count them in the table, dead rows and all.
        """
        await asyncio.sleep(self._not_before - time.monotonic())
        places = min(batch_size, self.at_once_max - len(self.manager.job_context))
        if places <= 0:
            return []
        jobs = await super().dequeue(
            places, entrypoints, queue_manager_id, global_concurrency_limit, heartbeat_timeout
        )
        self._not_before = time.monotonic() + _GATHER_SECONDS if len(jobs) < batch_size else 0.0
        return jobs

    async def log_jobs(self, job_status: list[tuple[Picked, JOB_STATUS, TracebackRecord | None]]) -> None:
        """Takes jobs out that were done, but for those that another worker has taken over meanwhile, and none if the
        database has crashed since this lane came to it.

        Then it may have forgotten what they did: a repeatable transaction does not wait for the disk. They come back
        when their heartbeat has been still for long enough, and the lane begins anew.
        """
        done = [job.id for job, status, _ in job_status if status == "successful"]
        others = [entry for entry in job_status if entry[1] != "successful"]
        if done:
            found = await self.driver.fetch(
                """
                WITH witness AS (
                    SELECT id FROM crash_witness WHERE id = $2
                ),
                gone AS (
                    DELETE FROM pgqueuer
                    WHERE id = ANY($1::bigint[]) AND queue_manager_id = $3 AND EXISTS (SELECT FROM witness)
                )
                SELECT id FROM witness
                """,
                done,
                self.witness,
                self.manager.queue_manager_id,
            )
            if not found:
                self.shutdown.set()
        if others:
            await super().log_jobs(others)


@asynccontextmanager
async def _connected(dsn: str, shutdown: asyncio.Event) -> AsyncIterator["_Statements"]:
    """PgQueuer on connections of its own: it listens on one, and its words for jsonb are not ours."""
    pool = await asyncpg.create_pool(dsn, min_size=0, max_size=3, command_timeout=12, server_settings=SESSION)
    try:
        statements = _Statements(
            AsyncpgPoolDriver(pool),
            qbe=QueryBuilderEnvironment(NAMES),
            qbq=QueryQueueBuilder(NAMES),
            qbs=QuerySchedulerBuilder(NAMES),
        )
        statements.shutdown = shutdown
        statements.witness = await pool.fetchval(
            """
            INSERT INTO crash_witness DEFAULT VALUES
            ON CONFLICT (only_one) DO UPDATE SET only_one = true
            RETURNING id
            """
        )
        yield statements
    finally:
        pool.terminate()  # what was under way has ended; closing would wait for a database that is away


@asynccontextmanager
async def _forwarded(stopping: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """An event of a lane's own, which a manager may set for itself, and which is set when all are to stop."""
    own = asyncio.Event()

    async def forward() -> None:
        await stopping.wait()
        own.set()

    task = asyncio.create_task(forward())
    try:
        yield own
    finally:
        task.cancel()


async def _take(
    tools: Tools,
    kinds: Sequence[Kind],
    at_once_max: int,
    under_way: UnderWay,
    queries: "_Statements",
    shutdown: asyncio.Event,
) -> None:
    manager = QueueManager(queries, NAMES.channel)
    queries.at_once_max, queries.manager = at_once_max, manager
    manager.shutdown = shutdown
    for kind in kinds:
        manager.entrypoint(kind.name, accepts_context=False, on_failure="hold")(
            partial(_do, tools, kind, under_way)
        )
    await manager.run(
        dequeue_timeout=timedelta(seconds=_LOOK_SECONDS),
        batch_size=min(_BATCH_JOBS, at_once_max),
        heartbeat_timeout=timedelta(seconds=HEARTBEAT_SECONDS),
        shutdown_on_listener_failure=True,
        log_aggregation_interval=timedelta(0),  # nobody reads its statistics: /metrics has ours
    )


async def _do(tools: Tools, kind: Kind, under_way: UnderWay, job: Picked) -> None:
    """One job. Whatever goes wrong, it is asked for again."""
    task = asyncio.current_task()
    assert task is not None, "PgQueuer makes one for each job"
    under_way.add(task)
    scope, ids = scope_and_ids(job.payload)
    delay = timedelta(seconds=min(2.0 ** min(job.attempts, 10), _DELAY_SECONDS_MAX))
    try:
        await kind.run(tools, scope, *ids)
    except NotYet as later:
        raise RetryRequested(timedelta(seconds=later.seconds)) from None
    except PASSING as error:
        log.warning("job_postponed", job=kind.name, ids=ids, error=type(error).__name__)
        raise RetryRequested(delay) from None
    except asyncio.CancelledError:
        # The worker is to end at once. PgQueuer would take it that nobody wants the job any more. Not before a look
        # that is under way is over, or this very worker would take it again.
        raise RetryRequested(timedelta(seconds=1)) from None
    except Exception as error:  # the last resort: a bug is logged whole; its job is kept until that is mended
        withhold_data(error)
        log.exception("job_failed", job=kind.name, ids=ids, attempt=job.attempts)
        raise RetryRequested(delay) from None
    finally:
        under_way.discard(task)


async def _keep_time(
    tools: Tools, duties: Sequence[Duty], queries: "_Statements", shutdown: asyncio.Event
) -> None:
    """Of all workers one runs a duty when its time comes."""
    manager = SchedulerManager(queries)
    manager.shutdown = shutdown
    for duty in duties:
        manager.schedule(duty.name, duty.cron, accepts_context=False)(partial(_fulfil, tools, duty))
    await manager.run()


async def _fulfil(tools: Tools, duty: Duty, _: Schedule) -> None:
    """A duty, batch by batch until there is nothing left. If the database is away, it is done the next time."""
    done = batch = duty.batch_rows
    rows = 0
    try:
        while done == batch:
            async with tools.db.transaction() as conn:
                done = await duty.run(conn, now=tools.clock(), limit=batch)
            rows += done
    except PASSING as error:
        log.warning("duty_postponed", duty=duty.name, error=type(error).__name__)
    except Exception as error:  # the last resort, as for jobs: it is tried again the next time
        withhold_data(error)
        log.exception("duty_failed", duty=duty.name)
    if rows:
        log.info("duty_done", duty=duty.name, rows=rows)
