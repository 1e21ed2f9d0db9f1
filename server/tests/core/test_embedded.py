"""The database that comes with the product starts, is shared, survives every kill and ends with its last
user."""

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from reevit_server.core import embedded
from tests import run_folder

ONE_USER = """
import os, signal, sys
from pathlib import Path
from reevit_server.core import embedded
with embedded.running(Path(sys.argv[1])) as dsn:
    print(dsn, flush=True)
    {deed}
"""
SOURCES = {**os.environ, "PYTHONPATH": str(Path(embedded.__file__).parents[2])}

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")


@contextmanager
def place() -> Iterator[Path]:
    """Not below tmp_path: each pytest that root starts takes o+x from that folder, from under PostgreSQL."""
    top = run_folder.new_folder()
    yield top / "data"
    shutil.rmtree(top)


def end(data_dir: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):  # it is there only after a failed test
        kill(postmaster(data_dir))


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with place() as fresh:
        yield fresh
        end(fresh)


@pytest.fixture(scope="module")
def one_data_dir() -> Iterator[Path]:
    with place() as fresh:
        with embedded.running(fresh):
            pass
        yield fresh


@pytest.fixture
def used_data_dir(one_data_dir: Path) -> Iterator[Path]:
    """A data directory that was used before, the same for many tests: to make one takes a second."""
    yield one_data_dir
    end(one_data_dir)


def ask(dsn: str, sql: str) -> Any:
    async def answer() -> Any:
        conn = await asyncpg.connect(dsn, timeout=10)
        try:
            return await conn.fetchval(sql, timeout=10)
        finally:
            await conn.close()

    return asyncio.run(answer())


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres/postmaster.pid").read_text().split()[0])


def stopped(data_dir: Path) -> bool:
    return not (data_dir / "postgres/postmaster.pid").exists()


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text()


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(pid))


@contextmanager
def another_process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A second user of the same data directory, which leaves when its input ends."""
    command = [sys.executable, "-c", ONE_USER.format(deed="sys.stdin.read()"), str(data_dir)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=SOURCES
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("postgresql://reevit@")
            yield process
        finally:
            if process.poll() is None:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(20)


def test_the_first_start_makes_a_private_database_for_an_ordinary_role(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir) as dsn:
        rights = "rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"
        assert ask(dsn, f"SELECT {rights} FROM pg_roles WHERE rolname = current_user") is False
        owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
        assert ask(dsn, owner) == "reevit"
        ask(dsn, "CREATE TABLE it_may_create (here int)")
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in (used_data_dir, *used_data_dir.iterdir())
        }
    passable = 0o701 if os.geteuid() == 0 else 0o700
    private = {"postgres.log": 0o600, ".in-use": 0o600, ".starting": 0o600}
    assert modes == {"data": passable, "postgres": 0o700, **private}


def test_the_database_is_durable_utf8_and_has_no_tcp_port(used_data_dir: Path) -> None:
    wanted = {
        "listen_addresses": "",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "shared_buffers": "256MB",
        "max_connections": "400",
        "TimeZone": "UTC",
    }
    with embedded.running(used_data_dir) as dsn:
        assert {name: ask(dsn, f"SHOW {name}") for name in wanted} == wanted
        locale = (
            "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
        )
        assert ask(dsn, locale) == "bC.UTF-8"


def test_the_admin_dsn_is_the_superuser_of_the_same_server(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir) as dsn:
        admin = embedded.admin_dsn(dsn)
        assert ask(admin, "SELECT current_user || ' in ' || current_database()") == "postgres in postgres"
        assert ask(admin, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
        assert ask(admin, "SELECT count(*) FROM pg_database WHERE datname = 'reevit'") == 1


def test_the_last_user_stops_the_database(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir) as dsn:
        with another_process(used_data_dir):
            first = postmaster(used_data_dir)
        assert ask(dsn, "SELECT 1") == 1
    assert stopped(used_data_dir)
    with another_process(used_data_dir):
        with embedded.running(used_data_dir) as dsn:
            second = postmaster(used_data_dir)
        assert ask(dsn, "SELECT 1") == 1
        assert second != first
    assert stopped(used_data_dir)
    assert gone(second)


def test_users_who_come_and_go_at_once_never_miss_the_database(used_data_dir: Path) -> None:
    coming_and_going = """
import asyncio, asyncpg, sys
from pathlib import Path
from reevit_server.core import embedded
async def ask(dsn):
    conn = await asyncpg.connect(dsn, timeout=10)
    assert await conn.fetchval("SELECT 1") == 1
    await conn.close()
for _ in range(3):
    with embedded.running(Path(sys.argv[1]), wait_seconds=30) as dsn:
        asyncio.run(ask(dsn))
