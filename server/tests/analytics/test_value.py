"""What is a customer worth, why, and what was it worth then?"""

from datetime import timedelta

from tests.analytics.conftest import Shop
from tests.makers import ok, refused


async def value(shop: Shop, name: str, **params) -> dict:
    return ok(await shop.merchant.test.get(f"/v1/customers/external/{name}/value", params=params))


async def a_story(shop: Shop) -> list[dict]:
    """Ada pays twice in cedi and once in francs, and gets a part of the first payment back."""
    await shop.customer("ada")
    payments = []
    for amount, currency in ((1000, "GHS"), (500, "GHS"), (7000, "XOF")):
        payments.append(await shop.pay("ada", amount, currency))
        shop.clock.now += timedelta(days=1)
    await shop.refund(payments[0], 300)
    shop.clock.now += timedelta(days=1)
    return payments


async def test_the_entries_add_up_to_the_totals(shop: Shop):
    await a_story(shop)
    answer = await value(shop, "ada", explain="true")
    for total in answer["totals"]:
        entries = [entry for entry in answer["entries"] if entry["currency"] == total["currency"]]
        assert sum(entry["amount"] for entry in entries) == total["lifetime_value"]
        assert sum(entry["amount"] for entry in entries if entry["type"] == "payment") == total["total_spent"]
        assert (
            sum(-entry["amount"] for entry in entries if entry["type"] == "refund") == total["total_refunded"]
        )
        assert sum(entry["type"] == "payment" for entry in entries) == total["payment_count"]
    assert [total["currency"] for total in answer["totals"]] == ["GHS", "XOF"]


async def test_the_entries_come_in_pages(shop: Shop):
    await a_story(shop)
    whole = (await value(shop, "ada", explain="true"))["entries"]
    paged: list[dict] = []
    cursor: dict = {}
    while True:
        answer = await value(shop, "ada", explain="true", limit=1, **cursor)
        paged += answer["entries"]
        if not answer["has_more"]:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert paged == whole
    assert len(whole) == 4


async def test_a_value_can_be_asked_for_as_it_stood(shop: Shop):
    start = shop.clock.now
    await a_story(shop)
    expected = [
        (timedelta(seconds=-1), {}),
        (timedelta(0), {"GHS": 1000}),
        (timedelta(days=1), {"GHS": 1500}),
        (timedelta(days=2), {"GHS": 1500, "XOF": 7000}),
        (timedelta(days=3), {"GHS": 1200, "XOF": 7000}),
    ]
    for later, totals in expected:
        as_of = (start + later).isoformat()
        answer = await value(shop, "ada", as_of=as_of, explain="true")
        assert {total["currency"]: total["lifetime_value"] for total in answer["totals"]} == totals
        assert sum(entry["amount"] for entry in answer["entries"]) == sum(totals.values())


async def test_a_value_as_of_now_is_the_kept_one(shop: Shop):
    await a_story(shop)
    kept = await value(shop, "ada")
    reckoned = await value(shop, "ada", as_of=shop.clock.now.isoformat())
    assert kept["totals"] == reckoned["totals"]
    assert "entries" not in kept


async def test_a_value_can_be_of_one_currency(shop: Shop):
    await a_story(shop)
    answer = await value(shop, "ada", currency="XOF", explain="true")
    assert [total["currency"] for total in answer["totals"]] == ["XOF"]
    assert {entry["currency"] for entry in answer["entries"]} == {"XOF"}


async def test_payments_that_failed_or_wait_count_nothing(shop: Shop):
    await shop.customer("ada")
    for scenario in ("fail", "requires_action", "processing", "timeout"):
        await shop.merchant.payment(external_customer_id="ada", metadata={"sandbox": scenario})
    assert (await value(shop, "ada", explain="true"))["entries"] == []


async def test_the_value_of_nobody_is_not_found(shop: Shop):
    refused(await shop.merchant.test.get("/v1/customers/cus_none/value"), 404, "customer_not_found")


async def test_history_is_one_time_order_of_payments_and_refunds(shop: Shop):
    payments = await a_story(shop)
    failed = await shop.merchant.payment(external_customer_id="ada", metadata={"sandbox": "fail"})
    path = "/v1/customers/external/ada/history"
    answer = ok(await shop.merchant.test.get(path, params={"include_total": "true"}))
    assert answer["total"] == 5
    assert [entry["type"] for entry in answer["history"]] == ["payment", "refund", *["payment"] * 3]
    assert answer["history"][0]["id"] == failed["id"]
    assert answer["history"][1]["data"]["payment_id"] == payments[0]["id"]
    assert [entry["summary"] for entry in answer["history"]] == [
        "Payment of 150.00 GHS failed",
        "Refund of 3.00 GHS succeeded",
        "Payment of 7000 XOF succeeded",
        "Payment of 5.00 GHS succeeded",
        "Payment of 10.00 GHS partially refunded",
    ]
    paged: list[dict] = []
    cursor: dict = {}
    while True:
        page = ok(await shop.merchant.test.get(path, params={"limit": 2, **cursor}))
        paged += page["history"]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == answer["history"]


async def test_stats_count_each_currency_by_itself(shop: Shop):
    await a_story(shop)
    await shop.merchant.payment(metadata={"sandbox": "fail"})
    answer = ok(await shop.merchant.test.get("/v1/payments/stats"))
    assert answer["stats"] == [
        {
            "currency": "GHS",
            "payment_count": 3,
            "succeeded_count": 2,
            "failed_count": 1,
            "by_status": {"failed": 1, "partially_refunded": 1, "succeeded": 1},
            "total_spent": 1500,
            "total_refunded": 300,
            "net_amount": 1200,
            "success_rate": 0.666667,
        },
        {
            "currency": "XOF",
            "payment_count": 1,
            "succeeded_count": 1,
            "failed_count": 0,
            "by_status": {"succeeded": 1},
            "total_spent": 7000,
            "total_refunded": 0,
            "net_amount": 7000,
            "success_rate": 1.0,
        },
    ]
