"""Letting time pass in an organization's test mode: everything that becomes due on the way happens when it does."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from reevit_server import payments, subscriptions
from reevit_server.core import clock
from reevit_server.core.database import Connection, Database
from reevit_server.core.errors import Unavailable
from reevit_server.core.idempotency import KeyInUse
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.text import rfc3339
from reevit_server.sandbox import models, store
from reevit_server.sandbox.errors import ClockIsMoving, ClockOutOfReach

# How long a mover is believed to live after it was last heard of; it is heard of with each thing that happens.
_HOLD = timedelta(seconds=60)


class SomethingBecameDue(Exception):
    """Since time passed, a request has left something that is due before the clock arrives: let time pass again."""


@dataclass
class Move:
    """The clock on its way: where it stands, where it is to stand, and how often each step was taken so far.

    `target` is None when nobody may move it there.
    """

    holder: str
    stands_at: datetime
    target: datetime | None
    steps: Counter[str] = field(default_factory=Counter)


async def get(conn: Connection, scope: Scope, *, now: datetime) -> tuple[datetime, bool]:
    """What time it is, and whether the clock stands still. Raises ProviderNotAvailable in live mode."""
    payments.check_sandbox(scope)
    at = await clock.now_of(conn, scope, now)
    return at, await store.exists(conn, scope)


@asynccontextmanager
async def moving(
    db: Database,
    scope: Scope,
    *,
    to: datetime | None,
    by: timedelta | None,
    key: str | None,
    world: Callable[[], datetime],
) -> AsyncIterator[Move]:
    """Whoever is inside the block may move the clock, alone: let time `pass_`, then `arrive`.

    Asked again with the same `key` after it was broken off, `by` is measured from where it was the first time. Raises
    ClockIsMoving, ProviderNotAvailable, and KeyInUse while the request with this very key is moving it.
    """
    payments.check_sandbox(scope)
    holder = new_id("mov")
    async with db.transaction() as conn:
        held = await store.hold(conn, scope, holder=holder, now=world(), until=world() + _HOLD)
        if held is None:
            same = key is not None and key == await store.find_moving_key(conn, scope)
            raise KeyInUse if same else ClockIsMoving
    try:
        again = key is not None and key == held["moving_key"]
        target = held["moving_to"] if again else models.target(held["stands_at"], to=to, by=by)
        yield Move(holder, held["stands_at"], target)
    finally:
        async with db.transaction() as conn:
            await store.release(conn, scope, holder=holder)


async def pass_time(
    db: Database, scope: Scope, move: Move, *, key: str | None, world: Callable[[], datetime]
) -> None:
    """Does what is due up to then, one thing after the other, each at its own instant.

    Ended half-way, it leaves the clock where everything before it is done. Raises ClockIsMoving when it was silent
    for so long that somebody else has taken the clock.
    """
    if move.target is None:
        return
    async with db.transaction() as conn:
        if not await store.aim(conn, scope, holder=move.holder, to=move.target, key=key):
            raise ClockIsMoving
    last = None
    while (due := await _next(db, scope, move, to=move.target)) is not None:
        assert tuple(due) != last, "what was done is not due again at once"
        try:
            done = await _step(db, scope, move, due, held_until=world() + _HOLD)
        except asyncpg.DeadlockDetectedError:
            continue  # a request was let pass; nothing of this was done
        last = tuple(due) if done else None
        move.steps[due["step"]] += 1


async def arrive(conn: Connection, scope: Scope, move: Move) -> datetime:
    """The clock stands where it was to be moved.

    Raises ClockOutOfReach, SomethingBecameDue; and Unavailable, which no key keeps, when somebody else has taken the
    clock.
    """
    if move.target is None:
        raise ClockOutOfReach(now=rfc3339(move.stands_at))
    if not await store.arrive(conn, scope, holder=move.holder, to=move.target):
        raise Unavailable
    if await store.find_next(conn, scope, since=move.target, to=move.target) is not None:
        raise SomethingBecameDue
    return move.target


async def _next(db: Database, scope: Scope, move: Move, *, to: datetime) -> asyncpg.Record | None:
    async with db.read() as conn:
        return await store.find_next(conn, scope, since=move.stands_at, to=to)


async def _step(db: Database, scope: Scope, move: Move, due: asyncpg.Record, *, held_until: datetime) -> bool:
    """One thing that is due, and the clock moved to when it happens; False when a request has made it not due, which
    another may take back: it pauses a subscription whose renewal was to be told of.

    The sandbox moves no money, and who asked has no answer yet: that a crash of the database undoes the last moment,
    clock and all, does no harm. To wait for the disk at each step would take half the time.
    """
    at = max(due["at"], move.stands_at)  # a worker may have put it off to later than what comes next
    done = True
    async with db.transaction(repeatable=True) as conn:
        if not await store.move(conn, scope, holder=move.holder, to=at, held_until=held_until):
            raise ClockIsMoving
        if due["step"] == "reconcile":
            await payments.reconcile_on_the_clock(
                conn, scope, id=due["id"], now=at, then=subscriptions.follow
            )
        elif due["step"] == "collect":
            await subscriptions.collect_in_sandbox(conn, scope, invoice_id=due["id"], now=at)
        elif due["step"] == "tell":
            done = await subscriptions.tell_upcoming_in_sandbox(conn, scope, id=due["id"], now=at)
        else:
            invoice_id = await subscriptions.renew_in_sandbox(conn, scope, id=due["id"], now=at)
            if invoice_id is not None:
                await subscriptions.collect_in_sandbox(conn, scope, invoice_id=invoice_id, now=at)
    move.stands_at = at
    return done
