"""Charges that are not over at once: the customer is to approve, the provider is slow or silent; and refunds."""

from datetime import timedelta

import pytest

from tests.makers import refused
from tests.subscriptions.billing import (
    BEGUN,
    PAID,
    RENEWED,
    UPCOMING,
    Billing,
    coming,
    each,
    standing,
    text,
    types,
)

MOMENT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)


async def test_what_the_customer_approves_in_time_is_paid(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    await billing.news()
    subscription = await billing.subscribe(customer, "requires_action")
    assert subscription["status"] == "active"
    assert types(await billing.news()) == [*BEGUN, "payment.created", "payment.requires_action"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"]) == ("due", 1)
    assert invoice["next_retry_at"] == text(begun + 15 * MINUTE), "until then it may be approved"
    payment = await billing.see(invoice["payment_id"])
    assert (payment["status"], payment["next_action"]["type"]) == ("requires_action", "sandbox_complete")
    await billing.at(begun + 15 * MINUTE - MOMENT)
    await billing.deed(f"sandbox/payments/{payment['id']}/complete", outcome="succeed")
    assert types(await billing.news()) == ["payment.succeeded", "invoice.paid"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["next_retry_at"]) == ("paid", None)
    assert invoice["paid_at"] == text(begun + 15 * MINUTE - MOMENT)
    assert (await billing.later("3d"))["collections"] == 0
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_what_is_never_approved_is_asked_for_as_often_as_a_decline_and_then_given_up(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "requires_action")
    waits = [begun + after * MINUTE for after in (15, 75, 75 + 24 * 60, 75 + 48 * 60)]
    for number, until in enumerate(waits, 1):
        (invoice,) = await billing.invoices(subscription)
        assert (invoice["status"], invoice["attempt_count"]) == ("due", number)
        assert invoice["next_retry_at"] == text(until)
        await billing.at(until - MOMENT)
        await billing.news()
        await billing.at(until)
        if number < 4:
            assert types(await billing.news()) == ["payment.requires_action"]
    assert types(await billing.news()) == ["payment.canceled", "invoice.failed", "subscription.past_due"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"], invoice["next_retry_at"]) == ("failed", 4, None)
    assert each(await billing.payments(customer), "status") == ["canceled"]
    approval = {"json": {"outcome": "succeed"}}
    address = f"/v1/sandbox/payments/{invoice['payment_id']}/complete"
    refused(await billing.merchant.test.post(address, **approval), 422, "wrong_payment_state")
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 0)

    # Asked for once more, and approved this time.
    again = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert (again["status"], again["attempt_count"], again["payment_id"]) == ("due", 5, invoice["payment_id"])
    await billing.deed(f"sandbox/payments/{invoice['payment_id']}/complete", outcome="succeed")
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


@pytest.mark.parametrize(("outcome", "code"), [("fail:wrong_pin", "wrong_pin"), ("cancel", None)])
async def test_what_the_customer_does_not_approve_has_given_up(
    billing: Billing, outcome: str, code: str | None
):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "requires_action,succeed")
    (invoice,) = await billing.invoices(subscription)
    await billing.later("10m")
    await billing.news()
    await billing.deed(f"sandbox/payments/{invoice['payment_id']}/complete", outcome=outcome)
    ended = "payment.canceled" if outcome == "cancel" else "payment.failed"
    assert types(await billing.news()) == [ended, "invoice.failed"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["failure_code"]) == ("due", code)
    assert invoice["next_retry_at"] == text(begun + 25 * MINUTE)
    await billing.later("15m")
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"], invoice["failure_code"]) == ("paid", 2, None)
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_who_does_not_want_to_wait_for_the_approval_charges_at_once(billing: Billing):
    """That takes the place of the attempt that waits; nobody can approve that one any more."""
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "requires_action,succeed")
    (invoice,) = await billing.invoices(subscription)
    paid = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert (paid["status"], paid["attempt_count"]) == ("paid", 2)
    approval = {"json": {"outcome": "succeed"}}
    address = f"/v1/sandbox/payments/{invoice['payment_id']}/complete"
    refused(await billing.merchant.test.post(address, **approval), 422, "wrong_payment_state")
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_charged_at_once_the_last_attempt_is_not_given_up_but_followed_by_another(billing: Billing):
    await billing.at(coming(3, 10))
    await billing.deed("policies/retry", delays=[])
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "requires_action,requires_action,succeed")
    (invoice,) = await billing.invoices(subscription)
    assert invoice["next_retry_at"] == text(coming(3, 10) + timedelta(days=1)), (
        "there is no delay to wait for"
    )
    await billing.news()
    again = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert (again["status"], again["attempt_count"]) == ("due", 2)
    assert types(await billing.news()) == ["payment.requires_action"]
    assert (await billing.deed(f"invoices/{invoice['id']}/retry"))["status"] == "paid"
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_after_a_timeout_nothing_is_charged_again_until_it_is_known_and_then_it_is_paid(
    billing: Billing,
):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    await billing.news()
    subscription = await billing.subscribe(customer, "timeout")
    assert types(await billing.news()) == [*BEGUN, "payment.created", "payment.processing"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"], invoice["next_retry_at"]) == ("due", 1, None)
    for deed in ("retry", "cancel"):
        refusal = await billing.merchant.test.post(f"/v1/invoices/{invoice['id']}/{deed}", json={})
        assert refused(refusal, 422, "wrong_invoice_state")["details"] == {"status": "due"}
    await billing.at(begun + MINUTE - MOMENT)
    assert await billing.news() == []
    passed = await billing.at(begun + MINUTE)
    assert (passed["reconciliations"], passed["collections"]) == (1, 0)
    assert types(await billing.news()) == ["payment.succeeded", "invoice.paid"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["paid_at"]) == ("paid", text(begun + MINUTE))
    assert invoice["attempt_count"] == 1, "one charge only"
    (payment,) = await billing.payments(customer)
    assert (payment["status"], payment["succeeded_at"]) == ("succeeded", text(begun + MINUTE))
    assert (await billing.later("3d"))["reconciliations"] == 0
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_what_is_processing_for_days_is_asked_after_and_completed_later(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "processing")
    await billing.news()
    # One minute after it began, five after that, an hour, and then daily.
    assert (await billing.later("3d"))["reconciliations"] == 5
    assert await billing.news() == []
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"], invoice["next_retry_at"]) == ("due", 1, None)
    await billing.deed(f"sandbox/payments/{invoice['payment_id']}/complete", outcome="succeed")
    assert types(await billing.news()) == ["payment.succeeded", "invoice.paid"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["paid_at"]) == ("paid", text(begun + timedelta(days=3)))
    await billing.play(subscription, "succeed")
    await billing.news()
    assert (await billing.later("30d"))["reconciliations"] == 0
    assert types(await billing.news()) == [UPCOMING, *RENEWED, *PAID]
    assert standing(await billing.see(customer["id"])) == ("active", 1, 3000)


async def test_what_turns_out_to_have_failed_is_charged_again_from_then_on(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "processing,succeed")
    (invoice,) = await billing.invoices(subscription)
    await billing.later("2d")
    await billing.news()
    await billing.deed(f"sandbox/payments/{invoice['payment_id']}/complete", outcome="fail")
    assert types(await billing.news()) == ["payment.failed", "invoice.failed"]
    (invoice,) = await billing.invoices(subscription)
    assert invoice["next_retry_at"] == text(begun + timedelta(days=2) + 15 * MINUTE)
    await billing.later("15m")
    assert each(await billing.invoices(subscription), "status") == ["paid"]
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_periods_go_on_while_the_end_of_an_earlier_charge_is_open(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "processing", interval="weekly")
    await billing.play(subscription, "succeed")
    await billing.later("15d")
    assert each(await billing.invoices(subscription), "status") == ["due", "paid", "paid"]
    first = (await billing.invoices(subscription))[0]
    await billing.deed(f"sandbox/payments/{first['payment_id']}/complete", outcome="fail:lost_card")
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 3000)
    await billing.deed(f"invoices/{first['id']}/retry")
    assert standing(await billing.see(customer["id"])) == ("active", 1, 4500)


