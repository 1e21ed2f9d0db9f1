"""The stories that both SDKs tell, against a server that is really there."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reevit_server.core.database import Database
from tests.docs.alone import ROOT
from tests.makers import Api, make_merchant
from tests.running import REEVIT, Server, environment, serving

PYTHON = Path(REEVIT).with_name("python")


@pytest.fixture(scope="module")
def server(dsn_of_file: str) -> Iterator[Server]:
    with serving("--database-url", dsn_of_file, REEVIT_ALLOW_PRIVATE_WEBHOOKS="1") as running:
        yield running


@pytest.mark.parametrize(
    ("program", "command"),
    [("sdk/python/tests/live.py", [str(PYTHON)]), ("sdk/node/test/live.mjs", ["node"])],
    ids=["python", "node"],
)
async def test_every_story_comes_out_as_it_is_told(
    program: str, command: list[str], server: Server, dsn_of_file: str, api: Api
):
    if shutil.which(command[0]) is None:
        pytest.skip("there is no Node here")
    async with await Database.open(dsn_of_file, connections_max=2) as db:
        merchant = await make_merchant(db, api)
    told = environment(REEVIT_API_KEY=merchant.test_key, REEVIT_BASE_URL=server.base_url)
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, str(ROOT / program)],
        env=told,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
