"""Templates that are refused when they are saved, with every fault and its place; nothing of them is kept."""

import time
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Merchant, ok, refused
from tests.workflows.writing import EMAIL, TEMPLATES, template


def told(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The field and the code of each fault."""
    return [(fault["field"], fault["code"]) for fault in body["details"]["fields"]]


async def test_every_fault_is_told_at_once_with_its_part_and_its_place(db: Database, merchant: Merchant):
    body = {
        "name": "Receipt",
        "channel": "email",
        "subject": "Hi {{ custmer.name }}",
        "text": "Hi {{ customer.name }},\n\nyou paid {{ payment.amout | mony }}.",
        "html": "<p>\n{{ customer.name | shout }}\n</p>",
    }
    async with nothing_stored(db, merchant):
        answer = refused(await merchant.test.post(TEMPLATES, json=body), 400, "validation_error")
    assert answer["message"].startswith("`subject`, line 1, column 7: There is no `custmer` here")
    places = [
        (fault["field"], fault["code"], fault["message"].partition(":")[0])
        for fault in answer["details"]["fields"]
    ]
    assert places == [
        ("subject", "liquid", "Line 1, column 7"),
        ("text", "liquid", "Line 3, column 13"),
        ("text", "liquid", "Line 3, column 29"),
        ("html", "liquid", "Line 2, column 20"),
    ]


async def test_a_change_is_read_as_strictly_and_leaves_the_template_as_it_was(merchant: Merchant):
    made = await template(merchant, **EMAIL)
    address = f"{TEMPLATES}/{made['id']}"
    for part in ("subject", "text", "html"):
        answer = await merchant.test.patch(address, json={"name": "Other", part: "{{ custmer.name }}"})
        assert told(refused(answer, 400, "validation_error")) == [(part, "liquid")]
    assert ok(await merchant.test.get(address)) == made


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ customer.nmae }}", "`customer` has no `nmae`"),
        ("{{ customer.name.first }}{{ refund.id }}", "There is no `refund` here"),
        ("{{ payment.client_secret }}", "`payment` has no `client_secret`"),
        ("{{ organization.api_keys }}", "`organization` has no `api_keys`"),
        ("{{ customer.__class__ }}", "`customer` has no `__class__`"),
        ("{{ customer[payment.currency] }}", "has no"),
        ("{{ customer.name | shout }}", "There is no filter 'shout'"),
        ("{{ customer.name | }}", ""),
        ("{{ }}", ""),
        ("{{ customer.name", "never closed"),
        ("{% if customer.name %}", "endif"),
        ("{% raw %}", "never closed"),
        ("{% include 'receipt' %}", "include"),
        ("{% render 'receipt' %}", "render"),
        ("{% increment n %}", "increment"),
        ("{% cycle 'a', 'b' %}", "cycle"),
        ("{% tablerow i in (1..9) %}{% endtablerow %}", "tablerow"),
        ("{% liquid assign a = 1 %}", "liquid"),
    ],
    ids=lambda text: text[:40],
)
async def test_what_a_template_cannot_say_is_refused(
    db: Database, merchant: Merchant, source: str, says: str
):
    async with nothing_stored(db, merchant):
        body = {"name": "Receipt", "channel": "sms", "text": source}
        answer = refused(await merchant.test.post(TEMPLATES, json=body), 400, "validation_error")
    assert told(answer) == [("text", "liquid")]
    assert says in answer["message"]


@pytest.mark.parametrize(
    "source",
    [
        "{{" * 25_000,
        "{%" * 25_000,
        "{{" + " " * 49_000 + "}}",
        "{%" + " " * 49_000 + "%}",
        "{% raw %}" * 5_500,
        "{% doc %}" * 5_500,
        "{% comment %}" * 3_800,
        "{% if 1 %}" * 5_000,
        "{% if 1 %}" * 2_000 + "{% endif %}" * 2_000,
        "{% if " + "(" * 20_000 + "1" + ")" * 20_000 + " %}x{% endif %}",
        "{% if 1" + " or 1" * 9_000 + " %}x{% endif %}",
        "{{ " + "9" * 49_000 + " }}",
        "{{ payment.metadata" + "['a']" * 9_000 + " }}",
        "{{ customer.name" + " | upcase" * 5_000 + " }}",
    ],
    ids=lambda source: source[:20],
)
async def test_what_would_take_long_to_read_is_refused_before_it_does(merchant: Merchant, source: str):
    """Others wait for as long as the server reads this: without a limit some of these take it minutes."""
    body = {"name": "Receipt", "channel": "sms", "text": source}
    begun = time.monotonic()
    answer = refused(await merchant.test.post(TEMPLATES, json=body), 400, "validation_error")
    assert time.monotonic() - begun < 5
    assert told(answer) == [("text", "liquid")]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"channel": "email", "text": "Paid."}, "`subject`"),
        ({"channel": "email", "subject": "Hi"}, "`text`, `html` or both"),
        ({"channel": "sms"}, "`text`"),
        ({"channel": "sms", "text": "Paid.", "subject": "Hi"}, "nothing else"),
        ({"channel": "sms", "text": "Paid.", "html": "<p>Paid.</p>"}, "nothing else"),
        ({"channel": "notification", "html": "<p>Paid.</p>"}, "nothing else"),
        ({"channel": "notification", "text": None}, "`text`"),
    ],
    ids=repr,
)
async def test_a_template_has_the_parts_of_its_channel(
    db: Database, merchant: Merchant, parts: dict[str, Any], says: str
):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post(TEMPLATES, json={"name": "Receipt", **parts})
        assert says in refused(answer, 400, "validation_error")["message"]


@pytest.mark.parametrize(
    ("made", "patch"),
    [
        (EMAIL, {"subject": None}),
        (EMAIL, {"text": None, "html": None}),
        ({}, {"text": None}),
        ({}, {"subject": "Hi"}),
        ({}, {"html": "<p>Paid.</p>"}),
        ({"channel": "notification"}, {"text": None, "html": "<p>Paid.</p>"}),
    ],
    ids=repr,
)
async def test_a_change_leaves_a_template_the_parts_of_its_channel(
    merchant: Merchant, made: dict[str, Any], patch: dict[str, Any]
):
    stored = await template(merchant, **made)
    address = f"{TEMPLATES}/{stored['id']}"
    answer = refused(await merchant.test.patch(address, json=patch), 400, "validation_error")
    assert told(answer) == [("", "missing_part")]
    assert ok(await merchant.test.get(address)) == stored


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", value) for value in ("", "x" * 201, "a\nb", "\u200b", 7, None)),
        *(("channel", value) for value in ("fax", "", "SMS", None, 7)),
        *(("text", value) for value in ("", "x" * 50_001, 7, ["Paid."])),
        ("template", "x"),
        ("id", "tpl_1"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_field_of_a_new_template_is_what_it_says(
    db: Database, merchant: Merchant, field: str, value: object
):
    body = {"name": "Receipt", "channel": "sms", "text": "Paid.", field: value}
    async with nothing_stored(db, merchant):
        answer = refused(await merchant.test.post(TEMPLATES, json=body), 400, "validation_error")
    assert [fault["field"] for fault in answer["details"]["fields"]] == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", value) for value in ("", "x" * 201, "a\nb", 7, None)),
        *(("subject", value) for value in ("", "x" * 1_001, 7)),
        *(("html", value) for value in ("", "x" * 50_001, 7)),
        ("channel", "sms"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_field_of_a_change_is_what_it_says(merchant: Merchant, field: str, value: object):
    made = await template(merchant, **EMAIL)
    address = f"{TEMPLATES}/{made['id']}"
    answer = refused(await merchant.test.patch(address, json={field: value}), 400, "validation_error")
    assert [fault["field"] for fault in answer["details"]["fields"]] == [field]
    assert ok(await merchant.test.get(address)) == made


@pytest.mark.parametrize("query", ["channel=fax", "channel=", "name=Receipt", "limit=0", "cursor=x"])
async def test_a_filter_is_what_it_says(merchant: Merchant, query: str):
    answer = await merchant.test.get(f"{TEMPLATES}?{query}")
    refused(answer, 400, "invalid_cursor" if query == "cursor=x" else "validation_error")


@pytest.mark.parametrize("body", [{}, {"event_id": None}, {"event_id": 7}, {"event_id": ""}, {"last": 1}])
async def test_a_preview_is_of_one_event(merchant: Merchant, body: dict[str, Any]):
    made = await template(merchant)
    answer = await merchant.test.post(f"{TEMPLATES}/{made['id']}/preview", json=body)
    refused(answer, 400, "validation_error")
