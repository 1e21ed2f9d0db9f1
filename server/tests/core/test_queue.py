"""The queue at work: woken by the bell, nothing lost whoever dies, nothing held up by what hangs."""

import asyncio
import json
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime

import asyncpg
import pytest
from croniter import croniter
from structlog.testing import capture_logs

from reevit_server import worker
from reevit_server.core import queue
from reevit_server.core.database import PASSING, Connection, Database
from reevit_server.core.errors import Unavailable
from reevit_server.core.jobs import Duty, Kind, NotYet, Tools
from reevit_server.core.scope import Scope
from reevit_server.settings import Settings
from tests.core.working import (
    PATIENCE_SECONDS,
    SCOPE,
    Diary,
    Hanging,
    job,
    leave,
    process,
    queued,
    until,
    until_empty,
    working,
)
from tests.webhooks.clockwork import NO_MAIL

_NEVER = "0 0 29 2 *"  # but every fourth year
_EVERY_SECOND = "* * * * * *"


@pytest.fixture
async def db(empty_dsn: str) -> AsyncIterator[Database]:
    """A database in which nobody else works."""
    async with await Database.open(empty_dsn) as opened:
        yield opened


@pytest.fixture
async def outsider(empty_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody who rings no bell."""
    conn = await asyncpg.connect(empty_dsn)
    yield conn
    await conn.close()


async def test_committed_work_is_done_soon_because_the_bell_wakes_the_worker(
    db: Database, empty_dsn: str, outsider: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 600)
    diary = Diary()
    async with working(db, empty_dsn, Kind("say", diary)):
        for number in range(3):
            await asyncio.sleep(0.5)  # the worker has nothing to do, and waits
            await leave(db, job("say", str(number)))
            await until(lambda: len(diary.entries) > number)  # noqa: B023 - it is over before the next
    assert diary.entries == ["0", "1", "2"]


async def test_work_that_nobody_rang_for_is_found(
    db: Database, empty_dsn: str, outsider: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 1)
    diary = Diary()
    async with working(db, empty_dsn, Kind("say", diary)):
        await asyncio.sleep(0.5)
        await outsider.execute(
            "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'say', $1, 'queued')",
            json.dumps([SCOPE.org_id, SCOPE.mode, "1"]).encode(),
        )
        await until(lambda: diary.entries == ["1"])


async def test_a_job_is_given_its_scope_and_its_ids(db: Database, empty_dsn: str):
    given: list[tuple[Tools, Scope, tuple[str, ...]]] = []

    async def note(tools: Tools, scope: Scope, *ids: str) -> None:
        given.append((tools, scope, ids))

    await leave(db, job("note", "evt_1", "evt_2"), job("note"))
    async with working(db, empty_dsn, Kind("note", note)):
        await until_empty(db)
    assert [(scope, ids) for _, scope, ids in given] == [(SCOPE, ("evt_1", "evt_2")), (SCOPE, ())]
    assert all(tools.db is db for tools, _, _ in given)


async def test_a_job_is_out_of_the_queue_only_after_it_was_done(db: Database, empty_dsn: str):
    hanging = Hanging()
    await leave(db, job("hang", "1"))
    async with working(db, empty_dsn, Kind("hang", hanging)):
        await until(lambda: hanging.begun == ["1"])
        await asyncio.sleep(0.5)
        assert await queued(db) == [("hang", "picked", 0)]
        hanging.let_go()
        await until_empty(db)
    assert hanging.ended == ["1"]


def test_a_job_that_goes_wrong_is_logged_whole_but_without_the_rows_values_and_done_again(empty_dsn: str):
    asyncio.run(_left(empty_dsn, "collide"))
    with process(empty_dsn) as worker:
        begun = [worker.stdout.readline() for _ in range(2)]
        while "go_wrong\n" in begun:
            begun.remove("go_wrong\n")
            begun.append(worker.stdout.readline())
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=PATIENCE_SECONDS)
    assert begun == ["collide 1\n", "collide 1\n"]
    (line,) = [line for line in log.splitlines() if "job_failed" in line]
    told = json.loads(line)
    assert (told["job"], told["ids"], told["attempt"], told["level"]) == ("collide", ["1"], 0, "error")
    for whole in ("Traceback", "_collide", "AssertionError", "UniqueViolationError", "people_pkey"):
        assert whole in told["exception"]
    assert "ada@" not in log


async def _left(dsn: str, name: str) -> None:
    async with await Database.open(dsn) as db:
        await leave(db, job(name, "1"))


async def test_a_job_that_goes_wrong_again_and_again_waits_longer_each_time(db: Database, empty_dsn: str):
    begun: list[float] = []

    async def fail(tools: Tools, scope: Scope, *ids: str) -> None:
        begun.append(time.monotonic())
        raise ValueError

    await leave(db, job("fail", "1"))
    with capture_logs():
        async with working(db, empty_dsn, Kind("fail", fail)):
            await until(lambda: len(begun) == 3)
    first, second, third = begun
    assert second - first > 1
    assert third - second > 2
    assert await queued(db) == [("fail", "queued", 3)]


async def test_a_job_that_cannot_be_done_yet_comes_again_when_it_can(db: Database, empty_dsn: str):
    begun: list[float] = []

    async def wait(tools: Tools, scope: Scope, *ids: str) -> None:
        begun.append(time.monotonic())
        if len(begun) == 1:
            raise NotYet(2)

    await leave(db, job("wait", "1"))
    with capture_logs() as logged:
        async with working(db, empty_dsn, Kind("wait", wait)):
            await until_empty(db)
    first, second = begun
    assert second - first > 1.9
    assert logged == []  # nothing went wrong


@pytest.mark.parametrize("error", [Unavailable, ConnectionResetError, asyncpg.DeadlockDetectedError])
async def test_a_job_whose_database_was_away_or_busy_is_postponed_in_one_line(
    db: Database, empty_dsn: str, error: type[Exception]
):
    begun: list[str] = []

    async def stumble(tools: Tools, scope: Scope, *ids: str) -> None:
        begun.extend(ids)
        if len(begun) == 1:
            raise error

    await leave(db, job("stumble", "1"))
    with capture_logs() as logged:
        async with working(db, empty_dsn, Kind("stumble", stumble)):
            await until_empty(db)
    assert begun == ["1", "1"]
    assert logged == [
        {
            "event": "job_postponed",
            "job": "stumble",
            "ids": ["1"],
            "error": error.__name__,
            "log_level": "warning",
        }
    ]


async def test_the_job_of_a_killed_worker_is_done_by_another_when_its_heartbeat_is_still(
    db: Database, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queue, "HEARTBEAT_SECONDS", 2)
    diary = Diary()
    await leave(db, job("hang", "1"))
    with process(empty_dsn) as killed:
        assert "hang 1\n" in await asyncio.to_thread(_lines_until, killed, "hang 1\n")
        killed.kill()
        killed.wait()
        assert await queued(db) == [("hang", "picked", 0)]
        async with working(db, empty_dsn, Kind("hang", diary)):
            await until_empty(db)
    assert diary.entries == ["1"]


def _lines_until(process: "subprocess.Popen[str]", last: str) -> list[str]:
    lines = [process.stdout.readline()]
    while lines[-1] != last:
        assert lines[-1], "it ended"
        lines.append(process.stdout.readline())
    return lines


async def test_a_worker_that_may_not_even_finish_gives_back_what_it_has(db: Database, empty_dsn: str):
    """As after a second Ctrl-C. No heartbeat is waited for."""
    hanging, diary = Hanging(), Diary()
    under_way: queue.UnderWay = set()
    await leave(db, job("hang", "1"), job("hang_outside", "2"))
    kinds = (Kind("hang", hanging), Kind("hang_outside", hanging, outside=True))
    async with working(db, empty_dsn, *kinds, under_way=under_way) as stopping:
        await until(lambda: sorted(hanging.begun) == ["1", "2"])
        stopping.set()
        for task in under_way:
            task.cancel()
    assert hanging.ended == []
    assert under_way == set()
    assert await queued(db) == [("hang", "queued", 1), ("hang_outside", "queued", 1)]
    async with working(db, empty_dsn, Kind("hang", diary), Kind("hang_outside", diary, outside=True)):
        await until_empty(db)
    assert sorted(diary.entries) == ["1", "2"]


async def test_a_worker_that_is_cancelled_as_a_whole_loses_no_job(
    db: Database, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
):
    """Whatever becomes of it: a job whose task ends is not a job that was done."""
    monkeypatch.setattr(queue, "HEARTBEAT_SECONDS", 2)
    hanging, diary = Hanging(), Diary()
    others = asyncio.all_tasks()
    await leave(db, job("hang", "1"), job("hang_outside", "2"))
    kinds = (Kind("hang", hanging), Kind("hang_outside", hanging, outside=True))
    with suppress(asyncio.CancelledError):
        async with working(db, empty_dsn, *kinds) as stopping:
            await until(lambda: sorted(hanging.begun) == ["1", "2"])
            stopping.set()
            await asyncio.sleep(0.2)
            for task in asyncio.all_tasks() - others:
                task.cancel()
    async with working(db, empty_dsn, Kind("hang", diary), Kind("hang_outside", diary, outside=True)):
        await until(lambda: sorted(diary.entries) == ["1", "2"])


async def test_what_hangs_outside_holds_up_nothing_inside(db: Database, empty_dsn: str):
    hanging, diary = Hanging(), Diary()
    await leave(db, *(job("hang", str(number)) for number in range(30)))
    kinds = (Kind("hang", hanging, outside=True), Kind("say", diary))
    async with working(db, empty_dsn, *kinds, outside_max=4):
        await until(lambda: len(hanging.begun) == 4)
        for number in range(30):
            await leave(db, job("say", str(number)))
        await until(lambda: len(diary.entries) == 30)
        assert len(hanging.begun) == 4, "no more at once than the lane has room for"
        hanging.let_go()
        await until_empty(db)
    assert sorted(hanging.ended, key=int) == [str(number) for number in range(30)]


async def test_two_workers_share_the_work_and_do_each_job_once(db: Database, empty_dsn: str):
    one, another = Diary(), Diary()
    async with working(db, empty_dsn, Kind("say", one)), working(db, empty_dsn, Kind("say", another)):
        for number in range(0, 300, 10):
            await leave(db, *(job("say", str(number + each)) for each in range(10)))
        await until_empty(db)
    assert sorted(one.entries + another.entries, key=int) == [str(number) for number in range(300)]


async def test_a_worker_told_to_stop_finishes_what_is_under_way_and_begins_nothing_more(
    db: Database, empty_dsn: str
):
    hanging = Hanging()
    await leave(db, job("hang", "1"))
    async with working(db, empty_dsn, Kind("hang", hanging)) as stopping:
        await until(lambda: hanging.begun == ["1"])
        stopping.set()
        await asyncio.sleep(0.5)
        await leave(db, job("hang", "2"))
        await asyncio.sleep(0.5)
        assert hanging.ended == []
        hanging.let_go()
    assert hanging.begun == hanging.ended == ["1"]
    assert await queued(db) == [("hang", "queued", 0)]


async def test_a_worker_whose_database_was_away_goes_on_by_itself(
    db: Database, empty_dsn: str, outsider: asyncpg.Connection
):
    hanging, diary, duties_done = Hanging(), Diary(), 0

    async def count(conn: Connection, *, now: datetime, limit: int) -> int:
        nonlocal duties_done
        duties_done += 1
        return 0

    await leave(db, job("hang", "1"))
    kinds = (Kind("hang", hanging), Kind("say", diary), Kind("say_outside", diary, outside=True))
    with capture_logs() as logged:
        async with working(db, empty_dsn, *kinds, duties=[Duty("count", _EVERY_SECOND, count)]):
            await until(lambda: hanging.begun == ["1"] and duties_done > 0)
            await _cut_everybody_off(outsider)
            hanging.let_go()
            await _in_spite_of_everything(db, "say", "2")
            await _in_spite_of_everything(db, "say_outside", "3")
            done_so_far = duties_done
            await until(lambda: sorted(diary.entries) == ["2", "3"] and duties_done > done_so_far)
    assert hanging.ended == ["1"]
    assert {entry["event"] for entry in logged} <= {
        "queue_interrupted",
        "duty_postponed",
        "job_postponed",
    }


async def test_in_a_storm_that_cuts_everybody_off_all_the_time_no_job_is_lost(
    db: Database, empty_dsn: str, outsider: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queue, "HEARTBEAT_SECONDS", 2)
    monkeypatch.setattr(queue, "_RESTART_SECONDS", 0.05)
    diary, left = Diary(), [str(number) for number in range(60)]
    kinds = (Kind("say", diary), Kind("say_outside", diary, outside=True))
    with capture_logs():
        async with working(db, empty_dsn, *kinds):
            for number in left:
                await _in_spite_of_everything(db, random.choice(kinds).name, number)
                await asyncio.sleep(random.random() / 10)
                await _cut_everybody_off(outsider)
            await until(lambda: set(diary.entries) == set(left))
            await until_empty(db)


async def _cut_everybody_off(outsider: asyncpg.Connection) -> None:
    await outsider.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1",
        outsider.get_server_pid(),
    )


async def _in_spite_of_everything(db: Database, name: str, id: str) -> None:
    """Leaves a job, once a transaction commits."""
    for _ in range(100):
        with suppress(*PASSING):
            await leave(db, job(name, id))
            return
    raise AssertionError("the database is away for good")


def test_no_variable_of_the_operators_environment_renames_the_queue(empty_dsn: str):
    names = {
        "CHANNEL": "elsewhere",
        "FUNCTION": "elsewhere",
        "TRIGGER": "elsewhere",
        "QUEUE_TABLE": "elsewhere",
        "QUEUE_TABLE_LOG": "elsewhere",
        "QUEUE_STATUS_TYPE": "elsewhere",
        "SCHEDULES_TABLE": "elsewhere",
        "STATISTICS_TABLE": "elsewhere",
        "DURABILITY": "volatile",
        "WIDEN_ID": "1",
    }
    theirs = names | {f"PGQUEUER_{name}": value for name, value in names.items()}
    theirs |= {"PGQUEUER_PREFIX": "elsewhere", "PGQUEUER_SCHEMA": "elsewhere"}
    asyncio.run(_left(empty_dsn, "say"))
    with process(empty_dsn, **theirs) as elsewhere:
        _lines_until(elsewhere, "say 1\n")
        asyncio.run(_left(empty_dsn, "say"))
        _lines_until(elsewhere, "say 1\n")
        elsewhere.send_signal(signal.SIGTERM)
        _, log = elsewhere.communicate(timeout=PATIENCE_SECONDS)
    assert "elsewhere" not in log


async def test_of_two_workers_one_does_a_duty(db: Database, empty_dsn: str, outsider: asyncpg.Connection):
    seldom: list[str] = []
    often = {"one": 0, "another": 0}

    def duties(who: str) -> list[Duty]:
        async def rarely(conn: Connection, *, now: datetime, limit: int) -> int:
            seldom.append(who)
            return 0

        async def tick(conn: Connection, *, now: datetime, limit: int) -> int:
            often[who] += 1
            return 0

        return [Duty("rarely", _NEVER, rarely), Duty(f"tick.{who}", _EVERY_SECOND, tick)]

    async with (
        working(db, empty_dsn, duties=duties("one")),
        working(db, empty_dsn, duties=duties("another")),
    ):
        await until(lambda: min(often.values()) > 0)
        assert seldom == []
        await outsider.execute("UPDATE pgqueuer_schedules SET next_run = now() WHERE entrypoint = 'rarely'")
        often.update(one=0, another=0)
        await until(lambda: min(often.values()) > 2)  # both have looked by now what is due
    assert len(seldom) == 1


async def test_a_duty_goes_on_batch_by_batch_each_in_a_transaction_until_nothing_is_left(
    db: Database, empty_dsn: str
):
    left = [100, 100, 3]
    transactions: set[int] = set()

    async def purge(conn: Connection, *, now: datetime, limit: int) -> int:
        assert now.tzinfo is not None
        transactions.add(await conn.fetchval("SELECT txid_current()"))
        assert limit == 100
        return left.pop(0) if left else 0

    with capture_logs() as logged:
        async with working(db, empty_dsn, duties=[Duty("purge", _EVERY_SECOND, purge, 100)]):
            await until(lambda: not left and len(transactions) > 3)
    assert logged[0] == {"event": "duty_done", "duty": "purge", "rows": 203, "log_level": "info"}


def test_a_duty_that_goes_wrong_is_logged_whole_and_tried_again_the_next_time(empty_dsn: str):
    with process(empty_dsn) as worker:
        for _ in range(2):
            _lines_until(worker, "go_wrong\n")
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=PATIENCE_SECONDS)
    told = [json.loads(line) for line in log.splitlines() if "duty_failed" in line]
    assert len(told) >= 2
    for whole in ("Traceback", "_go_wrong", "ZeroDivisionError"):
        assert whole in told[0]["exception"]


async def test_a_duty_whose_database_is_busy_is_done_the_next_time(db: Database, empty_dsn: str):
    times = 0

    async def stumble(conn: Connection, *, now: datetime, limit: int) -> int:
        nonlocal times
        times += 1
        if times == 1:
            raise Unavailable
        return 0

    with capture_logs() as logged:
        async with working(db, empty_dsn, duties=[Duty("stumble", _EVERY_SECOND, stumble)]):
            await until(lambda: times > 1)
    assert [entry["event"] for entry in logged] == ["duty_postponed"]


def test_every_kind_and_every_duty_has_a_name_of_its_own_and_every_time_is_one():
    duties = worker.every(Settings())
    for things in (worker.kinds(Settings(), NO_MAIL), duties):
        names = [thing.name for thing in things]
        assert len(set(names)) == len(names)
        assert all(noun and verb for noun, _, verb in (name.partition(".") for name in names))
    assert all(croniter.is_valid(duty.cron) for duty in duties)
