"""What a workflow does: its actions in order, each by itself, and what became of each."""

import json
from typing import Any

import pytest

from tests.makers import created, ok
from tests.messages.office import Office
from tests.workflows.ruling import LETTER, NOTE, RULES, TEXT, VIP

FAILS = {**TEXT, "body": "Due\n{{ payment.method | money }}"}
ADA = {"name": "Ada", "email": "ada@example.com", "phone": "+233501234567"}


def ends(execution: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """What became of each action."""
    return [(each["type"], each["status"], each["reason"]) for each in execution["actions"]]


async def test_actions_are_done_in_order_and_each_says_what_became_of_it(shop: Office):
    actions = [LETTER, VIP, TEXT, NOTE, {"type": "webhook"}, {"type": "remove_tag", "tag": "new"}]
    rule = await shop.rule("payment.succeeded", *actions, name="Thanks")
    customer = await shop.merchant.customer(**ADA, tags=["new"])
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (execution,) = await shop.executions()
    (event,) = ok(await shop.merchant.test.get("/v1/events?type=payment.succeeded"))["events"]
    messages = {message["id"]: message for message in await shop.messages()}
    assert {name: execution[name] for name in execution if name not in ("id", "actions")} == {
        "org_id": shop.merchant.org_id,
        "mode": "test",
        "workflow_id": rule["id"],
        "workflow_name": "Thanks",
        "event_id": event["id"],
        "event_type": "payment.succeeded",
        "customer_id": customer["id"],
        "status": "done",
        "reason": None,
        "reason_message": None,
        "created_at": execution["created_at"],
        "finished_at": execution["created_at"],  # the clock stands still
    }
    assert [each["position"] for each in execution["actions"]] == list(range(6))
    assert [each["action"] for each in execution["actions"]] == actions
    assert {each["status"] for each in execution["actions"]} == {"done"}
    for each in execution["actions"]:
        if each["type"] in ("add_tag", "remove_tag"):
            assert each["message"] is None
        else:
            message = messages.pop(each["message"]["id"])
            listed = {name: message[name] for name in each["message"]}
            assert each["message"] == listed
            assert (message["execution_id"], message["event_id"]) == (execution["id"], event["id"])
            assert message["customer_id"] == customer["id"]
    assert messages == {}
    answer = ok(await shop.merchant.test.get(f"/v1/workflows/executions/{execution['id']}/actions"))
    assert answer == {"actions": execution["actions"]}
    assert ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))["tags"] == ["vip"]


async def test_an_action_that_fails_says_why_and_holds_up_no_other(shop: Office):
    await shop.rule("payment.succeeded", FAILS, LETTER, VIP, NOTE)
    customer = await shop.merchant.customer(**ADA, tags=[f"t{number}" for number in range(50)])
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (execution,) = await shop.executions()
    assert (execution["status"], execution["reason"]) == ("failed", None)
    assert ends(execution) == [
        ("send_sms", "failed", "template_fails"),
        ("send_email", "done", None),
        ("add_tag", "failed", "too_many_tags"),
        ("send_notification", "done", None),
    ]
    failed = execution["actions"][0]
    assert failed["reason_message"].startswith("`text`, line 2: money is of an amount")
    assert (failed["message"], failed["finished_at"]) == (None, execution["finished_at"])
    assert [message["channel"] for message in await shop.messages()] == ["email", "notification"]


