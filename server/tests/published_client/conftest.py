"""Programs of a merchant's, run against a server that is really there: by the Python of the published client, and as
they are with the client of this repository, for which they were not written.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.makers import Api, make_merchant
from tests.running import serving

_HERE = Path(__file__).parent
PYTHON = _HERE.parents[2] / ".venv-published-client/bin/python"

# Our client has the nouns of this server only. One program asks for another, to be told that it is not here;
# `request` asks for whatever has no noun.
_WITH_OURS = """
import runpy, sys
from reevit import Reevit

class Connections:
    def __init__(self, client):
        self.list = lambda: client.request("GET", "/v1/connections")

Reevit.connections = property(Connections)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# What a program printed: its organization's id, and the answer of every call by its name.
Run = Callable[[str], Awaitable[tuple[str, dict[str, Any]]]]


def skip_without_published_client() -> None:
    if not PYTHON.exists():
        pytest.skip("the published client is not installed; `make test` installs it")


@pytest.fixture(scope="module", params=["published", "ours"])
def client(request: pytest.FixtureRequest) -> list[str]:
    """The command that runs a program with one client or the other."""
    if request.param == "ours":
        return [sys.executable, "-c", _WITH_OURS]
    skip_without_published_client()
    return [str(PYTHON)]


@pytest.fixture(scope="module")
async def kept(dsn_of_file: str) -> AsyncIterator[Database]:
    """What the server keeps."""
    async with await Database.open(dsn_of_file, connections_max=2) as database:
        yield database


@pytest.fixture(scope="module")
def run(client: list[str], dsn_of_file: str, kept: Database, api: Api) -> Run:
    """Runs one of the programs here in an organization of its own."""

    async def run(program: str) -> tuple[str, dict[str, Any]]:
        shop = await make_merchant(kept, api)

        def wait_for_it() -> str:
            with serving("--database-url", dsn_of_file, REEVIT_ALLOW_PRIVATE_WEBHOOKS="1") as server:
                command = [*client, str(_HERE / program), server.base_url, shop.test_key, shop.org_id]
                done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        return shop.org_id, json.loads(await asyncio.to_thread(wait_for_it))

    return run


@pytest.fixture(scope="module")
def rows_of(kept: Database) -> Callable[..., Awaitable[dict[str, list[dict[str, Any]]]]]:
    """What an organization has in these tables, the oldest first."""

    async def rows_of(org_id: str, *tables: str) -> dict[str, list[dict[str, Any]]]:
        async with kept.read() as conn:
            return {
                table: [
                    dict(row)
                    for row in await conn.fetch(
                        f"SELECT * FROM {table} WHERE org_id = $1 ORDER BY id", org_id
                    )
                ]
                for table in tables
            }

    return rows_of
