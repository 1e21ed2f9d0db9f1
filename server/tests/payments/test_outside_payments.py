"""Payments made elsewhere are recorded as what they were: when, by whom, at what fee."""

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import count_events, types_of
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift

CASH = {"amount": 10000, "currency": "GHS", "provider": "external", "method": "cash"}


def address_of(deed: str, payment_id: str) -> tuple[str, str]:
    """The method and address of a deed on a payment."""
    if deed == "patch":
        return "PATCH", f"/v1/payments/intents/{payment_id}"
    return "POST", f"/v1/{'sandbox/' if deed == 'complete' else ''}payments/{payment_id}/{deed}"


async def test_it_happened_when_it_happened(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    payment = await merchant.payment(
        **CASH,
        customer_id=customer["id"],
        occurred_at="2024-02-29T23:30:00-02:00",
        provider_ref_id="MM-2024/17",
        fee_amount=195,
    )
    assert (payment["provider"], payment["status"], payment["source"]) == ("external", "succeeded", "api")
    assert (payment["fee_amount"], payment["net_amount"]) == (195, 9805)
    assert (payment["provider_ref_id"], payment["method"]) == ("MM-2024/17", "cash")
    assert payment["occurred_at"] == payment["succeeded_at"] == "2024-03-01T01:30:00Z"
    assert payment["created_at"] > "2025"
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert after["first_payment_at"] == after["last_payment_at"] == "2024-03-01T01:30:00Z"
    assert await types_of(db, merchant, payment["id"]) == ["payment.created", "payment.succeeded"]
    assert await drift(db, merchant.scope) == []


async def test_without_an_instant_it_happened_now(merchant: Merchant):
    payment = await merchant.payment(**CASH)
    assert payment["occurred_at"] == payment["succeeded_at"] == payment["created_at"]
    assert (payment["fee_amount"], payment["net_amount"], payment["provider_ref_id"]) == (None, None, None)


@pytest.mark.parametrize(("fee", "net"), [(0, 10000), (10000, 0)])
async def test_the_fee_may_be_nothing_or_all(merchant: Merchant, fee: int, net: int):
    payment = await merchant.payment(**CASH, fee_amount=fee)
    assert (payment["fee_amount"], payment["net_amount"]) == (fee, net)


async def test_a_late_arrival_moves_the_first_but_not_the_last(db: Database, merchant: Merchant):
    """And the method of the latest payment stays the preferred one."""
    customer = await merchant.customer()
    named = {**CASH, "customer_id": customer["id"]}
    await merchant.payment(**{**named, "method": "card"}, occurred_at="2025-05-01T00:00:00Z")
    await merchant.payment(**named, occurred_at="2023-01-31T12:00:00Z")
    await merchant.payment(**named, occurred_at="2024-06-15T00:00:00.123456Z")
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (after["first_payment_at"], after["last_payment_at"]) == (
        "2023-01-31T12:00:00Z",
        "2025-05-01T00:00:00Z",
    )
    assert (after["preferred_method"], after["payment_count"]) == ("card", 3)
    assert await drift(db, merchant.scope) == []


async def test_the_preferred_currency_is_the_most_frequent_and_then_the_latest(merchant: Merchant):
    customer = await merchant.customer()
    named = {"customer_id": customer["id"], "provider": "external"}

    async def preferred() -> tuple[str, int, int]:
        shown = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
        assert shown["totals"][0]["currency"] == shown["preferred_currency"]
        return shown["preferred_currency"], shown["total_spent"], len(shown["totals"])

    await merchant.payment(**named, amount=10**9, currency="GHS", occurred_at="2024-01-01T00:00:00Z")
    assert await preferred() == ("GHS", 10**9, 1)
    await merchant.payment(**named, amount=5, currency="XOF", occurred_at="2024-01-02T00:00:00Z")
    assert await preferred() == ("XOF", 5, 2)
    await merchant.payment(**named, amount=7, currency="KWD", occurred_at="2023-01-01T00:00:00Z")
    assert await preferred() == ("XOF", 5, 3)
    await merchant.payment(**named, amount=7, currency="KWD", occurred_at="2023-01-02T00:00:00Z")
    assert await preferred() == ("KWD", 14, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("occurred_at", "2999-01-01T00:00:00Z"),
        ("occurred_at", "2024-02-30T00:00:00Z"),
        ("occurred_at", "2024-01-01"),
        ("occurred_at", "2024-01-01T00:00:00"),
        ("occurred_at", 1704067200),
        ("fee_amount", -1),
        ("fee_amount", 1.5),
        ("provider_ref_id", ""),
    ],
)
async def test_a_faulty_fact_is_named_and_nothing_is_stored(
    db: Database, merchant: Merchant, field: str, value
):
    body = {**CASH, "customer": {"name": "Ada"}, field: value}
    refusal = refused(await merchant.test.post("/v1/payments", json=body), 400, "validation_error")
    assert [fault["field"] for fault in refusal["details"]["fields"]] == [field]
    assert await count_events(db, merchant) == 0


