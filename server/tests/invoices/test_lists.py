"""Lists of invoices: the merchant's, a customer's, by every filter, each invoice once."""

from typing import Any

from tests.customers.addresses import by_external_id
from tests.makers import Merchant, created, ok, refused

TERMS = {"amount": 15000, "currency": "GHS", "interval": "monthly"}


async def invoiced(merchant: Merchant, customer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The first invoice of a new subscription."""
    body = {**TERMS, "customer_id": customer["id"], **fields}
    subscription = created(await merchant.test.post("/v1/subscriptions", json=body))
    return ok(await merchant.test.get(f"/v1/invoices/{subscription['latest_invoice_id']}"))


async def listed(merchant: Merchant, address: str = "/v1/invoices", **query: Any) -> list[str]:
    """The numbers of all invoices that a list shows, walked by cursor."""
    numbers: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(1000):
        page = ok(await merchant.test.get(address, params={**query, **cursor}))
        numbers += [invoice["number"] for invoice in page["invoices"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            return numbers
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the list has no end")


def counted(last: int) -> list[str]:
    """The numbers of so many invoices, the latest first."""
    return [f"INV-{number:06d}" for number in range(last, 0, -1)]


async def test_invoices_come_newest_first_each_once(merchant: Merchant):
    customer = await merchant.customer()
    for _ in range(23):
        await invoiced(merchant, customer)
    page = ok(await merchant.test.get("/v1/invoices"))
    assert [invoice["number"] for invoice in page["invoices"]] == counted(23)[:20]
    assert set(page) == {"invoices", "has_more", "next_cursor"}
    for limit in (1, 5, 23, 100):
        assert await listed(merchant, limit=limit) == counted(23)
    offset = ok(await merchant.test.get("/v1/invoices?limit=3&offset=21&include_total=true"))
    assert [invoice["number"] for invoice in offset["invoices"]] == counted(2)
    assert (offset["has_more"], offset["total"]) == (False, 23)


async def test_what_was_written_at_the_same_instant_is_walked_through_too(merchant: Merchant):
    """Where the test clock stands still, what was begun together is renewed together, again and again."""
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "1h"}))
    customer = await merchant.customer(external_id="usr_1")
    for _ in range(3):
        await invoiced(merchant, customer, interval="daily")
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "3d"}))
    whole = ok(await merchant.test.get("/v1/invoices?limit=100"))["invoices"]
    assert len(whole) == 12
    assert len({invoice["created_at"] for invoice in whole}) == 4
    for address in ("/v1/invoices", by_external_id("usr_1", "/invoices")):
        for limit in (1, 2, 3, 5, 12):
            walked = await listed(merchant, address, limit=limit)
            assert walked == [invoice["number"] for invoice in whole]
    assert sorted(walked, reverse=True) == counted(12)


async def test_what_a_list_shows_is_what_get_shows(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    invoice = await invoiced(merchant, customer, plan_id="team", method="card")
    assert (invoice["status"], invoice["number"], invoice["amount"]) == ("paid", "INV-000001", 15000)
    assert (invoice["description"], invoice["method"]) == ("team", "card")
    assert (invoice["attempt_count"], invoice["retry_count"], invoice["next_retry_at"]) == (1, 0, None)
    for address in ("/v1/invoices", by_external_id("usr_1", "/invoices")):
        assert ok(await merchant.test.get(address))["invoices"] == [invoice]


async def test_each_filter_finds_its_own(merchant: Merchant):
    ada, zoe = await merchant.customer(external_id="ada"), await merchant.customer(external_id="zoe")
    paid = await invoiced(merchant, ada)
    due = await invoiced(merchant, ada, metadata={"sandbox": "fail"})
    failed = await invoiced(merchant, zoe, metadata={"sandbox": "fail:lost_card"})
    waiting = await invoiced(merchant, zoe, metadata={"sandbox": "requires_action"})
    let_off = await invoiced(merchant, zoe, metadata={"sandbox": "fail"})
    ok(await merchant.test.post(f"/v1/invoices/{let_off['id']}/cancel"))
    for query, expected in (
        ({"status": "paid"}, [paid]),
        ({"status": "due"}, [waiting, due]),
        ({"status": "failed"}, [failed]),
        ({"status": "canceled"}, [let_off]),
        ({"status": "draft"}, []),
        ({"customer_id": ada["id"]}, [due, paid]),
        ({"external_customer_id": "zoe"}, [let_off, waiting, failed]),
        ({"external_customer_id": "ZOE"}, []),
        ({"customer_id": "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"}, []),
        ({"subscription_id": due["subscription_id"]}, [due]),
        ({"subscription_id": "sub_01jd8w3v5qe2rvkz6n0c4m8x7a"}, []),
        ({"subscription_id": ""}, []),
        ({"created_after": failed["created_at"]}, [let_off, waiting, failed]),
        ({"created_before": failed["created_at"]}, [due, paid]),
        ({"created_after": due["created_at"], "created_before": waiting["created_at"]}, [failed, due]),
        ({"customer_id": zoe["id"], "status": "due"}, [waiting]),
        ({"subscription_id": due["subscription_id"], "customer_id": zoe["id"]}, []),
        ({"customer_id": ada["id"], "external_customer_id": "zoe"}, []),
    ):
        numbers = [invoice["number"] for invoice in expected]
        assert await listed(merchant, **query) == numbers, query
        assert await listed(merchant, limit=1, **query) == numbers, query
        params = {**query, "include_total": "true", "limit": 1}
        assert ok(await merchant.test.get("/v1/invoices", params=params))["total"] == len(numbers), query


async def test_a_customers_invoices_are_found_under_both_addresses(merchant: Merchant):
    customer, somebody = await merchant.customer(external_id="shop/7"), await merchant.customer()
    paid = [(await invoiced(merchant, customer))["number"] for _ in range(5)]
    failed = await invoiced(merchant, customer, metadata={"sandbox": "fail:lost_card"})
    await invoiced(merchant, somebody)
    expected = [failed["number"], *paid[::-1]]
    for address in (f"/v1/customers/{customer['id']}/invoices", by_external_id("shop/7", "/invoices")):
        for limit in (1, 2, 4, 100):
            assert await listed(merchant, address, limit=limit) == expected
        assert await listed(merchant, address, status="failed") == [failed["number"]]
        assert await listed(merchant, address, status="paid", limit=2) == expected[1:]
        assert await listed(merchant, address, status="canceled") == []
        page = ok(await merchant.test.get(f"{address}?include_total=true&limit=2&offset=4"))
        assert [invoice["number"] for invoice in page["invoices"]] == expected[4:]
        assert page["total"] == 6
        narrowed = ok(await merchant.test.get(f"{address}?include_total=true&status=paid&limit=1"))
        assert (narrowed["total"], narrowed["has_more"]) == (5, True)


async def test_who_owes_nothing_has_an_empty_list_and_nobody_has_none(merchant: Merchant, other: Merchant):
    customer = await merchant.customer()
    page = ok(await merchant.test.get(f"/v1/customers/{customer['id']}/invoices?include_total=true"))
    assert page == {"invoices": [], "has_more": False, "next_cursor": None, "total": 0}
    await other.customer(external_id="usr_foreign")
    for address in ("external/usr_foreign", "cus_1"):
        refused(await merchant.test.get(f"/v1/customers/{address}/invoices"), 404, "customer_not_found")


async def test_a_deleted_customers_invoices_stay_and_name_its_id_alone(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    invoice = await invoiced(merchant, customer)
    assert invoice["external_customer_id"] == "usr_1"
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    left = ok(await merchant.test.get("/v1/invoices", params={"customer_id": customer["id"]}))["invoices"]
    assert left == [{**invoice, "external_customer_id": None}]
    answer = await merchant.test.get(f"/v1/customers/{customer['id']}/invoices")
    refused(answer, 404, "customer_deleted")


async def test_numbers_and_lists_are_each_merchants_own(merchant: Merchant, other: Merchant):
    mine = await invoiced(merchant, await merchant.customer(external_id="ada"))
    theirs = await invoiced(other, await other.customer(external_id="ada"))
    assert mine["number"] == theirs["number"] == "INV-000001"
    for query in ({}, {"external_customer_id": "ada"}, {"status": "paid"}):
        shown = ok(await merchant.test.get("/v1/invoices", params=query))["invoices"]
        assert [invoice["id"] for invoice in shown] == [mine["id"]]
        assert ok(await merchant.live.get("/v1/invoices", params=query))["invoices"] == []
    assert await listed(merchant, subscription_id=theirs["subscription_id"]) == []
    assert await listed(merchant, customer_id=theirs["customer_id"]) == []
