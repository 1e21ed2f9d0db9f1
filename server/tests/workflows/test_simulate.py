"""What a rule would have done with past events: to whom, what it would have said, and why not. Nothing happens."""

import json
import time
from typing import Any

import pytest

from reevit_server.core.database import Database
from reevit_server.workflows import simulating
from tests.http.rows import nothing_stored
from tests.makers import Merchant, created, ok, refused
from tests.messages.office import Office
from tests.workflows.ruling import LETTER, NOTE, RULES, TEXT, VIP
from tests.workflows.writing import TEMPLATES

ADA = {"external_id": "usr_1", "name": "Ada", "email": "ada@example.com", "phone": "+233501234567"}
SAYS = {
    "type": "send_email",
    "subject": "Hi {{ customer.name }}",
    "body": "{{ payment.amount | money }}",
    "html": "<b>{{ customer.name }}</b>",
}


async def simulate(shop: Office, rule: dict[str, Any], **body: Any) -> dict[str, Any]:
    """The simulation, during which nothing may be stored, and after which nothing may be left to do."""
    await shop.work.run()
    async with nothing_stored(shop.work.tools.db, shop.merchant):
        answer = ok(await shop.merchant.test.post(f"{RULES}/{rule['id']}/simulate", json=body))
        assert await shop.work.queued() == []
    assert shop.outside.take() == []
    return answer


async def test_each_event_says_whether_it_matches_what_would_follow_and_why_not(shop: Office):
    chat = await shop.integration(provider="chat", credentials={"url": "https://chat.example.com/a"})
    rule = await shop.rule(
        "payment.succeeded",
        SAYS,
        TEXT,
        NOTE,
        VIP,
        enabled=False,
        conditions={"currencies": ["GHS"], "min_amount": 15000},
    )
    paid = await shop.merchant.payment(customer=ADA)
    await shop.merchant.payment(customer=ADA, amount=14999)
    await shop.merchant.payment(customer={"external_id": "usr_2"}, amount=15001)
    await shop.merchant.payment(amount=15002)
    await shop.merchant.payment(customer=ADA, metadata={"sandbox": "fail"})
    answer = await simulate(shop, rule)
    assert (answer["rule_id"], answer["events"], answer["matched"]) == (rule["id"], 4, 3)
    nobody, unknown, less, ada = answer["results"]
    events = ok(await shop.merchant.test.get("/v1/events?type=payment.succeeded"))["events"]
    assert [each["event_id"] for each in answer["results"]] == [event["id"] for event in events]
    assert {name: ada[name] for name in ada if name not in ("event_id", "actions")} == {
        "event_type": "payment.succeeded",
        "created_at": events[-1]["created_at"],
        "customer_id": paid["customer_id"],
        "matches": True,
        "reason": None,
    }
    empty = {
        "to": None,
        "subject": None,
        "text": None,
        "html": None,
        "segments": None,
        "integration_id": None,
    }
    email, sms, note, tag = ada["actions"]
    assert email == {
        **empty,
        "position": 0,
        "type": "send_email",
        "to": "ada@example.com",
        "subject": "Hi Ada",
        "text": "GHS\u00a0150.00",
        "html": "<b>Ada</b>",
        "not_sent": None,
    }
    assert (sms["to"], sms["text"], sms["segments"]) == ("+233501234567", "Paid.", 1)
    assert (note["to"], note["text"], note["integration_id"]) == (None, "Paid.", chat["id"])
    assert tag == {**empty, "position": 3, "type": "add_tag", "text": "vip", "not_sent": None}
    assert (less["matches"], less["actions"]) == (False, [])
    assert less["reason"] == "`min_amount` is not met: the amount is 14999."
    assert [each["not_sent"] for each in unknown["actions"]] == [
        "The customer has not given an e-mail address.",
        "The customer has not given a phone number.",
        None,
        None,
    ]
    no_customer = "The event is about no customer, or about one who was deleted."
    assert [each["not_sent"] for each in nobody["actions"]] == [no_customer, no_customer, None, no_customer]


