"""How a server ends: killed under load by kill -9, as a whole or in part, it loses no acknowledged payment and
comes back by itself; told to stop, it finishes what it began.
"""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from reevit_server.core import embedded
from tests.running import Server, free_port, gone, reevit, serving, wait_until

_CLIENTS = 8
_ENOUGH = 120  # acknowledged writes before the kill


@dataclass
class Shop:
    """One merchant under load: what it sent, and what it was told is done."""

    key: str
    sent: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)

    def next_request(self) -> str:
        """Mostly payments of a few customers in two currencies; every fifth is a refund."""
        number = next(self.numbers)
        payments = [body["id"] for body in self.acknowledged.values() if body["id"].startswith("pay_")]
        if number % 5 == 4 and payments:
            request = (f"/v1/payments/{payments[number % len(payments)]}/refund", {"amount": 1})
        else:
            customer = {"external_id": f"usr_{number % 4}"}
            currency = ("GHS", "XOF")[number % 2]
            request = ("/v1/payments", {"amount": 1000 + number, "currency": currency, "customer": customer})
        self.sent[f"key-{number}"] = request
        return f"key-{number}"

    async def send(self, client: httpx.AsyncClient, key: str) -> bool:
        """Whether the server said that it is done."""
        path, body = self.sent[key]
        try:
            answer = await client.post(path, json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return False
        if answer.status_code == 201:
            self.acknowledged[key] = answer.json()
        return answer.status_code == 201


async def under_load(base_url: str, shop: Shop, kill: Callable[[], None]) -> None:
    """Clients that go on until they hear nothing or bad news, and the kill in the midst of it."""
    enough = len(shop.acknowledged) + _ENOUGH
    killed = False

    async def one(client: httpx.AsyncClient) -> None:
        while await shop.send(client, shop.next_request()) and not killed:
            pass

    async with httpx.AsyncClient(base_url=base_url, headers={"X-Reevit-Key": shop.key}, timeout=10) as client:
        clients = [asyncio.create_task(one(client)) for _ in range(_CLIENTS)]
        deadline = time.monotonic() + 30
        while len(shop.acknowledged) < enough:
            assert time.monotonic() < deadline, f"{len(shop.acknowledged)} acknowledged"
            assert not any(task.done() for task in clients)
            await asyncio.sleep(0.01)
        kill()
        killed = True
        await asyncio.gather(*clients)


async def send_the_rest_again(base_url: str, shop: Shop) -> None:
    """Nobody knows what became of the requests in flight; with their keys they can be sent again."""
    async with httpx.AsyncClient(base_url=base_url, headers={"X-Reevit-Key": shop.key}, timeout=10) as client:
        for key in [key for key in shop.sent if key not in shop.acknowledged]:
            deadline = time.monotonic() + 10
            while not await shop.send(client, key):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)


async def check_books(dsn: str, shop: Shop) -> None:
    """Every acknowledged write once, nothing else, and totals that are the fold of it."""
    conn = await asyncpg.connect(dsn)
    try:
        stored = {
            row["id"] for row in await conn.fetch("SELECT id FROM payments UNION ALL SELECT id FROM refunds")
        }
        assert stored == {body["id"] for body in shop.acknowledged.values()}
        assert len(stored) == len(shop.sent)
        totals = await conn.fetch(
            "SELECT customer_id, currency, total_spent, total_refunded, payment_count FROM customer_totals"
        )
        fold = await conn.fetch(
            """
            SELECT p.customer_id, p.currency, sum(p.amount), sum(coalesce(r.amount, 0)), count(*)
            FROM payments AS p
            LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM refunds GROUP BY payment_id) AS r
                   ON r.payment_id = p.id
            GROUP BY p.customer_id, p.currency
            """
        )
        assert len(totals) == 4
        assert sorted(map(tuple, totals)) == sorted(map(tuple, fold))
        events = dict(await conn.fetch("SELECT type, count(*) FROM events GROUP BY type"))
        payments = sum(id.startswith("pay_") for id in stored)
        assert events["payment.created"] == events["payment.succeeded"] == payments
        assert events["payment.refunded"] == len(stored) - payments
    finally:
        await conn.close()


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres/postmaster.pid").read_text().split()[0])


@pytest.fixture(scope="module")
def shop(data_dir: Path) -> Shop:
    made = reevit("orgs", "create", "Shop", "--data-dir", str(data_dir), "--json")
    assert made.returncode == 0, made.stderr
    return Shop(httpx.Response(200, content=made.stdout).json()["test_key"])


