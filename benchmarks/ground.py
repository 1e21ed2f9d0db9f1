"""The ground that every question stands on: a PostgreSQL of its own, a merchant, and the servers to compare."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
from reevit_server.cli.orgs import create_with_keys
from reevit_server.core import embedded, migrations
from reevit_server.core.database import Database
from reevit_server.core.sealing import new_master_key

_HERE = Path(__file__).resolve().parent
_STARTING_SECONDS_MAX = 60
_STOPPING_SECONDS_MAX = 40


@dataclass(frozen=True)
class Merchant:
    """An organization in a database of its own, and the key of its test mode."""

    dsn: str
    org_id: str
    key: str

    @property
    def database(self) -> str:
        """The database's name."""
        return urlsplit(self.dsn).path.removeprefix("/")

    @property
    def headers(self) -> dict[str, str]:
        """What every request of its test mode carries."""
        return {"x-reevit-key": self.key, "content-type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A server that answers on a port of this machine."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """What its processes have used, without the background worker's."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(_used(process) for process in family if "reevit_server.worker" not in process.cmdline())


class Ground:
    """A PostgreSQL with its default durability (fsync on), for one run."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder
        self._dsn = dsn
        lines = (folder / "data" / "postgres" / "postmaster.pid").read_text().splitlines()
        self._postgres = psutil.Process(int(lines[0]))

    @property
    def admin_dsn(self) -> str:
        return embedded.admin_dsn(self._dsn)

    def admin_dsn_of(self, merchant: Merchant) -> str:
        """The superuser's way into a merchant's database."""
        return merchant.dsn.replace("reevit@", "postgres@")

    def merchant(self, database: str) -> Merchant:
        """A fresh database with the schema of this version, and a merchant in it."""
        dsn = self._dsn.replace("/reevit?", f"/{database}?")
        return asyncio.run(self._merchant(database, dsn))

    async def _merchant(self, database: str, dsn: str) -> Merchant:
        admin = await asyncpg.connect(self.admin_dsn)
        await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {database} OWNER reevit")
        await admin.close()
        await migrations.migrate(dsn)
        async with await Database.open(dsn) as db:
            created = await create_with_keys(db, name="Bench", currency="GHS")
        return Merchant(dsn, created["org_id"], created["test_key"])

    def settle(self) -> None:
        """Writes out what loading left behind, so that no measurement pays for it."""
        asyncio.run(self._execute("CHECKPOINT"))

    async def _execute(self, statement: str) -> None:
        admin = await asyncpg.connect(self.admin_dsn)
        await admin.execute(statement)
        await admin.close()

    def postgres_cpu_seconds(self) -> float:
        """What PostgreSQL has used so far, ended backends included."""
        ended = self._postgres.cpu_times()
        return (
            ended.children_user
            + ended.children_system
            + sum(_used(process) for process in self._postgres.children())
        )


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def ground() -> Iterator[Ground]:
    """Starts PostgreSQL in a temporary folder, which goes with the run."""
    folder = Path(tempfile.mkdtemp(prefix="reevit-bench-"))
    try:
        with embedded.running(folder / "data") as dsn:
            yield Ground(folder, dsn)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_program(name: str) -> str:
    """A program of the PostgreSQL that comes with the product, such as pgbench or psql."""
    return str(embedded._programs() / name)


def socket_dir(dsn: str) -> str:
    """The host of a database, as libpq's programs want it."""
    return parse_qs(urlsplit(dsn).query)["host"][0]


def reevit() -> str:
    """The product's command."""
    return str(Path(sys.executable).with_name("reevit"))


@contextmanager
def app(merchant: Merchant) -> Iterator[Server]:
    """The product, as an operator runs it: `reevit serve --workers 1`, without a rate limit."""
    port = _free_port()
    command = [reevit(), "serve", "--workers", "1", "--port", str(port), "--database-url", merchant.dsn]
    with _running(command, port, {"REEVIT_RATE_LIMIT": "0", "REEVIT_MASTER_KEY": new_master_key()}) as server:
        yield server


@contextmanager
def floor(handler: str, merchant: Merchant) -> Iterator[Server]:
    """A bare ASGI handler of `floors.py` under the same server."""
    port = _free_port()
    words = {"BENCH_DSN": merchant.dsn, "BENCH_KEY": merchant.key, "BENCH_ORG": merchant.org_id}
    with _running([sys.executable, str(_HERE / "floors.py"), handler, str(port)], port, words) as server:
        yield server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, words: dict[str, str]) -> Iterator[Server]:
    process = subprocess.Popen(command, env={**os.environ, **words}, stdout=sys.stderr)
    try:
        _wait(port, process)
        yield Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(_STOPPING_SECONDS_MAX)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTING_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not answer on port {port}")
