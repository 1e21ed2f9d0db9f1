"""Workflows that set each other off: a circle is cut, a chain has an end, and it is said why."""

from typing import Any

import pytest

from reevit_server.workflows import models
from tests.makers import Merchant, make_merchant, ok
from tests.messages.office import Office
from tests.workflows.ruling import VIP
from tests.workflows.writing import latest

UPDATED = "customer.updated"
ADD, REMOVE = {"type": "add_tag", "tag": "a"}, {"type": "remove_tag", "tag": "a"}


def how(executions: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(each["workflow_name"], each["status"], each["reason"]) for each in executions]


async def renamed(shop: Office, customer: dict[str, Any], name: str, **headers: str) -> None:
    address = f"/v1/customers/{customer['id']}"
    ok(await shop.merchant.test.patch(address, json={"name": name}, headers=headers))


async def test_a_rule_does_not_set_itself_off(shop: Office):
    rule = await shop.rule(UPDATED, ADD, REMOVE, name="A")
    customer = await shop.merchant.customer(name="Ada")
    await renamed(shop, customer, "Ada L.")
    await shop.work.run()
    first, *others = await shop.executions()
    assert how([first, *others]) == [("A", "done", None), ("A", "skipped", "loop"), ("A", "skipped", "loop")]
    for each in others:
        assert (each["workflow_id"], each["actions"]) == (rule["id"], [])
        assert each["finished_at"] == each["created_at"]
        assert "never end" in each["reason_message"]
        event = ok(await shop.merchant.test.get(f"/v1/events/{each['event_id']}"))
        assert (event["actor_id"], event["reason"]) == (first["id"], "Workflow: A")
    await renamed(shop, customer, "Ada Lovelace")
    await shop.work.run()
    assert how(await shop.executions())[3] == ("A", "done", None), "what a person does sets it off again"


async def test_two_rules_that_would_set_each_other_off_for_ever_each_run_once(shop: Office):
    await shop.rule(UPDATED, ADD, name="Add", conditions={"customer_tags_none": ["a"]})
    await shop.rule(UPDATED, REMOVE, name="Remove", conditions={"customer_tags_any": ["a"]})
    customer = await shop.merchant.customer(name="Ada")
    await renamed(shop, customer, "Ada L.")
    assert await shop.work.run() < 20
    assert how(await shop.executions()) == [
        ("Add", "done", None),
        ("Remove", "done", None),
        ("Add", "skipped", "loop"),
    ]
    assert ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))["tags"] == []


async def test_the_sixth_of_a_chain_is_too_deep(shop: Office):
    await shop.rule("payment.succeeded", {"type": "add_tag", "tag": "t0"}, name="R0")
    for number in range(1, 7):
        await shop.rule(
            UPDATED,
            {"type": "add_tag", "tag": f"t{number}"},
            name=f"R{number}",
            conditions={
                "customer_tags_all": [f"t{number - 1}"],
                "customer_tags_none": [f"t{number}"],
            },
        )
    customer = await shop.merchant.customer(name="Ada")
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    assert how(await shop.executions()) == [
        *((f"R{number}", "done", None) for number in range(5)),
        ("R5", "skipped", "too_deep"),
    ]
    (last,) = await shop.executions(status="skipped")
    assert last["reason_message"] == "5 workflows have set each other off before this one."
    tags = ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))["tags"]
    assert tags == ["t0", "t1", "t2", "t3", "t4"]


async def test_a_rule_that_leads_to_two_others_is_not_in_their_way(shop: Office):
    """Neither of them is a circle: each chain is one's own."""
    await shop.rule("payment.succeeded", ADD, VIP, name="First")
    await shop.rule(
        UPDATED, {"type": "add_tag", "tag": "b"}, name="B", conditions={"customer_tags_none": ["b"]}
    )
    await shop.rule(
        UPDATED, {"type": "add_tag", "tag": "c"}, name="C", conditions={"customer_tags_none": ["c"]}
    )
    customer = await shop.merchant.customer(name="Ada")
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    done = {name for name, status, _ in how(await shop.executions()) if status == "done"}
    assert done == {"First", "B", "C"}
    tags = ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))["tags"]
    assert sorted(tags) == ["a", "b", "c", "vip"]


@pytest.mark.parametrize(
    "actor", ["exe_", "exe_01jd8w3v5qe2rvkz6n0c4m8x7a", "exe_é", f"exe_{'x' * 496}", "exe_'; --", "EXE_1"]
)
async def test_an_actor_that_only_looks_like_an_execution_is_anybody(shop: Office, actor: str):
    await shop.rule(UPDATED, ADD, name="A", conditions={"customer_tags_none": ["a"]})
    customer = await shop.merchant.customer(name="Ada")
    await renamed(shop, customer, "Ada L.", **{"X-Actor-Id": actor.encode()})  # type: ignore[arg-type]
    await shop.work.run()
    assert how(await shop.executions()) == [("A", "done", None)]
    actors = {event["actor_id"] for event in await events(shop.merchant)}
    assert actor in actors


async def test_an_execution_of_another_organization_is_nobodys_cause(shop: Office, local_api: Any):
    other = await make_merchant(shop.work.tools.db, local_api)
    await shop.rule(UPDATED, ADD, name="A", conditions={"customer_tags_none": ["a"]})
    theirs = Office(other, shop.work)
    await theirs.rule(UPDATED, ADD, name="Theirs")
    customer = await shop.merchant.customer(name="Ada")
    await renamed(shop, customer, "Ada L.")
    await shop.work.run()
    (execution,) = await shop.executions()
    stranger = await other.customer(name="Eve")
    address = f"/v1/customers/{stranger['id']}"
    headers = {"X-Actor-Id": execution["id"]}
    ok(await other.test.patch(address, json={"name": "Eve L."}, headers=headers))
    work = type(shop.work)(shop.work.tools, shop.work.clock, other.org_id)
    await work.run()
    assert how(await theirs.executions())[0] == ("Theirs", "done", None)


async def test_a_program_that_names_the_execution_that_called_it_is_part_of_the_chain(shop: Office):
    """So that a circle through a program of the merchant's own is cut too; and nothing else is: who acts is said."""
    await shop.rule(UPDATED, {"type": "webhook"}, name="A")
    customer = await shop.merchant.customer(name="Ada")
    await renamed(shop, customer, "Ada L.")
    await shop.work.run()
    (execution,) = await shop.executions()
    await renamed(shop, customer, "Ada Lovelace", **{"X-Actor-Id": execution["id"]})
    await shop.work.run()
    assert how(await shop.executions())[1:] == [("A", "skipped", "loop")]
    event = await latest(shop.merchant, UPDATED)
    assert event["actor_id"] == execution["id"]


async def events(merchant: Merchant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(await merchant.test.get("/v1/events?limit=100"))["events"]
    return found


async def test_what_follows_from_one_event_has_an_end_however_many_rules_set_each_other_off(
    shop: Office, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(models, "FOLLOWING_MAX", 12)
    for name in "ABCD":
        await shop.rule(UPDATED, ADD, REMOVE, ADD, REMOVE, name=name)
    customer = await shop.merchant.customer(name="Ada")
    await renamed(shop, customer, "Ada L.")
    await shop.work.run()
    executions = await shop.executions()
    assert len(executions) == 13
    assert [each["reason"] for each in executions].count("too_many") == 1
    assert ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))["tags"] == []
