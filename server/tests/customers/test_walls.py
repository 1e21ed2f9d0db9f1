"""Live never sees test, and no merchant sees another: what is not yours answers as if it were not there."""

from collections.abc import Callable

import httpx
import pytest

from tests.makers import Merchant, created, ok, refused

PERSON = {
    "external_id": "usr_1",
    "email": "ada@example.com",
    "phone": "+233501234567",
    "name": "Ada",
    "tags": ["vip"],
    "metadata": {"plan": "pro"},
}
STRANGERS: dict[str, Callable[[Merchant, Merchant], httpx.AsyncClient]] = {
    "the same merchant in live mode": lambda merchant, _: merchant.live,
    "another merchant": lambda _, other: other.test,
    "another merchant in live mode": lambda _, other: other.live,
}


def strangers(test):
    return pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS.keys())(test)


@strangers
async def test_a_stranger_gets_the_answer_that_an_unknown_id_gets(
    merchant: Merchant, other: Merchant, stranger
):
    customer = await merchant.customer(**PERSON)
    client = stranger(merchant, other)
    unknown = "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"
    for method, below, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "Eve"}),
        ("DELETE", "", None),
        ("POST", "/tags", {"tags": ["a"]}),
        ("DELETE", "/tags/vip", None),
        ("GET", "/payments", None),
    ):
        answers = [
            refused(
                await client.request(method, f"/v1/customers/{id}{below}", json=body),
                404,
                "customer_not_found",
            )
            for id in (customer["id"], unknown)
        ]
        for answer in answers:
            del answer["request_id"]
        assert answers[0] == answers[1]
    refused(await client.get("/v1/customers/external/usr_1"), 404, "customer_not_found")
    refused(await client.get("/v1/customers/lookup?external_id=usr_1"), 404, "customer_not_found")
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}")) == customer


@strangers
async def test_a_stranger_lists_nobody(merchant: Merchant, other: Merchant, stranger):
    customer = await merchant.customer(**PERSON)
    await merchant.payment(customer_id=customer["id"])
    client = stranger(merchant, other)
    for query in (
        {},
        {"external_id": "usr_1"},
        {"email": "ada@example.com"},
        {"phone": "+233501234567"},
        {"tag": "vip"},
        {"metadata[plan]": "pro"},
        {"search": "ada"},
        {"min_spent": 1},
        {"sort_by": "total_spent"},
        {"sort_by": "last_payment_at", "sort_order": "asc"},
    ):
        page = ok(await client.get("/v1/customers", params={**query, "include_total": True}))
        assert page == {"customers": [], "has_more": False, "next_cursor": None, "total": 0}, query


@strangers
async def test_the_same_external_id_is_another_customer_beyond_the_wall(
    merchant: Merchant, other: Merchant, stranger
):
    customer = await merchant.customer(**PERSON)
    client = stranger(merchant, other)
    twin = created(await client.post("/v1/customers", json={**PERSON, "name": "Eve"}))
    assert twin["id"] != customer["id"]
    assert ok(await client.put("/v1/customers/external/usr_1", json={"name": "Eva"}))["id"] == twin["id"]
    assert (await client.delete(f"/v1/customers/{twin['id']}")).status_code == 204
    assert ok(await merchant.test.get("/v1/customers/external/usr_1")) == customer


@strangers
async def test_a_strangers_customer_cannot_pay(merchant: Merchant, other: Merchant, stranger):
    customer = await merchant.customer(**PERSON)
    client = stranger(merchant, other)
    body = {"amount": 5, "currency": "GHS", "provider": "external"}
    for named in ({"customer_id": customer["id"]}, {"external_customer_id": "usr_1"}):
        refused(await client.post("/v1/payments", json={**body, **named}), 422, "customer_not_found")
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 0
