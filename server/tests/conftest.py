"""The ground every test stands on: a real PostgreSQL, a template database, and a merchant of one's own.

Tests share a database (one per worker process) and keep apart as merchants do: each has its own organization.
"""

import asyncio
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from reevit_server.app import create_app
from reevit_server.core import embedded, migrations
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests import run_folder
from tests.makers import MASTER_KEY, Api, Merchant, make_merchant

settings.register_profile(
    "reevit", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("reevit")

# Of this schema: a server that is named from outside may still hold that of another.
_TEMPLATE = (
    "reevit_template_" + sha256("".join(m.sha256 for m in migrations.known()).encode()).hexdigest()[:16]
)
_cleaner = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    if (process := run_folder.open_for_run()) is not None:
        config.stash[_cleaner] = process


def pytest_unconfigure(config: pytest.Config) -> None:
    """Whoever started the run waits until its folder is away, after the last worker has stopped PostgreSQL."""
    if _cleaner in config.stash:
        config.stash[_cleaner].communicate()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL for the whole run; whichever worker ends last stops it.

    `TEST_DATABASE_URL` names another, such as an older version, with a user that may create databases.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with embedded.running(run_folder.path() / "data") as dsn:
        yield embedded.admin_dsn(dsn)


@pytest.fixture(scope="session")
def dsn(postgres: str) -> Iterator[str]:
    """A migrated database of this worker's own, cloned from the template."""
    with _database(postgres) as address:
        yield address


@pytest.fixture(scope="session")
def dsn_of_server(postgres: str) -> Iterator[str]:
    """Another one, for a server that runs for long: its background work takes whatever jobs it finds."""
    with _database(postgres) as address:
        yield address


@pytest.fixture(scope="module")
def dsn_of_file(postgres: str) -> Iterator[str]:
    """One for a file's server, whose background work should find no jobs but those of this file."""
    with _database(postgres) as address:
        yield address


@pytest.fixture
def empty_dsn(postgres: str) -> Iterator[str]:
    """A migrated database for this test alone, for what looks at all organizations."""
    with _database(postgres) as address:
        yield address


@pytest.fixture(scope="session")
async def db(dsn: str) -> AsyncIterator[Database]:
    async with await Database.open(dsn, connections_max=20) as database:
        yield database


@pytest.fixture(scope="session")
async def api(dsn: str) -> AsyncIterator[Api]:
    """The application, started; requests reach it without a network."""
    async with Api(
        create_app(Settings(master_key=MASTER_KEY, rate_limit=0, database_connections=20), dsn)
    ) as started:
        yield started


@pytest.fixture(scope="session")
async def local_api(dsn: str) -> AsyncIterator[Api]:
    """The same for local work: servers on loopback may be named."""
    settings = Settings(
        master_key=MASTER_KEY, rate_limit=0, database_connections=20, allow_private_webhooks=True
    )
    async with Api(create_app(settings, dsn)) as started:
        yield started


@pytest.fixture
async def merchant(db: Database, api: Api) -> Merchant:
    """An organization nobody else uses, with a client for each mode."""
    return await make_merchant(db, api)


@pytest.fixture
async def other(db: Database, api: Api) -> Merchant:
    """Somebody else's organization."""
    return await make_merchant(db, api)


@contextmanager
def _database(postgres: str) -> Iterator[str]:
    """A database with the schema of this version, while the block runs."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_clone(postgres, name))
    yield _in_database(postgres, name)
    asyncio.run(_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


def _in_database(dsn: str, name: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


async def _execute(dsn: str, statement: str, *arguments: object) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement, *arguments)
    finally:
        await conn.close()


async def _clone(postgres: str, name: str) -> None:
    """A fresh database; the first to need one makes the template, the others wait for it."""
    conn = await asyncpg.connect(postgres)
    try:
        await conn.execute("SELECT pg_advisory_lock(1)")
        if not await conn.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _TEMPLATE):
            await conn.execute(f"CREATE DATABASE {_TEMPLATE}_new")
            await migrations.migrate(_in_database(postgres, f"{_TEMPLATE}_new"))
            await conn.execute(f"ALTER DATABASE {_TEMPLATE}_new RENAME TO {_TEMPLATE}")
        await conn.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    finally:
        await conn.close()
