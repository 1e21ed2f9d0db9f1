"""Rules that are refused when they are saved: everything that could never work, with its place; nothing is kept."""

from typing import Any

import pytest

from reevit_server import events
from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Merchant, created, refused
from tests.workflows.ruling import LETTER, NOTE, RULES, TEXT, VIP, faults, get, rule, written
from tests.workflows.writing import EMAIL, NOBODYS, template

DISABLED = "webhook_endpoint.disabled"
NO_INTEGRATION = "itg_01jd8w3v5qe2rvkz6n0c4m8x7a"
ACTIONS = "send_email, send_sms, send_notification, webhook, add_tag, remove_tag"


@pytest.mark.parametrize(
    "trigger", ["payment.exploded", "payment.*", "*", "webhook.test", "", "Payment.failed"]
)
async def test_of_an_unknown_trigger_it_is_said_which_there_are(
    db: Database, merchant: Merchant, trigger: str
):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json=written(trigger=trigger))
    assert faults(answer) == [("trigger", "value_error")]
    assert all(type in answer.json()["message"] for type in events.TYPES)


@pytest.mark.parametrize(
    ("conditions", "place"),
    [
        ({"max_ammount": 1}, "max_ammount"),
        ({"tags": ["vip"]}, "tags"),
        ({"currencies": ["ghs"]}, "currencies.0"),
        ({"currencies": ["GHS", "ZZZ"]}, "currencies.1"),
        ({"currencies": "GHS"}, "currencies"),
        ({"countries": ["gh"]}, "countries.0"),
        ({"countries": ["ZZ"]}, "countries.0"),
        ({"methods": ["card\n"]}, "methods.0"),
        ({"min_amount": 1}, "min_amount"),
        ({"max_amount": 1}, "max_amount"),
        ({"currencies": ["GHS", "XOF"], "min_amount": 1}, "min_amount"),
        ({"currencies": ["GHS", "GHS"], "max_amount": 1}, "max_amount"),
        ({"currencies": ["GHS"], "min_amount": 5, "max_amount": 4}, "max_amount"),
        ({"currencies": ["GHS"], "min_amount": -1}, "min_amount"),
        ({"currencies": ["GHS"], "min_amount": 10**12}, "min_amount"),
        ({"currencies": ["GHS"], "min_amount": 1.5}, "min_amount"),
        ({"currencies": ["GHS"], "min_amount": True}, "min_amount"),
        ({"currencies": ["GHS"], "min_amount": "5"}, "min_amount"),
        ({"customer_tags_any": ["\u200b"]}, "customer_tags_any.0"),
        ({"customer_tags_all": ["x" * 65]}, "customer_tags_all.0"),
        ({"customer_tags_none": [7]}, "customer_tags_none.0"),
        ({"customer_ids": [""]}, "customer_ids.0"),
        ({"customer_ids": ["x" * 256]}, "customer_ids.0"),
        ({"customer_ids": [f"usr_{number}" for number in range(101)]}, "customer_ids"),
        ({"metadata_match": {}}, "metadata_match"),
        ({"metadata_match": {f"k{number}": 1 for number in range(21)}}, "metadata_match"),
        ({"metadata_match": {"plan": None}}, "metadata_match.plan"),
        ({"metadata_match": {"plan": ["pro"]}}, "metadata_match.plan"),
        ({"metadata_match": {"plan": "x" * 501}}, "metadata_match.plan"),
        ({"min_lifetime_value": 5}, "min_lifetime_value"),
        ({"min_lifetime_value": {"amount": 5}}, "min_lifetime_value.currency"),
        ({"min_lifetime_value": {"amount": 0, "currency": "GHS"}}, "min_lifetime_value.amount"),
        ({"min_lifetime_value": {"amount": 1.0, "currency": "GHS"}}, "min_lifetime_value.amount"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_condition_that_nothing_could_meet_is_refused_with_its_place(
    db: Database, merchant: Merchant, conditions: dict[str, Any], place: str
):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json=written(conditions=conditions))
    assert [field for field, _ in faults(answer)] == [f"conditions.{place}"]


async def test_no_list_of_conditions_is_empty(merchant: Merchant):
    lists = ("currencies", "countries", "methods", "customer_ids")
    lists += ("customer_tags_any", "customer_tags_all", "customer_tags_none", "customer_tags_added")
    answer = await merchant.test.post(RULES, json=written(conditions={name: [] for name in lists}))
    assert {field for field, _ in faults(answer)} == {f"conditions.{name}" for name in lists}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"type": "send_fax"}, [("", "value_error")]),
        ({"tag": "vip"}, [("", "value_error")]),
        ({"type": ["add_tag"], "tag": "vip"}, [("", "value_error")]),
        ("add_tag", [("", "value_error")]),
        ({"type": "add_tag"}, [("tag", "required")]),
        ({"type": "add_tag", "tag": ""}, [("tag", "string_too_short")]),
        ({"type": "remove_tag", "tag": "a\nb"}, [("tag", "value_error")]),
        ({**VIP, "to": "ama@example.com"}, [("to", "unknown_field")]),
        ({"type": "webhook", "url": "https://example.com"}, [("url", "unknown_field")]),
        ({**NOTE, "to": "ama@example.com"}, [("to", "unknown_field")]),
        ({"type": "send_email"}, [("subject", "required"), ("body", "required")]),
        ({"type": "send_email", "body": "Paid."}, [("subject", "required")]),
        ({"type": "send_email", "subject": "Hi"}, [("body", "required")]),
        ({"type": "send_sms"}, [("body", "required")]),
        ({"type": "send_notification", "body": None}, [("body", "required")]),
        ({**TEXT, "subject": "Hi"}, [("subject", "unknown_field")]),
        ({**TEXT, "html": "<p>Paid.</p>"}, [("html", "unknown_field")]),
        ({**TEXT, "attach_receipt": True}, [("attach_receipt", "unknown_field")]),
        ({**LETTER, "attach_receipt": 1}, [("attach_receipt", "bool_type")]),
        ({**LETTER, "purpose": "spam"}, [("purpose", "literal_error")]),
        ({**LETTER, "subject": "x" * 1001}, [("subject", "string_too_long")]),
        ({**LETTER, "body": ""}, [("body", "string_too_short")]),
        ({**TEXT, "integration_id": NO_INTEGRATION}, [("integration_id", "integration_not_found")]),
        ({"type": "webhook", "integration_id": "itg_1"}, [("integration_id", "integration_not_found")]),
        ({"type": "send_sms", "template_id": NOBODYS}, [("template_id", "template_not_found")]),
        ({"type": "send_sms", "template_id": ""}, [("template_id", "template_not_found")]),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_action_that_could_not_be_done_is_refused_with_its_place(
    db: Database, merchant: Merchant, action: Any, expected: list[tuple[str, str]]
):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json=written(VIP, action))
    assert faults(answer) == [(f"actions.1.{field}".rstrip("."), code) for field, code in expected]