async def test_the_latest_events_are_taken_and_as_many_as_asked_for(shop: Office):
    rule = await shop.rule("payment.succeeded", NOTE)
    for amount in (1, 2, 3):
        await shop.merchant.payment(amount=amount)
    events = ok(await shop.merchant.test.get("/v1/events?type=payment.succeeded"))["events"]
    for last, count in ((2, 2), (3, 3), (200, 3)):
        answer = await simulate(shop, rule, last=last)
        assert [each["event_id"] for each in answer["results"]] == [event["id"] for event in events[:count]]
        assert (answer["events"], answer["matched"]) == (count, count)
    assert len((await simulate(shop, rule))["results"]) == 3
    assert await simulate(shop, await shop.rule("invoice.paid", NOTE)) | {"rule_id": ""} == {
        "rule_id": "",
        "events": 0,
        "matched": 0,
        "results": [],
    }


@pytest.mark.parametrize(
    "body", [{"last": value} for value in (0, -1, 201, "5", 1.5, True, None)] + [{"first": 1}]
)
async def test_so_many_events_are_between_1_and_200(shop: Office, body: dict[str, Any]):
    rule = await shop.rule("payment.succeeded", NOTE)
    answer = await shop.merchant.test.post(f"{RULES}/{rule['id']}/simulate", json=body)
    refused(answer, 400, "validation_error")


async def test_who_is_not_written_to_any_more_is_told(shop: Office):
    rule = await shop.rule(
        "payment.succeeded", SAYS, {**SAYS, "purpose": "marketing"}, {**NOTE, "body": "Hi."}
    )
    await shop.merchant.payment(customer=ADA)
    body = {"channel": "email", "address": "ADA@example.com", "covers": "marketing"}
    created(await shop.merchant.test.post("/v1/messages/suppressions", json=body))
    (result,) = (await simulate(shop, rule))["results"]
    assert [each["not_sent"] for each in result["actions"]] == [None, "Suppressed: manual.", None]
    created(await shop.merchant.test.post("/v1/messages/suppressions", json={**body, "covers": "everything"}))
    (result,) = (await simulate(shop, rule))["results"]
    assert [each["not_sent"] for each in result["actions"]] == ["Suppressed: manual."] * 2 + [None]
    assert result["actions"][0]["subject"] == "Hi Ada", "what it would have said"


async def test_what_a_template_cannot_say_of_an_event_is_told_with_its_place(shop: Office):
    template = created(
        await shop.merchant.test.post(
            TEMPLATES,
            json={"name": "Due", "channel": "sms", "text": "Due\n{{ subscription.amount | money }}"},
        )
    )
    named = {"type": "send_sms", "template_id": template["id"]}
    empty = {**LETTER, "subject": "{{ payment.description }}"}
    rule = await shop.rule("payment.succeeded", named, empty, NOTE)
    await shop.merchant.payment(customer=ADA)
    (result,) = (await simulate(shop, rule))["results"]
    fails, blank, note = result["actions"]
    assert fails["not_sent"].startswith("`text`, line 2: money is of an amount")
    assert (fails["to"], fails["text"], fails["segments"]) == (ADA["phone"], None, None)
    assert blank["not_sent"] == "`subject` comes out empty with this event."
    assert (note["not_sent"], note["text"]) == (None, "Paid.")


async def test_a_call_and_a_link_are_shown_and_neither_does_anything(shop: Office):
    link = {**SAYS, "body": "{{ unsubscribe_url }}", "to": "boss@example.com"}
    rule = await shop.rule(
        "payment.succeeded", {"type": "webhook"}, link, {**NOTE, "body": "[{{ unsubscribe_url }}]"}
    )
    await shop.merchant.payment(customer=ADA)
    (result,) = (await simulate(shop, rule))["results"]
    call, letter, note = result["actions"]
    told = json.loads(call["text"])
    assert (told["id"], told["execution_id"]) == (result["event_id"], None)
    assert told["workflow"] == {"id": rule["id"], "name": rule["name"]}
    assert (letter["to"], letter["text"]) == ("boss@example.com", "https://example.com/unsubscribe/preview")
    assert note["text"] == "[]"


async def test_a_customer_is_the_one_of_then_and_who_was_erased_is_nobody(shop: Office):
    rule = await shop.rule("payment.succeeded", SAYS)
    payment = await shop.merchant.payment(customer=ADA)
    address = f"/v1/customers/{payment['customer_id']}"
    ok(await shop.merchant.test.patch(address, json={"name": "Ada L."}))
    (result,) = (await simulate(shop, rule))["results"]
    assert result["actions"][0]["subject"] == "Hi Ada"
    assert (await shop.merchant.test.delete(address)).status_code == 204
    (result,) = (await simulate(shop, rule))["results"]
    assert (result["customer_id"], result["matches"]) == (payment["customer_id"], True)
    assert result["actions"][0]["not_sent"] is not None
    assert "Ada" not in json.dumps(result)


