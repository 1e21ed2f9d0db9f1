"""Deleting a customer: the person is forgotten everywhere, the money stays on record, the external_id is free."""

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import events_of, types_of
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift, traces

PERSON = {
    "external_id": "usr/ada-7731",
    "email": "Ada.7731@example.com",
    "phone": "+233507731773",
    "name": "Adaline Seventyseven",
}
WORDS = [*PERSON.values(), "inner-circle-7731", "shoe size 7731"]


async def ada(merchant: Merchant) -> dict:
    return await merchant.customer(**PERSON, tags=["inner-circle-7731"], metadata={"note": "shoe size 7731"})


async def delete(merchant: Merchant, customer: dict) -> None:
    answer = await merchant.test.delete(f"/v1/customers/{customer['id']}")
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_deleted_customer_answers_by_id_that_it_was_deleted(merchant: Merchant):
    customer = await ada(merchant)
    await delete(merchant, customer)
    address = f"/v1/customers/{customer['id']}"
    for answer in (
        await merchant.test.get(address),
        await merchant.test.patch(address, json={"name": "Ada"}),
        await merchant.test.delete(address),
        await merchant.test.post(f"{address}/tags", json={"tags": ["vip"]}),
        await merchant.test.delete(f"{address}/tags/vip"),
        await merchant.test.get(f"{address}/payments"),
    ):
        assert refused(answer, 404, "customer_deleted")["error"] == "not_found"


async def test_a_deleted_customer_is_in_no_list_and_under_no_external_id(merchant: Merchant):
    customer = await ada(merchant)
    await delete(merchant, customer)
    for query in (
        "",
        "?sort_by=lifetime_value",
        "?search=adaline",
        "?email=Ada.7731@example.com",
        "?tag=inner-circle-7731",
    ):
        assert ok(await merchant.test.get(f"/v1/customers{query}"))["customers"] == []
    refused(await merchant.test.get("/v1/customers/external/usr%2Fada-7731"), 404, "customer_not_found")
    refused(
        await merchant.test.get("/v1/customers/lookup?external_id=usr/ada-7731"), 404, "customer_not_found"
    )


async def test_the_external_id_is_free_again(merchant: Merchant):
    first = await ada(merchant)
    await merchant.payment(customer_id=first["id"])
    await delete(merchant, first)
    second = await merchant.customer(external_id=PERSON["external_id"])
    assert second["id"] != first["id"]
    assert (second["payment_count"], second["tags"], second["name"]) == (0, [], None)


async def test_payments_stay_and_so_do_their_sums(db: Database, merchant: Merchant):
    customer = await ada(merchant)
    payment = await merchant.payment(customer_id=customer["id"], amount=1000)
    await merchant.refund(payment["id"], amount=400)
    await delete(merchant, customer)
    shown = ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))
    assert (shown["customer_id"], shown["external_customer_id"]) == (customer["id"], None)
    assert (shown["amount"], shown["amount_refunded"]) == (1000, 400)
    listed = ok(await merchant.test.get("/v1/payments", params={"customer_id": customer["id"]}))
    assert [row["id"] for row in listed["payments"]] == [payment["id"]]
    await merchant.refund(payment["id"])
    assert await drift(db, merchant.scope) == []
    [event] = [
        event
        for event in await events_of(db, merchant, payment["id"])
        if event["data"]["status"] == "refunded"
    ]
    assert event["data"]["customer"] == {
        **dict.fromkeys(["external_id", "email", "name", "phone"]),
        "id": customer["id"],
        "tags": [],
    }


async def test_a_deleted_customer_can_pay_no_more(merchant: Merchant):
    customer = await ada(merchant)
    intent = created(
        await merchant.test.post(
            "/v1/payments/intents", json={"amount": 5, "currency": "GHS", "customer_id": customer["id"]}
        )
    )
    await delete(merchant, customer)
    for named in ({"customer_id": customer["id"]}, {"external_customer_id": PERSON["external_id"]}):
        answer = await merchant.test.post("/v1/payments", json={"amount": 5, "currency": "GHS", **named})
        refused(answer, 422, "customer_not_found")
    confirmed = ok(await merchant.test.post(f"/v1/payments/{intent['id']}/confirm"))
    assert confirmed["status"] == "succeeded"


