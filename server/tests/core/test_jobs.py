"""Work that is left behind: there if the transaction commits, nowhere if not; and what is known of it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from reevit_server.core import jobs
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.jobs import Job
from reevit_server.core.scope import Scope
from tests.core.working import Failed, job, leave, leave_and_fail, queued


@pytest.fixture
async def db(empty_dsn: str) -> AsyncIterator[Database]:
    """A queue in which nobody else leaves anything."""
    async with await Database.open(empty_dsn) as opened:
        yield opened


async def test_a_transaction_that_rolls_back_leaves_no_job(db: Database):
    with pytest.raises(Failed):
        await leave_and_fail(db, job("say", "1"))
    assert await queued(db) == []


async def test_a_transaction_that_commits_leaves_every_job_and_an_empty_one_none(db: Database):
    await leave(db)
    assert await queued(db) == []
    await leave(db, job("say", "1"), job("hang", "2"))
    assert await queued(db) == [("say", "queued", 0), ("hang", "queued", 0)]


async def test_what_is_done_together_is_one_job_of_its_name_and_scope_at_the_end(db: Database):
    async with db.transaction() as conn:
        for number in range(3):
            jobs.enqueue_together(conn, job("say", str(number)))
            jobs.enqueue_together(conn, Job("say", Scope("org_2", "test"), (f"theirs {number}",)))
        assert await conn.fetchval("SELECT count(*) FROM pgqueuer") == 0
    async with db.read() as conn:
        rows = await conn.fetch("SELECT payload FROM pgqueuer ORDER BY id")
    assert [jobs.scope_and_ids(row["payload"])[1] for row in rows] == [
        ["0", "1", "2"],
        ["theirs 0", "theirs 1", "theirs 2"],
    ]


async def test_what_a_transaction_gathered_that_rolled_back_is_left_by_no_later_one(empty_dsn: str):
    async with await Database.open(empty_dsn, connections_max=1) as db:
        with pytest.raises(Failed):
            await _gather_and_fail(db)
        await leave(db, job("hang", "2"))
        assert await queued(db) == [("hang", "queued", 0)]


async def _gather_and_fail(db: Database) -> None:
    async with db.transaction() as conn:
        jobs.enqueue_together(conn, job("say", "1"))
        raise Failed


async def test_a_job_knows_whom_it_is_for_and_what_it_is_about(db: Database):
    await leave(db, Job("say", Scope("org_1", "live", actor_id="ada", reason="she asked"), ("pay_1", "é")))
    async with db.read() as conn:
        payload = await conn.fetchval("SELECT payload FROM pgqueuer")
    # Who did it and why are told by the event; a job's words are not erased with a customer.
    assert jobs.scope_and_ids(payload) == (Scope("org_1", "live"), ["pay_1", "é"])
    assert b"ada" not in payload
    assert b"asked" not in payload


async def test_what_was_laid_aside_is_put_back_a_batch_at_a_time(db: Database):
    await leave(db, *(job("say", str(number)) for number in range(5)))
    async with db.transaction() as conn:
        await conn.execute("UPDATE pgqueuer SET status = 'failed' WHERE id <> (SELECT max(id) FROM pgqueuer)")
    done = []
    for _ in range(3):
        async with db.transaction() as conn:
            done.append(await jobs.put_back(conn, now=utc_now(), limit=3))
    assert done == [3, 1, 0]
    assert await queued(db) == [("say", "queued", 0)] * 5


async def test_notes_of_jobs_are_kept_for_a_day(db: Database):
    now = utc_now()
    async with db.transaction() as conn:
        await conn.executemany(
            """
            INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint)
            VALUES ($1, $2, 'picked', 0, 'say')
            """,
            [(now - timedelta(hours=hours), hours) for hours in (0, 23, 25, 26, 100)],
        )
    done = []
    for _ in range(3):
        async with db.transaction() as conn:
            done.append(await jobs.purge_log(conn, now=now, limit=2))
    assert done == [2, 1, 0]
    async with db.read() as conn:
        kept = await conn.fetch("SELECT job_id FROM pgqueuer_log ORDER BY job_id")
    assert [row["job_id"] for row in kept] == [0, 23]


async def test_depths_tell_how_much_is_due_of_each_kind_and_since_when(db: Database):
    async with db.read() as conn:
        assert await jobs.depths(conn) == []
    await leave(db, *(job(name, "1") for name in ("say", "say", "hang", "later")))
    async with db.transaction() as conn:
        await conn.execute("UPDATE pgqueuer SET execute_after = now() - interval '1 hour' WHERE id = 1")
        await conn.execute("UPDATE pgqueuer SET status = 'picked' WHERE entrypoint = 'hang'")
        await conn.execute(
            "UPDATE pgqueuer SET execute_after = now() + interval '1 hour' WHERE entrypoint = 'later'"
        )
    async with db.read() as conn:
        hang, say = await jobs.depths(conn)
    assert (hang.name, hang.jobs) == ("hang", 1)
    assert (say.name, say.jobs) == ("say", 2)
    assert 0 <= hang.oldest_seconds < 3600 <= say.oldest_seconds < 7200
