"""Everything is killed at once in the middle of deliveries, as by a power cut, and started again."""

import asyncio
import random
from contextlib import ExitStack

from tests.faults.conftest import Extent
from tests.faults.stage import Stage, kill, until


async def test_a_server_killed_whole_goes_on_where_it_was(stage: Stage, extent: Extent):
    stage.receiver.answer(after_seconds=0.3)
    with ExitStack() as started:
        server = started.enter_context(stage.serving())
        await stage.open_shops()
        async with stage.load.trickle(stage.base_url):
            for _ in range(extent.whole_kills):
                received = stage.receiver.count()
                await until(lambda before=received: stage.receiver.count() > before + 10)
                await asyncio.sleep(random.uniform(0, 0.5))
                kill(server.process.pid, *server.children(), stage.postmaster())
                server.process.wait()
                started.close()
                server = started.enter_context(stage.serving())
        await stage.check(database_was_killed=True)
