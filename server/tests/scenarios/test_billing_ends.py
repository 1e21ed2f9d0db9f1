"""Subscriptions that end, stop for a while, and go on; and customers who leave in between."""

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.makers import refused
from tests.subscriptions.billing import (
    DECLINED_AGAIN,
    PAID,
    UPCOMING,
    Billing,
    coming,
    days,
    each,
    instant,
    periods,
    standing,
    text,
    types,
)

MOMENT = timedelta(microseconds=1)


async def test_what_is_canceled_at_the_periods_end_runs_until_then(billing: Billing):
    begun = coming(1, 31)
    end = days(begun, (1, 31), (3, 1))[1] - timedelta(days=1)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer)
    await billing.later("3d")
    await billing.news()
    address = f"subscriptions/{subscription['id']}"
    flagged = await billing.deed(f"{address}/cancel", at_period_end=True)
    assert (flagged["status"], flagged["cancel_at_period_end"]) == ("active", True)
    assert (flagged["next_renewal_at"], flagged["current_period_end"]) == (None, text(end))
    (told,) = await billing.news()
    assert (told["type"], told["data"]["previous_attributes"]) == (
        "subscription.updated",
        {"cancel_at_period_end": False},
    )
    again = await billing.deed(f"{address}/cancel", at_period_end=True)
    assert (again, await billing.news()) == (flagged, []), "asked twice, it is as if asked once"
    await billing.at(end - MOMENT)
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)
    assert await billing.news() == []
    assert (await billing.at(end))["renewals"] == 1
    (told,) = await billing.news()
    assert told["type"] == "subscription.canceled"
    assert told["data"]["previous_attributes"] == {"status": "active", "cancel_at_period_end": True}
    after = await billing.see(subscription["id"])
    assert (after["status"], after["canceled_at"]) == ("canceled", text(end))
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 1500)
    await billing.later("90d")
    assert len(await billing.invoices(subscription)) == 1
    assert await billing.news() == []


async def test_until_then_it_is_taken_back_by_resuming(billing: Billing):
    begun = coming(4, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer)
    await billing.later("3d")
    address = f"subscriptions/{subscription['id']}"
    await billing.deed(f"{address}/cancel", at_period_end=True)
    await billing.news()
    resumed = await billing.deed(f"{address}/resume")
    assert (resumed["cancel_at_period_end"], resumed["next_renewal_at"]) == (
        False,
        subscription["current_period_end"],
    )
    (told,) = await billing.news()
    assert (told["type"], told["data"]["previous_attributes"]) == (
        "subscription.updated",
        {"cancel_at_period_end": True},
    )
    refusal = await billing.merchant.test.post(f"/v1/{address}/resume", json={})
    assert refused(refusal, 422, "wrong_subscription_state")["details"] == {"status": "active"}
    await billing.later("31d")
    bounds = days(begun, (4, 10), (5, 10), (6, 10))
    assert periods(await billing.invoices(subscription)) == list(pairwise(bounds))
    assert standing(await billing.see(customer["id"])) == ("active", 1, 3000)


async def test_canceled_now_it_takes_its_unpaid_invoice_with_it(billing: Billing):
    begun = coming(4, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail")
    await billing.later("20m")
    await billing.news()
    canceled = await billing.deed(f"subscriptions/{subscription['id']}/cancel")
    at = text(begun + timedelta(minutes=20))
    assert (canceled["status"], canceled["canceled_at"], canceled["next_renewal_at"]) == (
        "canceled",
        at,
        None,
    )
    news = await billing.news()
    assert types(news) == ["invoice.canceled", "subscription.canceled"]
    assert news[-1]["data"]["previous_attributes"] == {"status": "active"}
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["canceled_at"], invoice["next_retry_at"]) == ("canceled", at, None)
    assert invoice["attempt_count"] == 2
    assert each(await billing.payments(customer), "status") == ["failed"]
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 0)
    passed = await billing.later("90d")
    assert (passed["renewals"], passed["collections"]) == (0, 0)
    for deed in ("cancel", "pause", "resume"):
        refusal = await billing.merchant.test.post(f"/v1/subscriptions/{subscription['id']}/{deed}", json={})
        assert refused(refusal, 422, "wrong_subscription_state")["details"] == {"status": "canceled"}
    assert await billing.news() == []