@pytest.mark.parametrize(
    ("amount", "status", "left"), [(None, "refunded", 1500), (600, "partially_refunded", 2400)]
)
async def test_a_refund_gives_money_back_and_leaves_the_invoice_paid(
    billing: Billing, amount: int | None, status: str, left: int
):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="weekly")
    await billing.later("8d")
    await billing.news()
    first, second = await billing.invoices(subscription)
    await billing.merchant.refund(first["payment_id"], **({} if amount is None else {"amount": amount}))
    assert types(await billing.news()) == ["payment.refunded"]
    assert (await billing.see(first["payment_id"]))["status"] == status
    assert await billing.invoices(subscription) == [first, second]
    shown = await billing.see(customer["id"])
    assert standing(shown) == ("active", 1, left)
    assert (shown["total_spent"], shown["payment_count"]) == (3000, 2)
    await billing.later("7d")
    assert standing(await billing.see(customer["id"])) == ("active", 1, left + 1500)
    refusal = await billing.merchant.test.post(f"/v1/invoices/{first['id']}/retry", json={})
    refused(refusal, 422, "wrong_invoice_state")


@pytest.mark.parametrize("scenario", ["fail", "requires_action", "processing"])
async def test_an_invoices_payment_goes_the_way_of_its_invoice_and_no_other(billing: Billing, scenario: str):
    await billing.at(coming(3, 10))
    subscription = await billing.subscribe(await billing.merchant.customer(), scenario)
    (invoice,) = await billing.invoices(subscription)
    payment = await billing.see(invoice["payment_id"])
    await billing.news()
    merchant = billing.merchant.test
    for deed in ("confirm", "retry", "cancel", "refund"):
        refusal = await merchant.post(f"/v1/payments/{payment['id']}/{deed}", json={})
        assert refused(refusal, 422, "wrong_payment_state")["details"] == {"status": payment["status"]}
    cheaper = {"json": {"amount": 1}}
    refused(
        await merchant.patch(f"/v1/payments/intents/{payment['id']}", **cheaper), 422, "wrong_payment_state"
    )
    assert await billing.see(payment["id"]) == payment
    assert await billing.invoices(subscription) == [invoice]
    assert await billing.news() == []


async def test_each_attempt_bears_the_method_that_holds_when_it_is_made(billing: Billing):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail,succeed", method="card")
    await billing.change(subscription, method="mobile_money")
    assert each(await billing.invoices(subscription), "method") == ["card"]
    await billing.later("15m")
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["method"], invoice["status"]) == ("mobile_money", "paid")
    assert (await billing.see(invoice["payment_id"]))["method"] == "mobile_money"
    assert (await billing.see(customer["id"]))["preferred_method"] == "mobile_money"


async def test_a_scenario_of_the_customers_that_nobody_knows_has_given_up(billing: Billing):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer(external_id="usr_1", metadata={"sandbox": "win"})
    subscription = await billing.subscribe(customer)
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["failure_code"]) == ("due", "unknown_sandbox_scenario")
    await billing.play(subscription, "succeed")
    await billing.later("15m")
    assert each(await billing.invoices(subscription), "status") == ["paid"]
