"""What an import must survive: being killed, running twice at once, and meeting the server's own writes."""

import asyncio
import json
import subprocess
import sys
import time

from tests.cli.shop import Shop
from tests.running import environment

_ROWS = 6000
# The command itself, with batches so small that there is a moment between them.
_IN_SMALL_BATCHES = (
    "import sys; from reevit_server.core import bulk; bulk.BATCH_ROWS = 200; "
    "from reevit_server.cli import main; sys.argv = ['reevit', *sys.argv[1:]]; main()"
)


def _table(rows: int = _ROWS, customers: int = 50) -> str:
    lines = (f"r{n:05},u{n % customers},{n},GHS,202601{n % 28 + 1:02},card" for n in range(rows))
    return "\n".join(["reference,external_customer_id,amount,currency,occurred_at,method", *lines]) + "\n"


def _command(shop: Shop, path: str) -> list[str]:
    where = ["--org", shop.merchant.org_id, "--database-url", shop.dsn, "--json"]
    return [sys.executable, "-c", _IN_SMALL_BATCHES, "import", "payments", path, *where]


async def _started(shop: Shop, content: str, *options: str) -> asyncio.subprocess.Process:
    command = [*_COMMAND, "import", "payments", shop.file(content), "--json", *options]
    where = ["--org", shop.merchant.org_id, "--database-url", shop.dsn]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, *where, stdout=pipe, stderr=pipe, env=environment())


async def _wait_for(shop: Shop, condition: str) -> None:
    """Until the database says so of other connections."""
    async with asyncio.timeout(60):
        while not (await shop.rows(f"SELECT {condition} AS met"))[0]["met"]:
            await asyncio.sleep(0.01)


async def _count(shop: Shop) -> int:
    (row,) = await shop.rows("SELECT count(*) FROM payments WHERE org_id = $1", shop.merchant.org_id)
    return int(row["count"])


async def test_a_killed_import_leaves_whole_batches_and_is_completed_by_the_next(shop: Shop):
    content = _table()
    killed = await _started(shop, content)
    async with asyncio.timeout(60):
        while await _count(shop) == 0:
            assert killed.returncode is None, "it ended before it could be killed"
            await asyncio.sleep(0.01)  # noqa: ASYNC110 - another process commits
    killed.kill()
    await killed.communicate()
    await _wait_for(shop, f"NOT EXISTS (SELECT 1 FROM {_OTHERS} AND state <> 'idle')")
    stored = await _count(shop)
    assert 0 < stored < _ROWS
    assert stored % 200 == 0
    assert not await shop.drift()
    report = await shop.load("payments", content)
    assert (report["already_there"], report["created"]) == (stored, _ROWS - stored)
    assert await _count(shop) == _ROWS
    assert not await shop.drift()


async def test_two_imports_of_one_file_at_once_store_each_payment_once(shop: Shop):
    path = shop.file(_table(2000))
    both = [
        await asyncio.create_subprocess_exec(
            *_command(shop, path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        for _ in range(2)
    ]
    ended = await asyncio.gather(*(process.communicate() for process in both))
    assert [process.returncode for process in both] == [0, 0], ended
    reports = [json.loads(stdout) for stdout, _ in ended]
    assert sum(report["created"] for report in reports) == 2000
    assert sum(report["already_there"] for report in reports) == 2000
    assert sum(report["customers_opened"] for report in reports) == 50
    assert await _count(shop) == 2000
    assert not await shop.drift()


async def test_a_reference_that_is_being_written_is_waited_for_and_then_known(shop: Shop):
    content = _table(3)
    await shop.load("customers", "external_id\nu0\nu1\nu2\n")
    owner = (await shop.customer("u1"))["id"]
    async with shop.db.transaction() as conn:
        await conn.execute(
            """
            INSERT INTO payments (org_id, mode, id, customer_id, amount, currency, status, reference, provider,
                                  source, occurred_at, succeeded_at, created_at, updated_at)
            VALUES ($1, 'test', 'pay_theirs', $2, 1, 'GHS', 'failed', 'r00001', 'external', 'api',
                    now(), NULL, now(), now())
            """,
            shop.merchant.org_id,
            owner,
        )
        importing = asyncio.create_task(shop.load_some("payments", content))
        while not await shop.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)
            assert not importing.done()
    report, said = await importing
    assert (report["created"], report["refused"]) == (2, 1)
    assert said == [
        "line 3: reference: 'r00001' is stored already: the row says succeeded, stored is failed (reference_taken)"
    ]
    assert not await shop.drift()


async def test_a_customer_that_is_being_opened_is_waited_for_and_then_paid_by(shop: Shop):
    async with shop.db.transaction() as conn:
        await conn.execute(
            """
            INSERT INTO customers (org_id, mode, id, external_id, created_at, updated_at)
            VALUES ($1, 'test', 'cus_theirs', 'u1', now(), now())
            """,
            shop.merchant.org_id,
        )
        importing = asyncio.create_task(shop.load("payments", _table(3)))
        while not await shop.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)
            assert not importing.done()
    assert (await importing)["customers_opened"] == 2
    assert (await shop.payment("r00001"))["customer_id"] == "cus_theirs"
    assert not await shop.drift()


async def test_payments_over_the_api_go_on_while_a_history_is_loaded(shop: Shop):
    importing = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *_command(shop, shop.file(_table(3000))), stdout=subprocess.PIPE, env=environment()
        )
    )
    process = await importing
    ended = asyncio.create_task(process.communicate())
    paid = 0
    while not ended.done() or paid < 20:
        await shop.merchant.payment(customer={"external_id": f"u{paid % 50}"}, amount=1)
        paid += 1
    stdout, _ = await ended
    assert json.loads(stdout)["created"] == 3000
    assert await _count(shop) == 3000 + paid
    assert not await shop.drift()


async def test_memory_does_not_grow_with_the_file(shop: Shop):
    peaks = []
    measured = _IN_SMALL_BATCHES.replace(
        "main()",
        "import atexit, resource; atexit.register(lambda: print("
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)); main()",
    )
    for rows in (1000, 40_000):
        command = [
            part if part != _IN_SMALL_BATCHES else measured
            for part in _command(shop, shop.file(_table(rows)))
        ]
        done = await asyncio.create_subprocess_exec(
            *command, "--dry-run", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        _, stderr = await done.communicate()
        assert done.returncode == 0, stderr
        peaks.append(int(stderr))
    assert peaks[1] < peaks[0] * 1.15, peaks
