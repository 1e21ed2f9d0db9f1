"""Which events set a rule off: those of its type that meet all of its conditions."""

from typing import Any

import pytest

from tests.makers import created, ok
from tests.messages.office import Office
from tests.workflows.ruling import NOTE

TERMS = {"plan_id": "team", "amount": 15000, "currency": "GHS", "interval": "monthly"}


async def ran(shop: Office) -> list[tuple[str, str]]:
    """What workflows did since they last ran: by which rule, because of which kind of event; sorted."""
    before = len(await shop.executions())
    await shop.work.run()
    return sorted((each["workflow_name"], each["event_type"]) for each in (await shop.executions())[before:])


async def test_a_payment_is_known_by_its_amount_currency_country_and_method(shop: Office):
    for name, conditions in {
        "exact": {"currencies": ["GHS"], "min_amount": 15000, "max_amount": 15000},
        "more": {"currencies": ["GHS"], "min_amount": 15001},
        "less": {"currencies": ["GHS"], "max_amount": 14999},
        "francs": {"currencies": ["XOF", "XAF"]},
        "from here": {"countries": ["GH"]},
        "by phone": {"methods": ["mobile_money"]},
        "all": {"currencies": ["GHS"], "countries": ["GH", "NG"], "methods": ["card", "mobile_money"]},
    }.items():
        await shop.rule("payment.succeeded", NOTE, name=name, conditions=conditions)
    await shop.merchant.payment(country="GH", method="mobile_money")
    names = {name for name, _ in await ran(shop)}
    assert names == {"exact", "from here", "by phone", "all"}
    await shop.merchant.payment(amount=999_999_999_999, country="NG")
    assert {name for name, _ in await ran(shop)} == {"more"}
    await shop.merchant.payment(amount=14999, currency="XOF", method="card")
    assert {name for name, _ in await ran(shop)} == {"francs"}


async def test_a_customer_is_known_by_tags_in_any_event_about_them(shop: Office):
    await shop.rule("payment.succeeded", NOTE, name="any", conditions={"customer_tags_any": ["vip", "gold"]})
    await shop.rule("invoice.paid", NOTE, name="all", conditions={"customer_tags_all": ["vip", "early"]})
    await shop.rule("customer.updated", NOTE, name="none", conditions={"customer_tags_none": ["churned"]})
    customer = await shop.merchant.customer(external_id="usr_1", tags=["early", "vip"])
    await shop.merchant.payment(customer_id=customer["id"])
    assert await ran(shop) == [("any", "payment.succeeded")]
    created(
        await shop.merchant.test.post("/v1/subscriptions", json={**TERMS, "external_customer_id": "usr_1"})
    )
    assert await ran(shop) == [("all", "invoice.paid"), ("any", "payment.succeeded")]
    ok(await shop.merchant.test.patch(f"/v1/customers/{customer['id']}", json={"tags": ["early"]}))
    assert ("none", "customer.updated") in await ran(shop)
    ok(await shop.merchant.test.patch(f"/v1/customers/{customer['id']}", json={"tags": ["churned"]}))
    await shop.merchant.payment(customer_id=customer["id"])
    assert await ran(shop) == []


async def test_a_tag_is_new_with_the_event_that_brought_it_and_with_no_other(shop: Office):
    conditions = {"customer_tags_added": ["vip", "gold"]}
    for trigger in ("customer.created", "customer.updated", "payment.succeeded"):
        await shop.rule(trigger, NOTE, name="new", conditions=conditions)
    customer = await shop.merchant.customer(name="Ada", tags=["gold"])
    assert await ran(shop) == [("new", "customer.created")]
    address = f"/v1/customers/{customer['id']}"
    for patch, runs in (
        ({"name": "Ada L."}, 0),
        ({"tags": ["gold", "other"]}, 0),
        ({"tags": ["vip", "other"]}, 1),
        ({"tags": []}, 0),
        ({"tags": ["vip"], "name": "Ada Lovelace"}, 1),
    ):
        ok(await shop.merchant.test.patch(address, json=patch))
        assert await ran(shop) == [("new", "customer.updated")] * runs, patch
    await shop.merchant.payment(customer_id=customer["id"])
    assert await ran(shop) == []


