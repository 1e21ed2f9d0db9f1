"""Which deed may follow which state: confirm, cancel, retry, complete, refund, and nothing else."""

import asyncio
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import types_of
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift

INTENT = {"amount": 1000, "currency": "GHS"}


async def payment_in(merchant: Merchant, state: str, **fields: Any) -> dict:
    """A payment that was brought into this state."""
    if state in ("pending", "canceled"):
        intent = created(await merchant.test.post("/v1/payments/intents", json={**INTENT, **fields}))
        if state == "pending":
            return {**intent, "client_secret": None}
        return ok(await merchant.test.post(f"/v1/payments/{intent['id']}/cancel"))
    scenario = {"failed": "fail", "requires_action": state, "processing": state}.get(state, "succeed")
    payment = await merchant.payment(**{**INTENT, **fields}, metadata={"sandbox": scenario})
    if state in ("partially_refunded", "refunded"):
        await merchant.refund(payment["id"], amount=400 if state == "partially_refunded" else 1000)
    return ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))


STATES = (
    "pending",
    "requires_action",
    "processing",
    "failed",
    "canceled",
    "succeeded",
    "partially_refunded",
    "refunded",
)
ALLOWED = {
    "confirm": ("pending",),
    "cancel": ("pending", "requires_action"),
    "retry": ("failed",),
    "complete": ("requires_action", "processing"),
    "refund": ("succeeded", "partially_refunded"),
    "patch": ("pending", "failed"),
}


async def do(merchant: Merchant, deed: str, payment: dict, **body: Any):
    if deed == "complete":
        return await merchant.test.post(
            f"/v1/sandbox/payments/{payment['id']}/complete", json={"outcome": "succeed", **body}
        )
    if deed == "patch":
        return await merchant.test.patch(f"/v1/payments/intents/{payment['id']}", json={"amount": 5})
    return await merchant.test.post(f"/v1/payments/{payment['id']}/{deed}", json=body)


@pytest.mark.parametrize("state", STATES)
async def test_a_deed_that_a_state_does_not_allow_changes_nothing(
    db: Database, merchant: Merchant, state: str
):
    payment = await payment_in(merchant, state)
    assert payment["status"] == state
    before = await types_of(db, merchant, payment["id"])
    for deed in (deed for deed, states in ALLOWED.items() if state not in states):
        refusal = refused(await do(merchant, deed, payment), 422, "wrong_payment_state")
        assert refusal["details"] == {"status": state}
        assert state in refusal["message"]
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}")) == payment
    assert await types_of(db, merchant, payment["id"]) == before


@pytest.mark.parametrize(
    ("deed", "state"), [(deed, state) for deed, states in ALLOWED.items() for state in states]
)
async def test_a_deed_that_a_state_allows_is_done_and_told_of_once(
    db: Database, merchant: Merchant, deed: str, state: str
):
    payment = await payment_in(merchant, state)
    before = await types_of(db, merchant, payment["id"])
    if deed in ("confirm", "retry"):  # what fails, fails again until something changes
        ok(
            await merchant.test.patch(
                f"/v1/payments/intents/{payment['id']}", json={"metadata": {"sandbox": ""}}
            )
        )
        before = await types_of(db, merchant, payment["id"])
    answer = await do(merchant, deed, payment)
    assert answer.is_success, answer.text
    told = {"cancel": "payment.canceled", "refund": "payment.refunded", "patch": "payment.updated"}
    assert await types_of(db, merchant, payment["id"]) == [*before, told.get(deed, "payment.succeeded")]
    assert await drift(db, merchant.scope) == []


