"""Rules: made, found, listed, changed, turned on and off, deleted."""

import asyncio
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.locks import held, until_waiting
from tests.makers import Merchant, created, ok, refused
from tests.workflows.ruling import LETTER, NOBODYS, NOTE, RULES, TEXT, VIP, faults, get, rule, written
from tests.workflows.writing import TEMPLATES, template

CONDITIONS = {
    "currencies": ["GHS"],
    "min_amount": 0,
    "max_amount": 999_999_999_999,
    "countries": ["GH", "NG"],
    "methods": ["card", "mobile_money"],
    "customer_tags_any": ["vip"],
    "customer_tags_all": ["a", "b"],
    "customer_tags_none": ["churned"],
    "customer_tags_added": ["new"],
    "customer_ids": ["cus_1", "usr_1"],
    "metadata_match": {"plan": "pro", "seats": 3, "trial": False, "rate": 1.5, "none": ""},
    "min_lifetime_value": {"amount": 100_000, "currency": "GHS"},
}


async def test_a_rule_comes_back_as_it_was_written_and_without_what_was_not(merchant: Merchant):
    made = created(
        await merchant.test.post(
            RULES,
            json={
                "name": " Thank the big ones ",
                "trigger": "payment.succeeded",
                "conditions": CONDITIONS,
                "actions": [
                    {**LETTER, "to": "ama@example.com", "attach_receipt": True, "purpose": "marketing"},
                    {**TEXT, "to": None},
                    NOTE,
                    {"type": "webhook"},
                    VIP,
                    {"type": "remove_tag", "tag": "new"},
                ],
                "priority": -5,
                "enabled": False,
            },
        )
    )
    assert made == {
        "id": made["id"],
        "org_id": merchant.org_id,
        "mode": "test",
        "name": "Thank the big ones",
        "enabled": False,
        "trigger": "payment.succeeded",
        "conditions": CONDITIONS,
        "actions": [
            {**LETTER, "to": "ama@example.com", "attach_receipt": True, "purpose": "marketing"},
            TEXT,
            NOTE,
            {"type": "webhook"},
            VIP,
            {"type": "remove_tag", "tag": "new"},
        ],
        "priority": -5,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert made["id"].startswith("wfr_")
    assert await get(merchant, made["id"]) == made


async def test_what_need_not_be_said_is_on_without_conditions_and_of_priority_0(merchant: Merchant):
    made = await rule(merchant)
    assert (made["enabled"], made["conditions"], made["priority"]) == (True, {}, 0)


async def test_rules_are_listed_newest_first_by_pages_by_trigger_and_by_whether_they_are_on(
    merchant: Merchant,
):
    made = [
        await rule(merchant, trigger="customer.created" if number % 2 else "invoice.paid", enabled=number > 2)
        for number in range(5)
    ]
    newest = made[::-1]
    rows, query = [], "limit=2&include_total=true"
    for number in range(3):
        page = ok(await merchant.test.get(f"{RULES}?{query}"))
        assert (page["total"], page["has_more"]) == (5, number < 2)
        rows += page["rules"]
        query = f"limit=2&include_total=true&cursor={page['next_cursor']}"
    assert rows == newest
    for query, wanted in (
        ("trigger=customer.created", [one for one in newest if one["trigger"] == "customer.created"]),
        ("enabled=false", [one for one in newest if not one["enabled"]]),
        ("trigger=invoice.paid&enabled=true", newest[:1]),
        ("trigger=payment.exploded", []),
        ("offset=4", made[:1]),
    ):
        page = ok(await merchant.test.get(f"{RULES}?{query}&include_total=true"))
        assert page["rules"] == wanted, query
        assert page["total"] == (5 if "offset" in query else len(wanted)), query


@pytest.mark.parametrize("query", ["enabled=maybe", "limit=0", "name=x", "cursor=x"])
async def test_a_filter_of_rules_is_what_it_says(merchant: Merchant, query: str):
    answer = await merchant.test.get(f"{RULES}?{query}")
    refused(answer, 400, "invalid_cursor" if query == "cursor=x" else "validation_error")


async def test_the_short_address_is_the_same_as_the_long_one(merchant: Merchant):
    short = "/v1/workflows"
    made = created(await merchant.test.post(short, json=written()))
    here, there = f"{short}/{made['id']}", f"{RULES}/{made['id']}"
    assert ok(await merchant.test.get(short)) == ok(await merchant.test.get(RULES))
    assert ok(await merchant.test.get(short))["rules"] == [made]
    assert ok(await merchant.test.get(here)) == ok(await merchant.test.get(there)) == made
    changed = ok(await merchant.test.patch(here, json={"priority": 7}))
    assert ok(await merchant.test.get(there)) == changed
    assert ok(await merchant.test.post(f"{here}/disable"))["enabled"] is False
    assert ok(await merchant.test.post(f"{here}/enable"))["enabled"] is True
    assert ok(await merchant.test.post(f"{here}/simulate", json={"last": 1}))["rule_id"] == made["id"]
    assert (await merchant.test.delete(here)).status_code == 204
    refused(await merchant.test.get(there), 404, "rule_not_found")


async def test_no_other_address_below_workflows_is_taken_for_a_rule(merchant: Merchant):
    for noun in ("templates", "integrations", "executions"):
        assert noun in ok(await merchant.test.get(f"/v1/workflows/{noun}"))
    assert "receipt_email" in ok(await merchant.test.get("/v1/workflows/notices"))


async def test_only_what_is_given_changes(merchant: Merchant):
    made = await rule(merchant, LETTER, conditions=CONDITIONS)
    changed = ok(await merchant.test.patch(f"{RULES}/{made['id']}", json={"name": "Other", "priority": 3}))
    assert changed["updated_at"] > made["updated_at"]
    assert changed == {**made, "name": "Other", "priority": 3, "updated_at": changed["updated_at"]}
    assert await get(merchant, made["id"]) == changed


async def test_conditions_and_actions_are_replaced_as_a_whole(merchant: Merchant):
    made = await rule(merchant, LETTER, VIP, conditions=CONDITIONS)
    body = {"conditions": {"methods": ["card"]}, "actions": [TEXT]}
    changed = ok(await merchant.test.patch(f"{RULES}/{made['id']}", json=body))
    assert (changed["conditions"], changed["actions"]) == ({"methods": ["card"]}, [TEXT])
    assert ok(await merchant.test.patch(f"{RULES}/{made['id']}", json={"conditions": {}}))["conditions"] == {}


async def test_a_change_that_changes_nothing_writes_nothing(merchant: Merchant):
    made = await rule(merchant, LETTER, conditions=CONDITIONS)
    for body in (
        {},
        {"name": made["name"]},
        {"conditions": CONDITIONS},
        {"actions": [{**LETTER, "attach_receipt": False, "to": None}], "enabled": True, "priority": 0},
    ):
        assert ok(await merchant.test.patch(f"{RULES}/{made['id']}", json=body)) == made, body


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (True, 1), (1, 1.5), (1, "1")])
async def test_a_condition_on_1_is_another_than_one_on_true(merchant: Merchant, one: Any, other: Any):
    made = await rule(merchant, conditions={"metadata_match": {"paid": one}})
    body = {"conditions": {"metadata_match": {"paid": other}}}
    changed = ok(await merchant.test.patch(f"{RULES}/{made['id']}", json=body))["conditions"]
    (now,) = changed["metadata_match"].values()
    assert (type(now), now) == (type(other), other)