async def test_of_an_unknown_action_it_is_said_which_there_are(merchant: Merchant):
    answer = await merchant.test.post(RULES, json=written({"type": "send_fax"}))
    assert ACTIONS in refused(answer, 400, "validation_error")["message"]


async def test_a_rule_does_one_to_ten_things(merchant: Merchant):
    for count, code in ((0, "too_short"), (11, "too_long")):
        answer = await merchant.test.post(RULES, json={**written(), "actions": [VIP] * count})
        assert faults(answer) == [("actions", code)]
    created(await merchant.test.post(RULES, json={**written(), "actions": [VIP] * 10}))


async def test_what_is_no_liquid_is_told_with_its_line_and_column(db: Database, merchant: Merchant):
    letter = {
        "type": "send_email",
        "subject": "Hi {{ custmer.name }}",
        "body": "Hi,\n  {{ payment.amout | mony }}",
        "html": "{% include 'x' %}",
    }
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json=written(VIP, letter))
    told = refused(answer, 400, "validation_error")
    assert told["message"].startswith("`actions.1.subject`: Line 1, column 7: There is no `custmer` here")
    assert [
        (fault["field"], fault["code"], fault["message"].partition(":")[0])
        for fault in told["details"]["fields"]
    ] == [
        ("actions.1.subject", "liquid", "Line 1, column 7"),
        ("actions.1.body", "liquid", "Line 2, column 6"),
        ("actions.1.body", "liquid", "Line 2, column 22"),
        ("actions.1.html", "liquid", "Line 1, column 4"),
    ]


async def test_a_template_says_all_of_a_message_or_nothing(merchant: Merchant):
    made = await template(merchant, **EMAIL)
    action = {**LETTER, "html": "<p>Paid.</p>", "template_id": made["id"]}
    answer = await merchant.test.post(RULES, json=written(action))
    assert faults(answer) == [(f"actions.0.{part}", "too_much") for part in ("subject", "body", "html")]


