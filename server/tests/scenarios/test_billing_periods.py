"""Years of subscriptions by the test clock: when each period begins and ends, and what it costs."""

from calendar import isleap
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.makers import refused
from tests.subscriptions.billing import (
    BEGUN,
    NOTICE,
    PAID,
    RENEWED,
    TEAM,
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

# From 31 January of a leap year on.
TWO_YEARS_OF_MONTH_ENDS = (
    (1, 31), (2, 29), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31),
    (1, 31), (2, 28), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31),
    (1, 31), (2, 28),
)  # fmt: skip
MOMENT = timedelta(microseconds=1)


async def test_two_years_of_a_monthly_plan_begun_on_31_january(billing: Billing):
    begun = coming(1, 31, leap=True)
    bounds = days(begun, *TWO_YEARS_OF_MONTH_ENDS)
    await billing.at(begun)
    customer = await billing.merchant.customer(external_id="usr_1")
    subscription = await billing.subscribe(customer)
    assert (subscription["status"], subscription["next_renewal_at"]) == ("active", text(bounds[1]))
    assert types(await billing.news())[-5:] == [*BEGUN, *PAID]

    for number, bound in enumerate(bounds[1:-1], 1):
        await billing.at(bound - MOMENT)
        assert len(await billing.invoices(subscription)) == number, "nothing is due before its time"
        passed = await billing.at(bound)
        assert (passed["renewals"], passed["collections"], passed["reconciliations"]) == (1, 0, 0)
        assert instant(passed["now"]) == bound
        near, *news = await billing.news()
        assert (near["type"], instant(near["created_at"])) == (UPCOMING, bound - NOTICE)
        assert types(news) == [*RENEWED, *PAID]
        assert {instant(event["created_at"]) for event in news} == {bound}
        assert news[0]["data"]["previous_attributes"] == {
            "current_period_start": text(bounds[number - 1]),
            "current_period_end": text(bound),
        }

    invoices = await billing.invoices(subscription)
    assert periods(invoices) == list(pairwise(bounds))
    assert each(invoices, "number") == [f"INV-{number:06}" for number in range(1, 26)]
    assert [instant(paid_at) for paid_at in each(invoices, "paid_at")] == bounds[:-1]
    assert {(invoice["status"], invoice["amount"], invoice["attempt_count"]) for invoice in invoices} == {
        ("paid", 1500, 1)
    }
    shown = await billing.see(subscription["id"])
    assert (shown["start_at"], shown["created_at"]) == (text(begun), text(begun))
    assert (shown["current_period_start"], shown["next_renewal_at"]) == (text(bounds[-2]), text(bounds[-1]))
    assert shown["latest_invoice_id"] == invoices[-1]["id"]
    customer = await billing.see(customer["id"])
    assert standing(customer) == ("active", 1, 25 * 1500)
    assert (customer["first_payment_at"], customer["last_payment_at"]) == (text(begun), text(bounds[-2]))


async def test_a_leap_day_comes_back_every_fourth_year(billing: Billing):
    begun = coming(2, 29, leap=True)
    bounds = days(begun, (2, 29), (2, 28), (2, 28), (2, 28), (2, 29), (2, 28), (2, 28))
    assert isleap(bounds[4].year)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval="yearly", amount=90_000)
    for number, bound in enumerate(bounds[1:-1], 1):
        await billing.at(bound - MOMENT)
        assert len(await billing.invoices(subscription)) == number
        assert (await billing.at(bound))["renewals"] == 1
    assert periods(await billing.invoices(subscription)) == list(pairwise(bounds))
    assert standing(await billing.see(customer["id"])) == ("active", 1, 6 * 90_000)


@pytest.mark.parametrize(
    ("interval", "count", "span", "passed", "billed"),
    [
        ("daily", 1, timedelta(days=1), "30d", 31),
        ("daily", 45, timedelta(days=45), "90d", 3),
        ("weekly", 1, timedelta(weeks=1), "27d", 4),
        ("weekly", 2, timedelta(weeks=2), "52w", 27),
    ],
)
async def test_days_and_weeks_are_as_long_as_each_other(
    billing: Billing, interval: str, count: int, span: timedelta, passed: str, billed: int
):
    """Over the days on which elsewhere the clocks are changed, too: these are hours of UTC."""
    begun = coming(10, 20)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, interval=interval, interval_count=count)
    assert (await billing.later(passed))["renewals"] == billed - 1
    bounds = [begun + number * span for number in range(billed + 1)]
    assert periods(await billing.invoices(subscription)) == list(pairwise(bounds))
    assert standing(await billing.see(customer["id"])) == ("active", 1, billed * 1500)
    assert (await billing.see(subscription["id"]))["next_renewal_at"] == text(bounds[-1])