async def test_a_lifetime_value_is_the_one_of_now(shop: Office):
    conditions = {"min_lifetime_value": {"amount": 200, "currency": "GHS"}}
    rule = await shop.rule("payment.succeeded", NOTE, conditions=conditions)
    await shop.merchant.payment(amount=100, customer=ADA)
    await shop.merchant.payment(amount=500)
    results = (await simulate(shop, rule))["results"]
    assert [each["reason"] for each in results] == [
        "`min_lifetime_value` is not met: the customer is worth nothing.",
        "`min_lifetime_value` is not met: the customer is worth 100 GHS.",
    ]
    await shop.merchant.payment(amount=100, customer=ADA)
    assert [each["matches"] for each in (await simulate(shop, rule))["results"]] == [True, False, True]


async def test_a_template_that_is_long_is_read_once_and_not_for_each_event(db: Database, merchant: Merchant):
    """To read one of these takes a quarter of a second; to write it, nothing."""
    source = "{% if false %}" + "{{ customer.name }}" * 2_500 + "{% endif %}Paid."
    actions = []
    for number in range(3):
        body = {"name": f"Long {number}", "channel": "email", "subject": "Hi", "text": f"{source}{number}"}
        template = created(await merchant.test.post(TEMPLATES, json=body))
        actions.append({"type": "send_email", "template_id": template["id"], "to": "boss@example.com"})
    body = {"name": "Long", "trigger": "payment.succeeded", "actions": actions}
    rule = created(await merchant.test.post(RULES, json=body))
    async with db.transaction() as conn:
        await conn.execute(
            """
            INSERT INTO events (org_id, mode, id, type, subject_id, data, created_at)
            SELECT $1, 'test', 'evt_' || lpad(n::text, 26, '0'), 'payment.succeeded', 'pay_1',
                   '{"amount": 2, "currency": "GHS"}', now()
            FROM generate_series(1, 20) AS n
            """,
            merchant.org_id,
        )
    begun = time.monotonic()
    answer = ok(await merchant.test.post(f"{RULES}/{rule['id']}/simulate", json={"last": 200}))
    assert time.monotonic() - begun < 4
    texts = [action["text"] for result in answer["results"] for action in result["actions"]]
    assert texts == [f"Paid.{number}" for number in range(3)] * 20


async def test_a_simulation_of_200_events_is_quick(db: Database, merchant: Merchant):
    body = {
        "name": "All",
        "trigger": "payment.succeeded",
        "actions": [SAYS, {**TEXT, "to": ADA["phone"]}, NOTE],
    }
    rule = created(await merchant.test.post(RULES, json=body))
    async with db.transaction() as conn:
        await conn.execute(
            """
            INSERT INTO events (org_id, mode, id, type, subject_id, data, created_at)
            SELECT $1, 'test', 'evt_' || lpad(n::text, 26, '0'), 'payment.succeeded', 'pay_1',
                   '{"amount": 2, "currency": "GHS", "customer": {"name": "Ada", "email": "ada@example.com"}}', now()
            FROM generate_series(1, 250) AS n
            """,
            merchant.org_id,
        )
    begun = time.monotonic()
    answer = ok(await merchant.test.post(f"{RULES}/{rule['id']}/simulate", json={"last": 200}))
    assert time.monotonic() - begun < 5
    assert (answer["events"], answer["matched"], len(answer["results"])) == (200, 200, 200)


async def test_what_takes_too_long_is_looked_at_with_fewer_events_but_with_one(shop: Office):
    rule = await shop.rule("payment.succeeded", NOTE)
    for amount in (1, 2, 3):
        await shop.merchant.payment(amount=amount)
    tools, scope = shop.work.tools, shop.merchant.scope
    some = await simulating.simulate(tools.db, scope, tools.sealer, id=rule["id"], last=3, seconds_max=-1)
    assert (some.events, some.matched, len(some.results)) == (1, 1, 1)
    every = await simulating.simulate(tools.db, scope, tools.sealer, id=rule["id"], last=3)
    assert (every.events, every.results[0]) == (3, some.results[0])
