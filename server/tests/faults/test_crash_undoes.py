"""What a crash of the database undoes, because it was committed without waiting for the disk, is done again."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from reevit_server.core import embedded, migrations, queue
from reevit_server.core.database import PASSING, Database
from reevit_server.core.jobs import Kind, Tools
from reevit_server.core.scope import Scope
from tests import run_folder
from tests.core.working import PATIENCE_SECONDS, job, leave, working
from tests.faults.stage import kill


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = run_folder.new_folder()
    with embedded.running(folder / "data"):
        yield folder / "data"
    shutil.rmtree(folder)


async def test_a_job_is_not_over_whose_deed_the_database_forgot(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queue, "HEARTBEAT_SECONDS", 2)
    with embedded.running(data_dir) as dsn:
        await migrations.migrate(dsn)
    async with await Database.open(dsn) as db:
        async with db.transaction() as conn:
            await conn.execute("CREATE TABLE deeds (id text PRIMARY KEY)")
        begun: list[str] = []
        forgotten: list[bool] = []

        async def do(tools: Tools, _: Scope, id: str) -> None:
            begun.append(id)
            if len(begun) == 1:
                writer = await _wal_writer(dsn)
                os.kill(writer, signal.SIGSTOP)  # now nothing is written but what somebody waits for
            async with tools.db.transaction(repeatable=True) as conn:
                await conn.execute("INSERT INTO deeds VALUES ($1) ON CONFLICT DO NOTHING", id)
            if len(begun) == 1:
                kill(_postmaster(data_dir), writer)
                await asyncio.to_thread(_start_again, data_dir)
                forgotten.append(await _fetch(dsn, "SELECT FROM deeds") == [])

        await leave(db, job("do", "1"))
        with capture_logs():
            async with working(db, dsn, Kind("do", do)):
                await _until_no_job_is_left(dsn)
        assert forgotten == [True], "nothing was undone, and nothing is shown"
        assert begun == ["1", "1"]
        assert len(await _fetch(dsn, "SELECT FROM deeds")) == 1


async def _wal_writer(dsn: str) -> int:
    (row,) = await _fetch(
        embedded.admin_dsn(dsn), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
    )
    return row["pid"]


async def _until_no_job_is_left(dsn: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    left: list[asyncpg.Record] = []
    while time.monotonic() < deadline:
        with suppress(
            *PASSING, asyncpg.InterfaceError, asyncpg.InternalClientError
        ):  # it is away for a while
            left = await _fetch(dsn, "SELECT entrypoint, status FROM pgqueuer")
            if not left:
                return
        await asyncio.sleep(0.05)
    raise AssertionError(left)


async def _fetch(dsn: str, statement: str) -> list[asyncpg.Record]:
    """On a connection that the crash has not cut."""
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetch(statement)
    finally:
        await conn.close()


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres/postmaster.pid").read_text().split()[0])


def _start_again(data_dir: Path) -> None:
    with embedded.running(data_dir):
        pass
