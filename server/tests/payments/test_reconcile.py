"""A payment whose end nobody knows: its provider is asked, later and later, until it knows."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import types_of
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift, traces
from tests.webhooks.clockwork import Clockwork, Outside, Queued
from tests.webhooks.wire import endpoint

ADA = {"external_id": "usr/ada-5519", "name": "Adaline Fiftyfive"}
ASKED_AFTER = [  # each counted from the one before
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=1),
    timedelta(days=1),
]


@pytest.fixture
def clockwork(db: Database, merchant: Merchant) -> Clockwork:
    """The background work of the merchant's organization."""
    return Clockwork.in_the_present(db, merchant.org_id)


def begun_at(payment: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(payment["updated_at"])


async def seen(merchant: Merchant, payment: dict[str, Any]) -> dict[str, Any]:
    """The payment as it is now."""
    return ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))


async def asked(db: Database, payment: dict[str, Any]) -> tuple[int, datetime | None]:
    """How often the payment's provider was asked, and when it will be next."""
    async with db.read() as conn:
        row = await conn.fetchrow(
            "SELECT reconcile_count, reconcile_at FROM payments WHERE id = $1", payment["id"]
        )
    return tuple(row)


async def due(clockwork: Clockwork, payment: dict[str, Any]) -> Queued:
    """The job that asks, when the first minute is over."""
    await clockwork.run()
    clockwork.clock.now = begun_at(payment) + timedelta(minutes=1)
    await clockwork.fulfil("payments.queue_unsettled")
    (job,) = await clockwork.queued()
    assert job.name == "payments.reconcile"
    return job


