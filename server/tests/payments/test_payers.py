"""Whose payment it is: a customer that is known, one that is found or made in the same breath, or nobody."""

import asyncio

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import count_events, events_of, types_of
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift

ADA = {"external_id": "usr_1", "email": "ada@example.com", "name": "Ada", "phone": "+233501234567"}


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/payments/intents"])
@pytest.mark.parametrize(
    "named",
    [
        {"customer_id": "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"},
        {"customer_id": "usr_known"},
        {"external_customer_id": "usr_unknown"},
        {"external_customer_id": "USR_KNOWN"},
    ],
)
async def test_an_unknown_customer_is_refused_and_nothing_is_stored(
    db: Database, merchant: Merchant, path: str, named: dict
):
    await merchant.customer(external_id="usr_known")
    answer = await merchant.test.post(path, json={"amount": 500, "currency": "GHS", **named})
    assert refused(answer, 422, "customer_not_found")["error"] == "unprocessable"
    assert ok(await merchant.test.get("/v1/payments"))["payments"] == []
    assert await count_events(db, merchant) == 1


async def test_both_ids_name_the_same_customer(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    for named in ({"customer_id": customer["id"]}, {"external_customer_id": "usr_1"}):
        payment = await merchant.payment(**named)
        assert (payment["customer_id"], payment["external_customer_id"]) == (customer["id"], "usr_1")
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 2


async def test_details_make_a_customer_with_the_payment(db: Database, merchant: Merchant):
    payment = await merchant.payment(customer=ADA)
    assert payment["external_customer_id"] == "usr_1"
    customer = ok(await merchant.test.get(f"/v1/customers/{payment['customer_id']}"))
    assert customer.items() >= {**ADA, "tags": [], "metadata": {}, "total_spent": 15000}.items()
    assert await types_of(db, merchant, customer["id"]) == ["customer.created"]
    [*_, event] = await events_of(db, merchant, payment["id"])
    assert event["data"]["customer"] == {**ADA, "id": customer["id"], "tags": []}


async def test_details_find_by_external_id_and_leave_the_profile_alone(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA, tags=["vip"])
    payment = await merchant.payment(
        customer={
            "external_id": "usr_1",
            "name": "Somebody else",
            "email": "other@example.com",
            "phone": None,
        }
    )
    assert payment["customer_id"] == customer["id"]
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert after.items() >= {**ADA, "tags": ["vip"], "updated_at": customer["updated_at"]}.items()
    assert await types_of(db, merchant, customer["id"]) == ["customer.created"]
    [*_, event] = await events_of(db, merchant, payment["id"])
    assert event["data"]["customer"]["name"] == "Ada"


@pytest.mark.parametrize("details", [{"email": ADA["email"]}, {"phone": ADA["phone"]}, {"name": ADA["name"]}])
async def test_without_an_external_id_it_is_always_somebody_new(merchant: Merchant, details: dict):
    """Families share phones, and an e-mail address proves nothing."""
    known = await merchant.customer(**ADA)
    first, second = await merchant.payment(customer=details), await merchant.payment(customer=details)
    assert len({known["id"], first["customer_id"], second["customer_id"]}) == 3
    assert ok(await merchant.test.get(f"/v1/customers/{known['id']}"))["payment_count"] == 0


async def test_a_refused_payment_makes_no_customer(db: Database, merchant: Merchant):
    await merchant.payment(reference="order-1")
    before = await count_events(db, merchant)
    body = {"amount": 1, "currency": "GHS", "reference": "order-1", "customer": ADA}
    refused(await merchant.test.post("/v1/payments", json=body), 409, "reference_taken")
    refused(await merchant.test.get("/v1/customers/external/usr_1"), 404, "customer_not_found")
    assert await count_events(db, merchant) == before


async def test_a_failed_payment_does_make_one(merchant: Merchant):
    payment = await merchant.payment(customer=ADA, metadata={"sandbox": "fail"})
    customer = ok(await merchant.test.get("/v1/customers/external/usr_1"))
    assert (customer["id"], customer["payment_count"]) == (payment["customer_id"], 0)


async def test_twenty_parallel_first_payments_make_one_customer(db: Database, merchant: Merchant):
    answers = await asyncio.gather(
        *(
            merchant.test.post(
                "/v1/payments",
                json={
                    "amount": 100 + number,
                    "currency": "GHS",
                    "customer": {**ADA, "name": f"Ada {number}"},
                },
            )
            for number in range(20)
        )
    )
    ids = {created(answer)["customer_id"] for answer in answers}
    assert len(ids) == 1
    [customer_id] = ids
    customer = ok(await merchant.test.get(f"/v1/customers/{customer_id}"))
    assert (customer["payment_count"], customer["total_spent"]) == (20, sum(range(100, 120)))
    assert ok(await merchant.test.get("/v1/customers?include_total=true"))["total"] == 1
    assert await types_of(db, merchant, customer_id) == ["customer.created"]
    assert await drift(db, merchant.scope) == []


async def test_an_intent_takes_a_customer_in_the_same_three_ways(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    for named in (
        {"customer_id": customer["id"]},
        {"external_customer_id": "usr_1"},
        {"customer": {"external_id": "usr_1", "name": "ignored"}},
    ):
        body = {"amount": 1, "currency": "GHS", **named}
        intent = created(await merchant.test.post("/v1/payments/intents", json=body))
        assert (intent["customer_id"], intent["external_customer_id"]) == (customer["id"], "usr_1")
    guest = created(await merchant.test.post("/v1/payments/intents", json={"amount": 1, "currency": "GHS"}))
    assert guest["customer_id"] is None


async def test_a_guest_counts_for_nobody(db: Database, merchant: Merchant):
    payment = await merchant.payment()
    await merchant.refund(payment["id"], amount=1)
    async with db.read() as conn:
        for table in ("customer_totals", "customer_days", "customers"):
            assert (
                await conn.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1", merchant.org_id) == 0
            )
    [*_, event] = await events_of(db, merchant, payment["id"])
    assert event["data"]["customer"] is None