async def test_a_template_and_an_integration_are_of_the_channel_that_names_them(merchant: Merchant):
    sms = await template(merchant)
    email = await template(merchant, **EMAIL)
    chat = created(
        await merchant.test.post(
            "/v1/workflows/integrations",
            json={
                "name": "Sales",
                "provider": "chat",
                "credentials": {"url": "https://chat.example.com/hooks/a"},
            },
        )
    )
    answer = await merchant.test.post(
        RULES,
        json=written(
            {"type": "send_email", "template_id": sms["id"]},
            {"type": "send_sms", "template_id": email["id"]},
            {"type": "send_notification", "template_id": sms["id"]},
            {**TEXT, "integration_id": chat["id"]},
        ),
    )
    assert faults(answer) == [
        ("actions.0.template_id", "template_not_found"),
        ("actions.1.template_id", "template_not_found"),
        ("actions.2.template_id", "template_not_found"),
        ("actions.3.integration_id", "integration_not_found"),
    ]
    good = {**NOTE, "integration_id": chat["id"]}
    assert (await rule(merchant, good))["actions"] == [good]


async def test_another_organizations_template_and_integration_are_not_there(
    merchant: Merchant, other: Merchant
):
    theirs = await template(other)
    answer = await merchant.test.post(RULES, json=written({"type": "send_sms", "template_id": theirs["id"]}))
    assert faults(answer) == [("actions.0.template_id", "template_not_found")]
    answer = await other.live.post(RULES, json=written({"type": "send_sms", "template_id": theirs["id"]}))
    assert faults(answer) == [("actions.0.template_id", "template_not_found")]


@pytest.mark.parametrize(
    "to",
    [
        "a@x.com, b@x.com",
        "a@x.com;b@x.com",
        "a@x.com b@x.com",
        "Ada <a@x.com>",
        "<a@x.com>",
        "a@x.com\r\nBcc: b@x.com",
        "a@x.com\n",
        "a@x.com\u2028b@x.com",
        "a\x01@x.com",
        "a@x.com (b@x.com)",
        "{{ customer.email }}",
        "a@",
        "",
        7,
        ["a@x.com"],
    ],
    ids=repr,
)
async def test_a_letter_goes_to_one_address(db: Database, merchant: Merchant, to: Any):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json=written({**LETTER, "to": to}))
    assert [field for field, _ in faults(answer)] == ["actions.0.to"]


@pytest.mark.parametrize(
    "to",
    ["+233501234567,+233501234568", "0501234567", "+233501234567\r\n", "+2335", "a@x.com", "", 233501234567],
)
async def test_an_sms_goes_to_one_number(db: Database, merchant: Merchant, to: Any):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json=written({**TEXT, "to": to}))
    assert [field for field, _ in faults(answer)] == ["actions.0.to"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("subject", {**LETTER, "subject": "Hi\0"}),
        ("body", {**TEXT, "body": "Paid.\0"}),
        ("to", {**LETTER, "to": "a@x.com\0"}),
        ("tag", {**VIP, "tag": "v\0ip"}),
    ],
    ids=["subject", "body", "to", "tag"],
)
async def test_a_nul_is_refused_before_anybody_reads_it(
    db: Database, merchant: Merchant, field: str, body: dict[str, Any]
):
    async with nothing_stored(db, merchant):
        refused(await merchant.test.post(RULES, json=written(body)), 400, "malformed_json")


async def test_a_receipt_goes_with_payments_that_succeeded_and_no_other_event(merchant: Merchant):
    letter = {**LETTER, "attach_receipt": True}
    for trigger in events.TYPES:
        answer = await merchant.test.post(RULES, json=written(letter, trigger=trigger))
        if trigger in ("payment.succeeded", "payment.refunded"):
            created(answer)
        else:
            assert ("actions.0.attach_receipt", "no_receipt") in faults(answer)


@pytest.mark.parametrize("trigger", [DISABLED, "customer.deleted"])
async def test_of_an_event_about_nobody_who_is_there_none_is_tagged_and_the_address_is_given(
    merchant: Merchant, trigger: str
):
    letter, text = {**LETTER, "subject": "Gone"}, {**TEXT, "body": "Off."}
    answer = await merchant.test.post(RULES, json=written(VIP, letter, text, trigger=trigger))
    assert faults(answer) == [
        ("actions.0.type", "no_customer"),
        ("actions.1.to", "no_customer"),
        ("actions.2.to", "no_customer"),
    ]
    named = [{**letter, "to": "ama@example.com"}, {**text, "to": "+233501234567"}, NOTE, {"type": "webhook"}]
    assert (await rule(merchant, *named, trigger=trigger))["actions"] == named