async def test_canceled_while_the_customer_is_to_approve_nothing_can_be_approved_any_more(billing: Billing):
    await billing.at(coming(4, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "requires_action")
    await billing.news()
    await billing.deed(f"subscriptions/{subscription['id']}/cancel")
    assert types(await billing.news()) == ["payment.canceled", "invoice.canceled", "subscription.canceled"]
    (payment,) = await billing.payments(customer)
    approval = {"json": {"outcome": "succeed"}}
    refusal = await billing.merchant.test.post(f"/v1/sandbox/payments/{payment['id']}/complete", **approval)
    refused(refusal, 422, "wrong_payment_state")
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 0)


@pytest.mark.parametrize(("outcome", "status"), [("succeed", "paid"), ("fail", "failed")])
async def test_canceled_while_a_charge_is_under_way_that_charge_is_waited_for(
    billing: Billing, outcome: str, status: str
):
    """If it fails, that was all: there is nothing left to charge again for."""
    await billing.at(coming(4, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "processing")
    await billing.news()
    await billing.deed(f"subscriptions/{subscription['id']}/cancel")
    assert types(await billing.news()) == ["subscription.canceled"]
    (payment,) = await billing.payments(customer)
    await billing.deed(f"sandbox/payments/{payment['id']}/complete", outcome=outcome)
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["next_retry_at"]) == (status, None)
    assert (await billing.later("10d"))["collections"] == 0
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 1500 if status == "paid" else 0)


async def test_paused_over_a_renewal_it_begins_anew_when_it_is_resumed(billing: Billing):
    begun = coming(1, 31)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer)
    address = f"subscriptions/{subscription['id']}"
    await billing.later("10d")
    await billing.news()
    paused = await billing.deed(f"{address}/pause")
    assert (paused["status"], paused["next_renewal_at"]) == ("paused", None)
    assert paused["paused_at"] == text(begun + timedelta(days=10))
    (told,) = await billing.news()
    assert (told["type"], told["data"]["previous_attributes"]) == (
        "subscription.paused",
        {"status": "active"},
    )
    assert standing(await billing.see(customer["id"])) == ("paused", 0, 1500)
    assert (await billing.later("55d"))["renewals"] == 0
    resumed_at = begun + timedelta(days=65)
    assert await billing.news() == []

    resumed = await billing.deed(f"{address}/resume")
    assert (resumed["status"], resumed["paused_at"]) == ("active", None)
    assert (resumed["current_period_start"], resumed["start_at"]) == (text(resumed_at), text(begun))
    news = await billing.news()
    assert types(news) == ["subscription.resumed", "invoice.created", *PAID]
    assert news[0]["data"]["previous_attributes"]["status"] == "paused"
    await billing.later("32d")
    first, second, third = await billing.invoices(subscription)
    assert instant(first["period_start"]) == begun
    assert instant(second["period_start"]) == resumed_at
    assert second["period_end"] == third["period_start"]
    assert instant(third["period_start"]).day == resumed_at.day, "counted from when it was resumed"
    assert each([first, second, third], "number") == ["INV-000001", "INV-000002", "INV-000003"]
    assert standing(await billing.see(customer["id"])) == ("active", 1, 4500)


async def test_paused_and_resumed_within_a_period_all_is_as_if_it_had_not_been(billing: Billing):
    begun = coming(1, 31, leap=True)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer)
    address = f"subscriptions/{subscription['id']}"
    bounds = days(begun, (1, 31), (2, 29), (3, 31), (4, 30))
    await billing.later("10d")
    await billing.deed(f"{address}/pause")
    await billing.at(bounds[1] - MOMENT)
    await billing.news()
    resumed = await billing.deed(f"{address}/resume")
    assert {**resumed, "updated_at": subscription["updated_at"]} == subscription
    (told,) = await billing.news()
    assert (told["type"], told["data"]["previous_attributes"]) == (
        "subscription.resumed",
        {"status": "paused"},
    )
    await billing.at(bounds[2])
    assert periods(await billing.invoices(subscription)) == list(pairwise(bounds))
    assert standing(await billing.see(customer["id"])) == ("active", 1, 4500)


async def test_what_is_due_already_is_charged_again_while_it_is_paused(billing: Billing):
    """It is of a period that the customer had."""
    await billing.at(coming(1, 31))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail,succeed")
    await billing.deed(f"subscriptions/{subscription['id']}/pause")
    await billing.news()
    assert (await billing.later("15m"))["collections"] == 1
    assert types(await billing.news()) == ["payment.succeeded", "invoice.paid"]
    assert standing(await billing.see(customer["id"])) == ("paused", 0, 1500)