"""
    command = [sys.executable, "-c", coming_and_going, str(used_data_dir)]
    users = [subprocess.Popen(command, env=SOURCES) for _ in range(4)]
    try:
        assert [user.wait(60) for user in users] == [0, 0, 0, 0]
    finally:
        for user in users:
            user.kill()
    assert stopped(used_data_dir)


def test_a_killed_user_leaves_a_database_that_the_next_one_takes_over_and_stops(used_data_dir: Path) -> None:
    with another_process(used_data_dir) as user:
        user.kill()
    left = postmaster(used_data_dir)
    assert not gone(left)
    with embedded.running(used_data_dir) as dsn:
        assert postmaster(used_data_dir) == left
        assert ask(dsn, "SELECT 1") == 1
    assert stopped(used_data_dir)
    assert gone(left)


def test_a_left_database_holds_neither_the_callers_output_nor_its_terminal_nor_a_lock(
    used_data_dir: Path,
) -> None:
    command = [sys.executable, "-c", ONE_USER.format(deed="os._exit(0)"), str(used_data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, env=SOURCES, check=True)
    assert done.stderr == ""
    assert os.getsid(postmaster(used_data_dir)) != os.getsid(0)
    with (used_data_dir / ".in-use").open() as in_use, (used_data_dir / ".starting").open() as starting:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(starting, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with embedded.running(used_data_dir):
        pass
    assert stopped(used_data_dir)


def test_committed_rows_survive_the_kill_of_postgres(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir) as dsn:
        ask(dsn, "CREATE TABLE payments (amount bigint)")
        ask(dsn, "INSERT INTO payments SELECT generate_series(1, 1000)")
        kill(postmaster(used_data_dir))
        with embedded.running(used_data_dir) as revived:
            assert revived == dsn
            assert ask(dsn, "SELECT count(*) FROM payments") == 1000
        assert ask(dsn, "SELECT count(*) FROM payments") == 1000
    assert stopped(used_data_dir)


def test_a_start_waits_until_the_orphans_of_a_killed_postgres_are_gone(used_data_dir: Path) -> None:
    async def leave_an_orphan(dsn: str) -> int:
        conn = await asyncpg.connect(dsn)
        backend = await conn.fetchval("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
        kill(postmaster(used_data_dir))
        conn.terminate()
        return int(backend)

    with embedded.running(used_data_dir) as dsn:
        orphan = asyncio.run(leave_an_orphan(dsn))
    before = (used_data_dir / "postgres.log").read_text()
    refusal = "pre-existing shared memory block"
    command = [sys.executable, "-c", ONE_USER.format(deed="pass"), str(used_data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=SOURCES) as user:
        try:
            wait_until(lambda: refusal in (used_data_dir / "postgres.log").read_text()[len(before) :])
            assert user.poll() is None
        finally:
            kill(orphan)
        output, _ = user.communicate(timeout=20)
    assert output.startswith("postgresql://reevit@")
    assert user.returncode == 0
    assert stopped(used_data_dir)


def test_a_pid_file_that_names_a_process_of_somebody_else_does_not_hinder(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir):
        pid_file = used_data_dir / "postgres/postmaster.pid"
        lock_file = used_data_dir / "postgres/.s.PGSQL.5432.lock"
        kept = {path: path.read_text().partition("\n")[2] for path in (pid_file, lock_file)}
        kill(postmaster(used_data_dir))
    owner = {"user": pid_file.stat().st_uid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], **owner) as stranger:  # type: ignore[call-overload]
        try:
            for path, rest in kept.items():
                path.write_text(f"{stranger.pid}\n{rest}")
            with embedded.running(used_data_dir, wait_seconds=20) as dsn:
                assert ask(dsn, "SELECT 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_copy_made_from_a_running_cluster_is_not_taken_for_it(used_data_dir: Path, data_dir: Path) -> None:
    with embedded.running(used_data_dir) as dsn:
        subprocess.run(["cp", "-a", str(used_data_dir), str(data_dir)], check=True)
        ask(dsn, "CREATE TABLE only_in_the_first (here int)")
        with embedded.running(data_dir) as dsn_of_copy:
            assert ask(dsn_of_copy, "SELECT to_regclass('only_in_the_first')::text") is None
        assert ask(dsn, "SELECT to_regclass('only_in_the_first')::text") == "only_in_the_first"


def test_a_start_killed_while_it_makes_the_cluster_leaves_nothing_that_confuses(data_dir: Path) -> None:
    command = [sys.executable, "-c", ONE_USER.format(deed="pass"), str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=SOURCES) as user:
        wait_until(lambda: any(data_dir.glob("postgres.new-*/PG_VERSION")))
        user.kill()
    assert not (data_dir / "postgres").exists()
    with embedded.running(data_dir) as dsn:
        assert ask(dsn, "SELECT 1") == 1
    with embedded.running(data_dir):
        assert not any(data_dir.glob("postgres.new-*"))


@pytest.mark.parametrize("name", ["long/" * 30, "odd 'name', \"$HOME\" `id` ü;\\"])
def test_any_path_will_do_even_after_a_move(
    used_data_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = used_data_dir.with_name("sockets")
    sockets.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(sockets))
    moved = used_data_dir.parent / name
    moved.parent.mkdir(parents=True, exist_ok=True)
    used_data_dir.rename(moved)
    try:
        with embedded.running(moved) as dsn, another_process(moved):
            assert ask(dsn, "SELECT 1") == 1
            (private,) = sockets.iterdir()
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            if name.startswith("long"):  # its socket directory must serve again, too
                kill(postmaster(moved))
        with embedded.running(moved) as dsn:
            assert ask(dsn, "SELECT 1") == 1
        assert stopped(moved)
        private.chmod(0o755)  # as if another user had prepared it
        with pytest.raises(embedded.EmbeddedPostgresError, match="cannot hold a private socket"):
            embedded.running(moved).__enter__()
    finally:
        moved.rename(used_data_dir)
        shutil.rmtree(sockets)


def test_a_damaged_cluster_is_an_error_that_names_the_log_and_the_reason(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir):
        pass
    version = used_data_dir / "postgres/PG_VERSION"
    version.write_text("99\n")
    try:
        with pytest.raises(embedded.EmbeddedPostgresError) as caught:
            embedded.running(used_data_dir).__enter__()
    finally:
        version.write_text("18\n")
    assert str(used_data_dir / "postgres.log") in str(caught.value)
    assert "PostgreSQL version 99" in str(caught.value)
    assert "shut down" not in str(caught.value)  # that is the log of the time before


def test_a_folder_that_is_no_cluster_is_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres/letters.txt").write_text("dear")
    with pytest.raises(embedded.EmbeddedPostgresError, match="is no PostgreSQL cluster"):
        embedded.running(data_dir).__enter__()
    assert (data_dir / "postgres/letters.txt").read_text() == "dear"


def test_a_data_directory_that_cannot_be_made_is_said_in_plain_words(data_dir: Path) -> None:
    data_dir.write_text("a file")
    with pytest.raises(embedded.EmbeddedPostgresError, match=r"cannot be used: .*File exists"):
        embedded.running(data_dir).__enter__()


def test_a_start_that_takes_longer_than_allowed_is_given_up(data_dir: Path) -> None:
    data_dir.mkdir()
    with (data_dir / ".starting").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(embedded.EmbeddedPostgresError, match="another process is starting"):
            embedded.running(data_dir, wait_seconds=0.2).__enter__()


def test_a_long_log_is_put_aside(used_data_dir: Path) -> None:
    with (used_data_dir / "postgres.log").open("a") as log:
        log.truncate(17 * 1024 * 1024)
    with embedded.running(used_data_dir):
        pass
    assert (used_data_dir / "postgres.log.1").stat().st_size == 17 * 1024 * 1024
    assert (used_data_dir / "postgres.log").stat().st_size < 100_000


def test_refused_statements_leave_no_contact_data_in_the_log(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir) as dsn:
        ask(dsn, "CREATE TABLE customers (email text UNIQUE)")
        ask(dsn, "INSERT INTO customers VALUES ('ama@example.com')")
        with pytest.raises(asyncpg.UniqueViolationError):
            ask(dsn, "INSERT INTO customers VALUES ('ama@example.com')")
    assert "ama@example.com" not in (used_data_dir / "postgres.log").read_text()


@as_root
def test_root_opens_the_way_to_the_data_and_not_the_view(used_data_dir: Path) -> None:
    used_data_dir.parent.chmod(0o700)
    with embedded.running(used_data_dir):
        assert (used_data_dir / "postgres").stat().st_uid != 0
        assert Path(f"/proc/{postmaster(used_data_dir)}").stat().st_uid != 0
    assert stat.S_IMODE(used_data_dir.parent.stat().st_mode) == 0o701


@as_root
def test_root_uses_the_data_of_its_owner_as_the_owner(used_data_dir: Path) -> None:
    subprocess.run(["chown", "-R", "65534:65534", str(used_data_dir)], check=True)
    for lock in (".in-use", ".starting"):
        (used_data_dir / lock).unlink()
    with embedded.running(used_data_dir) as dsn:
        ask(dsn, "CREATE TABLE made_by_root (here int)")
        assert Path(f"/proc/{postmaster(used_data_dir)}").stat().st_uid == 65534
    assert {path.stat().st_uid for path in used_data_dir.rglob("*")} == {65534}


@as_root
def test_a_cluster_that_root_restored_is_given_to_postgres(used_data_dir: Path) -> None:
    with embedded.running(used_data_dir):
        pass
    subprocess.run(["chown", "-R", "0:0", str(used_data_dir)], check=True)
    with embedded.running(used_data_dir) as dsn:
        assert ask(dsn, "SELECT 1") == 1
