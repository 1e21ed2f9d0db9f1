"""Several workers share one database, and one of them is told to stop in the middle of its work."""

import asyncio
import re
from collections import Counter

import httpx

from tests.faults.conftest import Extent
from tests.faults.stage import Stage, until
from tests.running import free_port

_REQUESTS_MAX = 50  # by then both workers have something to send


async def test_two_workers_send_each_delivery_once(stage_for_many: Stage, extent: Extent):
    stage, metrics_port = stage_for_many, free_port()
    with stage.serving(), stage.working("--metrics-port", str(metrics_port)):
        await stage.open_shops()
        await stage.load.send(stage.base_url, extent.requests_to_two_workers)
        await stage.check()
        sent = Counter(request.json["delivery_id"] for request in stage.receiver.got())
        deliveries = await stage.fetch("SELECT id, attempt_count FROM webhook_deliveries")
        assert sent == {row["id"]: 1 for row in deliveries}
        assert all(row["attempt_count"] == 1 for row in deliveries)
        async with httpx.AsyncClient() as client:
            figures = (await client.get(f"http://127.0.0.1:{metrics_port}/metrics")).text
        (by_the_second,) = re.findall(r'webhook_attempts_total\{outcome="delivered"\} (\S+)', figures)
        assert 0 < float(by_the_second) < len(deliveries)


async def test_a_worker_told_to_stop_finishes_what_it_is_sending(stage_for_many: Stage, extent: Extent):
    stage = stage_for_many
    with stage.serving():
        await stage.open_shops()
        for _ in range(extent.worker_stops):
            stage.receiver.hold()
            with stage.working() as process:
                for _ in range(_REQUESTS_MAX):
                    await stage.load.send(stage.base_url, 1)
                    await asyncio.sleep(0.1)
                    if await _senders(stage) == 2:
                        break
                else:
                    raise AssertionError("one of them does all the work")
                process.terminate()
                await asyncio.sleep(1)
                assert process.poll() is None, "it left a delivery behind"
                stage.receiver.answer()
                await until(lambda stopped=process: stopped.poll() is not None)
                assert process.returncode == 0
        await stage.check()
        assert await stage.attempts("interrupted") == 0


async def _senders(stage: Stage) -> int:
    """How many workers hold deliveries now."""
    (row,) = await stage.fetch(
        """
        SELECT count(DISTINCT queue_manager_id)
        FROM pgqueuer
        WHERE entrypoint = 'webhooks.deliver' AND status = 'picked'
        """
    )
    return row["count"]
