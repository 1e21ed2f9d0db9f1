"""What changes between an event and what is done about it: the rule, its template, the customer, or that they are
there at all.
"""

from typing import Any

import pytest

from reevit_server import events, messages, workflows
from reevit_server.core.database import Database
from tests.makers import created, ok
from tests.messages.office import Office
from tests.workflows.ruling import LETTER, NOTE, RULES, TEXT, VIP
from tests.workflows.stepping import do_all, places_of, waiting
from tests.workflows.writing import TEMPLATES

ADA = {
    "external_id": "usr/ada-7731",
    "email": "ada.7731@example.com",
    "phone": "+233507731773",
    "name": "Adaline Seventyseven",
}
WORDS = [*ADA.values(), "inner-circle-7731"]
ALL = (
    "{{ customer.name }} {{ customer.email }} {{ customer.phone }} {{ customer.external_id }} "
    "{{ customer.tags | join }} "
)
CHAT = {"provider": "chat", "credentials": {"url": "https://chat.example.com/hooks/a"}}
RECEIVER = {
    "provider": "webhook",
    "credentials": {"url": "https://hooks.example.com/a", "secret": "whsec_" + "A" * 43 + "="},
}


async def paid(shop: Office, **fields: Any) -> dict[str, Any]:
    customer = await shop.merchant.customer(**ADA, tags=["inner-circle-7731"])
    return await shop.merchant.payment(customer_id=customer["id"], **fields)


async def erase(shop: Office, id: str) -> None:
    assert (await shop.merchant.test.delete(f"/v1/customers/{id}")).status_code == 204


async def test_what_has_begun_is_done_though_the_rule_is_turned_off_changed_or_deleted(shop: Office):
    off, changed, gone = [await shop.rule("payment.succeeded", NOTE, name=name) for name in ("A", "B", "C")]
    await shop.merchant.payment()
    await do_all(shop.work, events.FAN_OUT)
    client = shop.merchant.test
    ok(await client.post(f"{RULES}/{off['id']}/disable"))
    body = {"name": "Other", "trigger": "payment.failed", "actions": [{**NOTE, "body": "Late."}]}
    ok(await client.patch(f"{RULES}/{changed['id']}", json=body))
    assert (await client.delete(f"{RULES}/{gone['id']}")).status_code == 204
    await shop.work.run()
    assert [message["text"] for message in await shop.messages()] == ["Paid."] * 3
    executions = await shop.executions()
    assert {(each["workflow_id"], each["workflow_name"]) for each in executions} == {
        (off["id"], "A"),
        (changed["id"], "B"),
        (gone["id"], "C"),
    }
    assert len(await shop.executions(workflow_id=gone["id"])) == 1


async def test_a_rule_that_is_turned_off_before_anybody_is_told_does_nothing(shop: Office):
    rule = await shop.rule("payment.succeeded", NOTE)
    await shop.merchant.payment()
    ok(await shop.merchant.test.post(f"{RULES}/{rule['id']}/disable"))
    await shop.work.run()
    assert await shop.executions() == []


async def test_a_template_says_what_it_says_when_the_message_is_written(shop: Office):
    body = {"name": "Thanks", "channel": "sms", "text": "Before."}
    template = created(await shop.merchant.test.post(TEMPLATES, json=body))
    await shop.rule("payment.succeeded", {"type": "send_sms", "template_id": template["id"]})
    await paid(shop)
    await do_all(shop.work, events.FAN_OUT)
    ok(await shop.merchant.test.patch(f"{TEMPLATES}/{template['id']}", json={"text": "After."}))
    await shop.work.run()
    (message,) = await shop.messages()
    assert message["text"] == "After."


async def test_a_template_that_is_gone_with_its_rule_is_said(shop: Office):
    body = {"name": "Thanks", "channel": "sms", "text": "Paid."}
    template = created(await shop.merchant.test.post(TEMPLATES, json=body))
    rule = await shop.rule("payment.succeeded", {"type": "send_sms", "template_id": template["id"]}, VIP)
    await paid(shop)
    await do_all(shop.work, events.FAN_OUT)
    for address in (f"{RULES}/{rule['id']}", f"{TEMPLATES}/{template['id']}"):
        assert (await shop.merchant.test.delete(address)).status_code == 204
    await shop.work.run()
    (execution,) = await shop.executions()
    sms, tag = execution["actions"]
    assert (sms["status"], sms["reason"], tag["status"]) == ("failed", "template_not_found", "done")


async def test_a_customer_is_written_to_at_the_address_and_by_the_name_of_now(shop: Office):
    await shop.rule("payment.succeeded", LETTER, TEXT, {**NOTE, "body": "{{ customer.tags | join }}"})
    payment = await paid(shop)
    await do_all(shop.work, events.FAN_OUT)
    new = {"name": "Ada L.", "email": "l@example.com", "phone": "+233501234567", "tags": ["new"]}
    ok(await shop.merchant.test.patch(f"/v1/customers/{payment['customer_id']}", json=new))
    await shop.work.run()
    letter, sms, note = await shop.messages()
    assert (letter["to"], letter["subject"], sms["to"]) == ("l@example.com", "Hi Ada L.", "+233501234567")
    assert note["text"] == "new"


