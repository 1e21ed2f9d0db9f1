"""What happened with a customer: payments, refunds, subscriptions and invoices in one time order, in exact pages."""

import asyncio
import random
from typing import Any

import pytest

from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.subscriptions import actions
from reevit_server.subscriptions.schemas import SubscriptionCreate
from tests.analytics.telling import advance, deed, history, paged, subscribe, whole
from tests.locks import until_waiting
from tests.makers import Merchant, created, ok, refused


async def a_busy_year(merchant: Merchant, customer: dict[str, Any], seed: int) -> None:
    """Deeds of all kinds, many of them while the clock stands still."""
    chance = random.Random(seed)
    paid: list[dict[str, Any]] = []
    for _ in range(30):
        choice = chance.random()
        if choice < 0.4 or not paid:
            paid.append(await merchant.payment(customer_id=customer["id"], amount=chance.randint(10, 1000)))
        elif choice < 0.6:
            await merchant.refund(paid.pop()["id"], amount=chance.randint(1, 10))
        elif choice < 0.75:
            scenario = chance.choice(
                ["succeed", "fail", "fail,succeed", "requires_action", "fail:stolen_card"]
            )
            interval = chance.choice(["weekly", "monthly"])
            await subscribe(merchant, customer, interval=interval, metadata={"sandbox": scenario})
        else:
            await advance(merchant, chance.choice(["1h", "1d", "1w"]))