async def test_nothing_of_the_person_is_left_in_any_row(db: Database, merchant: Merchant):
    customer = created(
        await merchant.test.post(
            "/v1/customers",
            json={**PERSON, "tags": ["inner-circle-7731"], "metadata": {"note": "shoe size 7731"}},
            headers={"Idempotency-Key": "create-ada"},
        )
    )
    address = f"/v1/customers/{customer['id']}"
    for number, change in enumerate(({"name": "Adaline Old"}, {"name": PERSON["name"]}, {"phone": None})):
        key = {"Idempotency-Key": f"change-{number}"}
        ok(await merchant.test.patch(address, json=change, headers=key))
    ok(await merchant.test.post(f"{address}/tags", json={"tags": ["b"]}, headers={"Idempotency-Key": "tag"}))
    payment = created(
        await merchant.test.post(
            "/v1/payments",
            json={"amount": 900, "currency": "GHS", "customer": {"external_id": PERSON["external_id"]}},
            headers={"Idempotency-Key": "pay"},
        )
    )
    created(
        await merchant.test.post(
            f"/v1/payments/{payment['id']}/refund", json={"amount": 1}, headers={"Idempotency-Key": "refund"}
        )
    )
    refused(
        await merchant.test.post("/v1/customers", json=PERSON, headers={"Idempotency-Key": "again"}),
        409,
        "external_id_taken",
    )
    words = [*WORDS, "Adaline Old"]
    before = await traces(db, merchant.scope, words)
    assert before.keys() == set(words)
    assert set().union(*before.values()) == {"customers", "events", "idempotency_keys"}
    await delete(merchant, customer)
    assert await traces(db, merchant.scope, words) == {}
    async with db.read() as conn:
        row = await conn.fetchrow(
            "SELECT name, email, phone, external_id, tags, metadata, search::text FROM customers WHERE id = $1",
            customer["id"],
        )
    assert tuple(row) == (None, None, None, None, [], {}, "")


async def test_a_request_repeated_after_the_deletion_is_gone_and_runs_no_second_time(
    db: Database, merchant: Merchant
):
    key = {"Idempotency-Key": "create-ada"}
    customer = created(await merchant.test.post("/v1/customers", json=PERSON, headers=key))
    body = {"amount": 900, "currency": "GHS", "customer_id": customer["id"]}
    payment = created(await merchant.test.post("/v1/payments", json=body, headers={"Idempotency-Key": "pay"}))
    await delete(merchant, customer)
    again = await merchant.test.post("/v1/customers", json=PERSON, headers=key)
    assert refused(again, 410, "idempotent_answer_erased")["error"] == "not_found"
    paid_again = await merchant.test.post("/v1/payments", json=body, headers={"Idempotency-Key": "pay"})
    refused(paid_again, 410, "idempotent_answer_erased")
    assert ok(await merchant.test.get("/v1/customers"))["customers"] == []
    assert [row["id"] for row in ok(await merchant.test.get("/v1/payments"))["payments"]] == [payment["id"]]


async def test_deleting_is_recorded_once_and_repeated_by_its_key(db: Database, merchant: Merchant):
    customer = await ada(merchant)
    key = {"Idempotency-Key": "erase-ada"}
    for _ in range(2):
        answer = await merchant.test.delete(f"/v1/customers/{customer['id']}", headers=key)
        assert (answer.status_code, answer.content) == (204, b"")
    assert await types_of(db, merchant, customer["id"]) == ["customer.created", "customer.deleted"]
    [created_event, deleted_event] = await events_of(db, merchant, customer["id"])
    assert created_event["data"] == {"id": customer["id"]}
    assert deleted_event["data"] == {
        "id": customer["id"],
        "customer": {
            "id": customer["id"],
            "external_id": PERSON["external_id"],
        },  # until everybody has been told
    }


@pytest.mark.parametrize("address", ["cus_01jd8w3v5qe2rvkz6n0c4m8x7a", "external/nobody", "nonsense"])
async def test_deleting_nobody_is_not_found(merchant: Merchant, address: str):
    refused(await merchant.test.delete(f"/v1/customers/{address}"), 404, "customer_not_found")
