"""A real server on loopback, as `reevit serve` starts it: the true HTTP layer is part of what is tested."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests

from reevit_server.cli.orgs import create_with_keys
from reevit_server.core.database import Database
from tests.openapi.objects import Shop

START_SECONDS = 30
STOP_SECONDS = 30


@pytest.fixture(scope="session")
def server_url(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`reevit serve` on this worker's database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [
        sys.executable,
        "-c",
        "from reevit_server.cli import main; main()",
        "serve",
        "--port",
        str(port),
        "--database-url",
        dsn,
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


@pytest.fixture(scope="session")
def connection() -> Iterator[requests.Session]:
    """Connections that are kept open: a new one for each of thousands of requests takes most of their time."""
    with requests.Session() as session:
        yield session


@pytest.fixture
def shop(server_url: str, dsn: str) -> Iterator[Shop]:
    """A merchant at that server."""
    made = asyncio.run(_make_organization(dsn))
    with httpx.Client() as client:
        yield Shop(server_url, made["org_id"], made["test_key"], client)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"The server did not start:\n{log.read_text()}")


async def _make_organization(dsn: str) -> dict[str, str]:
    async with await Database.open(dsn, connections_max=2) as db:
        return await create_with_keys(db, name="Shop behind a real server", currency="GHS")