async def test_several_months_are_counted_from_the_first_day_too(billing: Billing):
    begun = coming(11, 30)
    leap = isleap(begun.year + 1)
    bounds = days(begun, (11, 30), (2, 29 if leap else 28), (5, 30), (8, 30), (11, 30))
    await billing.at(begun)
    subscription = await billing.subscribe(await billing.merchant.customer(), interval_count=3)
    await billing.at(bounds[-1] - MOMENT)
    assert periods(await billing.invoices(subscription)) == list(pairwise(bounds))


async def test_a_trial_ends_with_the_first_charge(billing: Billing):
    begun = coming(3, 1)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, trial_days=14)
    first = begun + timedelta(days=14)
    assert (subscription["status"], subscription["latest_invoice_id"]) == ("trialing", None)
    assert (subscription["trial_end_at"], subscription["next_renewal_at"]) == (text(first), text(first))
    assert (subscription["current_period_start"], subscription["current_period_end"]) == (
        text(begun),
        text(first),
    )
    assert standing(await billing.see(customer["id"])) == ("active", 1, 0)
    assert types(await billing.news()) == ["customer.created", "subscription.created"]

    await billing.at(first - MOMENT)
    (near,) = await billing.news()
    assert (near["type"], instant(near["created_at"])) == (UPCOMING, first - NOTICE)
    await billing.at(first)
    news = await billing.news()
    assert types(news) == [*RENEWED, *PAID]
    assert news[0]["data"]["previous_attributes"]["status"] == "trialing"
    after = await billing.see(subscription["id"])
    assert (after["status"], after["trial_end_at"], after["start_at"]) == ("active", text(first), text(begun))
    await billing.later("31d")
    bounds = days(first, (3, 15), (4, 15), (5, 15))
    assert periods(await billing.invoices(subscription)) == list(pairwise(bounds))
    assert standing(await billing.see(customer["id"])) == ("active", 1, 3000)


@pytest.mark.parametrize("trial_days", [0, 10])
async def test_what_begins_later_is_charged_when_it_begins_and_its_trial_is_over(
    billing: Billing, trial_days: int
):
    now = coming(5, 20)
    await billing.at(now)
    customer = await billing.merchant.customer()
    starts = now + timedelta(days=11, hours=3)
    first = starts + timedelta(days=trial_days)
    subscription = await billing.subscribe(customer, start_at=text(starts), trial_days=trial_days)
    assert (subscription["status"], subscription["start_at"]) == ("trialing", text(starts))
    assert subscription["trial_end_at"] == (text(first) if trial_days else None)
    assert (subscription["current_period_start"], subscription["current_period_end"]) == (
        text(now),
        text(first),
    )
    assert standing(await billing.see(customer["id"])) == ("active", 1, 0)
    await billing.at(first - MOMENT)
    assert await billing.invoices(subscription) == []
    await billing.at(first)
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], instant(invoice["period_start"])) == ("paid", first)
    assert standing(await billing.see(customer["id"])) == ("active", 1, 1500)


async def test_what_began_up_to_a_period_ago_is_charged_now_for_the_whole_of_it(billing: Billing):
    now = coming(5, 20)
    await billing.at(now)
    customer = await billing.merchant.customer()
    bounds = days(now, (5, 1), (6, 1), (7, 1))
    subscription = await billing.subscribe(customer, start_at=text(bounds[0]))
    (invoice,) = await billing.invoices(subscription)
    assert (invoice["status"], invoice["paid_at"], invoice["due_at"]) == ("paid", text(now), text(now))
    await billing.at(bounds[1])
    assert periods(await billing.invoices(subscription)) == list(pairwise(bounds))
    too_early = {**TEAM, "customer_id": customer["id"], "start_at": text(bounds[0])}
    refused(await billing.merchant.test.post("/v1/subscriptions", json=too_early), 422, "start_too_early")
    just = await billing.subscribe(customer, start_at=text(bounds[0] + MOMENT))
    assert instant(just["current_period_end"]) == bounds[1] + MOMENT


