"""Lists of payments: the merchant's, a customer's, in pages that stay right while money comes in."""

import asyncio
from typing import Any

import pytest

from tests.customers.addresses import by_external_id
from tests.makers import Merchant, created, ok, refused


async def listed(merchant: Merchant, address: str = "/v1/payments", **query: Any) -> list[str]:
    """The ids of all payments that a list shows, walked by cursor."""
    ids: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(1000):
        page = ok(await merchant.test.get(address, params={**query, **cursor}))
        ids += [payment["id"] for payment in page["payments"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            return ids
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the list has no end")


async def test_payments_come_newest_first_each_once(merchant: Merchant):
    ids = [(await merchant.payment(amount=number + 1))["id"] for number in range(23)]
    page = ok(await merchant.test.get("/v1/payments"))
    assert [payment["id"] for payment in page["payments"]] == ids[:2:-1]
    assert set(page) == {"payments", "has_more", "next_cursor"}
    for limit in (1, 5, 23, 100):
        assert await listed(merchant, limit=limit) == ids[::-1]
    offset = ok(await merchant.test.get("/v1/payments?limit=3&offset=21&include_total=true"))
    assert [payment["id"] for payment in offset["payments"]] == ids[1::-1]
    assert (offset["has_more"], offset["total"]) == (False, 23)


async def test_each_filter_finds_its_own(merchant: Merchant):
    ada, zoe = await merchant.customer(external_id="ada"), await merchant.customer(external_id="zoe")
    first = await merchant.payment(customer_id=ada["id"], reference="order-1")
    second = await merchant.payment(customer_id=ada["id"], currency="XOF", metadata={"sandbox": "fail"})
    third = await merchant.payment(customer_id=zoe["id"], currency="XOF")
    guest = await merchant.payment()
    await merchant.refund(guest["id"], amount=1)
    for query, expected in (
        ({"customer_id": ada["id"]}, [second, first]),
        ({"external_customer_id": "zoe"}, [third]),
        ({"external_customer_id": "ZOE"}, []),
        ({"customer_id": "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"}, []),
        ({"status": "succeeded"}, [third, first]),
        ({"status": "failed"}, [second]),
        ({"status": "partially_refunded"}, [guest]),
        ({"status": "pending"}, []),
        ({"currency": "XOF"}, [third, second]),
        ({"currency": "KWD"}, []),
        ({"reference": "order-1"}, [first]),
        ({"reference": "order"}, []),
        ({"created_after": second["created_at"]}, [guest, third, second]),
        ({"created_before": second["created_at"]}, [first]),
        ({"created_after": second["created_at"], "created_before": guest["created_at"]}, [third, second]),
        ({"customer_id": ada["id"], "status": "succeeded", "currency": "GHS"}, [first]),
        ({"customer_id": ada["id"], "external_customer_id": "zoe"}, []),
    ):
        ids = [payment["id"] for payment in expected]
        assert await listed(merchant, **query) == ids, query
        assert await listed(merchant, limit=1, **query) == ids, query
        page = ok(
            await merchant.test.get("/v1/payments", params={**query, "include_total": "true", "limit": 1})
        )
        assert page["total"] == len(ids), query


@pytest.mark.parametrize(
    "query",
    [
        "status=paid",
        "currency=cedi",
        "created_after=2024-01-01",
        "limit=0",
        "cursor=x",
        "sort_by=amount",
        "customer=x",
    ],
)
async def test_a_faulty_query_is_refused(merchant: Merchant, query: str):
    answer = await merchant.test.get(f"/v1/payments?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("validation_error", "invalid_cursor")


async def test_a_customers_history_is_in_the_order_in_which_it_happened(merchant: Merchant):
    """By the instant of the payment, not by when it was recorded."""
    customer = await merchant.customer(external_id="shop/7")
    other = await merchant.customer()
    named = {"customer_id": customer["id"], "provider": "external"}
    days = [3, 1, 5, 2, 4, 4]
    made = [
        (await merchant.payment(**named, occurred_at=f"2024-03-0{day}T12:00:00Z", amount=day))["id"]
        for day in days
    ]
    failed = await merchant.payment(customer_id=customer["id"], metadata={"sandbox": "fail"})
    await merchant.payment(customer_id=other["id"])
    await merchant.payment()
    in_order = sorted(zip(days, made, strict=True), reverse=True)
    expected = [failed["id"], *(id for _, id in in_order)]
    for address in (f"/v1/customers/{customer['id']}/payments", by_external_id("shop/7", "/payments")):
        for limit in (1, 2, 3, 100):
            assert await listed(merchant, address, limit=limit) == expected
        assert await listed(merchant, address, status="failed") == [failed["id"]]
        assert await listed(merchant, address, status="succeeded", limit=2) == expected[1:]
        page = ok(await merchant.test.get(address, params={"include_total": "true", "limit": 2, "offset": 5}))
        assert ([payment["id"] for payment in page["payments"]], page["total"]) == (expected[5:], 7)
        refused(await merchant.test.get(f"{address}?status=paid"), 400, "validation_error")
        refused(await merchant.test.get(f"{address}?currency=GHS"), 400, "validation_error")


async def test_a_customer_who_never_paid_has_an_empty_history(merchant: Merchant):
    customer = await merchant.customer()
    page = ok(await merchant.test.get(f"/v1/customers/{customer['id']}/payments?include_total=true"))
    assert page == {"payments": [], "has_more": False, "next_cursor": None, "total": 0}


async def test_nobody_has_no_history(merchant: Merchant, other: Merchant):
    foreign = await other.customer(external_id="usr_1")
    for address in (f"/v1/customers/{foreign['id']}", "/v1/customers/external/usr_1", "/v1/customers/cus_1"):
        refused(await merchant.test.get(f"{address}/payments"), 404, "customer_not_found")


async def test_a_list_shows_no_payment_of_another_merchant_or_mode(merchant: Merchant, other: Merchant):
    mine = await merchant.payment(reference="order-1")
    theirs = await other.payment(reference="order-1")
    body = {"amount": 5, "currency": "GHS", "provider": "external", "reference": "order-1"}
    live = created(await merchant.live.post("/v1/payments", json=body))
    assert await listed(merchant) == await listed(merchant, reference="order-1") == [mine["id"]]
    assert [row["id"] for row in ok(await merchant.live.get("/v1/payments"))["payments"]] == [live["id"]]
    assert await listed(other) == [theirs["id"]]


async def test_a_walk_skips_and_repeats_nothing_while_payments_come_in_and_go_back(merchant: Merchant):
    there = [(await merchant.payment(amount=100))["id"] for _ in range(60)]
    reading = asyncio.Event()

    async def write(turn: int) -> None:
        for payment_id in there[turn::3]:
            if reading.is_set():
                return
            await merchant.payment(amount=5)
            await merchant.refund(payment_id, amount=1)

    writers = [asyncio.create_task(write(turn)) for turn in range(3)]
    walked: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await merchant.test.get("/v1/payments", params={"limit": 4, **cursor}))
        walked += [payment["id"] for payment in page["payments"]]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        await asyncio.sleep(0.005)
    reading.set()
    await asyncio.gather(*writers)
    assert len(walked) == len(set(walked))
    known = set(there)
    assert [id for id in walked if id in known] == there[::-1]
