"""Time in an organization's test mode: it passes there and nowhere else, and makes the same of whatever steps."""

import json
from datetime import datetime, timedelta
from typing import Any

from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from tests.events.recorded import count_events
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift
from tests.subscriptions import books
from tests.subscriptions.billing import TEAM, Billing, coming, each, instant, standing, text

# What is each organization's own: who the rows are, and how the sandbox refers to its charges.
_OWN = {
    "id",
    "org_id",
    "customer_id",
    "external_customer_id",
    "subscription_id",
    "latest_invoice_id",
    "payment_id",
    "source_id",
    "provider_ref_id",
}
SCENARIOS = (
    {"scenario": None},
    {"scenario": "fail,fail,succeed", "interval": "weekly"},
    {"scenario": "fail", "interval": "monthly", "interval_count": 2},
    {"scenario": "timeout,succeed", "trial_days": 20},
    {"scenario": "requires_action,fail:wrong_pin,timeout", "interval": "weekly", "interval_count": 3},
    {"scenario": "processing", "interval": "monthly"},
    {"scenario": "fail:expired_card", "interval": "yearly"},
)


async def begin(billing: Billing, at: datetime) -> list[dict[str, Any]]:
    """Subscriptions of all sorts, begun at one instant."""
    await billing.at(at)
    customer = await billing.merchant.customer(name="Ada Lovelace")
    return [await billing.subscribe(customer, **terms) for terms in SCENARIOS]


async def bytes_of(billing: Billing, subscriptions: list[dict[str, Any]]) -> list[bytes]:
    """All that there is to see of some subscriptions, but for what bears their organization's own ids."""
    places = {subscription["id"]: place for place, subscription in enumerate(subscriptions)}
    seen: list[Any] = []
    for subscription in subscriptions:
        seen.append(without_ids(await billing.see(subscription["id"])))
        seen += [without_ids(invoice) for invoice in await billing.invoices(subscription)]
    for event in await billing.news():
        data = event["data"]
        place = places.get(data.get("subscription_id") or data.get("source_id") or data["id"])
        seen.append([event["type"], event["created_at"], place, without_ids(data)])
    return [json.dumps(one).encode() for one in seen]


def without_ids(told: Any) -> Any:
    if isinstance(told, list):
        return [without_ids(one) for one in told]
    if not isinstance(told, dict):
        return told
    return {name: without_ids(value) for name, value in told.items() if name not in _OWN}


async def test_a_year_in_one_go_and_in_many_small_steps_is_the_same_year(
    db: Database, billing: Billing, other: Merchant
):
    """To the byte, in the same order: subscriptions, invoices, and everything that happened to them."""
    begun = coming(1, 31)
    end = begun + timedelta(days=366)
    at_once = await begin(billing, begun)
    in_steps = Billing(other)
    step_by_step = await begin(in_steps, begun)
    await billing.at(end)
    at, steps = begun, 0
    while at < end:
        await in_steps.at(at)
        steps += 1
        at += timedelta(days=(0, 3, 11, 1)[steps % 4], hours=steps % 7, minutes=17, seconds=steps)
    assert steps > 80
    await in_steps.at(end)

    wholly = await bytes_of(billing, at_once)
    assert len(wholly) > 500
    assert wholly == await bytes_of(in_steps, step_by_step)
    assert await books.drift(db, other.scope) == []


async def test_two_organizations_do_not_move_each_others_time(
    db: Database, billing: Billing, other: Merchant
):
    ours = await billing.subscribe(await billing.merchant.customer(), "fail")
    theirs_billing = Billing(other)
    theirs = await theirs_billing.subscribe(await other.customer(), "fail")
    await billing.later("40d")
    assert each(await billing.invoices(ours), "status") == ["failed", "failed"]
    (invoice,) = await theirs_billing.invoices(theirs)
    assert (invoice["status"], invoice["attempt_count"]) == ("due", 1)
    clock = ok(await other.test.get("/v1/sandbox/clock"))
    assert clock["stands_still"] is False
    assert await theirs_billing.see(theirs["id"]) == theirs
    await theirs_billing.later("15m")
    (invoice,) = await theirs_billing.invoices(theirs)
    assert invoice["attempt_count"] == 2
    assert await books.drift(db, other.scope) == []


async def test_live_mode_knows_no_other_time_than_the_worlds(db: Database, billing: Billing):
    merchant = billing.merchant
    customer = created(await merchant.live.post("/v1/customers", json={"external_id": "usr_1"}))
    await billing.later("400d")
    before = await count_events(db, merchant)
    for refusal in (
        await merchant.live.post("/v1/subscriptions", json={**TEAM, "customer_id": customer["id"]}),
        await merchant.live.post("/v1/sandbox/clock/advance", json={"by": "1d"}),
        await merchant.live.get("/v1/sandbox/clock"),
    ):
        refused(refusal, 422, "provider_not_available")
    assert await count_events(db, merchant) == before
    assert ok(await merchant.live.get("/v1/subscriptions"))["subscriptions"] == []
    begun = utc_now()
    body = {"amount": 700, "currency": "GHS", "customer_id": customer["id"], "provider": "external"}
    payment = created(await merchant.live.post("/v1/payments", json=body))
    assert begun <= instant(payment["created_at"]) <= utc_now()
    assert begun <= instant(payment["succeeded_at"]) <= utc_now()
    assert standing(ok(await merchant.live.get(f"/v1/customers/{customer['id']}"))) == ("none", 0, 700)
    assert await drift(db, merchant.scope._replace(mode="live")) == []


async def test_all_that_happens_in_test_mode_is_dated_by_its_clock(billing: Billing):
    now = coming(6, 1)
    await billing.at(now)
    customer = await billing.merchant.customer(name="Ada Lovelace")
    payment = await billing.merchant.payment(customer_id=customer["id"], amount=700)
    assert (customer["created_at"], payment["created_at"], payment["succeeded_at"]) == (text(now),) * 3
    await billing.later("1d")
    refund = await billing.merchant.refund(payment["id"], amount=200)
    assert refund["created_at"] == text(now + timedelta(days=1))
    shown = await billing.see(customer["id"])
    assert (shown["last_payment_at"], shown["lifetime_value"]) == (text(now), 500)
    assert [event["created_at"] for event in await billing.news()] == [
        *[text(now)] * 3,
        text(now + timedelta(days=1)),
    ]