async def test_a_fee_above_the_amount_is_refused(merchant: Merchant):
    refused(
        await merchant.test.post("/v1/payments", json={**CASH, "fee_amount": 10001}), 400, "validation_error"
    )


@pytest.mark.parametrize(
    "fact", [{"occurred_at": "2024-01-01T00:00:00Z"}, {"provider_ref_id": "x"}, {"fee_amount": 1}]
)
async def test_facts_of_the_outside_cannot_be_said_of_the_sandbox(merchant: Merchant, fact: dict):
    body = {"amount": 10000, "currency": "GHS", **fact}
    refused(await merchant.test.post("/v1/payments", json=body), 400, "validation_error")
    refused(
        await merchant.test.post("/v1/payments", json={**body, "provider": "sandbox"}),
        400,
        "validation_error",
    )


async def test_old_instants_are_kept(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    for at in ("0002-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"):
        payment = await merchant.payment(**CASH, customer_id=customer["id"], occurred_at=at)
        assert payment["occurred_at"] == payment["succeeded_at"] == at
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert after["first_payment_at"] == "0002-01-01T00:00:00Z"
    assert await drift(db, merchant.scope) == []


async def test_the_first_instant_there_is_makes_no_customer_unreadable(merchant: Merchant):
    """Taken or refused, but never stored as an eternity that no answer can show."""
    customer = await merchant.customer()
    body = {**CASH, "customer_id": customer["id"], "occurred_at": "0001-01-01T00:00:00Z"}
    assert (await merchant.test.post("/v1/payments", json=body)).status_code in (201, 400)
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["id"] == customer["id"]
    assert len(ok(await merchant.test.get("/v1/customers"))["customers"]) == 1


async def test_live_mode_records_outside_payments_and_test_mode_never_sees_them(merchant: Merchant):
    payment = created(
        await merchant.live.post("/v1/payments", json={**CASH, "customer": {"external_id": "usr_1"}})
    )
    assert (payment["mode"], payment["status"]) == ("live", "succeeded")
    assert ok(await merchant.live.get("/v1/customers/external/usr_1"))["total_spent"] == 10000
    refund = created(await merchant.live.post(f"/v1/payments/{payment['id']}/refund", json={"amount": 1}))
    assert refund["mode"] == "live"
    refused(await merchant.test.get(f"/v1/payments/{payment['id']}"), 404, "payment_not_found")
    refused(await merchant.test.get("/v1/customers/external/usr_1"), 404, "customer_not_found")
    assert ok(await merchant.test.get("/v1/payments"))["payments"] == []


@pytest.mark.parametrize(
    ("deed", "body"),
    [
        ("confirm", {}),
        ("retry", {}),
        ("cancel", {}),
        ("complete", {"outcome": "succeed"}),
        ("patch", {"amount": 1, "metadata": {"sandbox": "succeed"}}),
    ],
)
async def test_what_was_recorded_is_never_charged_or_changed_here(
    db: Database, merchant: Merchant, deed: str, body: dict
):
    payment = await merchant.payment(**CASH, customer_id=(await merchant.customer())["id"])
    before = await count_events(db, merchant)
    method, address = address_of(deed, payment["id"])
    refused(await merchant.test.request(method, address, json=body), 422, "wrong_payment_state")
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}")) == payment
    assert await count_events(db, merchant) == before
    assert await drift(db, merchant.scope) == []


@pytest.mark.parametrize("fact", [{"provider": "external"}, {"provider": "paystack"}])
async def test_what_is_charged_here_cannot_be_patched_into_a_record(merchant: Merchant, fact: dict):
    """Nor the other way round: the provider is said once."""
    intent = created(await merchant.test.post("/v1/payments/intents", json={"amount": 5, "currency": "GHS"}))
    _, address = address_of("patch", intent["id"])
    refused(await merchant.test.patch(address, json=fact), 400, "validation_error")