async def test_what_is_given_up_while_it_is_paused_is_owed_when_it_is_resumed(billing: Billing):
    await billing.at(coming(1, 31))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail,fail:lost_card")
    await billing.deed(f"subscriptions/{subscription['id']}/pause")
    await billing.later("1d")
    assert standing(await billing.see(customer["id"])) == ("paused", 0, 0)
    assert each(await billing.invoices(subscription), "status") == ["failed"]
    resumed = await billing.deed(f"subscriptions/{subscription['id']}/resume")
    assert resumed["status"] == "past_due"
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 0)


async def test_paused_it_still_ends_with_its_period_if_that_was_said(billing: Billing):
    await billing.at(coming(4, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer)
    address = f"subscriptions/{subscription['id']}"
    await billing.deed(f"{address}/cancel", at_period_end=True)
    paused = await billing.deed(f"{address}/pause")
    assert (paused["status"], paused["cancel_at_period_end"]) == ("paused", True)
    await billing.later("31d")
    shown = await billing.see(subscription["id"])
    assert (shown["status"], shown["canceled_at"], shown["paused_at"]) == (
        "canceled",
        subscription["current_period_end"],
        None,
    )
    assert len(await billing.invoices(subscription)) == 1
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 1500)


async def test_a_trial_that_is_canceled_costs_nothing(billing: Billing):
    begun = coming(4, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    now = await billing.subscribe(customer, trial_days=14)
    later = await billing.subscribe(customer, trial_days=14)
    await billing.news()
    await billing.deed(f"subscriptions/{now['id']}/cancel")
    assert types(await billing.news()) == ["subscription.canceled"]
    flagged = await billing.deed(f"subscriptions/{later['id']}/cancel", at_period_end=True)
    assert (flagged["status"], flagged["next_renewal_at"]) == ("trialing", None)
    assert standing(await billing.see(customer["id"])) == ("active", 1, 0)
    await billing.later("30d")
    ended = await billing.see(later["id"])
    assert (ended["status"], ended["canceled_at"]) == ("canceled", text(begun + timedelta(days=14)))
    assert await billing.payments(customer) == []
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 0)


async def test_a_trial_that_is_paused_goes_on_as_a_trial_or_begins_with_a_charge(billing: Billing):
    begun = coming(4, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, trial_days=14)
    address = f"subscriptions/{subscription['id']}"
    await billing.deed(f"{address}/pause")
    await billing.later("7d")
    assert (await billing.deed(f"{address}/resume"))["status"] == "trialing"
    await billing.deed(f"{address}/pause")
    await billing.later("10d")
    assert await billing.invoices(subscription) == []
    resumed = await billing.deed(f"{address}/resume")
    assert (resumed["status"], resumed["current_period_start"]) == (
        "active",
        text(begun + timedelta(days=17)),
    )
    assert each(await billing.invoices(subscription), "status") == ["paid"]


async def test_who_has_several_stands_as_well_as_the_best_of_them(billing: Billing):
    await billing.at(coming(4, 10))
    customer = await billing.merchant.customer()
    assert standing(customer) == ("none", 0, 0)
    active = await billing.subscribe(customer)
    failing = await billing.subscribe(customer, "fail:lost_card")
    paused = await billing.subscribe(customer)
    await billing.deed(f"subscriptions/{paused['id']}/pause")
    trying = await billing.subscribe(customer, trial_days=100)
    assert standing(await billing.see(customer["id"])) == ("active", 2, 3000)
    await billing.deed(f"subscriptions/{active['id']}/cancel")
    assert standing(await billing.see(customer["id"])) == ("active", 1, 3000)
    await billing.deed(f"subscriptions/{trying['id']}/cancel")
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 3000)
    await billing.deed(f"subscriptions/{failing['id']}/cancel")
    assert standing(await billing.see(customer["id"])) == ("paused", 0, 3000)
    await billing.deed(f"subscriptions/{paused['id']}/cancel")
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 3000)


