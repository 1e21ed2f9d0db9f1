"""A payment in one call: charged by the sandbox as its scenario says, or refused whole."""

import asyncio

import pytest

from reevit_server.core.countries import COUNTRIES
from reevit_server.core.database import Database
from tests.events.recorded import count_events, events_of, types_of
from tests.makers import Merchant, created, ok, refused

FULL = {
    "amount": 15000,
    "currency": "GHS",
    "method": "mobile_money",
    "country": "GH",
    "reference": "order/5678",
    "description": "Two chairs",
    "metadata": {"order": 5678, "gift": True, "sandbox": "succeed"},
    "provider": "sandbox",
}


async def test_a_payment_succeeds_and_counts(db: Database, merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1", name="Ada")
    payment = created(await merchant.test.post("/v1/payments", json={**FULL, "customer_id": customer["id"]}))
    expected = {
        **FULL,
        "org_id": merchant.org_id,
        "mode": "test",
        "status": "succeeded",
        "customer_id": customer["id"],
        "external_customer_id": "usr_1",
        "amount_refunded": 0,
        "source": "api",
        **dict.fromkeys(["connection_id", "fee_amount", "net_amount", "failure_code", "failure_message"]),
        **dict.fromkeys(["source_id", "client_secret", "next_action"]),
    }
    assert payment.items() >= expected.items()
    assert payment["id"].startswith("pay_")
    assert payment["provider_ref_id"]
    assert payment["occurred_at"] == payment["succeeded_at"] == payment["created_at"] == payment["updated_at"]
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}")) == payment
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    figures = {
        "total_spent": 15000,
        "total_refunded": 0,
        "lifetime_value": 15000,
        "payment_count": 1,
        "first_payment_at": payment["succeeded_at"],
        "last_payment_at": payment["succeeded_at"],
    }
    assert after == {
        **customer,
        **figures,
        "preferred_currency": "GHS",
        "preferred_method": "mobile_money",
        "totals": [{"currency": "GHS", **figures}],
    }
    assert await types_of(db, merchant, payment["id"]) == ["payment.created", "payment.succeeded"]
    assert await types_of(db, merchant, customer["id"]) == ["customer.created"]


async def test_amount_and_currency_are_enough(merchant: Merchant):
    payment = created(await merchant.test.post("/v1/payments", json={"amount": 1, "currency": "XOF"}))
    assert (payment["status"], payment["customer_id"], payment["external_customer_id"]) == (
        "succeeded",
        None,
        None,
    )
    assert (payment["provider"], payment["metadata"], payment["method"]) == ("sandbox", {}, None)


@pytest.mark.parametrize("field", ["method", "country", "reference", "description", "metadata", "provider"])
async def test_each_other_field_may_be_said_alone(merchant: Merchant, field: str):
    payment = await merchant.payment(**{field: FULL[field]})
    others = dict.fromkeys(["method", "country", "reference", "description"]) | {
        "metadata": {},
        "provider": "sandbox",
    }
    assert payment.items() >= {**others, field: FULL[field]}.items()


@pytest.mark.parametrize(
    ("scenario", "status", "failure_code"),
    [
        ("succeed", "succeeded", None),
        ("fail", "failed", "card_declined"),
        ("fail:insufficient_funds", "failed", "insufficient_funds"),
        ("fail:some_code_of_ours", "failed", "some_code_of_ours"),
        ("requires_action", "requires_action", None),
        ("processing", "processing", None),
        ("timeout", "processing", None),
    ],
)
async def test_the_sandbox_plays_its_scenario(
    db, merchant, scenario: str, status: str, failure_code: str | None
):
    """A decline is an answer, not an error; and a provider that gives no answer has not declined."""
    customer = await merchant.customer()
    payment = await merchant.payment(customer_id=customer["id"], metadata={"sandbox": scenario})
    assert (payment["status"], payment["failure_code"]) == (status, failure_code)
    assert (payment["failure_message"] is None) == (failure_code is None)
    assert (payment["next_action"] is not None) == (status == "requires_action")
    assert (payment["succeeded_at"] is not None) == (status == "succeeded")
    assert (payment["provider_ref_id"] is None) == (scenario == "timeout")
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}")) == payment
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert after["payment_count"] == (1 if status == "succeeded" else 0)
    assert await types_of(db, merchant, payment["id"]) == ["payment.created", f"payment.{status}"]