async def test_a_provider_is_asked_after_a_minute_five_an_hour_and_then_daily(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    payment = await merchant.payment(metadata={"sandbox": "processing"})
    at = begun_at(payment)
    for times, delay in enumerate(ASKED_AFTER):
        await clockwork.run_until(at + delay - timedelta(seconds=1))
        assert await asked(db, payment) == (times, at + delay)
        at += delay
        assert await clockwork.run_until(at) == 1
        assert (await asked(db, payment))[0] == times + 1
    assert await seen(merchant, payment) == payment, "what is still open stays as it is"
    assert await types_of(db, merchant, payment["id"]) == ["payment.created", "payment.processing"]


async def test_what_is_processing_stays_so_until_it_is_completed(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(customer_id=customer["id"], metadata={"sandbox": "processing"})
    await clockwork.run_for(days=40)
    assert await seen(merchant, payment) == payment
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 0
    complete = f"/v1/sandbox/payments/{payment['id']}/complete"
    ok(await merchant.test.post(complete, json={"outcome": "succeed"}))
    _, next_at = await asked(db, payment)
    assert next_at is None
    assert await clockwork.run_for(days=40) == 1, "only its event is told of"
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 1
    assert (await types_of(db, merchant, payment["id"]))[-1] == "payment.succeeded"


async def test_after_a_timeout_the_money_turns_out_to_have_moved(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(customer_id=customer["id"], amount=700, metadata={"sandbox": "timeout"})
    assert (payment["status"], payment["provider_ref_id"]) == ("processing", None), "never failed"
    await clockwork.run_until(begun_at(payment) + timedelta(seconds=59))
    assert (await seen(merchant, payment))["status"] == "processing"
    await clockwork.run_until(begun_at(payment) + timedelta(seconds=60))
    settled = await seen(merchant, payment)
    assert (settled["status"], settled["failure_code"]) == ("succeeded", None)
    assert settled["provider_ref_id"].startswith("sbx_")
    assert begun_at(settled) == begun_at(payment) + timedelta(seconds=60)
    shown = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (shown["payment_count"], shown["total_spent"], shown["lifetime_value"]) == (1, 700, 700)
    assert await drift(db, merchant.scope) == []
    await clockwork.run_for(days=40)
    assert await seen(merchant, payment) == settled
    assert await types_of(db, merchant, payment["id"]) == [
        "payment.created",
        "payment.processing",
        "payment.succeeded",
    ]


async def test_asking_twice_settles_once(db: Database, merchant: Merchant, clockwork: Clockwork):
    """A worker died after it had asked, or two had the same job."""
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(customer_id=customer["id"], metadata={"sandbox": "timeout"})
    job = await due(clockwork, payment)
    await asyncio.gather(*(clockwork.do(job) for _ in range(5)))
    await clockwork.do(job)
    assert (await types_of(db, merchant, payment["id"])).count("payment.succeeded") == 1
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["payment_count"] == 1
    assert await drift(db, merchant.scope) == []


@pytest.mark.parametrize("outcome", ["succeed", "fail", "cancel"])
async def test_whoever_settles_first_the_other_changes_nothing(
    db: Database, merchant: Merchant, clockwork: Clockwork, outcome: str
):
    """The customer plays its part in the sandbox while the provider is asked. Six races."""
    customer = await merchant.customer(**ADA)
    for _ in range(6):
        payment = await merchant.payment(customer_id=customer["id"], metadata={"sandbox": "timeout"})
        job = await due(clockwork, payment)
        complete = f"/v1/sandbox/payments/{payment['id']}/complete"
        answer, _ = await asyncio.gather(
            merchant.test.post(complete, json={"outcome": outcome}), clockwork.do(job)
        )
        await clockwork.take_out(job)
        settled = await seen(merchant, payment)
        if answer.is_success:
            assert settled == answer.json()
        else:
            refused(answer, 422, "wrong_payment_state")
            assert settled["status"] == "succeeded"
        ends = await types_of(db, merchant, payment["id"])
        assert ends == ["payment.created", "payment.processing", f"payment.{settled['status']}"]
    assert await drift(db, merchant.scope) == []


async def test_an_intent_is_asked_after_from_its_confirmation_on(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    body = {"amount": 500, "currency": "GHS", "metadata": {"sandbox": "timeout"}}
    intent = created(await merchant.test.post("/v1/payments/intents", json=body))
    assert await asked(db, intent) == (0, None)
    payment = ok(await merchant.test.post(f"/v1/payments/{intent['id']}/confirm"))
    assert await asked(db, payment) == (0, begun_at(payment) + timedelta(minutes=1))
    await clockwork.run_until(begun_at(payment) + timedelta(minutes=1))
    assert (await seen(merchant, payment))["status"] == "succeeded"


@pytest.mark.parametrize("scenario", ["succeed", "fail", "requires_action"])
async def test_nobody_is_asked_about_what_is_known_or_up_to_the_payer(
    db: Database, merchant: Merchant, clockwork: Clockwork, scenario: str
):
    payment = await merchant.payment(metadata={"sandbox": scenario})
    assert await asked(db, payment) == (0, None)
    await clockwork.run_for(days=3)
    assert await seen(merchant, payment) == payment


async def test_the_end_is_told_to_those_who_listen(merchant: Merchant, clockwork: Clockwork):
    await endpoint(merchant, events=["payment.succeeded"])
    payment = await merchant.payment(customer=ADA, metadata={"sandbox": "timeout"})
    await clockwork.run_for(minutes=2)
    outside = clockwork.tools.post
    assert isinstance(outside, Outside)
    (sent,) = outside.take()
    assert (sent.json["data"]["id"], sent.json["data"]["status"]) == (payment["id"], "succeeded")
    assert sent.json["data"]["customer"]["external_id"] == ADA["external_id"]


async def test_a_payer_who_was_erased_meanwhile_is_not_remembered(
    db: Database, merchant: Merchant, clockwork: Clockwork
):
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(customer_id=customer["id"], metadata={"sandbox": "timeout"})
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    await clockwork.run_for(minutes=2)
    settled = await seen(merchant, payment)
    assert (settled["status"], settled["external_customer_id"]) == ("succeeded", None)
    assert await traces(db, merchant.scope, list(ADA.values())) == {}
    assert await drift(db, merchant.scope) == []
