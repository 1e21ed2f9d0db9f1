"""Charges that are declined: when they are tried again, when that is over, and what becomes of the subscription."""

from datetime import timedelta
from typing import Any

import pytest

from tests.makers import refused
from tests.subscriptions.billing import (
    BEGUN,
    DECLINED,
    DECLINED_AGAIN,
    PAID,
    RENEWED,
    Billing,
    coming,
    each,
    standing,
    text,
    types,
)

MOMENT = timedelta(microseconds=1)
AFTER = [timedelta(0), timedelta(minutes=15), timedelta(hours=1, minutes=15), timedelta(hours=25, minutes=15)]


def attempts(news: list[dict[str, Any]], type: str = "invoice.failed") -> list[str]:
    """The instants at which an invoice's charge failed, or its payment's did."""
    return [event["created_at"] for event in news if event["type"] == type]


async def policy(billing: Billing, **fields: Any) -> dict[str, Any]:
    return await billing.deed("policies/retry", **fields)


async def test_three_declines_and_a_recovery_on_the_third_retry(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    await billing.news()
    subscription = await billing.subscribe(customer, "fail:insufficient_funds,fail,fail,succeed")
    assert subscription["status"] == "active", "a decline that may mend is no reason to stop"
    assert types(await billing.news()) == [*BEGUN, *DECLINED]
    codes = ["insufficient_funds", "card_declined", "card_declined"]
    for number, code in enumerate(codes):
        (invoice,) = await billing.invoices(subscription)
        assert (invoice["status"], invoice["attempt_count"], invoice["retry_count"]) == (
            "due",
            number + 1,
            number,
        )
        assert invoice["next_retry_at"] == text(begun + AFTER[number + 1])
        assert invoice["failure_code"] == code
        assert standing(await billing.see(customer["id"])) == ("active", 1, 0)
        await billing.at(begun + AFTER[number + 1] - MOMENT)
        assert await billing.news() == []
        passed = await billing.at(begun + AFTER[number + 1])
        assert (passed["renewals"], passed["collections"]) == (0, 1)
        news = await billing.news()
        assert types(news) == (DECLINED_AGAIN if number < 2 else ["payment.succeeded", "invoice.paid"])
        assert news[-1]["data"]["attempt_count"] == number + 2
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"], invoice["next_retry_at"]) == ("paid", 4, None)
    assert (invoice["paid_at"], invoice["failure_code"]) == (text(begun + AFTER[3]), None)
    (payment,) = await billing.payments(customer)
    assert payment["id"] == invoice["payment_id"]
    assert (payment["status"], payment["source"], payment["source_id"]) == (
        "succeeded",
        "subscription",
        subscription["id"],
    )
    assert (payment["occurred_at"], payment["created_at"]) == (text(begun + AFTER[3]), text(begun))
    assert payment["description"] == "Invoice INV-000001"
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)
    shown = await billing.see(subscription["id"])
    assert (shown["status"], shown["current_period_end"]) == ("active", subscription["current_period_end"])


