"""Letting time pass in an organization's test mode: everything that becomes due on the way happens when it does."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from reevit_server import payments, subscriptions
from reevit_server.core import clock
from reevit_server.core.database import Connection, Database
from reevit_server.core.scope import Scope
from reevit_server.core.text import rfc3339
from reevit_server.sandbox import models, store
from reevit_server.sandbox.errors import ClockIsMoving, ClockOutOfReach

# How long a mover is believed to live after it was last heard of; it is heard of with each thing that happens.
_HOLD = timedelta(seconds=60)


class Passed(NamedTuple):
    """Where the clock stands, and how often each step was taken on the way there."""

    now: datetime
    steps: Counter[str]


async def get(conn: Connection, scope: Scope, *, now: datetime) -> tuple[datetime, bool]:
    """What time it is, and whether the clock stands still. Raises ProviderNotAvailable in live mode."""
    payments.check_sandbox(scope)
    at = await clock.now_of(conn, scope, now)
    return at, await store.exists(conn, scope)


async def advance(
    db: Database,
    scope: Scope,
    *,
    to: datetime | None,
    by: timedelta | None,
    world: Callable[[], datetime],
) -> Passed:
    """Moves the clock, and does what is due up to then, one after the other, each at its own instant.

    Ended half-way, it leaves the clock where it has come to: call it again with the same `to`. Raises ClockIsMoving,
    ClockOutOfReach, ProviderNotAvailable.
    """
    payments.check_sandbox(scope)
    steps: Counter[str] = Counter()
    async with _held(db, scope, world) as stands_at:
        span = to - stands_at if to is not None else by or timedelta()
        if not models.within_reach(span):
            raise ClockOutOfReach(now=rfc3339(stands_at))
        target = stands_at + span
        last = None
        while (due := await _next(db, scope, to=target)) is not None:
            assert tuple(due) != last, "what was done is not due again at once"
            try:
                await _step(db, scope, due, at=max(due["at"], stands_at), held_until=world() + _HOLD)
            except asyncpg.DeadlockDetectedError:
                continue  # a request was let pass; nothing of this was done
            last = tuple(due)
            steps[due["step"]] += 1
        async with db.transaction() as conn:
            await store.move(conn, scope, to=target, held_until=world() + _HOLD)
    return Passed(target, steps)


@asynccontextmanager
async def _held(db: Database, scope: Scope, world: Callable[[], datetime]) -> AsyncIterator[datetime]:
    """Where the clock stands, while the block alone may move it. Raises ClockIsMoving."""
    async with db.transaction() as conn:
        stands_at = await store.hold(conn, scope, now=world(), until=world() + _HOLD)
    if stands_at is None:
        raise ClockIsMoving
    try:
        yield stands_at
    finally:
        async with db.transaction() as conn:
            await store.release(conn, scope)


async def _next(db: Database, scope: Scope, *, to: datetime) -> asyncpg.Record | None:
    async with db.read() as conn:
        return await store.find_next(conn, scope, to=to)


async def _step(
    db: Database, scope: Scope, due: asyncpg.Record, *, at: datetime, held_until: datetime
) -> None:
    """One thing that is due, and the clock moved to when it happens.

    The sandbox moves no money, and who asked has no answer yet: that a crash of the database undoes the last moment,
    clock and all, does no harm. To wait for the disk at each step would take half the time.
    """
    async with db.transaction(repeatable=True) as conn:
        await store.move(conn, scope, to=at, held_until=held_until)
        if due["step"] == "reconcile":
            await payments.reconcile_on_the_clock(
                conn, scope, id=due["id"], now=at, then=subscriptions.follow
            )
        elif due["step"] == "collect":
            await subscriptions.collect_in_sandbox(conn, scope, invoice_id=due["id"], now=at)
        else:
            invoice_id = await subscriptions.renew_in_sandbox(conn, scope, id=due["id"], now=at)
            if invoice_id is not None:
                await subscriptions.collect_in_sandbox(conn, scope, invoice_id=invoice_id, now=at)
