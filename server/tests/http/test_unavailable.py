"""When the database is away or busy: 503 and when to come back, never a wrong answer, and all by itself again."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from reevit_server.api_keys.models import SecretKey
from reevit_server.app import create_app
from reevit_server.core import embedded, migrations
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests import run_folder
from tests.makers import MASTER_KEY, Api, Merchant, created, make_merchant, ok, refused


class Switch:
    """A PostgreSQL of this module's own that can be stopped and started."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._running = ExitStack()

    def on(self) -> str:
        return self._running.enter_context(embedded.running(self._data_dir, wait_seconds=60))

    def off(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    folder = run_folder.new_folder()
    made = Switch(folder / "data")
    yield made
    made.off()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
async def alone(switch: Switch) -> AsyncIterator[Api]:
    """The application on that PostgreSQL."""
    dsn = await asyncio.to_thread(switch.on)
    await migrations.migrate(dsn)
    async with Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=0), dsn)) as started:
        yield started
        await asyncio.to_thread(switch.on)  # to end in good order


async def test_while_the_database_is_away_strangers_are_still_strangers_and_the_rest_is_told_to_wait(
    switch: Switch, alone: Api
):
    dsn = await asyncio.to_thread(switch.on)
    async with await Database.open(dsn, connections_max=2) as db:
        shop = await make_merchant(db, alone)
    customer = await shop.customer()
    path = f"/v1/customers/{customer['id']}"
    await asyncio.to_thread(switch.off)

    for malformed in ("", "pfk_test_x", shop.test_key[:-1] + "!", shop.test_key[:-1]):
        async with alone.client(malformed) as stranger:
            refused(await stranger.get(path), 401, "invalid_api_key")
    for key in (shop.test_key, SecretKey.new("test").text):
        async with alone.client(key) as client:
            for answer in (await client.get(path), await client.post("/v1/customers", json={"name": "Ada"})):
                assert refused(answer, 503, "unavailable")["error"] == "unavailable"
                assert answer.headers["retry-after"] == "1"
    async with alone.client() as prober:
        ok(await prober.get("/healthz"))
        refused(await prober.get("/readyz"), 503, "unavailable")
        refused(await prober.get("/nowhere"), 404, "route_not_found")
        assert (await prober.get("/metrics")).status_code == 200

    await asyncio.to_thread(switch.on)
    async with alone.client() as prober:
        back = time.monotonic()
        while (await prober.get("/readyz")).status_code != 200:
            assert time.monotonic() - back < 10
            await asyncio.sleep(0.05)
    assert ok(await shop.test.get(path)) == customer
    created(
        await shop.test.post(
            "/v1/payments", json={"amount": 1, "currency": "GHS", "customer_id": customer["id"]}
        )
    )


async def test_a_process_that_starts_while_the_database_is_away_serves_when_it_is_back(switch: Switch):
    """An API process can die and be started again during an outage; its neighbours must not notice."""
    dsn = await asyncio.to_thread(switch.on)
    await asyncio.to_thread(switch.off)
    starting = Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=0), dsn))
    await asyncio.wait_for(starting.__aenter__(), 5)
    try:
        async with starting.client() as prober:
            ok(await prober.get("/healthz"))
            refused(await prober.get("/readyz"), 503, "unavailable")
            await asyncio.to_thread(switch.on)
            back = time.monotonic()
            while (await prober.get("/readyz")).status_code != 200:
                assert time.monotonic() - back < 10
                await asyncio.sleep(0.05)
    finally:
        await starting.__aexit__()


async def test_when_all_connections_are_busy_the_next_request_waits_two_seconds_and_no_longer(
    dsn: str, merchant: Merchant
):
    customer = await merchant.customer()
    path = f"/v1/customers/{customer['id']}"
    payment = {"amount": 1, "currency": "GHS", "customer_id": customer["id"]}
    first, second = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with (
        Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=0, database_connections=2), dsn)) as small,
        small.client(merchant.test_key) as client,
    ):
        ok(await client.get(path))  # the key is remembered now
        # Two payments take both connections, and wait for one lock and then for another.
        async with second.transaction():
            await second.execute("LOCK TABLE customer_days IN ACCESS EXCLUSIVE MODE")
            async with first.transaction():
                await first.execute("SELECT FROM customers WHERE id = $1 FOR UPDATE", customer["id"])
                paying = [asyncio.create_task(client.post("/v1/payments", json=payment)) for _ in range(2)]
                await asyncio.sleep(0.2)
                began = time.monotonic()
                reading = [asyncio.create_task(client.get(path)) for _ in range(5)]
                await asyncio.sleep(1.3)
            answers = await asyncio.gather(*reading)
            waited = time.monotonic() - began
        for answer in answers:
            assert refused(answer, 503, "unavailable")["error"] == "unavailable"
            assert answer.headers["retry-after"] == "1"
        assert 1.9 < waited < 4
        for answer in await asyncio.gather(*paying):
            assert answer.status_code in (201, 503)
        ok(await client.get(path))
    await first.close()
    await second.close()
