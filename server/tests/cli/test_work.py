"""`reevit work`: a worker alone delivers what the API left, and leaves nothing half done when it is told to stop."""

import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from reevit_server.app import create_app
from reevit_server.core import embedded, migrations
from reevit_server.core.database import Database
from reevit_server.core.sealing import new_master_key
from reevit_server.settings import Settings
from tests import run_folder
from tests.faults.receiver import Receiver, receiving
from tests.makers import MASTER_KEY, Api, Merchant, created, make_merchant
from tests.running import REEVIT, Server, environment, free_port, reevit, start, wait_until

_SECONDS = 60


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as listening:
        yield listening


@pytest.fixture
async def merchant(empty_dsn: str) -> AsyncIterator[Merchant]:
    """A merchant whose API has no worker."""
    async with _merchant_of(empty_dsn) as made:
        yield made


@asynccontextmanager
async def _merchant_of(dsn: str) -> AsyncIterator[Merchant]:
    settings = Settings(master_key=MASTER_KEY, allow_private_webhooks=True)
    async with await Database.open(dsn) as db, Api(create_app(settings, dsn)) as api:
        yield await make_merchant(db, api)


async def _endpoint(merchant: Merchant, receiver: Receiver) -> None:
    body = {"url": f"{receiver.base_url}/hook", "events": ["payment.succeeded"]}
    created(await merchant.test.post("/v1/webhooks/endpoints", json=body))


@contextmanager
def at_work(*options: str, **settings: str) -> Iterator[Server]:
    """`reevit work` with these options; told to stop at the end if it still runs."""
    with tempfile.TemporaryFile() as output:
        process = start(
            [REEVIT, "work", *options],
            stdout=output,
            stderr=output,
            env=environment(REEVIT_ALLOW_PRIVATE_WEBHOOKS="1", **settings),
        )
        worker = Server("", process, output)
        try:
            wait_until(lambda: "Working" in worker.output or process.poll() is not None, _SECONDS)
            yield worker
        finally:
            if process.poll() is None:
                worker.stop()


async def test_a_worker_alone_delivers_what_was_left_before_and_while_it_runs(
    merchant: Merchant, receiver: Receiver, empty_dsn: str
):
    await _endpoint(merchant, receiver)
    before = await merchant.payment()
    with at_work("--database-url", empty_dsn) as worker:
        wait_until(lambda: receiver.count() == 1, _SECONDS)
        meanwhile = await merchant.payment()
        wait_until(lambda: receiver.count() == 2, _SECONDS)
        assert worker.stop() == 0
        assert "Traceback" not in worker.output
    assert [request.json["data"]["id"] for request in receiver.got()] == [before["id"], meanwhile["id"]]


async def test_a_worker_brings_up_the_embedded_database_and_stops_it_with_itself(receiver: Receiver):
    folder = run_folder.new_folder()
    data_dir = folder / "data"
    with embedded.running(data_dir) as dsn:
        await migrations.migrate(dsn)
        async with _merchant_of(dsn) as merchant:
            await _endpoint(merchant, receiver)
            payment = await merchant.payment()
    running = data_dir / "postgres/postmaster.pid"
    assert not running.exists()
    with at_work("--data-dir", str(data_dir)) as worker:
        wait_until(lambda: receiver.count() == 1, _SECONDS)
        assert running.exists()
        assert worker.stop() == 0
    assert not running.exists()
    assert receiver.got()[0].json["data"]["id"] == payment["id"]
    shutil.rmtree(folder)


async def test_a_worker_serves_its_figures(merchant: Merchant, receiver: Receiver, empty_dsn: str):
    await _endpoint(merchant, receiver)
    await merchant.payment()
    port = free_port()
    with at_work("--database-url", empty_dsn, "--metrics-port", str(port)):

        def figures() -> list[str]:
            return httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()

        delivered = 'reevit_webhook_attempts_total{outcome="delivered"} 1.0'
        wait_until(lambda: delivered in figures(), _SECONDS)
        wait_until(lambda: "reevit_webhook_attempt_seconds_count 1.0" in figures(), _SECONDS)


def test_a_port_for_figures_that_is_in_use_is_one_clear_sentence(empty_dsn: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = reevit("work", "--database-url", empty_dsn, "--metrics-port", str(port))
    assert done.returncode == 1
    assert " ".join(done.stderr.split()) == (
        f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port with --metrics-port."
    )


def test_a_worker_needs_the_master_key_that_others_seal_with(empty_dsn: str):
    command = [REEVIT, "work", "--database-url", empty_dsn]
    without = {name: value for name, value in environment().items() if name != "REEVIT_MASTER_KEY"}
    done = subprocess.run(command, env=without, capture_output=True, text=True, check=False, timeout=_SECONDS)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: REEVIT_MASTER_KEY is missing: it seals the secrets")
    with at_work("--database-url", empty_dsn):
        pass
    done = reevit("work", "--database-url", empty_dsn, REEVIT_MASTER_KEY=new_master_key())
    assert done.returncode == 1
    assert "were sealed with another master key" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_told_to_stop_waits_for_the_delivery_under_way_and_writes_down_what_came_of_it(
    merchant: Merchant, receiver: Receiver, empty_dsn: str, number: signal.Signals
):
    await _endpoint(merchant, receiver)
    receiver.hold()
    await merchant.payment()
    with at_work("--database-url", empty_dsn) as worker:
        wait_until(lambda: receiver.count() == 1, _SECONDS)
        worker.process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.process.wait(1)
        await merchant.payment()  # which it leaves to others
        receiver.answer(200)
        assert worker.process.wait(_SECONDS) == 0
        assert not re.search("Traceback|Aborted", worker.output)
    assert await _deliveries(empty_dsn) == [("delivered", [200])]
    assert receiver.count() == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_told_twice_ends_at_once_and_gives_its_jobs_back(
    merchant: Merchant, receiver: Receiver, empty_dsn: str, number: signal.Signals
):
    await _endpoint(merchant, receiver)
    receiver.hold()
    await merchant.payment()
    with at_work("--database-url", empty_dsn) as worker:
        wait_until(lambda: receiver.count() == 1, _SECONDS)
        worker.process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.process.wait(1)
        worker.process.send_signal(number)
        assert worker.process.wait(10) == 0  # sooner than a delivery may take
        assert not re.search("Traceback|Aborted", worker.output)
    conn = await asyncpg.connect(empty_dsn)
    jobs = await conn.fetch("SELECT entrypoint, status::text FROM pgqueuer")
    await conn.close()
    assert [tuple(job) for job in jobs] == [("webhooks.deliver", "queued")]
    assert await _deliveries(empty_dsn) == [("sending", [None])]


async def _deliveries(dsn: str) -> list[tuple[str, list[int | None]]]:
    """How each stands, and what its attempts were answered."""
    conn = await asyncpg.connect(dsn)
    rows = await conn.fetch(
        """
        SELECT d.status, array_agg(a.status_code ORDER BY a.number) AS answers
        FROM webhook_deliveries AS d
        JOIN webhook_attempts AS a ON a.org_id = d.org_id AND a.mode = d.mode AND a.delivery_id = d.id
        GROUP BY d.id, d.status
        ORDER BY d.id
        """
    )
    await conn.close()
    return [(row["status"], row["answers"]) for row in rows]
