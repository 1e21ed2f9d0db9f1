"""The background process is killed, again and again, while deliveries are on their way."""

import asyncio
import random

from tests.faults.conftest import Extent
from tests.faults.stage import Stage, kill, until, worker_of
from tests.running import gone


async def test_a_worker_killed_between_sending_and_settling_loses_no_delivery(stage: Stage, extent: Extent):
    """Its deliveries come back after 30 seconds, and the receiver can tell them from new ones."""
    stage.receiver.answer(500)
    with stage.serving() as server:
        await stage.open_shops()
        await stage.load.send(stage.base_url, 4)
        await until(lambda: stage.receiver.count() > 0)
        stage.receiver.answer(after_seconds=1)  # also to what comes again after five seconds
        for _ in range(extent.worker_kills):
            worker, received = await worker_of(server), stage.receiver.count()
            # Few: what the killed one was sending keeps its places for a while.
            await stage.load.send(stage.base_url, 1)
            await until(lambda before=received: stage.receiver.count() > before)
            await asyncio.sleep(random.uniform(0, 1.2))  # before the answer, while it comes, or after it
            kill(worker)
            await until(lambda pid=worker: gone(pid))
        stage.receiver.answer()
        await stage.load.send(stage.base_url, 20)
        await stage.check()
        assert await stage.attempts("interrupted") > 0, "nobody was killed while it was sending"
