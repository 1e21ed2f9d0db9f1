"""What an import must survive: being killed, running twice at once, and meeting the server's own writes."""

import asyncio
import json
import sys
from pathlib import Path

import asyncpg
from typer.testing import CliRunner

from reevit_server.cli import cli
from tests.cli.shop import Shop
from tests.running import environment

_BATCH_ROWS = 200
# The command itself, with batches so small that there is a moment between them; it tells its peak of memory (kB).
_REEVIT = f"""
import atexit, resource, sys
from reevit_server.core import bulk
from reevit_server.cli import main
bulk.BATCH_ROWS = {_BATCH_ROWS}
atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))
main()
"""
_OTHERS = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def _table(rows: int, customers: int = 50) -> str:
    lines = (f"r{n:05},u{n % customers},{n},GHS,202601{n % 28 + 1:02},card" for n in range(rows))
    return "\n".join(["reference,external_customer_id,amount,currency,occurred_at,method", *lines]) + "\n"


async def _started(shop: Shop, content: str, *options: str) -> asyncio.subprocess.Process:
    """`reevit import payments` in a process of its own."""
    where = ("--org", shop.merchant.org_id, "--database-url", shop.dsn, "--json")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _REEVIT, "import", "payments", shop.file(content), *where, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )


async def _ended(process: asyncio.subprocess.Process) -> dict[str, int]:
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    report: dict[str, int] = json.loads(stdout)
    return report


async def _wait_until(shop: Shop, condition: str) -> None:
    async with asyncio.timeout(60):  # the event is in another process: there is nothing to await
        while not (await shop.rows(f"SELECT {condition} AS met"))[0]["met"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _count(shop: Shop) -> int:
    (row,) = await shop.rows("SELECT count(*) FROM payments WHERE org_id = $1", shop.merchant.org_id)
    return int(row["count"])


async def test_a_killed_import_leaves_whole_batches_and_is_completed_by_the_next(shop: Shop):
    content = _table(6000)
    killed = await _started(shop, content)
    await _wait_until(shop, f"EXISTS (SELECT 1 FROM payments WHERE org_id = '{shop.merchant.org_id}')")
    killed.kill()
    await killed.communicate()
    await _wait_until(shop, f"NOT EXISTS (SELECT 1 FROM {_OTHERS} AND state <> 'idle')")
    stored = await _count(shop)
    assert 0 < stored < 6000, "it was killed too late"
    assert stored % _BATCH_ROWS == 0
    assert not await shop.drift()
    report = await shop.load("payments", content)
    assert (report["already_there"], report["created"]) == (stored, 6000 - stored)
    assert await _count(shop) == 6000
    assert not await shop.drift()


async def test_two_imports_of_one_file_at_once_store_each_payment_once(shop: Shop):
    both = [await _started(shop, _table(2000)) for _ in range(2)]
    reports = await asyncio.gather(*map(_ended, both))
    for count, expected in (("created", 2000), ("already_there", 2000), ("customers_opened", 50)):
        assert sum(report[count] for report in reports) == expected, reports
    assert await _count(shop) == 2000
    assert not await shop.drift()


async def test_a_reference_that_is_being_written_is_waited_for_and_then_known(shop: Shop):
    async with shop.db.transaction() as conn:
        await conn.execute(
            """
            INSERT INTO payments (org_id, mode, id, amount, currency, status, reference, provider, source,
                                  occurred_at, created_at, updated_at)
            VALUES ($1, 'test', 'pay_theirs', 1, 'GHS', 'failed', 'r00001', 'external', 'api', now(), now(), now())
            """,
            shop.merchant.org_id,
        )
        importing = asyncio.create_task(shop.load_some("payments", _table(3)))
        await _wait_until(shop, f"EXISTS (SELECT 1 FROM {_OTHERS} AND wait_event_type = 'Lock')")
    report, said = await importing
    assert (report["created"], report["refused"], report["customers_opened"]) == (2, 1, 2)
    differences = "the row says customer 'u1', stored is 'nobody'; the row says succeeded, stored is failed"
    assert said == [f"line 3: reference: 'r00001' is stored already: {differences} (reference_taken)"]
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
        await _wait_until(shop, f"EXISTS (SELECT 1 FROM {_OTHERS} AND wait_event_type = 'Lock')")
    assert (await importing)["customers_opened"] == 2
    assert (await shop.payment("r00001"))["customer_id"] == "cus_theirs"
    assert not await shop.drift()


async def test_a_lost_connection_costs_a_batch_nothing_but_time(shop: Shop):
    process = await _started(shop, _table(4000))
    await _wait_until(shop, f"EXISTS (SELECT 1 FROM payments WHERE org_id = '{shop.merchant.org_id}')")
    cut = f"SELECT pg_terminate_backend(pid) FROM {_OTHERS} AND state <> 'idle'"
    while not await shop.rows(cut):
        assert process.returncode is None, "it ended before it could be cut off"
    report = await _ended(process)
    assert report["created"] + report["already_there"] == 4000
    assert await _count(shop) == 4000
    assert not await shop.drift()


async def test_payments_over_the_api_go_on_while_a_history_is_loaded(shop: Shop):
    report = asyncio.create_task(_ended(await _started(shop, _table(3000))))
    paid = 0
    while not report.done() or paid < 20:
        await shop.merchant.payment(customer={"external_id": f"u{paid % 50}"}, amount=1)
        paid += 1
    assert (await report)["created"] == 3000
    assert await _count(shop) == 3000 + paid
    assert not await shop.drift()


async def test_memory_does_not_grow_with_the_file(shop: Shop):
    peaks = []
    for rows in (1000, 20_000):
        process = await _started(shop, _table(rows), "--dry-run")
        _, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()
        peaks.append(int(stderr))
    assert peaks[1] < peaks[0] * 1.15, peaks


async def test_a_new_database_does_not_read_all_customers_for_each_payment(empty_dsn: str, tmp_path: Path):
    """PostgreSQL knows nothing of a new table; unless told to look, it checks foreign keys by any index."""
    path = tmp_path / "rows.csv"
    path.write_text(_table(3000, customers=1500))
    created = await asyncio.to_thread(
        CliRunner().invoke, cli, ["orgs", "create", "Shop", "--json", "--database-url", empty_dsn]
    )
    where = ["--org", json.loads(created.stdout)["org_id"], "--database-url", empty_dsn]
    imported = await asyncio.to_thread(CliRunner().invoke, cli, ["import", "payments", str(path), *where])
    assert imported.exit_code == 0, imported.output
    conn = await asyncpg.connect(empty_dsn)
    read = await conn.fetchval(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'customers'"
    )
    await conn.close()
    assert 3000 < read < 30_000, "about three looks at a customer for a payment: to find, to lock, to check"