async def test_a_rule_is_turned_on_and_off_as_often_as_one_likes(merchant: Merchant):
    made = await rule(merchant)
    off = ok(await merchant.test.post(f"{RULES}/{made['id']}/disable"))
    assert off == {**made, "enabled": False, "updated_at": off["updated_at"]}
    assert ok(await merchant.test.post(f"{RULES}/{made['id']}/disable")) == off
    on = ok(await merchant.test.post(f"{RULES}/{made['id']}/enable", json={}))
    assert on == {**made, "updated_at": on["updated_at"]}
    assert ok(await merchant.test.post(f"{RULES}/{made['id']}/enable")) == on
    refused(
        await merchant.test.post(f"{RULES}/{made['id']}/enable", json={"at": "noon"}), 400, "validation_error"
    )


async def test_a_deleted_rule_is_gone(merchant: Merchant):
    made = await rule(merchant)
    assert (await merchant.test.delete(f"{RULES}/{made['id']}")).status_code == 204
    refused(await merchant.test.get(f"{RULES}/{made['id']}"), 404, "rule_not_found")
    refused(await merchant.test.delete(f"{RULES}/{made['id']}"), 404, "rule_not_found")
    assert ok(await merchant.test.get(RULES))["rules"] == []


async def test_a_rule_of_another_organization_or_mode_is_not_there(merchant: Merchant, other: Merchant):
    theirs = await rule(other)
    for client, id in (
        (merchant.test, theirs["id"]),
        (other.live, theirs["id"]),
        (merchant.test, NOBODYS),
        (merchant.test, "wfr_1"),
    ):
        address = f"{RULES}/{id}"
        for answer in (
            await client.get(address),
            await client.patch(address, json={"name": "Hacked"}),
            await client.post(f"{address}/enable"),
            await client.post(f"{address}/disable"),
            await client.post(f"{address}/simulate", json={}),
            await client.delete(address),
        ):
            refused(answer, 404, "rule_not_found")
    assert await get(other, theirs["id"]) == theirs
    assert ok(await other.live.get(RULES))["rules"] == []