async def test_a_retry_that_fails_again_fails_with_its_own_reason(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    payment = await payment_in(merchant, "failed", customer_id=customer["id"])
    again = ok(await do(merchant, "retry", payment))
    assert (again["status"], again["failure_code"]) == ("failed", "card_declined")
    address = f"/v1/payments/intents/{payment['id']}"
    ok(await merchant.test.patch(address, json={"metadata": {"sandbox": "fail:wrong_pin"}, "amount": 700}))
    assert ok(await do(merchant, "retry", payment))["failure_code"] == "wrong_pin"
    ok(await merchant.test.patch(address, json={"metadata": {"sandbox": "succeed"}}))
    paid = ok(await do(merchant, "retry", payment))
    assert (paid["status"], paid["failure_code"], paid["failure_message"]) == ("succeeded", None, None)
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (after["payment_count"], after["total_spent"]) == (1, 700)
    assert await types_of(db, merchant, payment["id"]) == [
        "payment.created",
        "payment.failed",
        "payment.failed",
        "payment.updated",
        "payment.failed",
        "payment.updated",
        "payment.succeeded",
    ]


@pytest.mark.parametrize("state", ["requires_action", "processing"])
@pytest.mark.parametrize(
    ("outcome", "status", "failure_code"),
    [
        ("succeed", "succeeded", None),
        ("succeeded", "succeeded", None),
        ("fail", "failed", "card_declined"),
        ("failed", "failed", "card_declined"),
        ("fail:insufficient_funds", "failed", "insufficient_funds"),
        ("cancel", "canceled", None),
        ("canceled", "canceled", None),
    ],
)
async def test_the_customer_completes_what_waits(db, merchant, state, outcome, status, failure_code):
    customer = await merchant.customer()
    payment = await payment_in(merchant, state, customer_id=customer["id"])
    after = ok(await do(merchant, "complete", payment, outcome=outcome))
    assert (after["status"], after["failure_code"], after["next_action"]) == (status, failure_code, None)
    assert after["provider_ref_id"]
    shown = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert shown["payment_count"] == (1 if status == "succeeded" else 0)
    assert await types_of(db, merchant, payment["id"]) == [
        "payment.created",
        f"payment.{state}",
        f"payment.{status}",
    ]


@pytest.mark.parametrize("outcome", ["win", "", "fail:", "requires_action", None, 1])
async def test_an_unknown_outcome_is_refused(merchant: Merchant, outcome):
    payment = await payment_in(merchant, "processing")
    refused(await do(merchant, "complete", payment, outcome=outcome), 400, "validation_error")
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["status"] == "processing"


async def test_a_deed_needs_no_body_and_takes_none(merchant: Merchant):
    payment = await payment_in(merchant, "pending")
    refused(
        await merchant.test.post(f"/v1/payments/{payment['id']}/confirm", json={"a": 1}),
        400,
        "validation_error",
    )
    assert ok(await merchant.test.post(f"/v1/payments/{payment['id']}/confirm"))["status"] == "succeeded"


async def test_of_twenty_parallel_confirmations_one_charges(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    payment = await payment_in(merchant, "pending", customer_id=customer["id"])
    answers = await asyncio.gather(*(do(merchant, "confirm", payment) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 19
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 1
    assert await types_of(db, merchant, payment["id"]) == ["payment.created", "payment.succeeded"]


async def test_a_payment_is_canceled_or_paid_but_never_both(db: Database, merchant: Merchant):
    """Ten races; whoever comes second hears that the state is another."""
    customer = await merchant.customer()
    for _ in range(10):
        payment = await payment_in(merchant, "pending", customer_id=customer["id"])
        answers = await asyncio.gather(do(merchant, "cancel", payment), do(merchant, "confirm", payment))
        assert sorted(answer.status_code for answer in answers) == [200, 422]
    succeeded = ok(await merchant.test.get("/v1/payments?status=succeeded&include_total=true"))["total"]
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == succeeded
    assert await drift(db, merchant.scope) == []


async def test_the_sandbox_has_no_other_side_in_live_mode(merchant: Merchant):
    body = {"amount": 1000, "currency": "GHS", "provider": "external"}
    payment = created(await merchant.live.post("/v1/payments", json=body))
    answer = await merchant.live.post(
        f"/v1/sandbox/payments/{payment['id']}/complete", json={"outcome": "succeed"}
    )
    refused(answer, 422, "provider_not_available")