@pytest.mark.parametrize(
    ("letter", "part"),
    [
        ({"subject": "{{ customer.phone }}", "body": "Paid."}, "subject"),
        ({"subject": " \u2028{{ customer.phone }}\t ", "body": "Paid."}, "subject"),
        ({"subject": "Hi", "body": " \n{{ customer.phone }}\n"}, "text"),
        ({"subject": "Hi", "html": "{% if customer.phone %}<p>Paid.</p>{% endif %}"}, "html"),
        ({"subject": "Hi", "body": "{{ customer.phone }}", "html": " "}, "text"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_letter_in_which_nothing_stands_is_a_failure_and_is_not_sent(
    shop: Office, letter: dict[str, str], part: str
):
    await shop.rule("payment.succeeded", {"type": "send_email", **letter}, VIP)
    customer = await shop.merchant.customer(name="Ada", email="ada@example.com")
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (execution,) = await shop.executions()
    assert ends(execution) == [("send_email", "failed", "template_fails"), ("add_tag", "done", None)]
    assert execution["actions"][0]["reason_message"] == f"`{part}` comes out empty with this event."
    assert await shop.messages() == []


async def test_a_text_and_a_note_in_which_nothing_stands_are_failures_too(shop: Office):
    empty = "{% for tag in customer.tags %}{{ tag }}{% endfor %}"
    await shop.rule("payment.succeeded", {**TEXT, "body": empty}, {**NOTE, "body": empty})
    customer = await shop.merchant.customer(**ADA)
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (execution,) = await shop.executions()
    assert [end[1:] for end in ends(execution)] == [("failed", "template_fails")] * 2
    assert await shop.messages() == []


async def test_who_is_not_known_or_has_no_address_gets_nothing_and_it_is_said(shop: Office):
    fixed = {**LETTER, "subject": "Paid", "to": "ama@example.com"}
    await shop.rule("payment.succeeded", LETTER, TEXT, VIP, fixed, NOTE)
    for payer in (None, {"external_id": "usr_1"}, {"external_id": "usr_2", "email": "ada@example.com"}):
        await shop.merchant.payment(**({} if payer is None else {"customer": payer}))
        await shop.work.run()
    nobody, unknown, written = await shop.executions()
    assert ends(nobody) == [
        ("send_email", "skipped", "no_customer"),
        ("send_sms", "skipped", "no_customer"),
        ("add_tag", "skipped", "no_customer"),
        ("send_email", "done", None),
        ("send_notification", "done", None),
    ]
    assert [end[1:] for end in ends(unknown)[:3]] == [
        ("skipped", "no_email"),
        ("skipped", "no_phone"),
        ("done", None),
    ]
    assert [end[1:] for end in ends(written)[:2]] == [("done", None), ("skipped", "no_phone")]
    assert {each["status"] for each in (nobody, unknown, written)} == {"done"}, (
        "to send nothing is no failure"
    )
    letters = [message["to"] for message in await shop.messages(channel="email")]
    assert sorted(letters) == ["ada@example.com", *["ama@example.com"] * 3]
    assert all(each["reason_message"] for each in nobody["actions"] if each["status"] == "skipped")


async def test_of_several_rules_the_one_of_highest_priority_comes_first_and_then_the_oldest(shop: Office):
    for tag, priority in (("third", 0), ("last", -1000), ("first", 1000), ("fourth", 0), ("second", 1)):
        await shop.rule("payment.succeeded", {"type": "add_tag", "tag": tag}, priority=priority)
    customer = await shop.merchant.customer(name="Ada")
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    tags = ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))["tags"]
    assert tags == ["first", "second", "third", "fourth", "last"]
    assert len(await shop.executions()) == 5


async def test_what_happened_in_one_change_is_answered_in_its_order(shop: Office):
    for trigger in ("payment.succeeded", "customer.created", "payment.created"):
        await shop.rule(trigger, {"type": "add_tag", "tag": trigger})
    payment = await shop.merchant.payment(customer={"external_id": "usr_1"})
    await shop.work.run()
    tags = ok(await shop.merchant.test.get(f"/v1/customers/{payment['customer_id']}"))["tags"]
    assert tags == ["customer.created", "payment.created", "payment.succeeded"]


async def test_a_call_tells_of_the_event_and_of_the_workflow_that_made_it(shop: Office):
    await shop.integration(
        provider="webhook",
        credentials={"url": "https://hooks.example.com/a", "secret": "whsec_" + "A" * 43 + "="},
    )
    rule = await shop.rule("payment.succeeded", {"type": "webhook"}, name="Tell them")
    customer = await shop.merchant.customer(**ADA, external_id="usr_1")
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (event,) = ok(await shop.merchant.test.get("/v1/events?type=payment.succeeded"))["events"]
    (execution,) = await shop.executions()
    (sent,) = shop.outside.take()
    told = {
        **{name: event[name] for name in ("id", "type", "org_id", "mode", "created_at", "data")},
        "workflow": {"id": rule["id"], "name": "Tell them"},
        "execution_id": execution["id"],
    }
    (message,) = await shop.messages()
    assert (message["status"], sent.json | told) == ("sent", sent.json)
    assert json.loads(message["text"]) | told == json.loads(message["text"])


async def test_a_tag_is_added_by_the_workflow_and_its_event_says_so(shop: Office):
    await shop.rule("payment.succeeded", VIP, {"type": "remove_tag", "tag": "new"}, name="x" * 200)
    customer = await shop.merchant.customer(name="Ada", tags=["new"])
    client = shop.merchant.test
    headers = {"X-Actor-Id": "ama", "X-Reason": "a sale"}
    body = {"amount": 15000, "currency": "GHS", "customer_id": customer["id"]}
    created(await client.post("/v1/payments", json=body, headers=headers))
    await shop.work.run()
    (execution,) = await shop.executions()
    events = ok(await client.get("/v1/events", params={"type": "customer.updated"}))["events"]
    assert [event["data"]["tags"] for event in events] == [["vip"], ["new", "vip"]]
    assert {event["actor_id"] for event in events} == {execution["id"]}
    assert {event["reason"] for event in events} == {f"Workflow: {'x' * 200}"}


async def test_a_tag_that_is_there_already_is_done_and_tells_nobody(shop: Office):
    await shop.rule("payment.succeeded", VIP, {"type": "remove_tag", "tag": "new"})
    customer = await shop.merchant.customer(name="Ada", tags=["vip"])
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (execution,) = await shop.executions()
    assert {each["status"] for each in execution["actions"]} == {"done"}
    assert ok(await shop.merchant.test.get("/v1/events?type=customer.updated"))["events"] == []


async def test_an_integration_or_a_template_that_is_gone_since_is_said(shop: Office):
    """A rule that names an integration stays when that goes: what it writes can be read in the outbox."""
    chat = await shop.integration(provider="chat", credentials={"url": "https://chat.example.com/hooks/a"})
    other = await shop.integration(provider="chat", credentials={"url": "https://chat.example.com/hooks/b"})
    rule = await shop.rule("payment.succeeded", {**NOTE, "integration_id": chat["id"]}, NOTE)
    address = f"/v1/workflows/integrations/{chat['id']}"
    assert (await shop.merchant.test.delete(address)).status_code == 204
    await shop.merchant.payment()
    await shop.work.run()
    gone, sent = await shop.messages()
    assert (gone["status"], gone["reason"], gone["integration_id"]) == ("outbox", "no_integration", None)
    assert (sent["status"], sent["integration_id"]) == ("sent", other["id"])
    assert (await shop.merchant.test.patch(f"{RULES}/{rule['id']}", json={"priority": 1})).status_code == 200
