"""Figures are exact, however large: no float, no rounding, no ceiling that a good customer could reach."""

import random
from datetime import UTC, datetime

import pytest

from reevit_server import customers
from reevit_server.core.database import Database
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift

MAX = 10**12 - 1


@pytest.mark.parametrize("currency", ["GHS", "XOF", "KWD"])
async def test_the_largest_amount_is_exact_everywhere(db: Database, merchant: Merchant, currency: str):
    customer = await merchant.customer()
    payment = await merchant.payment(amount=MAX, currency=currency, customer_id=customer["id"])
    assert payment["amount"] == MAX
    refund = await merchant.refund(payment["id"], amount=MAX - 1)
    assert refund["amount"] == MAX - 1
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (after["total_spent"], after["total_refunded"], after["lifetime_value"]) == (MAX, MAX - 1, 1)
    body = {"amount": MAX + 1, "currency": currency}
    refused(await merchant.test.post("/v1/payments", json=body), 400, "validation_error")
    assert await drift(db, merchant.scope) == []


async def test_the_largest_fee_is_exact(merchant: Merchant):
    body = {"amount": MAX, "currency": "GHS", "provider": "external", "fee_amount": MAX - 1}
    payment = created(await merchant.test.post("/v1/payments", json=body))
    assert (payment["fee_amount"], payment["net_amount"]) == (MAX - 1, 1)


async def test_currencies_are_never_added_together(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    amounts = {"GHS": 15000, "XOF": 15000, "KWD": 15000, "USD": 1}
    for currency, amount in amounts.items():
        payment = await merchant.payment(amount=amount, currency=currency, customer_id=customer["id"])
    await merchant.refund(payment["id"], amount=1)
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert {row["currency"]: row["total_spent"] for row in after["totals"]} == amounts
    assert {row["currency"]: row["lifetime_value"] for row in after["totals"]} == {**amounts, "USD": 0}
    assert (after["preferred_currency"], after["total_spent"], after["total_refunded"]) == ("USD", 1, 1)
    assert await drift(db, merchant.scope) == []


async def test_many_small_amounts_add_up_to_the_unit(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    chance = random.Random(7)
    amounts = [chance.choice([1, 2933, 10**9 + 7, MAX]) for _ in range(60)]
    for amount in amounts:
        await merchant.payment(amount=amount, customer_id=customer["id"])
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (after["total_spent"], after["payment_count"]) == (sum(amounts), 60)
    assert await drift(db, merchant.scope) == []


async def test_totals_stay_exact_beyond_sixty_four_bits(db: Database, merchant: Merchant):
    """Nine million of the largest payments, and then two more through the door."""
    customer = await merchant.customer(name="Croesus")
    modest = await merchant.customer(name="Modest")
    before = 9_300_000 * MAX + 1
    assert before > 2**63
    async with db.transaction() as conn:
        await customers.add_payment(
            conn, merchant.scope, customer_id=customer["id"], currency="GHS", amount=before,
            method="card", at=datetime(2024, 1, 1, tzinfo=UTC),
        )  # fmt: skip
    await merchant.payment(customer_id=modest["id"], amount=MAX)
    payment = await merchant.payment(customer_id=customer["id"], amount=MAX)
    await merchant.payment(customer_id=customer["id"], amount=1)
    await merchant.refund(payment["id"], amount=3)
    spent = before + MAX + 1
    text = (await merchant.test.get(f"/v1/customers/{customer['id']}")).text
    assert text.count(f'"total_spent":{spent},') == 2
    assert text.count(f'"lifetime_value":{spent - 3},') == 2
    for sort in ("total_spent", "lifetime_value"):
        query = {"sort_by": sort, "limit": 1}
        first = ok(await merchant.test.get("/v1/customers", params=query))
        assert (first["customers"][0]["name"], first["customers"][0]["total_spent"]) == ("Croesus", spent)
        rest = ok(await merchant.test.get("/v1/customers", params={**query, "cursor": first["next_cursor"]}))
        assert (rest["customers"][0]["name"], rest["has_more"]) == ("Modest", False)
    found = ok(await merchant.test.get("/v1/customers", params={"min_spent": 2**63 - 1}))
    assert [row["name"] for row in found["customers"]] == ["Croesus"]
    changed = ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Kroisos"}))
    assert changed["total_spent"] == spent
    async with db.read() as conn:
        told = await conn.fetchval(
            "SELECT data ->> 'total_spent' FROM events WHERE subject_id = $1 AND type = 'customer.updated'",
            customer["id"],
        )
        kept = await conn.fetchval(
            "SELECT sum(spent)::text FROM customer_days WHERE customer_id = $1", customer["id"]
        )
    assert told == kept == str(spent)
