"""What the reader of the documentation has at hand: a server to send requests to, a shop that it tells, and a mail
server that takes its letters.
"""

import asyncio
import uuid
from collections.abc import Iterator

import asyncpg
import pytest

from reevit_server.cli.orgs import create_with_keys
from reevit_server.core.database import Database
from tests.docs.shop import Shop, opened
from tests.providers.mailserver import Postbox, mail_server
from tests.running import serving


@pytest.fixture(scope="module")
def dsn_of_docs(postgres: str) -> Iterator[str]:
    """An empty database, for the operator's examples look at all organizations; the server makes the schema."""
    name = f"docs_{uuid.uuid4().hex}"
    asyncio.run(_execute(postgres, f"CREATE DATABASE {name}"))
    yield postgres.replace("/postgres?", f"/{name}?")
    asyncio.run(_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def server(dsn_of_docs: str) -> Iterator[str]:
    """The address of a running server, which may tell those on loopback, and write to those at example.com."""
    settings = {"REEVIT_ALLOW_PRIVATE_WEBHOOKS": "1", "REEVIT_TEST_RECIPIENTS": "@example.com"}
    with serving("--database-url", dsn_of_docs, **settings) as running:
        yield running.base_url


@pytest.fixture
def organization(server: str, dsn_of_docs: str) -> dict[str, str]:
    """An organization of one's own: `org_id`, `test_key`, `live_key`."""
    return asyncio.run(_create(dsn_of_docs))


@pytest.fixture
def shop() -> Iterator[Shop]:
    """The merchant's own server."""
    with opened() as shop:
        yield shop


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    """A mail server on the reader's own machine."""
    with mail_server() as box:
        yield box


async def _create(dsn: str) -> dict[str, str]:
    async with await Database.open(dsn, connections_max=2) as db:
        return await create_with_keys(db, name="Example shop", currency="GHS")


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()
