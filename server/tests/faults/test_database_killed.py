"""PostgreSQL is killed or shut down every few seconds while merchants send and are told."""

import asyncio
import itertools
import random
import signal
import time

from tests.faults.conftest import Extent
from tests.faults.stage import Stage, kill, until

# `kill -9`; and as `pg_ctl stop` does it in its modes "immediate" and "fast".
_ENDS = (signal.SIGKILL, signal.SIGQUIT, signal.SIGINT)
_HEALED_SECONDS = 10


async def test_a_database_that_ends_under_load_loses_nothing_and_heals(stage: Stage, extent: Extent):
    stage.receiver.answer(after_seconds=0.2)
    with stage.serving() as server:
        await stage.open_shops()
        ends = itertools.cycle(_ENDS)
        async with stage.load.trickle(stage.base_url):
            for _ in range(extent.database_kills):
                await asyncio.sleep(random.uniform(0, 2))
                await until(lambda: stage.postmaster() is not None)
                async with stage.load.burst(stage.base_url):
                    await asyncio.sleep(random.uniform(0.2, 0.6))
                    kill(stage.postmaster(), by=next(ends))
                    killed_at = time.monotonic()
            # Everybody in the burst was answered meanwhile.
            assert time.monotonic() - killed_at < _HEALED_SECONDS
        await stage.check(database_was_killed=True)
        assert "background process ended" not in server.output, "it is to wait for the database"