async def test_after_the_last_retry_it_is_past_due_until_all_that_was_given_up_is_paid(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail")
    await billing.news()
    await billing.at(begun + AFTER[3] - MOMENT)
    assert (await billing.see(subscription["id"]))["status"] == "active"
    await billing.at(begun + AFTER[3])
    news = await billing.news()
    assert attempts(news) == [text(begun + after) for after in AFTER[1:]]
    assert types(news[-3:]) == [*DECLINED_AGAIN, "subscription.past_due"]
    assert news[-2]["data"]["status"] == "failed"
    assert news[-1]["data"]["previous_attributes"] == {"status": "active"}
    (first,) = await billing.invoices(subscription)
    assert (first["status"], first["attempt_count"], first["next_retry_at"]) == ("failed", 4, None)
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 0)

    # It goes on renewing, and is not more past due than it was.
    await billing.later("35d")
    news = await billing.news()
    assert types(news) == [*RENEWED, *DECLINED, *DECLINED_AGAIN * 3]
    first, second = await billing.invoices(subscription)
    assert (second["number"], second["status"], second["attempt_count"]) == ("INV-000002", "failed", 4)
    assert (await billing.see(subscription["id"]))["status"] == "past_due"

    await billing.play(subscription, "succeed")
    await billing.news()
    paid = await billing.deed(f"invoices/{second['id']}/retry")
    assert (paid["status"], paid["attempt_count"], paid["payment_id"]) == ("paid", 5, second["payment_id"])
    assert types(await billing.news()) == ["payment.succeeded", "invoice.paid"]
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 1500)

    await billing.later("25d")
    assert types(await billing.news()) == [*RENEWED, *PAID], "what is new is paid, what is old is not"
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 3000)
    await billing.deed(f"invoices/{first['id']}/retry")
    news = await billing.news()
    assert types(news) == ["payment.succeeded", "invoice.paid", "subscription.updated"]
    assert news[-1]["data"]["previous_attributes"] == {"status": "past_due"}
    assert standing(await billing.see(customer["id"])) == ("active", 1, 4500)
    assert each(await billing.invoices(subscription), "status") == ["paid", "paid", "paid"]
    refusal = await billing.merchant.test.post(f"/v1/invoices/{first['id']}/retry", json={})
    assert refused(refusal, 422, "wrong_invoice_state")["details"] == {"status": "paid"}


async def test_letting_the_customer_off_makes_it_active_again_too(billing: Billing):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail")
    await billing.later("2d")
    (invoice,) = await billing.invoices(subscription)
    await billing.news()
    off = await billing.deed(f"invoices/{invoice['id']}/cancel")
    assert (off["status"], off["attempt_count"]) == ("canceled", 4)
    assert types(await billing.news()) == ["invoice.canceled", "subscription.updated"]
    assert standing(await billing.see(customer["id"])) == ("active", 1, 0)
    for deed in ("retry", "cancel"):
        refusal = await billing.merchant.test.post(f"/v1/invoices/{invoice['id']}/{deed}", json={})
        assert refused(refusal, 422, "wrong_invoice_state")["details"] == {"status": "canceled"}


async def test_an_invoice_that_waits_is_charged_at_once_when_asked_for(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail,fail:wrong_pin,succeed")
    (invoice,) = await billing.invoices(subscription)
    await billing.later("5m")
    again = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert (again["status"], again["attempt_count"], again["failure_code"]) == ("due", 2, "wrong_pin")
    assert again["next_retry_at"] == text(begun + timedelta(hours=1, minutes=5)), (
        "the policy goes on from here"
    )
    await billing.later("1h")
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"]) == ("paid", 3)
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_an_attempt_more_does_not_bring_back_what_was_given_up(billing: Billing):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail")
    await billing.later("2d")
    (invoice,) = await billing.invoices(subscription)
    await billing.news()
    again = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert (again["status"], again["attempt_count"], again["next_retry_at"]) == ("failed", 5, None)
    assert types(await billing.news()) == DECLINED_AGAIN
    assert (await billing.later("10d"))["collections"] == 0
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 0)


@pytest.mark.parametrize("code", ["expired_card", "stolen_card", "stop_payment_order"])
async def test_a_hard_decline_is_not_tried_again(billing: Billing, code: str):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    await billing.news()
    subscription = await billing.subscribe(customer, f"fail:{code}")
    assert subscription["status"] == "past_due"
    assert types(await billing.news()) == [*BEGUN, *DECLINED, "subscription.past_due"]
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"], invoice["failure_code"]) == ("failed", 1, code)
    assert standing(await billing.see(customer["id"])) == ("past_due", 0, 0)
    passed = await billing.later("20d")
    assert (passed["collections"], passed["renewals"]) == (0, 0)


