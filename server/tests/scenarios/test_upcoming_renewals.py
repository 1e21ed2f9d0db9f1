"""Renewals that are told of three days before, by the test clock: which are, when, and which are not."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.makers import Merchant
from tests.subscriptions.billing import DECLINED_AGAIN, NOTICE, UPCOMING, Billing, coming, days, text, types

MOMENT = timedelta(microseconds=1)
RENEWED = "subscription.renewed"


async def told(billing: Billing) -> list[tuple[str, str]]:
    """What was told of renewals since this was last asked, in order: beforehand, and when they came; and when."""
    return [
        (event["type"], event["created_at"])
        for event in await billing.news()
        if event["type"] in (UPCOMING, RENEWED)
    ]


async def near_end(billing: Billing) -> tuple[dict[str, Any], str]:
    """A monthly subscription of somebody, and its address. The clock stands a moment before its notice is due."""
    begun = coming(3, 10)
    await billing.at(begun)
    subscription = await billing.subscribe(await billing.merchant.customer())
    await billing.at(days(begun, (4, 10))[0] - NOTICE - MOMENT)
    await billing.news()
    return subscription, f"subscriptions/{subscription['id']}"


async def test_each_month_is_told_of_three_days_before_it_begins(billing: Billing):
    """In order with the renewals, each at its own instant, though the clock goes half a year in one move."""
    begun = coming(8, 31)
    ends = days(begun, (9, 30), (10, 31), (11, 30), (12, 31), (1, 31))
    await billing.at(begun)
    customer = await billing.merchant.customer(external_id="usr_1", name="Ada Lovelace")
    subscription = await billing.subscribe(customer)
    await billing.news()
    await billing.at(ends[-1])
    news = [event for event in await billing.news(subscription["id"]) if event["type"] in (UPCOMING, RENEWED)]
    assert [(event["type"], event["created_at"]) for event in news] == [
        (type, text(at)) for end in ends for type, at in ((UPCOMING, end - NOTICE), (RENEWED, end))
    ]
    for event, (start, end) in zip(news[::2], pairwise([begun, *ends]), strict=True):
        data = event["data"]
        assert (data["status"], data["next_renewal_at"]) == ("active", text(end))
        assert (data["current_period_start"], data["current_period_end"]) == (text(start), text(end))
        assert (data["id"], data["customer_id"]) == (subscription["id"], customer["id"])
        assert (data["customer"]["external_id"], data["customer"]["name"]) == ("usr_1", "Ada Lovelace")
        assert "previous_attributes" not in data


async def test_what_was_told_of_changes_nothing_of_the_subscription(billing: Billing):
    subscription, _ = await near_end(billing)
    await billing.later("1s")
    assert types(await billing.news()) == [UPCOMING]
    assert await billing.see(subscription["id"]) == subscription


@pytest.mark.parametrize(
    ("interval", "count", "tells"),
    [
        ("daily", 1, False),
        ("daily", 6, False),
        ("daily", 7, True),
        ("weekly", 1, True),
        ("monthly", 1, True),
        ("yearly", 3, True),
    ],
)
async def test_a_period_is_told_of_when_it_is_longer_than_six_days(
    billing: Billing, interval: str, count: int, tells: bool
):
    await billing.at(coming(3, 10))
    subscription = await billing.subscribe(
        await billing.merchant.customer(), interval=interval, interval_count=count
    )
    await billing.news()
    end = subscription["current_period_end"]
    await billing.deed("sandbox/clock/advance", to=end)
    assert [type for type, _ in await told(billing)] == [UPCOMING, RENEWED][not tells :]


@pytest.mark.parametrize(
    ("trial_days", "ahead", "tells"), [(6, 0, False), (7, 0, True), (0, 6, False), (0, 7, True), (3, 4, True)]
)
async def test_the_first_charge_is_told_of_when_the_wait_for_it_is_long_enough(
    billing: Billing, trial_days: int, ahead: int, tells: bool
):
    begun = coming(3, 10)
    await billing.at(begun)
    subscription = await billing.subscribe(
        await billing.merchant.customer(),
        trial_days=trial_days,
        start_at=text(begun + timedelta(days=ahead)),
    )
    await billing.news()
    first = begun + timedelta(days=trial_days + ahead)
    await billing.at(first - MOMENT)
    news = await billing.news()
    assert [(event["type"], event["created_at"]) for event in news] == (
        [(UPCOMING, text(first - NOTICE))] if tells else []
    )
    for event in news:
        assert (event["data"]["status"], event["data"]["next_renewal_at"]) == ("trialing", text(first))
    assert (await billing.see(subscription["id"]))["status"] == "trialing"


async def test_nothing_is_told_of_what_ends_with_its_period_until_that_is_taken_back(billing: Billing):
    subscription, address = await near_end(billing)
    await billing.deed(f"{address}/cancel", at_period_end=True)
    resumed_at = (await billing.later("2d"))["now"]
    assert await told(billing) == []
    await billing.deed(f"{address}/resume")
    await billing.later("1h")
    assert await told(billing) == [(UPCOMING, resumed_at)], "at once"
    await billing.deed(f"{address}/cancel", at_period_end=True)
    await billing.deed(f"{address}/resume")
    await billing.deed("sandbox/clock/advance", to=subscription["current_period_end"])
    assert [type for type, _ in await told(billing)] == [RENEWED], "and once"


async def test_what_ends_with_its_period_renews_for_nobody_and_is_told_to_nobody(billing: Billing):
    _, address = await near_end(billing)
    await billing.deed(f"{address}/cancel", at_period_end=True)
    await billing.later("30d")
    assert await told(billing) == []


async def test_paused_before_and_resumed_late_it_is_told_of_when_it_is_resumed(billing: Billing):
    subscription, address = await near_end(billing)
    await billing.deed(f"{address}/pause")
    resumed_at = (await billing.later("2d"))["now"]
    assert await told(billing) == []
    await billing.deed(f"{address}/resume")
    await billing.deed("sandbox/clock/advance", to=subscription["current_period_end"])
    end = subscription["current_period_end"]
    assert await told(billing) == [(UPCOMING, resumed_at), (RENEWED, end)]


async def test_paused_after_it_was_told_and_resumed_it_is_not_told_again(billing: Billing):
    subscription, address = await near_end(billing)
    await billing.later("1h")
    assert [type for type, _ in await told(billing)] == [UPCOMING]
    await billing.deed(f"{address}/pause")
    await billing.later("1h")
    await billing.deed(f"{address}/resume")
    await billing.deed("sandbox/clock/advance", to=subscription["current_period_end"])
    assert [type for type, _ in await told(billing)] == [RENEWED]


@pytest.mark.parametrize("told_before", [False, True])
async def test_paused_over_a_renewal_the_period_that_begins_then_has_a_notice_of_its_own(
    billing: Billing, told_before: bool
):
    _, address = await near_end(billing)
    if told_before:
        await billing.later("1h")
    await billing.deed(f"{address}/pause")
    await billing.later("40d")
    assert [type for type, _ in await told(billing)] == [UPCOMING] * told_before
    resumed = await billing.deed(f"{address}/resume")
    await billing.later("27d")
    assert await told(billing) == []
    await billing.deed("sandbox/clock/advance", to=resumed["current_period_end"])
    (near, (type, at)) = await told(billing)
    assert near[0] == UPCOMING
    assert (type, at) == (RENEWED, resumed["current_period_end"])


async def test_who_is_past_due_is_told_only_once_that_is_settled(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    subscription = await billing.subscribe(await billing.merchant.customer(), "fail:lost_card,succeed")
    end = days(begun, (4, 10))[0]
    await billing.news()
    settled_at = (await billing.at(end - timedelta(days=1)))["now"]
    assert await told(billing) == []
    (invoice,) = await billing.invoices(subscription)
    assert (await billing.deed(f"invoices/{invoice['id']}/retry"))["status"] == "paid"
    await billing.later("1h")
    assert await told(billing) == [(UPCOMING, settled_at)]


async def test_what_is_given_up_at_that_very_instant_is_not_told_of(billing: Billing):
    """Charges come first: what is told is how things stand after them."""
    await billing.at(coming(3, 10))
    await billing.deed("policies/retry", delays=["4d"])
    subscription = await billing.subscribe(await billing.merchant.customer(), "fail", interval="weekly")
    await billing.news()
    await billing.later("4d")
    assert types(await billing.news()) == [*DECLINED_AGAIN, "subscription.past_due"]
    assert (await billing.see(subscription["id"]))["status"] == "past_due"


async def test_what_changes_after_it_was_told_is_not_told_again_and_counts_from_the_next_period_on(
    billing: Billing,
):
    subscription, _ = await near_end(billing)
    await billing.later("1h")
    assert [type for type, _ in await told(billing)] == [UPCOMING]
    await billing.change(subscription, amount=9900, interval="weekly")
    end = subscription["current_period_end"]
    await billing.deed("sandbox/clock/advance", to=end)
    assert await told(billing) == [(RENEWED, end)]
    await billing.change(subscription, interval="daily")
    await billing.later("10d")
    assert [type for type, _ in await told(billing)] == [UPCOMING, *[RENEWED] * 4]


async def test_what_began_so_long_ago_that_it_renews_tomorrow_is_told_of_at_once(billing: Billing):
    begun = coming(3, 10)
    now = days(begun, (4, 9))[0]
    await billing.at(now)
    await billing.subscribe(await billing.merchant.customer(), start_at=text(begun))
    await billing.news()
    await billing.at(now)
    assert await told(billing) == [(UPCOMING, text(now))]


async def test_of_somebody_who_was_deleted_nothing_is_told(billing: Billing):
    begun = coming(3, 10)
    await billing.at(begun)
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer)
    assert (await billing.merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    await billing.news()
    await billing.deed("sandbox/clock/advance", to=subscription["current_period_end"])
    assert types(await billing.news()) == ["subscription.canceled"]


async def test_each_clock_tells_of_its_own_organization(billing: Billing, other: Merchant):
    await near_end(billing)
    theirs = Billing(other)
    await near_end(theirs)
    await billing.later("1h")
    assert [type for type, _ in await told(billing)] == [UPCOMING]
    assert await told(theirs) == []
