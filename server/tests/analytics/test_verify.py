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
from tests.makers import MASTER_KEY, Api, created, make_merchant, ok


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


async def _bill(dsn: str) -> None:
    """A customer with a subscription in its second period, another with one that is given up."""
    async with await Database.open(dsn) as db, Api(create_app(Settings(master_key=MASTER_KEY), dsn)) as api:
        merchant = await make_merchant(db, api)
        terms = {"amount": 1500, "currency": "GHS", "interval": "weekly"}
        for name, scenario in (("payer", "succeed"), ("debtor", "fail:lost_card")):
            await merchant.customer(external_id=name)
            body = {**terms, "external_customer_id": name, "metadata": {"sandbox": scenario}}
            created(await merchant.test.post("/v1/subscriptions", json=body))
        ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "8d"}))


@pytest.mark.parametrize(
    ("damage", "figures"),
    [
        ("SELECT 1", set()),
        (
            "UPDATE customers SET subscription_status = 'none' WHERE external_id = 'payer'",
            {("subscription_status", "none", "active")},
        ),
        (
            "UPDATE customers SET active_subscriptions = 2 WHERE external_id = 'payer'",
            {("active_subscriptions", "2", "1")},
        ),
        (
            "UPDATE subscriptions SET status = 'canceled', canceled_at = now(), queue_at = NULL",
            {
                ("subscription_status", "active", "canceled"),
                ("active_subscriptions", "1", "0"),
                ("subscription_status", "past_due", "canceled"),
            },
        ),
        (
            "UPDATE subscriptions SET status = 'trialing' WHERE status = 'past_due'",
            {("subscription_status", "past_due", "active"), ("active_subscriptions", "0", "1")},
        ),
        (
            "UPDATE invoices SET number = 9 WHERE number = 3",
            {
                ("invoice.number", "4", "3"),
                ("invoice.number", "9", "5"),
                ("invoice_numbers.last", "4", "9"),
            },
        ),
        ("UPDATE invoice_numbers SET last = 5", {("invoice_numbers.last", "5", "4")}),
        ("DELETE FROM invoice_numbers", {("invoice_numbers.last", None, "4")}),
        ("UPDATE invoices SET amount = 1499 WHERE number = 1", {("invoice.amount", "1499", "1500")}),
        ("UPDATE invoices SET currency = 'NGN' WHERE number = 2", {("invoice.currency", "NGN", "GHS")}),
        (
            "UPDATE invoices SET paid_at = '2026-01-01', status = 'paid' WHERE number = 2",
            {("invoice.paid_at", "2026-01-01 00:00:00+00", None)},
        ),
    ],
)
def test_every_kind_of_drift_in_billing_is_found_and_named(empty_dsn: str, damage: str, figures: set):
    asyncio.run(_bill(empty_dsn))
    asyncio.run(_execute(empty_dsn, damage))
    status, report = _verify(empty_dsn)
    assert {(d["figure"], d["stored"], d["recomputed"]) for d in report["drift"]} == figures
    assert status == (1 if figures else 0)


@pytest.mark.parametrize(
    ("damage", "figures"),
    [
        (
            "UPDATE invoices SET customer_id = (SELECT id FROM customers WHERE external_id = 'debtor')",
            {"invoice.customer_id"},
        ),
        (
            "UPDATE payments SET source_id = 'sub_other' WHERE succeeded_at IS NULL",
            {"invoice.subscription_id"},
        ),
        (
            "UPDATE invoices SET payment_id = NULL, status = 'due', paid_at = NULL WHERE number = 1",
            {
                "invoice.payment_id",
                "invoice.amount",
                "invoice.currency",
                "invoice.customer_id",
                "invoice.subscription_id",
                "invoice.paid_at",
            },
        ),
    ],
)
def test_an_invoice_and_its_payment_are_of_the_same_customer_and_each_others(
    empty_dsn: str, damage: str, figures: set
):
    asyncio.run(_bill(empty_dsn))
    asyncio.run(_execute(empty_dsn, damage))
    assert {drift["figure"] for drift in _verify(empty_dsn)[1]["drift"]} == figures


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
