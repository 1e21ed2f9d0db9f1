"""A payment that is created first and confirmed later, by the merchant or by a browser with its secret."""

import hashlib

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import events_of, types_of
from tests.makers import Merchant, created, ok, refused

UNKNOWN = "pay_01jd8w3v5qe2rvkz6n0c4m8x7a"
FULL = {
    "amount": 15000,
    "currency": "GHS",
    "method": "card",
    "country": "GH",
    "reference": "order-1",
    "description": "Two chairs",
    "metadata": {"order": 1, "note": "a"},
}


async def intent_of(merchant: Merchant, **fields) -> dict:
    return created(await merchant.test.post("/v1/payments/intents", json={**FULL, **fields}))


async def test_an_intent_is_pending_and_counts_for_nothing(db: Database, merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    intent = await intent_of(merchant, customer_id=customer["id"])
    assert intent.items() >= {**FULL, "status": "pending", "provider": "sandbox", "source": "api"}.items()
    assert (intent["succeeded_at"], intent["provider_ref_id"], intent["next_action"]) == (None, None, None)
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 0
    assert await types_of(db, merchant, intent["id"]) == ["payment.created"]


async def test_the_client_secret_is_in_the_creating_answer_and_nowhere_else(db: Database, merchant: Merchant):
    intent = await intent_of(merchant, customer={"external_id": "usr_1"})
    secret = intent["client_secret"]
    assert secret.startswith(f"{intent['id']}_secret_")
    assert len(secret) >= len(intent["id"]) + 40
    shown = ok(await merchant.test.get(f"/v1/payments/{intent['id']}"))
    assert shown == {**intent, "client_secret": None}
    confirmed = ok(await merchant.test.post(f"/v1/payments/{intent['id']}/confirm"))
    assert confirmed["client_secret"] is None
    listed = ok(await merchant.test.get("/v1/payments"))["payments"]
    history = ok(await merchant.test.get("/v1/customers/external/usr_1/payments"))["payments"]
    assert listed == history == [confirmed]
    async with db.read() as conn:
        row = await conn.fetchrow(
            "SELECT p::text AS text, p.* FROM payments AS p WHERE id = $1", intent["id"]
        )
        told = await conn.fetch("SELECT e::text AS text FROM events AS e WHERE org_id = $1", merchant.org_id)
    assert row["client_secret_sha256"] == hashlib.sha256(secret.encode()).digest()
    assert not any("_secret_" in stored["text"] for stored in (row, *told))


async def test_two_intents_have_two_secrets(merchant: Merchant):
    first, second = await intent_of(merchant), await intent_of(merchant, reference="order-2")
    assert first["client_secret"] != second["client_secret"]
    for secret in (second["client_secret"], first["client_secret"][:-1], first["client_secret"].upper(), "x"):
        answer = await merchant.test.post(
            f"/v1/payments/{first['id']}/confirm-intent", params={"client_secret": secret}
        )
        assert refused(answer, 403, "client_secret_wrong")["error"] == "forbidden"
    assert ok(await merchant.test.get(f"/v1/payments/{first['id']}"))["status"] == "pending"


async def test_repeating_a_creation_with_its_key_shows_the_same_secret(merchant: Merchant):
    key = {"Idempotency-Key": "intent-1"}
    answers = [await merchant.test.post("/v1/payments/intents", json=FULL, headers=key) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotent-replayed"] == "true"


async def test_a_confirmation_charges_and_counts(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    intent = await intent_of(merchant, customer_id=customer["id"])
    payment = ok(await merchant.test.post(f"/v1/payments/{intent['id']}/confirm", json={}))
    assert (payment["status"], payment["id"]) == ("succeeded", intent["id"])
    assert payment["succeeded_at"] == payment["updated_at"] > intent["updated_at"]
    assert payment["occurred_at"] == payment["succeeded_at"] > intent["occurred_at"]
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (after["total_spent"], after["last_payment_at"]) == (15000, payment["succeeded_at"])
    assert await types_of(db, merchant, intent["id"]) == ["payment.created", "payment.succeeded"]


async def test_a_browser_confirms_with_the_secret(db: Database, merchant: Merchant):
    intent = await intent_of(merchant)
    answer = await merchant.test.post(
        f"/v1/payments/{intent['id']}/confirm-intent", params={"client_secret": intent["client_secret"]}
    )
    assert ok(answer)["status"] == "succeeded"
    assert await types_of(db, merchant, intent["id"]) == ["payment.created", "payment.succeeded"]


async def test_a_secret_is_needed_where_one_is_asked_for(merchant: Merchant):
    intent = await intent_of(merchant)
    address = f"/v1/payments/{intent['id']}/confirm-intent"
    refused(await merchant.test.post(address), 400, "validation_error")
    refused(await merchant.test.post(f"{address}?client_secret="), 400, "validation_error")
    direct = await merchant.payment(metadata={"sandbox": "fail"})
    answer = await merchant.test.post(f"/v1/payments/{direct['id']}/confirm-intent?client_secret=x")
    refused(answer, 403, "client_secret_wrong")


@pytest.mark.parametrize(
    ("scenario", "status"),
    [
        ("fail:insufficient_funds", "failed"),
        ("requires_action", "requires_action"),
        ("timeout", "processing"),
    ],
)
async def test_a_confirmation_follows_the_scenario(merchant: Merchant, scenario: str, status: str):
    intent = await intent_of(merchant, metadata={"sandbox": scenario})
    payment = ok(await merchant.test.post(f"/v1/payments/{intent['id']}/confirm"))
    assert (payment["status"], payment["succeeded_at"]) == (status, None)
    assert payment["failure_code"] == ("insufficient_funds" if status == "failed" else None)


async def test_an_unknown_scenario_is_found_out_when_it_is_to_be_charged(db: Database, merchant: Merchant):
    intent = await intent_of(merchant, metadata={"sandbox": "win"})
    answer = await merchant.test.post(f"/v1/payments/{intent['id']}/confirm")
    refused(answer, 422, "unknown_sandbox_scenario")
    assert ok(await merchant.test.get(f"/v1/payments/{intent['id']}"))["status"] == "pending"
    assert await types_of(db, merchant, intent["id"]) == ["payment.created"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 12000),
        ("currency", "KWD"),
        ("method", "mobile_money"),
        ("country", None),
        ("reference", "order-2"),
        ("reference", None),
        ("description", None),
        ("description", ""),
    ],
)
async def test_each_field_can_be_changed_before_the_charge(
    db: Database, merchant: Merchant, field: str, value
):
    intent = await intent_of(merchant)
    after = ok(await merchant.test.patch(f"/v1/payments/intents/{intent['id']}", json={field: value}))
    assert after == {**intent, field: value, "client_secret": None, "updated_at": after["updated_at"]}
    [_, event] = await events_of(db, merchant, intent["id"])
    assert event["type"] == "payment.updated"
    assert event["data"]["previous_attributes"] == {field: FULL[field]}
    assert event["data"][field] == value


async def test_metadata_is_merged(merchant: Merchant):
    intent = await intent_of(merchant)
    address = f"/v1/payments/intents/{intent['id']}"
    merged = ok(await merchant.test.patch(address, json={"metadata": {"note": "", "gift": True}}))
    assert merged["metadata"] == {"order": 1, "gift": True}
    assert ok(await merchant.test.patch(address, json={"metadata": None}))["metadata"] == {}
    many = {str(number): number for number in range(50)}
    ok(await merchant.test.patch(address, json={"metadata": many}))
    refused(await merchant.test.patch(address, json={"metadata": {"one": "more"}}), 422, "too_much_metadata")


async def test_a_number_in_metadata_that_becomes_a_truth_value_is_a_change(db: Database, merchant: Merchant):
    intent = await intent_of(merchant)
    after = ok(
        await merchant.test.patch(f"/v1/payments/intents/{intent['id']}", json={"metadata": {"order": True}})
    )
    assert after["metadata"]["order"] is True
    assert await types_of(db, merchant, intent["id"]) == ["payment.created", "payment.updated"]


@pytest.mark.parametrize(
    "patch", [{}, FULL, {"metadata": {"order": 1}}, {"metadata": {}}, {"customer_id": None}]
)
async def test_a_patch_that_changes_nothing_records_nothing(db: Database, merchant: Merchant, patch: dict):
    intent = await intent_of(merchant)
    after = ok(await merchant.test.patch(f"/v1/payments/intents/{intent['id']}", json=patch))
    assert after == {**intent, "client_secret": None}
    assert await types_of(db, merchant, intent["id"]) == ["payment.created"]


async def test_the_customer_can_be_named_changed_and_taken_away(db: Database, merchant: Merchant):
    ada, zoe = await merchant.customer(external_id="ada"), await merchant.customer(external_id="zoe")
    intent = await intent_of(merchant)
    address = f"/v1/payments/intents/{intent['id']}"
    assert ok(await merchant.test.patch(address, json={"customer_id": ada["id"]}))["customer_id"] == ada["id"]
    moved = ok(await merchant.test.patch(address, json={"external_customer_id": "zoe"}))
    assert (moved["customer_id"], moved["external_customer_id"]) == (zoe["id"], "zoe")
    event = (await events_of(db, merchant, intent["id"]))[-1]
    assert event["data"]["previous_attributes"] == {"customer_id": ada["id"]}
    assert event["data"]["customer"]["external_id"] == "zoe"
    assert ok(await merchant.test.patch(address, json={"customer_id": None}))["customer_id"] is None
    new = ok(await merchant.test.patch(address, json={"customer": {"external_id": "eve", "name": "Eve"}}))
    assert new["external_customer_id"] == "eve"
    ok(await merchant.test.post(f"/v1/payments/{intent['id']}/confirm"))
    counts = {
        person: ok(await merchant.test.get(f"/v1/customers/external/{person}"))["payment_count"]
        for person in ("ada", "zoe", "eve")
    }
    assert counts == {"ada": 0, "zoe": 0, "eve": 1}


@pytest.mark.parametrize(
    ("patch", "status", "code"),
    [
        ({"amount": None}, 400, "validation_error"),
        ({"currency": None}, 400, "validation_error"),
        ({"amount": 0}, 400, "validation_error"),
        ({"status": "succeeded"}, 400, "validation_error"),
        ({"provider": "external"}, 400, "validation_error"),
        ({"customer_id": "cus_1", "external_customer_id": "x"}, 400, "validation_error"),
        ({"customer_id": "cus_unknown"}, 422, "customer_not_found"),
        ({"external_customer_id": "unknown"}, 422, "customer_not_found"),
        ({"reference": "taken"}, 409, "reference_taken"),
    ],
)
async def test_a_faulty_patch_changes_nothing(merchant: Merchant, patch: dict, status: int, code: str):
    await merchant.payment(reference="taken")
    intent = await intent_of(merchant)
    answer = await merchant.test.patch(
        f"/v1/payments/intents/{intent['id']}", json={"description": "new", **patch}
    )
    refused(answer, status, code)
    assert ok(await merchant.test.get(f"/v1/payments/{intent['id']}")) == {**intent, "client_secret": None}


async def test_an_intent_cannot_be_an_outside_payment(merchant: Merchant):
    for fact in ({"provider": "external"}, {"occurred_at": "2024-01-01T00:00:00Z"}, {"fee_amount": 1}):
        answer = await merchant.test.post("/v1/payments/intents", json={**FULL, **fact})
        refused(answer, 400, "validation_error")


async def test_what_is_not_there_is_not_found(merchant: Merchant, other: Merchant):
    foreign = await intent_of(other)
    for client in (merchant.test, merchant.live, other.live):
        for id in (UNKNOWN, foreign["id"], "nonsense"):
            secret = {"client_secret": foreign["client_secret"]}
            for answer in (
                await client.get(f"/v1/payments/{id}"),
                await client.patch(f"/v1/payments/intents/{id}", json={"amount": 1}),
                await client.post(f"/v1/payments/{id}/confirm"),
                await client.post(f"/v1/payments/{id}/confirm-intent", params=secret),
                await client.post(f"/v1/payments/{id}/cancel"),
                await client.post(f"/v1/payments/{id}/retry"),
                await client.post(f"/v1/payments/{id}/refund", json={}),
                await client.get(f"/v1/payments/{id}/refunds"),
            ):
                refused(answer, 404, "payment_not_found")
    assert ok(await other.test.get(f"/v1/payments/{foreign['id']}"))["status"] == "pending"
