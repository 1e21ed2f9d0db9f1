"""Lists of subscriptions: the merchant's, a customer's, by every filter, each subscription once."""

import asyncio
from typing import Any

from tests.customers.addresses import by_external_id
from tests.makers import Merchant, created, ok, refused

TERMS = {"amount": 15000, "currency": "GHS", "interval": "monthly"}


async def subscribed(merchant: Merchant, customer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {**TERMS, "customer_id": customer["id"], **fields}
    return created(await merchant.test.post("/v1/subscriptions", json=body))


async def done(merchant: Merchant, subscription: dict[str, Any], deed: str, **body: Any) -> dict[str, Any]:
    return ok(await merchant.test.post(f"/v1/subscriptions/{subscription['id']}/{deed}", json=body))


async def listed(merchant: Merchant, address: str = "/v1/subscriptions", **query: Any) -> list[str]:
    """The ids of all subscriptions that a list shows, walked by cursor."""
    ids: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(1000):
        page = ok(await merchant.test.get(address, params={**query, **cursor}))
        ids += [subscription["id"] for subscription in page["subscriptions"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            return ids
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the list has no end")


async def test_subscriptions_come_newest_first_each_once(merchant: Merchant):
    customer = await merchant.customer()
    ids = [(await subscribed(merchant, customer, trial_days=1))["id"] for _ in range(23)]
    page = ok(await merchant.test.get("/v1/subscriptions"))
    assert [subscription["id"] for subscription in page["subscriptions"]] == ids[:2:-1]
    assert set(page) == {"subscriptions", "has_more", "next_cursor"}
    for limit in (1, 5, 23, 100):
        assert await listed(merchant, limit=limit) == ids[::-1]
    offset = ok(await merchant.test.get("/v1/subscriptions?limit=3&offset=21&include_total=true"))
    assert [subscription["id"] for subscription in offset["subscriptions"]] == ids[1::-1]
    assert (offset["has_more"], offset["total"]) == (False, 23)


async def test_what_began_at_the_same_instant_is_walked_through_too(merchant: Merchant):
    """Where the test clock stands still, everything has one `created_at`."""
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "1h"}))
    customer = await merchant.customer(external_id="usr_1")
    made = [await subscribed(merchant, customer) for _ in range(7)]
    assert len({subscription["created_at"] for subscription in made}) == 1
    ids = sorted((subscription["id"] for subscription in made), reverse=True)
    for address in ("/v1/subscriptions", by_external_id("usr_1", "/subscriptions")):
        for limit in (1, 2, 3, 7):
            assert await listed(merchant, address, limit=limit) == ids


