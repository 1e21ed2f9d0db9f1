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
from tests.makers import Api, make_merchant


async def _trade(dsn: str) -> str:
    """A payment, a refund and a guest; the customer's id."""
    async with await Database.open(dsn) as db, Api(create_app(Settings(), dsn)) as api:
        merchant = await make_merchant(db, api)
        customer = await merchant.customer()
        payment = await merchant.payment(customer_id=customer["id"], amount=1000)
        await merchant.refund(payment["id"], amount=400)
        await merchant.payment(amount=1)
    return customer["id"]


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute(statement)
    await conn.close()


def _verify(dsn: str) -> tuple[int, dict]:
    result = CliRunner().invoke(cli, ["verify", "--json", "--database-url", dsn])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize(
    ("damage", "figures"),
    [
        ("SELECT 1", set()),
        ("UPDATE customer_totals SET total_spent = total_spent + 1", {("total_spent", "1001", "1000")}),
        ("UPDATE customer_totals SET total_refunded = 0", {("total_refunded", "0", "400")}),
        ("UPDATE customer_totals SET payment_count = 2", {("payment_count", "2", "1")}),
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
