"""The worker in `reevit serve`: it is told to stop with the server, and its figures are the server's."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.faults.receiver import Receiver, receiving
from tests.makers import created
from tests.running import Server, reevit, serving, wait_until

_SECONDS = 60


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as listening:
        yield listening


@pytest.fixture
def server(empty_dsn: str) -> Iterator[Server]:
    with serving("--database-url", empty_dsn, REEVIT_ALLOW_PRIVATE_WEBHOOKS="1") as started:
        yield started


@pytest.fixture
def client(server: Server, receiver: Receiver, empty_dsn: str) -> Iterator[httpx.Client]:
    """A merchant whose receiver is told of successful payments."""
    made = reevit("orgs", "create", "Shop", "--json", "--database-url", empty_dsn)
    headers = {"X-Reevit-Key": json.loads(made.stdout)["test_key"]}
    with httpx.Client(base_url=server.base_url, headers=headers, timeout=10) as opened:
        body = {"url": f"{receiver.base_url}/hook", "events": ["payment.succeeded"]}
        created(opened.post("/v1/webhooks/endpoints", json=body))
        yield opened


def pay(client: httpx.Client) -> None:
    created(client.post("/v1/payments", json={"amount": 15000, "currency": "GHS"}))


def figures(client: httpx.Client) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[0] != "#"
    }


async def test_a_server_told_to_stop_delivers_what_is_under_way_and_writes_it_down(
    server: Server, client: httpx.Client, receiver: Receiver, empty_dsn: str
):
    receiver.hold()
    pay(client)
    wait_until(lambda: receiver.count() == 1, _SECONDS)
    server.process.terminate()
    wait_until(lambda: _refused(server), _SECONDS)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(1)
    receiver.answer(200)
    assert server.process.wait(_SECONDS) == 0
    assert "Traceback" not in server.output
    conn = await asyncpg.connect(empty_dsn)
    assert await conn.fetchval("SELECT array_agg(status) FROM webhook_deliveries") == ["delivered"]
    assert await conn.fetchval("SELECT array_agg(status_code) FROM webhook_attempts") == [200]
    assert await conn.fetchval("SELECT count(*) FROM pgqueuer") == 0
    await conn.close()


def _refused(server: Server) -> bool:
    try:
        httpx.get(f"{server.base_url}/healthz")
    except httpx.TransportError:
        return True
    return False


def test_the_figures_of_a_server_tell_of_its_worker_and_of_what_is_to_do(
    server: Server, client: httpx.Client, receiver: Receiver
):
    pay(client)
    delivered = 'reevit_webhook_attempts_total{outcome="delivered"}'
    wait_until(lambda: figures(client).get(delivered) == 1, _SECONDS)
    assert figures(client)["reevit_webhook_attempt_seconds_count"] == 1
    receiver.answer(500)
    pay(client)
    wait_until(
        lambda: figures(client).get('reevit_webhook_attempts_total{outcome="http_status"}') == 1, _SECONDS
    )
    receiver.hold()
    pay(client)
    wait_until(lambda: figures(client).get('reevit_jobs{job="webhooks.deliver"}', 0) >= 1, _SECONDS)
    wait_until(
        lambda: figures(client).get('reevit_oldest_job_seconds{job="webhooks.deliver"}', 0) > 0, _SECONDS
    )
    receiver.answer(200)
    wait_until(lambda: 'reevit_jobs{job="webhooks.deliver"}' not in figures(client), _SECONDS)