async def test_who_has_no_address_any_more_is_not_written_to_at_the_old_one(shop: Office):
    await shop.rule("payment.succeeded", LETTER, TEXT)
    payment = await paid(shop)
    await do_all(shop.work, events.FAN_OUT)
    address = f"/v1/customers/{payment['customer_id']}"
    ok(await shop.merchant.test.patch(address, json={"email": None, "phone": None}))
    await shop.work.run()
    (execution,) = await shop.executions()
    assert [each["reason"] for each in execution["actions"]] == ["no_email", "no_phone"]
    assert await shop.messages() == []


@pytest.mark.parametrize("done", ["nothing", "told", "executed", "delivered"])
async def test_who_is_erased_meanwhile_is_named_to_nobody_any_more_and_nowhere_kept(
    db: Database, shop: Office, done: str
):
    """Neither in what goes to them, nor in what the merchant or a program of theirs would be told."""
    await shop.integration(**CHAT)
    await shop.integration(**RECEIVER)
    await shop.rule(
        "payment.succeeded",
        {**LETTER, "subject": f"Hi {ALL}", "html": f"<p>{ALL}</p>", "attach_receipt": True},
        {**TEXT, "body": ALL},
        {**NOTE, "body": f"Paid {ALL}"},
        {"type": "webhook"},
        {**LETTER, "subject": f"Paid {ALL}", "to": "boss@example.com", "attach_receipt": True},
        VIP,
    )
    payment = await paid(shop)
    jobs = {"nothing": [], "told": [events.FAN_OUT], "executed": [events.FAN_OUT, workflows.EXECUTE]}
    for name in jobs.get(done, []):
        await do_all(shop.work, name)
    if done == "delivered":
        await shop.work.run()
    before = shop.outside.take()
    assert [("Adaline" in sent.body.decode()) for sent in before] == [True, True] * (done == "delivered")
    await erase(shop, payment["customer_id"])
    if done == "executed":  # what is written already is forgotten when messages are told
        await do_all(shop.work, events.FAN_OUT)
    await shop.work.run()
    await shop.work.run_for(days=1)
    for sent in shop.outside.take():
        assert not [word for word in WORDS if word in sent.body.decode()]
    assert await places_of(db, shop.merchant.org_id, WORDS) == set()
    (execution,) = await shop.executions()
    assert execution["status"] == ("failed" if done in ("nothing", "told") else "done")
    if done in ("nothing", "told"):
        assert [(each["status"], each["reason"]) for each in execution["actions"]] == [
            ("skipped", "no_customer"),
            ("skipped", "no_customer"),
            ("done", None),
            ("done", None),
            ("done", None),
            ("failed", "customer_deleted"),
        ]
    if done == "nothing":
        (letter,) = await shop.messages(channel="email")
        assert (letter["to"], letter["subject"]) == ("boss@example.com", "Paid")


async def test_of_a_customer_who_was_deleted_a_workflow_tells_our_id_and_nothing_else(
    db: Database, shop: Office
):
    """Even while a receiver of webhooks, who is told of the external_id, has not answered yet."""
    hook = {"url": "https://shop.example.com/hook"}
    created(await shop.merchant.test.post("/v1/webhooks/endpoints", json=hook))
    await shop.integration(**CHAT)
    await shop.integration(**RECEIVER)
    await shop.rule(
        "customer.deleted",
        {"type": "webhook"},
        {**NOTE, "body": f"{{{{ customer.id }}}} has left {ALL}"},
        {**LETTER, "to": "boss@example.com", "body": f"{ALL} has left"},
        conditions={"customer_tags_none": ["x"]},
    )
    customer = await shop.merchant.customer(**ADA)
    await shop.work.run()
    shop.outside.take()
    await erase(shop, customer["id"])
    await do_all(shop.work, events.FAN_OUT)
    assert await waiting(shop.work, "webhooks.deliver")
    await do_all(shop.work, workflows.EXECUTE)
    await do_all(shop.work, messages.DELIVER)
    called, noted = shop.outside.take()
    assert called.json["data"] == {"id": customer["id"], "customer": {"id": customer["id"]}}
    assert noted.json["text"].split() == [customer["id"], "has", "left"]
    await shop.work.run()
    (told,) = shop.outside.take()
    assert told.json["data"]["customer"]["external_id"] == ADA["external_id"]
    assert await places_of(db, shop.merchant.org_id, WORDS) == set()
    (execution,) = await shop.executions()
    assert {each["status"] for each in execution["actions"]} == {"done"}
    (letter,) = await shop.messages(channel="email")
    assert (letter["to"], letter["subject"], letter["text"].split()) == (
        "boss@example.com",
        "Hi",
        ["has", "left"],
    )
