"""`reevit verify`: silent when all adds up, exact when it does not."""

import asyncio
import json

import asyncpg
import pytest
from typer.testing import CliRunner

from reevit_server.app import create_app
from reevit_server.cli import cli
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, make_merchant


async def _trade(dsn: str) -> str:
    """A payment, a refund and a guest; the customer's id."""
    async with await Database.open(dsn) as db, Api(create_app(Settings(master_key=MASTER_KEY), dsn)) as api:
        merchant = await make_merchant(db, api)
        customer = await merchant.customer()
        payment = await merchant.payment(customer_id=customer["id"], amount=1000, method="card")
        await merchant.refund(payment["id"], amount=400)
        await merchant.payment(amount=1)
    return customer["id"]


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute(statement)
    await conn.close()


def _verify(dsn: str, *options: str) -> tuple[int, dict]:
    result = CliRunner().invoke(cli, ["verify", "--json", "--database-url", dsn, *options])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize(
    ("damage", "figures"),
    [
        ("SELECT 1", set()),
        ("UPDATE customer_totals SET total_spent = total_spent + 1", {("total_spent", "1001", "1000")}),
        ("UPDATE customer_totals SET total_refunded = 0", {("total_refunded", "0", "400")}),
        ("UPDATE customer_totals SET payment_count = 2", {("payment_count", "2", "1")}),
        ("UPDATE customer_totals SET last_method = 'cash'", {("last_method", "cash", "card")}),
        ("UPDATE customer_totals SET last_method = NULL", {("last_method", None, "card")}),
        ("UPDATE payments SET method = NULL", {("last_method", "card", None)}),
        ("UPDATE customer_days SET spent = 7", {("day.spent", "7", "1000")}),
        (
            "DELETE FROM customer_days",
            {("day.spent", None, "1000"), ("day.refunded", None, "400"), ("day.payment_count", None, "1")},
        ),
        (
            "UPDATE refunds SET amount = 399",
            {
                ("total_refunded", "400", "399"),
                ("day.refunded", "400", "399"),
                ("amount_refunded", "400", "399"),
            },
        ),
    ],
)
def test_every_kind_of_drift_is_found_and_named(empty_dsn: str, damage: str, figures: set):
    customer_id = asyncio.run(_trade(empty_dsn))
    asyncio.run(_execute(empty_dsn, damage))
    status, report = _verify(empty_dsn)
    assert {(d["figure"], d["stored"], d["recomputed"]) for d in report["drift"]} == figures
    assert status == (1 if figures else 0)
    assert report["checked"] == 2
    if damage.startswith("UPDATE customer_totals"):
        assert report["drift"][0]["subject"] == f"{customer_id} GHS"


def test_verifying_an_unknown_organization_says_so(empty_dsn: str):
    result = CliRunner().invoke(cli, ["verify", "--org", "org_none", "--database-url", empty_dsn])
    assert result.exit_code == 1
    assert "org_none" in str(result.exception)


def test_of_payments_at_one_instant_any_may_be_the_latest(empty_dsn: str):
    async def trade() -> None:
        async with (
            await Database.open(empty_dsn) as db,
            Api(create_app(Settings(master_key=MASTER_KEY), empty_dsn)) as api,
        ):
            merchant = await make_merchant(db, api)
            for method, day in (("card", 2), ("mobile_money", 2), ("cash", 1)):
                await merchant.payment(
                    customer={"external_id": "usr_1"},
                    method=method,
                    provider="external",
                    occurred_at=f"2026-01-0{day}T09:30:00Z",
                )

    asyncio.run(trade())
    for method, drift in (("card", []), ("mobile_money", []), ("cash", ["card or mobile_money"])):
        asyncio.run(_execute(empty_dsn, f"UPDATE customer_totals SET last_method = '{method}'"))
        assert [found["recomputed"] for found in _verify(empty_dsn)[1]["drift"]] == drift


def test_one_mode_can_be_verified_alone(empty_dsn: str):
    asyncio.run(_trade(empty_dsn))
    asyncio.run(_execute(empty_dsn, "UPDATE customer_totals SET total_spent = total_spent + 1"))
    found = {mode: _verify(empty_dsn, "--mode", mode) for mode in ("test", "live")}
    assert [(status, report["checked"]) for status, report in found.values()] == [(1, 1), (0, 1)]
    assert [drift["mode"] for drift in found["test"][1]["drift"]] == ["test"]
    refused = CliRunner().invoke(cli, ["verify", "--mode", "both", "--database-url", empty_dsn])
    assert refused.exit_code == 2
    assert "test or live" in refused.output
