"""How things stand with a customer: one answer, all of one instant, that says what the lists of its parts say."""

import asyncio
from typing import Any

import pytest

from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.subscriptions import actions
from reevit_server.subscriptions.schemas import SubscriptionCreate
from tests.analytics.telling import advance, deed, subscribe
from tests.locks import until_waiting
from tests.makers import Merchant, ok, refused


async def state(merchant: Merchant, customer: dict[str, Any]) -> dict[str, Any]:
    return ok(await merchant.test.get(f"/v1/customers/{customer['id']}/state"))


async def listed(merchant: Merchant, customer: dict[str, Any], noun: str, limit: int) -> list[dict[str, Any]]:
    answer = ok(await merchant.test.get(f"/v1/customers/{customer['id']}/{noun}", params={"limit": limit}))
    return answer[noun]


async def test_who_has_done_nothing_has_an_empty_state(merchant: Merchant):
    customer = await merchant.customer()
    assert await state(merchant, customer) == {
        "customer": customer,
        "active_subscriptions": [],
        "open_invoices": [],
        "recent_payments": [],
        "default_payment_method": None,
    }


async def test_a_state_is_what_the_parts_show_by_themselves(merchant: Merchant):
    customer = await merchant.customer(external_id="shop/42", tags=["vip"])
    await merchant.payment(customer_id=customer["id"], method="card")
    await advance(merchant, "1d")
    await subscribe(merchant, customer, method="mobile_money")
    await subscribe(merchant, customer, metadata={"sandbox": "fail:insufficient_funds"})
    await advance(merchant, "40d")
    shown = await state(merchant, customer)
    assert shown["customer"] == ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert shown["active_subscriptions"] == await listed(merchant, customer, "subscriptions", 100)
    assert shown["recent_payments"] == await listed(merchant, customer, "payments", 10)
    invoices = await listed(merchant, customer, "invoices", 100)
    assert shown["open_invoices"] == [invoice for invoice in invoices if invoice["status"] == "failed"]
    assert [invoice["failure_code"] for invoice in shown["open_invoices"]] == ["insufficient_funds"] * 2
    assert {invoice["status"] for invoice in invoices} == {"failed", "paid"}
    assert ok(await merchant.test.get("/v1/customers/external/shop%2F42/state")) == shown


async def test_subscriptions_are_there_until_they_are_canceled(merchant: Merchant):
    customer = await merchant.customer()
    made = {
        "trialing": await subscribe(merchant, customer, trial_days=7),
        "active": await subscribe(merchant, customer),
        "past_due": await subscribe(merchant, customer, metadata={"sandbox": "fail:stolen_card"}),
        "paused": await subscribe(merchant, customer),
        "canceled": await subscribe(merchant, customer),
    }
    await deed(merchant, f"/v1/subscriptions/{made['paused']['id']}/pause")
    await deed(merchant, f"/v1/subscriptions/{made['canceled']['id']}/cancel")
    shown = (await state(merchant, customer))["active_subscriptions"]
    assert [(found["id"], found["status"]) for found in shown] == [
        (made[status]["id"], status) for status in ("paused", "past_due", "active", "trialing")
    ]