async def test_a_new_price_holds_from_the_next_period_on(billing: Billing):
    begun = coming(4, 10)
    bounds = days(begun, (4, 10), (5, 10), (6, 10))
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, method="card")
    await billing.later("3d")
    await billing.news()
    dearer = {"plan_id": "business", "amount": 4500}
    changed = await billing.change(subscription, **dearer, method="mobile_money")
    assert (changed["plan_id"], changed["amount"], changed["method"]) == ("team", 1500, "mobile_money")
    assert changed["pending_changes"] == dearer
    (told,) = await billing.news()
    assert (told["type"], told["data"]["previous_attributes"]) == (
        "subscription.updated",
        {"pending_changes": None, "method": "card"},
    )
    await billing.at(bounds[1])
    near, renewed, created_, *_ = await billing.news()
    assert (near["type"], near["data"]["amount"], near["data"]["pending_changes"]) == (UPCOMING, 1500, dearer)
    assert renewed["data"]["previous_attributes"] == {
        "plan_id": "team",
        "amount": 1500,
        "current_period_start": text(bounds[0]),
        "current_period_end": text(bounds[1]),
        "pending_changes": dearer,
    }
    assert (created_["data"]["amount"], created_["data"]["plan_id"]) == (4500, "business")
    first, second = await billing.invoices(subscription)
    assert (first["amount"], first["plan_id"], first["method"]) == (1500, "team", "card")
    assert (second["amount"], second["plan_id"], second["method"]) == (4500, "business", "mobile_money")
    assert (second["description"], second["status"]) == ("business", "paid")
    assert periods([first, second]) == list(pairwise(bounds))
    after = await billing.see(subscription["id"])
    assert (after["amount"], after["plan_id"], after["pending_changes"]) == (4500, "business", None)
    assert standing(await billing.see(customer["id"])) == ("active", 1, 6000)


async def test_another_interval_is_counted_from_the_end_of_the_period_that_is_running(billing: Billing):
    begun = coming(1, 31, leap=True)
    await billing.at(begun)
    subscription = await billing.subscribe(await billing.merchant.customer())
    await billing.later("1d")
    await billing.change(subscription, interval="weekly", interval_count=2)
    feb = days(begun, (2, 29))[0]
    weeks = [feb + timedelta(weeks=2 * number) for number in range(4)]
    await billing.at(weeks[-1] - MOMENT)
    assert periods(await billing.invoices(subscription)) == list(pairwise([begun, *weeks]))
    await billing.change(subscription, interval="monthly", interval_count=1)
    months = days(weeks[-1], (4, 11), (5, 11), (6, 11))
    assert weeks[-1] == months[0]
    await billing.at(months[1])
    assert periods(await billing.invoices(subscription)) == list(pairwise([begun, *weeks, *months[1:]]))


async def test_a_change_is_taken_back_by_naming_the_old_value(billing: Billing):
    await billing.at(coming(4, 10))
    subscription = await billing.subscribe(await billing.merchant.customer())
    await billing.change(subscription, amount=9900, interval="yearly")
    assert (await billing.change(subscription, interval="monthly"))["pending_changes"] == {"amount": 9900}
    assert (await billing.change(subscription, amount=1500))["pending_changes"] is None
    await billing.news()
    await billing.change(subscription, amount=1500, interval="monthly", plan_id="team")
    assert await billing.news() == [], "nothing was different"
    await billing.later("31d")
    assert each(await billing.invoices(subscription), "amount") == [1500, 1500]


async def test_a_change_during_a_trial_holds_from_the_first_charge_on(billing: Billing):
    begun = coming(4, 10)
    await billing.at(begun)
    subscription = await billing.subscribe(await billing.merchant.customer(), trial_days=7)
    await billing.change(subscription, amount=700, interval="weekly")
    await billing.at(begun + timedelta(weeks=3))
    invoices = await billing.invoices(subscription)
    assert each(invoices, "amount") == [700, 700, 700]
    weeks = [begun + timedelta(weeks=number) for number in (1, 2, 3, 4)]
    assert periods(invoices) == list(pairwise(weeks))