async def test_what_a_list_shows_is_what_get_shows(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    subscription = await subscribed(merchant, customer, plan_id="team", metadata={"seats": 3})
    ok(await merchant.test.patch(f"/v1/subscriptions/{subscription['id']}", json={"amount": 20000}))
    shown = ok(await merchant.test.get(f"/v1/subscriptions/{subscription['id']}"))
    assert (shown["external_customer_id"], shown["pending_changes"]) == ("usr_1", {"amount": 20000})
    assert shown["latest_invoice_id"].startswith("inv_")
    for address in ("/v1/subscriptions", by_external_id("usr_1", "/subscriptions")):
        assert ok(await merchant.test.get(address))["subscriptions"] == [shown]


async def test_each_filter_finds_its_own(merchant: Merchant):
    ada, zoe = await merchant.customer(external_id="ada"), await merchant.customer(external_id="zoe")
    active = await subscribed(merchant, ada, plan_id="team")
    trialing = await subscribed(merchant, ada, plan_id="solo", trial_days=7)
    past_due = await subscribed(merchant, zoe, plan_id="team", metadata={"sandbox": "fail:lost_card"})
    paused = await done(merchant, await subscribed(merchant, zoe), "pause")
    canceled = await done(merchant, await subscribed(merchant, zoe, plan_id="Team"), "cancel")
    ending = await done(merchant, await subscribed(merchant, ada), "cancel", at_period_end=True)
    for query, expected in (
        ({"status": "active"}, [ending, active]),
        ({"status": "trialing"}, [trialing]),
        ({"status": "past_due"}, [past_due]),
        ({"status": "paused"}, [paused]),
        ({"status": "canceled"}, [canceled]),
        ({"customer_id": ada["id"]}, [ending, trialing, active]),
        ({"external_customer_id": "zoe"}, [canceled, paused, past_due]),
        ({"external_customer_id": "ZOE"}, []),
        ({"customer_id": "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"}, []),
        ({"plan_id": "team"}, [past_due, active]),
        ({"plan_id": "Team"}, [canceled]),
        ({"plan_id": "tea"}, []),
        ({"plan_id": ""}, []),
        ({"created_after": past_due["created_at"]}, [ending, canceled, paused, past_due]),
        ({"created_before": past_due["created_at"]}, [trialing, active]),
        (
            {"created_after": trialing["created_at"], "created_before": paused["created_at"]},
            [past_due, trialing],
        ),
        ({"customer_id": zoe["id"], "plan_id": "team", "status": "past_due"}, [past_due]),
        ({"customer_id": ada["id"], "external_customer_id": "zoe"}, []),
    ):
        ids = [subscription["id"] for subscription in expected]
        assert await listed(merchant, **query) == ids, query
        assert await listed(merchant, limit=1, **query) == ids, query
        params = {**query, "include_total": "true", "limit": 1}
        assert ok(await merchant.test.get("/v1/subscriptions", params=params))["total"] == len(ids), query


async def test_a_customers_subscriptions_are_found_under_both_addresses(merchant: Merchant):
    customer, somebody = await merchant.customer(external_id="shop/7"), await merchant.customer()
    ids = [(await subscribed(merchant, customer))["id"] for _ in range(5)]
    trial = await subscribed(merchant, customer, trial_days=7)
    await subscribed(merchant, somebody)
    expected = [trial["id"], *ids[::-1]]
    for address in (
        f"/v1/customers/{customer['id']}/subscriptions",
        by_external_id("shop/7", "/subscriptions"),
    ):
        for limit in (1, 2, 4, 100):
            assert await listed(merchant, address, limit=limit) == expected
        assert await listed(merchant, address, status="trialing") == [trial["id"]]
        assert await listed(merchant, address, status="active", limit=2) == expected[1:]
        assert await listed(merchant, address, status="canceled") == []
        page = ok(await merchant.test.get(f"{address}?include_total=true&limit=2&offset=4"))
        assert [subscription["id"] for subscription in page["subscriptions"]] == expected[4:]
        assert page["total"] == 6
        active = ok(await merchant.test.get(f"{address}?include_total=true&status=active&limit=1"))
        assert (active["total"], active["has_more"]) == (5, True)


async def test_a_cursor_of_one_list_is_no_use_in_another(merchant: Merchant):
    customer = await merchant.customer()
    for plan in ("team", "solo"):
        await subscribed(merchant, customer, plan_id=plan)
        ok(await merchant.test.post("/v1/policies/retry", json={"plan_id": plan, "delays": ["1h"]}))
    cursor = ok(await merchant.test.get("/v1/policies/retry?limit=1"))["next_cursor"]
    for address in ("/v1/subscriptions", f"/v1/customers/{customer['id']}/subscriptions", "/v1/invoices"):
        refused(await merchant.test.get(f"{address}?cursor={cursor}"), 400, "invalid_cursor")


async def test_who_never_subscribed_has_an_empty_list_and_nobody_has_none(
    merchant: Merchant, other: Merchant
):
    customer = await merchant.customer()
    page = ok(await merchant.test.get(f"/v1/customers/{customer['id']}/subscriptions?include_total=true"))
    assert page == {"subscriptions": [], "has_more": False, "next_cursor": None, "total": 0}
    foreign = await other.customer(external_id="usr_foreign")
    for address in (f"{foreign['id']}", "external/usr_foreign", "cus_1"):
        refused(await merchant.test.get(f"/v1/customers/{address}/subscriptions"), 404, "customer_not_found")


async def test_a_list_shows_nothing_of_another_merchant_or_mode(merchant: Merchant, other: Merchant):
    mine = await subscribed(merchant, await merchant.customer(external_id="ada"), plan_id="team")
    theirs = await subscribed(other, await other.customer(external_id="ada"), plan_id="team")
    for query in ({}, {"plan_id": "team"}, {"external_customer_id": "ada"}, {"status": "active"}):
        assert await listed(merchant, **query) == [mine["id"]]
        assert await listed(other, **query) == [theirs["id"]]
        assert ok(await merchant.live.get("/v1/subscriptions", params=query))["subscriptions"] == []
    assert await listed(merchant, customer_id=theirs["customer_id"]) == []


async def test_a_walk_skips_and_repeats_nothing_while_subscriptions_begin_and_end(merchant: Merchant):
    customer = await merchant.customer()
    there = [await subscribed(merchant, customer, trial_days=1) for _ in range(30)]
    ids = [subscription["id"] for subscription in there]
    walked: list[str] = []
    cursor: dict[str, str] = {}
    for ending in there:
        page, _, _ = await asyncio.gather(
            merchant.test.get("/v1/subscriptions", params={"limit": 2, **cursor}),
            subscribed(merchant, customer, trial_days=1),
            done(merchant, ending, "cancel"),
        )
        shown = ok(page)
        walked += [subscription["id"] for subscription in shown["subscriptions"]]
        if not shown["has_more"]:
            break
        cursor = {"cursor": shown["next_cursor"]}
    assert len(walked) == len(set(walked))
    assert [id for id in walked if id in ids] == ids[::-1]


async def test_policies_come_by_plan_the_organizations_own_first(merchant: Merchant, other: Merchant):
    for plan_id in ("team", "Solo", None, "team/eu", "Ärzte"):
        body = {"plan_id": plan_id, "delays": ["1h", "1d"], "on_exhausted": "pause"}
        ok(await merchant.test.post("/v1/policies/retry", json=body))
    ok(await merchant.test.post("/v1/policies/retry", json={"plan_id": "team", "delays": []}))
    ok(await other.test.post("/v1/policies/retry", json={"plan_id": "theirs", "delays": ["1h"]}))
    expected = [None, "Solo", "team", "team/eu", "Ärzte"]
    whole = ok(await merchant.test.get("/v1/policies/retry?include_total=true"))
    assert [policy["plan_id"] for policy in whole["policies"]] == expected
    assert (whole["has_more"], whole["next_cursor"], whole["total"]) == (False, None, 5)
    for limit in (1, 2, 4):
        walked: list[str | None] = []
        cursor: dict[str, str] = {}
        while True:
            page = ok(await merchant.test.get("/v1/policies/retry", params={"limit": limit, **cursor}))
            walked += [policy["plan_id"] for policy in page["policies"]]
            if not page["has_more"]:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert walked == expected
    offset = ok(await merchant.test.get("/v1/policies/retry?offset=3&limit=1"))
    assert [policy["plan_id"] for policy in offset["policies"]] == ["team/eu"]
    assert ok(await merchant.live.get("/v1/policies/retry"))["policies"] == []


async def test_a_policy_is_set_anew_and_deleted(merchant: Merchant):
    first = ok(
        await merchant.test.post("/v1/policies/retry", json={"plan_id": "team", "delays": ["1h", "1d"]})
    )
    assert (first["max_retries"], first["on_exhausted"]) == (2, "past_due")
    again = {"plan_id": "team", "delays": ["3d"], "max_retries": 4, "on_exhausted": "cancel"}
    second = ok(await merchant.test.post("/v1/policies/retry", json=again))
    assert {name: second[name] for name in again} == again
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"]
    assert ok(await merchant.test.get("/v1/policies/retry"))["policies"] == [second]
    assert (await merchant.test.delete("/v1/policies/retry?plan_id=team")).status_code == 204
    assert ok(await merchant.test.get("/v1/policies/retry"))["policies"] == []