async def test_what_is_written_for_one_kind_of_event_names_what_that_is_about(merchant: Merchant):
    """A template may serve several, and name what only some of them have."""
    source = "{{ invoice.number }}{{ customer.name }}{{ organization.name }}{{ event.id }}"
    for trigger, known in (("invoice.paid", True), ("payment.failed", False), ("customer.updated", False)):
        answer = await merchant.test.post(RULES, json=written({**NOTE, "body": source}, trigger=trigger))
        if known:
            address = f"{RULES}/{created(answer)['id']}"
            changed = await merchant.test.patch(address, json={"trigger": "payment.failed"})
            assert faults(changed) == [("actions.0.body", "liquid")]
        else:
            assert faults(answer) == [("actions.0.body", "liquid")]
    made = await template(merchant, channel="notification", text=source)
    await rule(merchant, {"type": "send_notification", "template_id": made["id"]}, trigger="payment.failed")


async def test_everything_that_is_wrong_is_told_at_once(db: Database, merchant: Merchant):
    bad = [
        {"type": "send_email", "subject": "{{ x }}", "template_id": NOBODYS},
        {"type": "send_sms", "body": "{{ y }}", "integration_id": NO_INTEGRATION},
        {"type": "send_notification"},
        {**LETTER, "attach_receipt": True},
    ]
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json=written(*bad, trigger="payment.failed"))
    assert faults(answer) == [
        ("actions.0.subject", "too_much"),
        ("actions.0.template_id", "template_not_found"),
        ("actions.1.body", "liquid"),
        ("actions.1.integration_id", "integration_not_found"),
        ("actions.2.body", "required"),
        ("actions.3.attach_receipt", "no_receipt"),
    ]
    body = {
        "name": "",
        "trigger": "x",
        "conditions": {"min_amount": 1},
        "actions": [{**VIP, "tag": 7}, {**TEXT, "to": "x"}],
        "priority": 1001,
        "enabled": "yes",
        "when": "noon",
    }
    places = [field for field, _ in faults(await merchant.test.post(RULES, json=body))]
    expected = ["name", "trigger", "conditions.min_amount", "actions.0.tag", "actions.1.to"]
    assert places == [*expected, "priority", "enabled", "when"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", value) for value in ("", "x" * 201, "a\nb", "\u200b", 7, None)),
        *(("trigger", value) for value in (7, None, ["payment.failed"])),
        *(("conditions", value) for value in (None, [], "x")),
        *(("actions", value) for value in (None, {}, "x")),
        *(("priority", value) for value in (1001, -1001, 1.5, True, "1", None)),
        *(("enabled", value) for value in ("true", 1, None)),
        ("id", "wfr_1"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_field_of_a_rule_is_what_it_says_when_it_is_made_and_when_it_is_changed(
    db: Database, merchant: Merchant, field: str, value: Any
):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(RULES, json={**written(), field: value})
        assert [place for place, _ in faults(answer)] == [field]
    made = await rule(merchant)
    answer = await merchant.test.patch(f"{RULES}/{made['id']}", json={field: value})
    assert [place for place, _ in faults(answer)] == [field]
    assert await get(merchant, made["id"]) == made


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"actions": [TEXT, {**TEXT, "body": "{{ x }}"}]}, [("actions.1.body", "liquid")]),
        ({"actions": []}, [("actions", "too_short")]),
        ({"trigger": "payment.failed"}, [("actions.0.attach_receipt", "no_receipt")]),
        ({"actions": [{**NOTE, "body": "{{ invoice.number }}"}]}, [("actions.0.body", "liquid")]),
        (
            {"trigger": DISABLED},
            [
                ("actions.0.to", "no_customer"),
                ("actions.0.attach_receipt", "no_receipt"),
                ("actions.1.type", "no_customer"),
            ],
        ),
        ({"conditions": {"min_amount": 5}}, [("conditions.min_amount", "value_error")]),
        ({"conditions": {"max_ammount": 5}}, [("conditions.max_ammount", "unknown_field")]),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_change_is_read_as_strictly_and_leaves_the_rule_as_it_was(
    merchant: Merchant, patch: dict[str, Any], expected: list[tuple[str, str]]
):
    made = await rule(merchant, {**LETTER, "attach_receipt": True}, VIP)
    answer = await merchant.test.patch(f"{RULES}/{made['id']}", json={"name": "Other", **patch})
    assert faults(answer) == expected
    assert await get(merchant, made["id"]) == made