async def the_lists(merchant: Merchant, customer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The same history, put together from the lists of its nouns."""
    told = []
    for noun, at in (
        ("payments", "occurred_at"),
        ("subscriptions", "created_at"),
        ("invoices", "created_at"),
    ):
        there = f"/v1/customers/{customer['id']}/{noun}"
        listed = ok(await merchant.test.get(there, params={"limit": 100}))
        assert not listed["has_more"]
        told += [(found[at], found["id"], noun.removesuffix("s")) for found in listed[noun]]
        if noun == "payments":
            for payment in listed["payments"]:
                refunds = ok(await merchant.test.get(f"/v1/payments/{payment['id']}/refunds"))["refunds"]
                told += [(refund["occurred_at"], refund["id"], "refund") for refund in refunds]
    return sorted(told, reverse=True)


async def test_history_is_one_time_order_of_four_kinds(merchant: Merchant):
    customer = await merchant.customer()
    first = await advance(merchant, "1d")
    payment = await merchant.payment(customer_id=customer["id"], amount=1000)
    second = await advance(merchant, "1d")
    await merchant.refund(payment["id"], amount=300)
    third = await advance(merchant, "1d")
    await subscribe(merchant, customer)
    page = await history(merchant, customer, include_total="true")
    assert [(entry["type"], entry["at"], entry["summary"]) for entry in page["history"]] == [
        ("subscription", third, "Subscription to team for 15.00 GHS monthly began"),
        ("payment", third, "Payment of 15.00 GHS succeeded"),
        ("invoice", third, "Invoice INV-000001 for 15.00 GHS paid"),
        ("refund", second, "Refund of 3.00 GHS succeeded"),
        ("payment", first, "Payment of 10.00 GHS partially refunded"),
    ]
    assert (page["total"], page["has_more"], page["next_cursor"]) == (5, False, None)


async def test_an_entry_holds_what_the_address_of_its_object_shows(merchant: Merchant):
    customer = await merchant.customer()
    payment = await merchant.payment(customer_id=customer["id"])
    refund = await merchant.refund(payment["id"], amount=300)
    await subscribe(merchant, customer, metadata={"sandbox": "fail:insufficient_funds"})
    entries = await whole(merchant, customer)
    assert {entry["type"] for entry in entries} == {"payment", "refund", "subscription", "invoice"}
    for entry in entries:
        data = entry["data"]
        shown = refund
        if entry["type"] != "refund":
            shown = ok(await merchant.test.get(f"/v1/{entry['type']}s/{entry['id']}"))
        assert data == shown
        at = "occurred_at" if entry["type"] in ("payment", "refund") else "created_at"
        assert (entry["id"], entry["at"]) == (data["id"], data[at])


@pytest.mark.parametrize(
    ("fields", "deeds", "told"),
    [
        ({}, (), "Subscription to team for 15.00 GHS monthly began"),
        ({"plan_id": None}, (), "Subscription for 15.00 GHS monthly began"),
        ({"interval_count": 3}, (), "Subscription to team for 15.00 GHS every 3 months began"),
        ({"interval": "daily"}, (), "Subscription to team for 15.00 GHS daily began"),
        (
            {"interval": "yearly", "interval_count": 2, "currency": "XOF"},
            (),
            "Subscription to team for 1500 XOF every 2 years began",
        ),
        ({"trial_days": 7}, (), "Subscription to team for 15.00 GHS monthly awaits its first charge"),
        ({}, ("pause",), "Subscription to team for 15.00 GHS monthly is paused"),
        ({}, ("pause", "resume"), "Subscription to team for 15.00 GHS monthly began"),
        ({}, ("cancel",), "Subscription to team for 15.00 GHS monthly is canceled"),
        (
            {"metadata": {"sandbox": "fail:stolen_card"}},
            (),
            "Subscription to team for 15.00 GHS monthly is past due",
        ),
    ],
)
async def test_a_subscription_is_told_as_it_stands(
    merchant: Merchant, fields: dict[str, Any], deeds: tuple[str, ...], told: str
):
    customer = await merchant.customer()
    subscription = await subscribe(merchant, customer, **fields)
    for name in deeds:
        await deed(merchant, f"/v1/subscriptions/{subscription['id']}/{name}")
    entries = await whole(merchant, customer)
    assert [entry["summary"] for entry in entries if entry["type"] == "subscription"] == [told]


async def test_an_invoice_is_told_as_it_stands(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    await subscribe(merchant, customer)
    await subscribe(merchant, customer, metadata={"sandbox": "fail"})
    await subscribe(merchant, customer, metadata={"sandbox": "fail:stolen_card"})
    canceled = await subscribe(merchant, customer, metadata={"sandbox": "fail"})
    await deed(merchant, f"/v1/invoices/{canceled['latest_invoice_id']}/cancel")
    drafted = await subscribe(merchant, customer, metadata={"sandbox": "fail"})
    async with db.transaction() as conn:  # as the worker leaves it for the time of the charge
        await conn.execute(
            "UPDATE invoices SET status = 'draft' WHERE org_id = $1 AND id = $2",
            merchant.org_id,
            drafted["latest_invoice_id"],
        )
    entries = await whole(merchant, customer)
    assert [entry["summary"] for entry in reversed(entries) if entry["type"] == "invoice"] == [
        "Invoice INV-000001 for 15.00 GHS paid",
        "Invoice INV-000002 for 15.00 GHS due",
        "Invoice INV-000003 for 15.00 GHS failed",
        "Invoice INV-000004 for 15.00 GHS canceled",
        "Invoice INV-000005 for 15.00 GHS drafted",
    ]


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("succeed", "Payment of 7000 XOF succeeded"),
        ("fail", "Payment of 7000 XOF failed"),
        ("requires_action", "Payment of 7000 XOF requires action"),
        ("processing", "Payment of 7000 XOF processing"),
    ],
)
async def test_a_payment_is_told_as_it_stands(merchant: Merchant, scenario: str, told: str):
    customer = await merchant.customer()
    await merchant.payment(
        customer_id=customer["id"], amount=7000, currency="XOF", metadata={"sandbox": scenario}
    )
    assert [entry["summary"] for entry in await whole(merchant, customer)] == [told]


@pytest.mark.parametrize("seed", range(3))
async def test_pages_of_any_size_add_up_to_the_lists_of_all_nouns(merchant: Merchant, seed: int):
    customer = await merchant.customer()
    await a_busy_year(merchant, customer, seed)
    entries = await whole(merchant, customer)
    expected = await the_lists(merchant, customer)
    assert [(entry["at"], entry["id"], entry["type"]) for entry in entries] == expected
    assert {type for _, _, type in expected} == {"payment", "refund", "subscription", "invoice"}
    assert len({at for at, _, _ in expected}) < len(expected), "the clock stood still now and then"
    for limit in (1, 2, 3, 7, len(entries) - 1, len(entries)):
        assert await paged(merchant, customer, limit) == entries


async def test_what_happened_at_one_instant_is_paged_by_its_ids(merchant: Merchant):
    customer = await merchant.customer()
    await advance(merchant, "1h")
    for _ in range(3):
        payment = await merchant.payment(customer_id=customer["id"])
        await merchant.refund(payment["id"], amount=1)
        await subscribe(merchant, customer)
    entries = await whole(merchant, customer)
    assert len(entries) == 3 * 5
    assert len({entry["at"] for entry in entries}) == 1
    ids = [entry["id"] for entry in entries]
    assert ids == sorted(ids, reverse=True)
    for limit in range(1, len(entries)):
        assert await paged(merchant, customer, limit) == entries


async def test_what_happens_meanwhile_shifts_no_page(merchant: Merchant):
    customer = await merchant.customer()
    for _ in range(2):
        await subscribe(merchant, customer)
        await merchant.payment(customer_id=customer["id"])
    before = await whole(merchant, customer)
    page = await history(merchant, customer, limit=3)
    read = page["history"]
    while page["has_more"]:
        await advance(merchant, "1d")
        await subscribe(merchant, customer)
        page = await history(merchant, customer, limit=3, cursor=page["next_cursor"])
        read += page["history"]
    assert read == before


async def test_a_page_may_be_reached_by_counting_rows(merchant: Merchant):
    customer = await merchant.customer()
    await a_busy_year(merchant, customer, seed=4)
    entries = await whole(merchant, customer)
    for offset in (0, 1, 5, len(entries) - 2, len(entries), len(entries) + 1):
        page = await history(merchant, customer, limit=2, offset=offset, include_total="true")
        assert page["history"] == entries[offset : offset + 2]
        assert page["has_more"] == (offset + 2 < len(entries))
        assert page["total"] == len(entries)
    assert await paged(merchant, customer, 3, offset=4) == entries[4:]


async def test_a_page_is_of_one_instant(db: Database, merchant: Merchant):
    """Otherwise the invoice of a payment could be on a page, and the payment on none."""
    customer = await merchant.customer()
    new = SubscriptionCreate(customer_id=customer["id"], amount=1500, currency="GHS", interval="monthly")
    async with db.transaction() as conn:
        await conn.execute("LOCK TABLE invoices IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(history(merchant, customer))
        await until_waiting(conn, 1)  # it has read the payments by now
        await actions.create(conn, merchant.scope, new, now=utc_now())
    assert (await reading)["history"] == []
    assert len(await whole(merchant, customer)) == 3


async def test_history_is_the_same_by_either_id(merchant: Merchant):
    customer = await merchant.customer(external_id="shop/42")
    await subscribe(merchant, customer)
    by_external_id = ok(await merchant.test.get("/v1/customers/external/shop%2F42/history"))
    assert by_external_id["history"] == await whole(merchant, customer)


async def test_history_is_of_this_customer_alone(merchant: Merchant):
    customer, neighbour = await merchant.customer(), await merchant.customer()
    await subscribe(merchant, neighbour)
    await merchant.payment(customer_id=neighbour["id"])
    await merchant.payment()
    page = await history(merchant, customer, include_total="true")
    assert (page["history"], page["total"]) == ([], 0)


async def test_a_deleted_customer_has_no_history_to_show(merchant: Merchant):
    customer = await merchant.customer()
    await subscribe(merchant, customer)
    there = f"/v1/customers/{customer['id']}"
    assert (await merchant.test.delete(there)).status_code == 204
    refused(await merchant.test.get(f"{there}/history"), 404, "customer_deleted")


async def test_history_needs_the_scope_that_reads_customers(api, merchant: Merchant):
    customer = await merchant.customer()
    keys = {
        scope: created(await merchant.test.post("/v1/api-keys", json={"name": "one", "scopes": [scope]}))
        for scope in ("customers:read", "payments:read")
    }
    there = f"/v1/customers/{customer['id']}/history"
    ok(await api.client(keys["customers:read"]["key"]).get(there))
    refused(await api.client(keys["payments:read"]["key"]).get(there), 403, "insufficient_scope")