async def test_what_is_asked_for_twice_with_one_key_is_made_once(merchant: Merchant):
    headers, body = {"Idempotency-Key": "rule-1"}, written()
    first = await merchant.test.post(RULES, json=body, headers=headers)
    again = await merchant.test.post(RULES, json=body, headers=headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert len(ok(await merchant.test.get(RULES))["rules"]) == 1


async def test_the_hundred_and_first_rule_is_refused_however_many_are_made_at_once(
    db: Database, merchant: Merchant
):
    for _ in range(97):
        await rule(merchant)
    answers = await asyncio.gather(*(merchant.test.post(RULES, json=written()) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 3
    async with nothing_stored(db, merchant):
        refused(await merchant.test.post(RULES, json=written()), 422, "too_many_rules")
    assert created(await merchant.live.post(RULES, json=written()))["mode"] == "live"
    (newest,) = ok(await merchant.test.get(f"{RULES}?limit=1"))["rules"]
    assert (await merchant.test.delete(f"{RULES}/{newest['id']}")).status_code == 204
    await rule(merchant)


async def test_a_template_that_a_rule_names_stays_until_no_rule_does(merchant: Merchant):
    made = await template(merchant)
    naming = [await rule(merchant, VIP, {"type": "send_sms", "template_id": made["id"]}) for _ in range(2)]
    ids = {one["id"] for one in naming}
    for one in naming:
        answer = refused(await merchant.test.delete(f"{TEMPLATES}/{made['id']}"), 409, "template_in_use")
        assert answer["details"]["rule_id"] in ids
        ids.discard(one["id"])
        ok(await merchant.test.patch(f"{RULES}/{one['id']}", json={"actions": [VIP]}))
    assert (await merchant.test.delete(f"{TEMPLATES}/{made['id']}")).status_code == 204
    refused(await merchant.test.delete(f"{TEMPLATES}/{made['id']}"), 404, "template_not_found")


@pytest.mark.parametrize(("first", "stops_at"), [("rule", "rules"), ("deletion", "templates")])
async def test_of_a_rule_that_names_a_template_and_its_deletion_at_once_the_first_one_holds(
    dsn: str, merchant: Merchant, first: str, stops_at: str
):
    made = await template(merchant)
    body = written({"type": "send_sms", "template_id": made["id"]})
    deeds = [
        lambda: merchant.test.post(RULES, json=body),
        lambda: merchant.test.delete(f"{TEMPLATES}/{made['id']}"),
    ]
    async with asyncio.TaskGroup() as group, held(dsn, stops_at, "SHARE") as conn:
        begun = []
        for count, deed in enumerate(deeds if first == "rule" else deeds[::-1], start=1):
            begun.append(group.create_task(deed()))
            await until_waiting(conn, count)
    answers = [task.result() for task in begun]
    if first == "rule":
        assert answers[0].status_code == 201
        refused(answers[1], 409, "template_in_use")
    else:
        assert answers[0].status_code == 204
        assert faults(answers[1]) == [("actions.0.template_id", "template_not_found")]