def dsn_of(data_dir: Path) -> str:
    """Asked for while the server runs, so that looking does not stop the database."""
    with embedded.running(data_dir) as dsn:
        return dsn


class Operator:
    """Starts the server again whenever it is down: always the same command."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._port = free_port()
        self._started = ExitStack()
        self._server: Server | None = None

    def server(self) -> Server:
        if self._server is None or self._server.process.poll() is not None:
            self._started.close()
            started = serving("--data-dir", str(self._data_dir), port=self._port)
            self._server = self._started.enter_context(started)
        return self._server

    def leave(self) -> None:
        self._started.close()


@pytest.fixture(scope="module")
def operator(data_dir: Path) -> Iterator[Operator]:
    made = Operator(data_dir)
    yield made
    made.leave()


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def mended(server: Server, data_dir: Path, shop: Shop) -> None:
    await send_the_rest_again(server.base_url, shop)
    await check_books(dsn_of(data_dir), shop)


def test_the_server_killed_under_load_comes_back_with_every_acknowledged_payment(
    operator: Operator, data_dir: Path, shop: Shop
):
    server = operator.server()
    children, database = server.children(), postmaster(data_dir)
    assert len(children) >= 2  # the API and the background process
    asyncio.run(under_load(server.base_url, shop, lambda: kill(server.process.pid)))
    server.process.wait()
    wait_until(lambda: all(gone(pid) for pid in children), 2)
    assert not gone(database), "PostgreSQL is to outlive a killed server"
    server = operator.server()
    assert postmaster(data_dir) == database
    asyncio.run(mended(server, data_dir, shop))
    verified = reevit("verify", "--data-dir", str(data_dir))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_everything_killed_at_once_comes_back_with_every_acknowledged_payment(
    operator: Operator, data_dir: Path, shop: Shop
):
    server = operator.server()
    everything = [server.process.pid, *server.children(), postmaster(data_dir)]
    asyncio.run(under_load(server.base_url, shop, lambda: kill(*everything)))
    server.process.wait()
    asyncio.run(mended(operator.server(), data_dir, shop))


def test_a_database_killed_under_load_is_mended_within_ten_seconds(
    operator: Operator, data_dir: Path, shop: Shop
):
    server = operator.server()
    asyncio.run(under_load(server.base_url, shop, lambda: kill(postmaster(data_dir))))
    killed_at = time.monotonic()
    server.wait_until_ready()
    assert time.monotonic() - killed_at < 10
    asyncio.run(mended(server, data_dir, shop))


def test_an_api_process_killed_under_load_is_started_again(operator: Operator, data_dir: Path, shop: Shop):
    server = operator.server()
    process = server.api_process()
    asyncio.run(under_load(server.base_url, shop, lambda: kill(process)))
    server.wait_until_ready()
    asyncio.run(mended(server, data_dir, shop))


def test_a_server_told_to_stop_finishes_what_it_began_and_stops_the_database(
    operator: Operator, data_dir: Path, shop: Shop
):
    server = operator.server()
    children, database, dsn = server.children(), postmaster(data_dir), dsn_of(data_dir)

    async def stop_while_a_payment_waits() -> httpx.Response:
        outsider = await asyncpg.connect(dsn)
        headers = {"X-Reevit-Key": shop.key}
        async with httpx.AsyncClient(base_url=server.base_url, headers=headers, timeout=10) as client:
            async with outsider.transaction():
                await outsider.execute("LOCK TABLE customer_days IN ACCESS EXCLUSIVE MODE")
                key = shop.next_request()
                path, body = shop.sent[key]
                paying = asyncio.create_task(client.post(path, json=body, headers={"Idempotency-Key": key}))
                await asyncio.sleep(0.2)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.6)
                assert server.process.poll() is None, "it left a request behind"
                async with httpx.AsyncClient(base_url=server.base_url, timeout=0.5) as newcomer:
                    with suppress(httpx.TransportError):
                        assert (await newcomer.get("/readyz")).status_code == 503
            answer = await paying
        await outsider.close()
        return answer

    assert asyncio.run(stop_while_a_payment_waits()).status_code == 201
    assert server.process.wait(30) == 0
    wait_until(lambda: all(gone(pid) for pid in (*children, database)), 2)
    assert not (data_dir / "postgres/postmaster.pid").exists()