async def test_who_was_deleted_is_not_charged_again(billing: Billing):
    """Even if the schedule comes to the subscription before whoever is told of deletions does."""
    begun = coming(4, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer(external_id="usr_1", name="Ada Lovelace")
    renewing = await billing.subscribe(customer)
    retrying = await billing.subscribe(customer, "fail")
    assert (await billing.merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    await billing.news()
    passed = await billing.later("15m")
    assert (passed["renewals"], passed["collections"]) == (0, 1)
    assert types(await billing.news()) == ["invoice.canceled", "subscription.canceled"]
    assert each(await billing.invoices(retrying), "status") == ["canceled"]
    assert (await billing.later("60d"))["renewals"] == 1
    news = await billing.news()
    assert types(news) == ["subscription.canceled"]
    assert news[0]["data"]["customer"]["id"] == customer["id"]
    assert news[0]["data"]["customer"]["external_id"] is None
    shown = await billing.see(renewing["id"])
    assert (shown["status"], shown["canceled_at"]) == ("canceled", renewing["current_period_end"])
    assert (shown["customer_id"], shown["external_customer_id"]) == (customer["id"], None)
    assert each(await billing.invoices(renewing), "status") == ["paid"], "what was paid was paid"
    refused(await billing.merchant.test.get(f"/v1/customers/{customer['id']}"), 404, "customer_deleted")
    assert (await billing.later("60d"))["renewals"] == 0


async def test_a_deleted_customer_may_still_pay_what_was_under_way(billing: Billing):
    await billing.at(coming(4, 10))
    customer = await billing.merchant.customer(external_id="usr_1", name="Ada Lovelace")
    subscription = await billing.subscribe(customer, "timeout")
    (invoice,) = await billing.invoices(subscription)
    assert (await billing.merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    await billing.later("1m")
    assert each(await billing.invoices(subscription), "status") == ["paid"]
    payment = await billing.see(invoice["payment_id"])
    assert (payment["status"], payment["customer_id"]) == ("succeeded", customer["id"])
    assert payment["external_customer_id"] is None


async def test_a_period_that_was_declined_stays_declined_after_the_end_that_was_foreseen(billing: Billing):
    """Canceled at its end, the last period is still owed; it is charged once more at most."""
    begun = coming(4, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="daily")
    await billing.play(subscription, "fail")
    await billing.at(begun + timedelta(hours=24))
    await billing.deed(f"subscriptions/{subscription['id']}/cancel", at_period_end=True)
    await billing.news()
    await billing.at(begun + timedelta(hours=48))
    assert types(await billing.news()) == [*DECLINED_AGAIN * 2, "subscription.canceled"]
    await billing.later("3d")
    news = await billing.news()
    assert types(news) == DECLINED_AGAIN
    assert each(await billing.invoices(subscription), "status") == ["paid", "failed"]
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 1500)


async def test_what_waits_for_an_approval_is_not_asked_for_again_once_the_subscription_is_over(
    billing: Billing,
):
    begun = coming(4, 10)
    await billing.at(begun)
    await billing.deed("policies/retry", delays=["36h"], max_retries=5)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "requires_action", interval="daily")
    await billing.deed(f"subscriptions/{subscription['id']}/cancel", at_period_end=True)
    await billing.news()
    await billing.at(begun + timedelta(days=1))
    assert types(await billing.news()) == ["subscription.canceled"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["next_retry_at"]) == ("due", text(begun + timedelta(hours=36)))
    await billing.later("12h")
    assert types(await billing.news()) == ["payment.canceled", "invoice.failed"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"], invoice["next_retry_at"]) == ("failed", 1, None)
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 0)


async def test_two_subscriptions_of_a_customer_live_their_own_lives(billing: Billing):
    begun = coming(4, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    cedis = await billing.subscribe(customer, interval="weekly")
    await billing.later("1d")
    naira = await billing.subscribe(customer, "fail:lost_card", amount=500_00, currency="NGN")
    await billing.news()
    await billing.later("7d")
    assert types(await billing.news(cedis["id"], naira["id"])) == [UPCOMING, "subscription.renewed"]
    await billing.later("30d")
    assert len(await billing.invoices(cedis)) == 6
    assert len(await billing.invoices(naira)) == 2
    shown = await billing.see(customer["id"])
    assert [(row["currency"], row["lifetime_value"]) for row in shown["totals"]] == [("GHS", 6 * 1500)]
    assert (shown["subscription_status"], shown["active_subscriptions"]) == ("active", 1)
    assert types(await billing.news(naira["id"])) == ["subscription.renewed"]


async def test_a_pause_and_its_end_do_not_take_back_that_it_ends_with_its_period(billing: Billing):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer)
    address = f"subscriptions/{subscription['id']}"
    await billing.deed(f"{address}/cancel", at_period_end=True)
    await billing.deed(f"{address}/pause")
    resumed = await billing.deed(f"{address}/resume")
    assert (resumed["status"], resumed["cancel_at_period_end"], resumed["next_renewal_at"]) == (
        "active",
        True,
        None,
    )
    again = await billing.deed(f"{address}/resume")
    assert (again["status"], again["cancel_at_period_end"]) == ("active", False)
    await billing.deed(f"{address}/cancel", at_period_end=True)
    await billing.deed(f"{address}/pause")
    await billing.later("40d")
    assert len(await billing.invoices(subscription)) == 1
    assert standing(await billing.see(customer["id"]))[0] == "canceled"