@pytest.mark.parametrize(
    "scenario", ["win", "fail:", "fail:Bad Code", "SUCCEED", True, 1, f"fail:{'x' * 65}"]
)
async def test_an_unknown_scenario_stores_nothing(db: Database, merchant: Merchant, scenario):
    body = {"amount": 1, "currency": "GHS", "metadata": {"sandbox": scenario}, "customer": {"name": "Ada"}}
    refused(await merchant.test.post("/v1/payments", json=body), 422, "unknown_sandbox_scenario")
    assert await count_events(db, merchant) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 0),
        ("amount", -1),
        ("amount", 10**12),
        ("amount", 150.0),
        ("amount", 150.5),
        ("amount", "150"),
        ("amount", True),
        ("amount", None),
        ("currency", "ghs"),
        ("currency", "GHC"),
        ("currency", "XAU"),
        ("currency", "GH"),
        ("currency", None),
        ("method", ""),
        ("method", "x" * 65),
        ("country", "gh"),
        ("country", "GHA"),
        ("reference", ""),
        ("reference", "x" * 256),
        ("description", "x" * 1001),
        ("metadata", {"nested": []}),
        ("metadata", ["a"]),
        ("provider", "stripe"),
        ("status", "succeeded"),
        ("customer", {"name": "Ada", "tags": []}),
        ("customer", {"phone": "0501234567"}),
        ("external_customer_id", ""),
    ],
)
async def test_a_faulty_field_is_named_and_nothing_is_stored(
    db: Database, merchant: Merchant, field: str, value
):
    answer = await merchant.test.post("/v1/payments", json={**FULL, field: value})
    faults = refused(answer, 400, "validation_error")["details"]["fields"]
    assert {fault["field"].split(".")[0] for fault in faults} == {field}
    assert await count_events(db, merchant) == 0


@pytest.mark.parametrize("missing", ["amount", "currency"])
async def test_there_is_no_amount_without_a_currency(merchant: Merchant, missing: str):
    body = {field: value for field, value in FULL.items() if field != missing}
    refusal = refused(await merchant.test.post("/v1/payments", json=body), 400, "validation_error")
    assert refusal["details"]["fields"][0] == {
        "field": missing,
        "code": "required",
        "message": "This field is required",
    }


@pytest.mark.parametrize(
    "named",
    [
        {"customer_id": "cus_1", "external_customer_id": "usr_1"},
        {"customer_id": "cus_1", "customer": {"name": "Ada"}},
        {"external_customer_id": "usr_1", "customer": {"external_id": "usr_1"}},
        {"customer": {}},
        {"customer": {"name": None}},
    ],
)
async def test_a_customer_is_named_once_or_not_at_all(db: Database, merchant: Merchant, named: dict):
    refused(await merchant.test.post("/v1/payments", json={**FULL, **named}), 400, "validation_error")
    assert await count_events(db, merchant) == 0


async def test_one_reference_is_one_payment(db: Database, merchant: Merchant):
    first = await merchant.payment(reference="order/5678")
    for body in ({"amount": 1, "currency": "GHS"}, {**FULL, "customer": {"name": "Ada"}}):
        answer = await merchant.test.post("/v1/payments", json={**body, "reference": "order/5678"})
        assert refused(answer, 409, "reference_taken")["details"] == {"payment_id": first["id"]}
    intent = {"amount": 1, "currency": "GHS", "reference": "order/5678"}
    refused(await merchant.test.post("/v1/payments/intents", json=intent), 409, "reference_taken")
    assert (await merchant.payment(reference="Order/5678"))["id"] != first["id"]
    assert ok(await merchant.test.get("/v1/payments?include_total=true"))["total"] == 2
    assert ok(await merchant.test.get("/v1/customers?include_total=true"))["total"] == 0
    assert await count_events(db, merchant) == 4


async def test_a_failed_payment_keeps_its_reference_and_is_retried_instead(merchant: Merchant):
    failed = await merchant.payment(reference="order-1", metadata={"sandbox": "fail"})
    again = await merchant.test.post(
        "/v1/payments", json={"amount": 15000, "currency": "GHS", "reference": "order-1"}
    )
    assert refused(again, 409, "reference_taken")["details"] == {"payment_id": failed["id"]}


async def test_of_twenty_parallel_payments_with_one_reference_one_is_made(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    body = {"amount": 500, "currency": "GHS", "reference": "order-1", "customer_id": customer["id"]}
    answers = await asyncio.gather(*(merchant.test.post("/v1/payments", json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    [winner] = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert {answer.json()["details"]["payment_id"] for answer in answers if answer.status_code == 409} == {
        winner
    }
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["total_spent"] == 500


async def test_live_mode_refuses_the_sandbox(db: Database, merchant: Merchant):
    body = {"amount": 500, "currency": "GHS"}
    for path, more in (
        ("/v1/payments", {}),
        ("/v1/payments", {"provider": "sandbox"}),
        ("/v1/payments/intents", {}),
        ("/v1/payments/intents", {"provider": "sandbox"}),
    ):
        answer = await merchant.live.post(path, json={**body, **more, "customer": {"name": "Ada"}})
        refused(answer, 422, "provider_not_available")
    assert await count_events(db, merchant) == 0


async def test_repeating_a_payment_with_its_key_pays_once(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    body = {**FULL, "customer_id": customer["id"]}
    key = {"Idempotency-Key": "order-5678"}
    first = await merchant.test.post("/v1/payments", json=body, headers=key)
    again = await merchant.test.post("/v1/payments", json=body, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = await merchant.test.post("/v1/payments", json={**body, "amount": 1}, headers=key)
    refused(other, 422, "idempotency_key_reused")
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 1
    assert len(await events_of(db, merchant, first.json()["id"])) == 2


@pytest.mark.parametrize("country", ["NG", "TF", "XK"])
async def test_a_country_is_one_of_iso_3166(merchant: Merchant, country: str):
    assert (await merchant.payment(country=country))["country"] == country


def test_there_are_the_249_countries_of_iso_3166_and_kosovo():
    assert len(COUNTRIES) == 250
