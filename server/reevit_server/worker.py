"""The background composition root: what runs by the clock, beside the API."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from reevit_server import events
from reevit_server.core import idempotency, lifeline, logs
from reevit_server.core.clock import utc_now
from reevit_server.core.database import LOST_CONNECTION, Database
from reevit_server.settings import load

log = structlog.get_logger("reevit.worker")

_BATCH = 10_000


class Duty(NamedTuple):
    """Work that comes back: `run` does one batch and says how many rows it dealt with."""

    name: str
    every: timedelta
    run: Callable[..., Awaitable[int]]


EVERY = (
    Duty("idempotency_keys.purge", timedelta(hours=1), idempotency.purge),
    Duty("events.purge", timedelta(hours=1), events.purge),
)


async def keep(db: Database, duty: Duty, clock: Callable[[], datetime]) -> None:
    """Runs a duty for ever, batch by batch until there is nothing left, then when its time comes again.

    A database that is away is waited for; what a duty does is such that twice is the same as once.
    """
    while True:
        try:
            while await _batch(db, duty, clock()) == _BATCH:
                pass
        except (*LOST_CONNECTION, asyncpg.DeadlockDetectedError) as error:
            log.warning("duty_postponed", duty=duty.name, error=type(error).__name__)
        await asyncio.sleep(duty.every.total_seconds())


async def _batch(db: Database, duty: Duty, now: datetime) -> int:
    async with db.transaction() as conn:
        done = await duty.run(conn, now=now, limit=_BATCH)
    if done:
        log.info("duty_done", duty=duty.name, rows=done)
    return done


async def work(dsn: str) -> None:
    """All duties, until the process is told to stop."""
    async with await Database.open(dsn, connections_max=2) as db, asyncio.TaskGroup() as tasks:
        for duty in EVERY:
            tasks.create_task(keep(db, duty, utc_now))


def main() -> None:
    """The background process of `reevit serve`."""
    lifeline.hold()
    settings = load(os.environ)
    logs.configure(settings.log_format)
    assert settings.database_url is not None, "`reevit serve` passes it"
    asyncio.run(work(settings.database_url))


if __name__ == "__main__":
    main()