async def test_a_hard_decline_ends_retries_that_have_begun(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    subscription = await billing.subscribe(await billing.merchant.customer(), "fail,fail:lost_card")
    await billing.later("20d")
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"]) == ("failed", 2)
    assert invoice["updated_at"] == text(begun + AFTER[1])
    assert (await billing.see(subscription["id"]))["status"] == "past_due"


async def test_each_invoice_begins_with_the_first_step_of_the_scenario(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    subscription = await billing.subscribe(
        await billing.merchant.customer(), "fail,succeed", interval="daily"
    )
    await billing.at(begun + timedelta(days=3, hours=1))
    invoices = await billing.invoices(subscription)
    assert each(invoices, "attempt_count") == [2, 2, 2, 2]
    assert each(invoices, "status") == ["paid"] * 4


async def test_what_a_customer_plays_counts_where_its_subscription_says_nothing(billing: Billing):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer(external_id="usr_1", metadata={"sandbox": "fail:wrong_pin"})
    silent = await billing.subscribe(customer)
    paying = await billing.subscribe(customer, "succeed")
    assert each(await billing.invoices(silent), "failure_code") == ["wrong_pin"]
    assert each(await billing.invoices(paying), "status") == ["paid"]


async def test_the_plans_policy_comes_before_the_organizations_and_that_before_the_default(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    await policy(billing, plan_id="team", delays=["2h"], max_retries=3)
    await policy(billing, delays=["1h", "3d"])
    customer = await billing.merchant.customer()
    told = {}
    for plan_id in ("team", "solo", None):
        subscription = await billing.subscribe(customer, "fail", plan_id=plan_id)
        await billing.news()
        told[plan_id] = subscription["id"]
    await billing.later("10d")
    news = await billing.news()
    failed: dict[str, list[str]] = {}
    for event in news:
        if event["type"] == "invoice.failed":
            failed.setdefault(event["data"]["subscription_id"], []).append(event["created_at"])
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert failed[told["team"]] == [text(begun + after) for after in (2 * hour, 4 * hour, 6 * hour)]
    for plan_id in ("solo", None):
        assert failed[told[plan_id]] == [text(begun + after) for after in (hour, hour + 3 * day)]


async def test_a_policy_holds_from_the_next_failure_on_also_when_it_is_gone(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    await policy(billing, plan_id="team", delays=["2h"], max_retries=9)
    subscription = await billing.subscribe(await billing.merchant.customer(), "fail")
    await policy(billing, plan_id="team", delays=["1d"], max_retries=9)
    (invoice,) = await billing.invoices(subscription)
    assert invoice["next_retry_at"] == text(begun + timedelta(hours=2))
    await billing.later("2h")
    (invoice,) = await billing.invoices(subscription)
    assert invoice["next_retry_at"] == text(begun + timedelta(hours=26))
    gone = await billing.merchant.test.delete("/v1/policies/retry", params={"plan_id": "team"})
    assert gone.status_code == 204
    await billing.later("1d")
    (invoice,) = await billing.invoices(subscription)
    assert invoice["next_retry_at"] == text(begun + timedelta(hours=50)), "the default's third delay"
    await billing.later("1d")
    assert each(await billing.invoices(subscription), "status") == ["failed"]


async def test_with_no_retries_the_first_decline_is_the_last(billing: Billing):
    await billing.at(coming(3, 10))
    await policy(billing, plan_id="team", delays=[], max_retries=0)
    subscription = await billing.subscribe(await billing.merchant.customer(), "fail:insufficient_funds")
    assert subscription["status"] == "past_due"
    assert each(await billing.invoices(subscription), "status") == ["failed"]
    assert (await billing.later("20d"))["collections"] == 0


async def test_a_policy_may_pause_what_is_not_paid(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    await policy(billing, delays=["1d"], on_exhausted="pause")
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail")
    await billing.news()
    await billing.later("1d")
    news = await billing.news()
    assert types(news) == [*DECLINED_AGAIN, "subscription.past_due", "subscription.paused"]
    assert news[-1]["data"]["previous_attributes"] == {"status": "past_due"}
    shown = await billing.see(subscription["id"])
    assert (shown["status"], shown["paused_at"]) == ("paused", text(begun + timedelta(days=1)))
    assert shown["next_renewal_at"] is None
    assert standing(await billing.see(customer["id"])) == ("paused", 0, 0)
    assert (await billing.later("60d"))["renewals"] == 0

    # Resumed, a new period begins; what was given up is still owed.
    await billing.play(subscription, "succeed")
    await billing.news()
    resumed = await billing.deed(f"subscriptions/{subscription['id']}/resume")
    assert resumed["status"] == "past_due"
    assert types(await billing.news()) == ["subscription.resumed", "invoice.created", *PAID]
    first, second = await billing.invoices(subscription)
    assert (first["status"], second["status"]) == ("failed", "paid")
    await billing.deed(f"invoices/{first['id']}/retry")
    assert standing(await billing.see(customer["id"])) == ("active", 1, 3000)


async def test_a_policy_may_cancel_what_is_not_paid(billing: Billing):
    """With whatever else of it waits to be charged again; what was given up stays so, and can still be paid."""
    begun = coming(3, 10)
    await billing.at(begun)
    await policy(billing, delays=["36h"], on_exhausted="cancel")
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail", interval="daily")
    await billing.at(begun + timedelta(hours=36) - MOMENT)
    assert each(await billing.invoices(subscription), "status") == ["due", "due"]
    await billing.news()
    await billing.at(begun + timedelta(hours=36))
    news = await billing.news()
    assert types(news) == [
        *DECLINED_AGAIN,
        "subscription.past_due",
        "invoice.canceled",
        "subscription.canceled",
    ]
    first, second = await billing.invoices(subscription)
    assert (first["status"], second["status"]) == ("failed", "canceled")
    assert second["next_retry_at"] is None
    shown = await billing.see(subscription["id"])
    assert (shown["status"], shown["canceled_at"]) == ("canceled", text(begun + timedelta(hours=36)))
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 0)
    passed = await billing.later("60d")
    assert (passed["renewals"], passed["collections"]) == (0, 0)

    changed = {"json": {"metadata": {"sandbox": "succeed"}}}
    refusal = await billing.merchant.test.patch(f"/v1/subscriptions/{subscription['id']}", **changed)
    refused(refusal, 422, "wrong_subscription_state")
    again = await billing.deed(f"invoices/{first['id']}/retry")
    assert (again["status"], again["attempt_count"], again["next_retry_at"]) == ("failed", 3, None)


async def test_a_debt_that_is_paid_late_does_not_bring_a_canceled_subscription_back(billing: Billing):
    await billing.at(coming(3, 10))
    await policy(billing, delays=[], on_exhausted="cancel")
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail,succeed")
    assert subscription["status"] == "canceled"
    (invoice,) = await billing.invoices(subscription)
    await billing.news()
    paid = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert (paid["status"], paid["attempt_count"]) == ("paid", 2)
    assert types(await billing.news()) == ["payment.succeeded", "invoice.paid"]
    assert standing(await billing.see(customer["id"])) == ("canceled", 0, 1500)


async def test_an_invoice_that_was_given_up_stays_given_up_however_it_is_charged_by_hand(billing: Billing):
    await billing.at(coming(3, 10))
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail:expired_card,fail,requires_action,succeed")
    (invoice,) = await billing.invoices(subscription)
    assert invoice["status"] == "failed"
    declined = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert (declined["status"], declined["next_retry_at"]) == ("failed", None)
    waits = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert waits["status"] == "due"
    for deed in ("pause", "resume"):
        stands = await billing.deed(f"subscriptions/{subscription['id']}/{deed}")
    assert stands["status"] == "past_due", "what waits for the customer is not paid yet"
    await billing.later("2d")
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["attempt_count"]) == ("failed", 3)
    paid = await billing.deed(f"invoices/{invoice['id']}/retry")
    assert paid["status"] == "paid"
    assert standing(await billing.see(customer["id"]))[0] == "active"


async def test_a_policy_that_cancels_does_so_although_it_is_paused_by_then(billing: Billing):
    await billing.at(coming(3, 10))
    await policy(billing, delays=["1h"], on_exhausted="cancel")
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, "fail")
    await billing.deed(f"subscriptions/{subscription['id']}/pause")
    await billing.news()
    await billing.later("2h")
    assert types(await billing.news())[-2:] == ["invoice.failed", "subscription.canceled"]
    assert standing(await billing.see(customer["id"]))[0] == "canceled"
