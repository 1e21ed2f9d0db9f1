"""`GET /v1/events`: what happened, newest first."""

from datetime import timedelta
from typing import Any

import pytest

from reevit_server import events
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests.makers import Merchant, ok, refused


async def listed(merchant: Merchant, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(await merchant.test.get("/v1/events", params=query))["events"]
    return found


async def types(merchant: Merchant, **query: Any) -> list[str]:
    return [event["type"] for event in await listed(merchant, **query)]


async def test_the_newest_comes_first_and_each_says_what_happened(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1", name="Ada")
    headers = {"X-Actor-Id": "user_7", "X-Reason": "asked by phone"}
    ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Zoe"}, headers=headers))
    payment = await merchant.payment(customer_id=customer["id"])
    succeeded, paid, updated, first = await listed(merchant)
    assert [event["type"] for event in (succeeded, paid, updated, first)] == [
        "payment.succeeded",
        "payment.created",
        "customer.updated",
        "customer.created",
    ]
    assert (updated["actor_id"], updated["reason"]) == ("user_7", "asked by phone")
    assert updated["data"]["previous_attributes"] == {"name": "Ada"}
    assert first["subject_id"] == customer["id"]
    assert succeeded["subject_id"] == payment["id"]
    assert succeeded["data"]["customer"]["external_id"] == "usr_1"
    assert ok(await merchant.test.get(f"/v1/events/{succeeded['id']}")) == succeeded


async def test_filters(merchant: Merchant):
    ada = await merchant.customer(external_id="usr_1")
    await merchant.payment(external_customer_id="usr_1")
    await merchant.payment(metadata={"sandbox": "fail"})
    assert await types(merchant, type="payment.failed") == ["payment.failed"]
    assert await types(merchant, type="customer.*") == ["customer.created"]
    assert await types(merchant, type="nothing.of_the_kind") == []
    mine = ["payment.succeeded", "payment.created", "customer.created"]
    assert await types(merchant, customer_id=ada["id"]) == mine
    assert await types(merchant, external_customer_id="usr_1") == mine
    assert await types(merchant, external_customer_id="usr_1", type="payment.*") == mine[:2]
    assert await types(merchant, external_customer_id="usr_2") == []
    last = (await listed(merchant, limit=1))[0]["created_at"]
    assert await types(merchant, created_after=last) == ["payment.failed", "payment.created"]
    assert await types(merchant, created_before=last) == mine


async def test_pages_neither_skip_nor_repeat_while_more_happens(merchant: Merchant):
    people = [await merchant.customer(name=f"Ada {number}") for number in range(7)]
    seen, cursor = [], None
    while True:
        page = ok(
            await merchant.test.get(
                "/v1/events", params={"limit": 3, **({"cursor": cursor} if cursor else {})}
            )
        )
        seen += [event["subject_id"] for event in page["events"]]
        await merchant.customer(name="Late")
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [person["id"] for person in reversed(people)]
    assert ok(await merchant.test.get("/v1/events?include_total=true&limit=1"))["total"] == 10


async def test_the_other_mode_has_its_own(merchant: Merchant):
    await merchant.customer(name="Ada")
    assert ok(await merchant.live.get("/v1/events"))["events"] == []


@pytest.mark.parametrize("days", [29, 31])
async def test_events_are_kept_for_thirty_days(db: Database, merchant: Merchant, days: int):
    await merchant.customer(name="Ada")
    event = (await listed(merchant))[0]
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE events SET recorded_at = $2 WHERE id = $1", event["id"], utc_now() - timedelta(days=days)
        )
        await events.purge(conn, kept_days=Settings().events_kept_days, now=utc_now(), limit=10_000)
    answer = await merchant.test.get(f"/v1/events/{event['id']}")
    if days < 30:
        ok(answer)
    else:
        refused(answer, 404, "event_not_found")


@pytest.mark.parametrize(("days", "left"), [(29, 1), (31, 0)])
async def test_what_a_test_clock_far_ahead_brought_is_kept_as_long_as_the_rest(
    db: Database, merchant: Merchant, days: int, left: int
):
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": "1800d"}))
    await merchant.customer(name="Ada")
    async with db.transaction() as conn:
        recorded_at = utc_now() - timedelta(days=days)
        await conn.execute(
            "UPDATE events SET recorded_at = $2 WHERE org_id = $1", merchant.org_id, recorded_at
        )
        await events.purge(conn, kept_days=30, now=utc_now(), limit=10_000)
    assert len(await listed(merchant)) == left
