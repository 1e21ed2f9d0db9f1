"""A real server on loopback, as `reevit serve` starts it: the true HTTP layer is part of what is tested."""

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest
import requests

from reevit_server.cli.orgs import create_with_keys
from reevit_server.core.database import Database
from tests.openapi import conformance
from tests.openapi.objects import Shop
from tests.running import serving


@pytest.fixture(scope="session")
def server_url(dsn_of_server: str) -> Iterator[str]:
    """Where `reevit serve` listens."""
    with serving("--database-url", dsn_of_server) as server:
        yield server.base_url


@pytest.fixture(scope="session")
def connection() -> Iterator[requests.Session]:
    """Connections that are kept open: a new one for each of thousands of requests takes most of their time."""
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="session")
def open_shop(server_url: str, dsn_of_server: str) -> Iterator[Callable[[], Shop]]:
    """Makes merchants at that server."""
    # What is only asked for to prepare a test is held against the document too.
    with httpx.Client(event_hooks={"response": [conformance.read_and_check]}) as client:

        def new_shop() -> Shop:
            made = asyncio.run(_make_organization(dsn_of_server))
            return Shop(server_url, made["org_id"], made["test_key"], client)

        yield new_shop


@pytest.fixture
def shop(open_shop: Callable[[], Shop]) -> Shop:
    return open_shop()


async def _make_organization(dsn: str) -> dict[str, str]:
    async with await Database.open(dsn, connections_max=2) as db:
        return await create_with_keys(db, name="Shop behind a real server", currency="GHS")
