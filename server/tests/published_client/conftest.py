"""Programs of a merchant's, run by the Python of the published client against a server that is really there."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.makers import Api, make_merchant
from tests.running import serving

_HERE = Path(__file__).parent
PYTHON = _HERE.parents[2] / ".venv-published-client/bin/python"

# What a program printed: its organization's id, and the answer of every call by its name.
Run = Callable[[str], Awaitable[tuple[str, dict[str, Any]]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not PYTHON.exists():
        skip = pytest.mark.skip(reason="the published client is not installed; `make test` installs it")
        for item in items:
            if _HERE in item.path.parents:
                item.add_marker(skip)


@pytest.fixture(scope="module")
async def kept(dsn_of_file: str) -> AsyncIterator[Database]:
    """What the server keeps."""
    async with await Database.open(dsn_of_file, connections_max=2) as database:
        yield database


@pytest.fixture(scope="module")
def run(dsn_of_file: str, kept: Database, api: Api) -> Run:
    """Runs one of the programs here in an organization of its own."""

    async def run(program: str) -> tuple[str, dict[str, Any]]:
        shop = await make_merchant(kept, api)

        def wait_for_it() -> str:
            with serving("--database-url", dsn_of_file, REEVIT_ALLOW_PRIVATE_WEBHOOKS="1") as server:
                command = [str(PYTHON), str(_HERE / program), server.base_url, shop.test_key, shop.org_id]
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
