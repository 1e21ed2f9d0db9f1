"""The process that answers requests is killed, again and again, while merchants send."""

import asyncio
import random

from tests.faults.conftest import Extent
from tests.faults.stage import Stage, api_of, kill

# Granian takes a process for broken that ends within 5.5 seconds of being started again, and ends the server.
_AGAIN_SECONDS = 7


async def test_requests_sent_again_with_their_keys_do_nothing_twice(stage: Stage, extent: Extent):
    with stage.serving() as server:
        await stage.open_shops()
        async with stage.load.trickle(stage.base_url):
            for number in range(extent.api_kills):
                await asyncio.sleep(_AGAIN_SECONDS if number else 1)
                async with stage.load.burst(stage.base_url):
                    await asyncio.sleep(random.uniform(0.2, 0.6))
                    kill(await api_of(server))
        await stage.check()