async def test_invoices_are_open_until_they_are_paid_or_canceled(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    scenarios = {
        "paid": "succeed",
        "failed": "fail:stolen_card",
        "due": "fail",
        "canceled": "fail",
        "draft": "fail",
    }
    invoices = {
        status: (await subscribe(merchant, customer, metadata={"sandbox": scenario}))["latest_invoice_id"]
        for status, scenario in scenarios.items()
    }
    await deed(merchant, f"/v1/invoices/{invoices['canceled']}/cancel")
    async with db.transaction() as conn:  # as one is before its first charge
        await conn.execute(
            "UPDATE invoices SET status = 'draft', failure_code = NULL WHERE org_id = $1 AND id = $2",
            merchant.org_id,
            invoices["draft"],
        )
    shown = (await state(merchant, customer))["open_invoices"]
    assert [(found["id"], found["status"]) for found in shown] == [
        (invoices[status], status) for status in ("draft", "due", "failed")
    ]
    assert [found["failure_code"] for found in shown] == [None, "card_declined", "stolen_card"]


async def test_the_latest_ten_payments_are_shown_however_they_went(merchant: Merchant):
    customer = await merchant.customer()
    scenarios = ["succeed", "fail", "requires_action", "processing"] * 3
    made = [
        await merchant.payment(customer_id=customer["id"], metadata={"sandbox": scenario})
        for scenario in scenarios
    ]
    shown = (await state(merchant, customer))["recent_payments"]
    assert [payment["id"] for payment in shown] == [payment["id"] for payment in reversed(made[2:])]


async def test_the_default_method_is_that_of_the_latest_payment_that_succeeded(merchant: Merchant):
    customer = await merchant.customer()

    async def method_after(day: int, **fields: Any) -> dict[str, Any] | None:
        await merchant.payment(
            customer_id=customer["id"],
            provider="external",
            occurred_at=f"2026-01-{day:02}T09:30:00Z",
            **fields,
        )
        shown = await state(merchant, customer)
        method: dict[str, Any] | None = shown["default_payment_method"]
        assert (None if method is None else method["method"]) == shown["customer"]["preferred_method"]
        return method

    by_card = {"method": "card", "currency": "GHS", "last_used_at": "2026-01-02T09:30:00Z"}
    by_phone = {"method": "mobile_money", "currency": "XOF", "last_used_at": "2026-01-03T09:30:00Z"}
    assert await method_after(2, method="card") == by_card
    assert await method_after(1, method="cash") == by_card, "an older payment came in late"
    assert await method_after(3, method="mobile_money", currency="XOF") == by_phone
    failed = {"customer_id": customer["id"], "method": "card", "metadata": {"sandbox": "fail"}}
    await merchant.payment(**failed)
    assert (await state(merchant, customer))["default_payment_method"] == by_phone
    assert await method_after(4) is None, "nobody knows how the latest one was made"


async def test_a_long_list_ends_with_its_hundredth(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    first = await subscribe(merchant, customer, metadata={"sandbox": "fail:stolen_card"})
    async with db.transaction() as conn:
        await conn.execute(
            """
            INSERT INTO invoices (org_id, mode, id, number, customer_id, subscription_id, description, amount,
                                  currency, status, period_start, period_end, due_at, created_at, updated_at)
            SELECT org_id, mode, 'inv_' || lpad(n::text, 26, '0'), number + n, customer_id, subscription_id,
                   description, amount, currency, status, period_start + n * interval '1 month',
                   period_end + n * interval '1 month', due_at, created_at + n * interval '1 second', updated_at
            FROM invoices, generate_series(1, 100) AS n
            WHERE org_id = $1 AND id = $2
            """,
            merchant.org_id,
            first["latest_invoice_id"],
        )
        await conn.execute(
            """
            INSERT INTO subscriptions (org_id, mode, id, customer_id, amount, currency, interval, interval_count,
                                       status, start_at, anchor_at, period_number, current_period_start,
                                       current_period_end, created_at, updated_at)
            SELECT org_id, mode, 'sub_' || lpad(n::text, 26, '0'), customer_id, amount, currency, interval,
                   interval_count, status, start_at, anchor_at, period_number, current_period_start,
                   current_period_end, created_at + n * interval '1 second', updated_at
            FROM subscriptions, generate_series(1, 100) AS n
            WHERE org_id = $1 AND id = $2
            """,
            merchant.org_id,
            first["id"],
        )
    shown = await state(merchant, customer)
    latest = [f"{number:026}" for number in range(100, 0, -1)]
    assert [found["id"] for found in shown["open_invoices"]] == [f"inv_{number}" for number in latest]
    assert [found["id"] for found in shown["active_subscriptions"]] == [f"sub_{number}" for number in latest]


async def test_a_state_is_of_one_instant(db: Database, merchant: Merchant):
    """Otherwise the profile could count no subscription beside one that is shown."""
    customer = await merchant.customer()
    new = SubscriptionCreate(customer_id=customer["id"], amount=1500, currency="GHS", interval="monthly")
    async with db.transaction() as conn:
        await conn.execute("LOCK TABLE invoices IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(state(merchant, customer))
        await until_waiting(conn, 1)  # it has read the profile by now
        await actions.create(conn, merchant.scope, new, now=utc_now())
    shown = await reading
    assert (shown["customer"]["active_subscriptions"], shown["active_subscriptions"]) == (0, [])
    shown = await state(merchant, customer)
    assert (shown["customer"]["active_subscriptions"], len(shown["active_subscriptions"])) == (1, 1)


async def test_a_state_is_of_this_customer_alone(merchant: Merchant):
    customer, neighbour = await merchant.customer(), await merchant.customer()
    await subscribe(merchant, neighbour, metadata={"sandbox": "fail"})
    shown = await state(merchant, customer)
    assert (shown["active_subscriptions"], shown["open_invoices"], shown["recent_payments"]) == ([], [], [])


@pytest.mark.parametrize("query", ["?limit=5", "?include_total=true"])
async def test_a_state_has_no_pages(merchant: Merchant, query: str):
    customer = await merchant.customer()
    refused(await merchant.test.get(f"/v1/customers/{customer['id']}/state{query}"), 400, "validation_error")


async def test_a_deleted_customer_has_no_state(merchant: Merchant):
    customer = await merchant.customer()
    await subscribe(merchant, customer)
    there = f"/v1/customers/{customer['id']}"
    assert (await merchant.test.delete(there)).status_code == 204
    refused(await merchant.test.get(f"{there}/state"), 404, "customer_deleted")
    refused(await merchant.test.get("/v1/customers/external/nobody/state"), 404, "customer_not_found")