async def test_a_customer_is_known_by_our_id_and_by_your_own(shop: Office):
    one, other = [await shop.merchant.customer(external_id=f"usr/{name} 1") for name in ("Á", "B")]
    await shop.rule("payment.succeeded", NOTE, name="ours", conditions={"customer_ids": [one["id"]]})
    await shop.rule("payment.succeeded", NOTE, name="yours", conditions={"customer_ids": ["x", "usr/Á 1"]})
    await shop.rule("customer.updated", NOTE, name="updated", conditions={"customer_ids": ["usr/Á 1"]})
    await shop.merchant.payment(customer_id=other["id"])
    await shop.merchant.payment()
    assert await ran(shop) == []
    await shop.merchant.payment(customer_id=one["id"])
    assert await ran(shop) == [("ours", "payment.succeeded"), ("yours", "payment.succeeded")]
    for customer in (one, other):
        ok(await shop.merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Ada"}))
    assert await ran(shop) == [("updated", "customer.updated")]


@pytest.mark.parametrize(
    "value", [1, True, "1", "true", 1.5, -(2**63), 2**53 + 1, "", False, 0, "é"], ids=repr
)
async def test_metadata_is_compared_as_json_writes_it(shop: Office, value: Any):
    values = [1, True, "1", "true", 1.5, -(2**63), 2**53 + 1, False, 0, "é", 2**53]
    await shop.rule("payment.succeeded", NOTE, conditions={"metadata_match": {"k": value, "same": "x"}})
    for each in values:
        await shop.merchant.payment(metadata={"k": each, "same": "x", "more": 1})
        await shop.merchant.payment(metadata={"k": each, "same": "y"})
    await shop.merchant.payment()
    await shop.work.run()
    matched = [
        ok(await shop.merchant.test.get(f"/v1/events/{each['event_id']}"))["data"]["metadata"]["k"]
        for each in await shop.executions()
    ]
    assert [(type(each), each) for each in matched] == ([(type(value), value)] if value != "" else [])


async def test_a_lifetime_value_is_of_one_currency_and_less_what_was_given_back(shop: Office):
    conditions = {"min_lifetime_value": {"amount": 10_000, "currency": "GHS"}}
    await shop.rule("payment.succeeded", NOTE, name="big", conditions=conditions)
    customer = await shop.merchant.customer(external_id="usr_1")
    about = {"customer_id": customer["id"]}
    first = await shop.merchant.payment(amount=9_999, **about)
    await shop.merchant.payment(amount=500_000, currency="XOF", **about)
    await shop.merchant.payment(amount=9_000, metadata={"sandbox": "fail:insufficient_funds"}, **about)
    await shop.merchant.payment(amount=50_000)
    assert await ran(shop) == []
    await shop.merchant.payment(amount=1, **about)
    assert await ran(shop) == [("big", "payment.succeeded")]
    await shop.merchant.refund(first["id"], amount=5_000)
    await shop.merchant.payment(amount=4_999, **about)
    assert await ran(shop) == []
    await shop.merchant.payment(amount=1, **about)
    assert await ran(shop) == [("big", "payment.succeeded")]


async def test_a_lifetime_value_beyond_what_floats_can_count_is_compared_to_its_last_unit(shop: Office):
    await shop.rule(
        "customer.updated",
        NOTE,
        conditions={"min_lifetime_value": {"amount": 999_999_999_999, "currency": "GHS"}},
    )
    customer = await shop.merchant.customer(external_id="usr_1")
    address = f"/v1/customers/{customer['id']}"
    await shop.merchant.payment(amount=999_999_999_998, customer_id=customer["id"])
    ok(await shop.merchant.test.patch(address, json={"name": "Ada"}))
    assert await ran(shop) == []
    await shop.merchant.payment(amount=1, customer_id=customer["id"])
    ok(await shop.merchant.test.patch(address, json={"name": "Ada L."}))
    assert len(await ran(shop)) == 1


async def test_what_an_event_does_not_say_is_not_so(shop: Office):
    """A customer's event has no amount, and a payment of nobody's no tags: but it has none of those not wanted."""
    for name, conditions in {
        "currency": {"currencies": ["GHS"]},
        "amount": {"currencies": ["GHS"], "min_amount": 0},
        "country": {"countries": ["GH"]},
        "method": {"methods": ["card"]},
        "tags": {"customer_tags_any": ["vip"]},
        "metadata": {"metadata_match": {"plan": "pro"}},
        "worth": {"min_lifetime_value": {"amount": 1, "currency": "GHS"}},
        "not churned": {"customer_tags_none": ["churned"]},
    }.items():
        for trigger in ("customer.created", "payment.succeeded"):
            await shop.rule(trigger, NOTE, name=name, conditions=conditions)
    await shop.merchant.customer(name="Ada")
    assert await ran(shop) == [("not churned", "customer.created")]
    await shop.merchant.payment()
    assert {name for name, _ in await ran(shop)} == {"currency", "amount", "not churned"}


async def test_only_events_of_its_type_and_mode_set_a_rule_off_and_only_while_it_is_on(shop: Office):
    await shop.rule("payment.failed", NOTE, name="failed")
    await shop.rule("payment.succeeded", NOTE, name="off", enabled=False)
    await shop.rule("payment.succeeded", NOTE, name="on")
    body = {"name": "live", "trigger": "payment.succeeded", "actions": [NOTE]}
    created(await shop.merchant.live.post("/v1/workflows/rules", json=body))
    await shop.merchant.payment()
    assert await ran(shop) == [("on", "payment.succeeded")]
    await shop.merchant.payment(metadata={"sandbox": "fail"})
    assert await ran(shop) == [("failed", "payment.failed")]
