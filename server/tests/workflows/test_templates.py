"""Templates: made, found, listed, changed, deleted."""

import asyncio
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Merchant, created, ok, refused
from tests.workflows.writing import EMAIL, NOBODYS, TEMPLATES, latest, preview, template


async def test_a_template_comes_back_as_it_was_written(merchant: Merchant):
    made = await template(merchant, name="Receipt", **EMAIL)
    assert made == {
        "id": made["id"],
        "org_id": merchant.org_id,
        "mode": "test",
        "name": "Receipt",
        **EMAIL,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert made["id"].startswith("tpl_")
    assert ok(await merchant.test.get(f"{TEMPLATES}/{made['id']}")) == made


@pytest.mark.parametrize(
    "parts",
    [
        {"channel": "email", "subject": "Hi", "text": "Paid."},
        {"channel": "email", "subject": "Hi", "html": "<p>Paid.</p>"},
        {"channel": "sms", "text": "Paid."},
        {"channel": "notification", "text": "Paid.", "html": None},
    ],
    ids=["text", "html", "sms", "notification"],
)
async def test_parts_that_a_channel_needs_not_are_null(merchant: Merchant, parts: dict[str, Any]):
    made = created(await merchant.test.post(TEMPLATES, json={"name": "Receipt", **parts}))
    none = dict.fromkeys(("subject", "text", "html"))
    assert {name: made[name] for name in (*none, "channel")} == {**none, **parts}


async def test_a_source_is_kept_to_the_last_blank_and_a_name_is_not(merchant: Merchant):
    source = "  {{ customer.name }}\r\n\tçok teşekkürler 🙏 \n"
    made = await template(merchant, name=" Receipt ", text=source)
    assert (made["name"], made["text"]) == ("Receipt", source)


async def test_templates_are_listed_newest_first_by_pages_and_by_channel(merchant: Merchant):
    made = [await template(merchant, **(EMAIL if number % 2 else {})) for number in range(5)]
    newest = made[::-1]
    rows, query = [], "limit=2&include_total=true"
    for number in range(3):
        page = ok(await merchant.test.get(f"{TEMPLATES}?{query}"))
        assert (page["total"], page["has_more"]) == (5, number < 2)
        rows += page["templates"]
        query = f"limit=2&include_total=true&cursor={page['next_cursor']}"
    assert rows == newest
    emails = ok(await merchant.test.get(f"{TEMPLATES}?channel=email&include_total=true"))
    assert emails["templates"] == [one for one in newest if one["channel"] == "email"]
    assert emails["total"] == 2
    assert ok(await merchant.test.get(f"{TEMPLATES}?channel=notification"))["templates"] == []
    assert ok(await merchant.test.get(f"{TEMPLATES}?offset=4"))["templates"] == made[:1]


async def test_only_what_is_given_changes(merchant: Merchant):
    made = await template(merchant, name="Receipt", **EMAIL)
    address = f"{TEMPLATES}/{made['id']}"
    changed = ok(await merchant.test.patch(address, json={"name": "Thanks", "subject": "Thank you"}))
    assert changed["updated_at"] > made["updated_at"]
    expected = {"name": "Thanks", "subject": "Thank you", "updated_at": changed["updated_at"]}
    assert changed == {**made, **expected} == ok(await merchant.test.get(address))


async def test_a_change_that_changes_nothing_writes_nothing(merchant: Merchant):
    made = await template(merchant, name="Receipt", **EMAIL)
    for body in ({}, {"name": "Receipt"}, {"text": "Paid.", "subject": EMAIL["subject"]}):
        assert ok(await merchant.test.patch(f"{TEMPLATES}/{made['id']}", json=body)) == made


async def test_null_takes_a_part_away_and_a_text_brings_it_back(merchant: Merchant):
    address = f"{TEMPLATES}/{(await template(merchant, **EMAIL))['id']}"
    assert ok(await merchant.test.patch(address, json={"html": None}))["html"] is None
    both = ok(await merchant.test.patch(address, json={"html": "<p>Again.</p>", "text": None}))
    assert (both["html"], both["text"]) == ("<p>Again.</p>", None)


async def test_a_deleted_template_is_gone_and_its_name_is_free(merchant: Merchant):
    made = await template(merchant, name="Receipt")
    address = f"{TEMPLATES}/{made['id']}"
    assert (await merchant.test.delete(address)).status_code == 204
    refused(await merchant.test.get(address), 404, "template_not_found")
    refused(await merchant.test.delete(address), 404, "template_not_found")
    assert ok(await merchant.test.get(TEMPLATES))["templates"] == []
    assert (await template(merchant, name="Receipt"))["id"] != made["id"]


async def test_a_name_is_taken_once_and_the_refusal_says_by_which(db: Database, merchant: Merchant):
    first = await template(merchant, name="Receipt")
    second = await template(merchant, name="Reminder")
    async with nothing_stored(db, merchant):
        body = {"name": "Receipt", **EMAIL}
        answer = refused(await merchant.test.post(TEMPLATES, json=body), 409, "template_name_taken")
        assert answer["details"] == {"template_id": first["id"]}
    renamed = await merchant.test.patch(f"{TEMPLATES}/{second['id']}", json={"name": "Receipt"})
    assert refused(renamed, 409, "template_name_taken")["details"] == {"template_id": first["id"]}
    assert ok(await merchant.test.get(f"{TEMPLATES}/{second['id']}")) == second
    assert (await template(merchant, name="receipt"))["name"] == "receipt", "names are compared as they are"


async def test_each_mode_and_each_organization_has_names_of_its_own(merchant: Merchant, other: Merchant):
    body = {"name": "Receipt", "channel": "sms", "text": "Paid."}
    for client in (merchant.test, merchant.live, other.test):
        assert created(await client.post(TEMPLATES, json=body))["name"] == "Receipt"


async def test_of_two_who_take_a_name_at_once_one_has_it(merchant: Merchant):
    spare = await template(merchant, name="Spare")

    async def takes(number: int) -> int:
        if number % 2:
            body = {"name": "Receipt", "channel": "sms", "text": f"{number}"}
            return (await merchant.test.post(TEMPLATES, json=body)).status_code
        return (await merchant.test.patch(f"{TEMPLATES}/{spare['id']}", json={"name": "Receipt"})).status_code

    statuses = await asyncio.gather(*(takes(number) for number in (1, 2, 3, 5)))
    rows = ok(await merchant.test.get(TEMPLATES))["templates"]
    assert [row["name"] for row in rows].count("Receipt") == 1
    assert [status for status in statuses if status < 300] in ([200], [201])
    assert sorted(statuses)[1:] == [409, 409, 409]


async def test_a_template_of_another_organization_or_mode_is_not_there(
    db: Database, merchant: Merchant, other: Merchant
):
    theirs = await template(other, name="Receipt")
    await merchant.payment()
    event = await latest(merchant, "payment.succeeded")
    for client, id in (
        (merchant.test, theirs["id"]),
        (other.live, theirs["id"]),
        (merchant.test, NOBODYS),
        (merchant.test, "tpl_1"),
    ):
        address = f"{TEMPLATES}/{id}"
        for answer in (
            await client.get(address),
            await client.patch(address, json={"text": "Hacked."}),
            await client.delete(address),
            await client.post(f"{address}/preview", json={"event_id": event["id"]}),
        ):
            refused(answer, 404, "template_not_found")
    assert ok(await other.test.get(f"{TEMPLATES}/{theirs['id']}")) == theirs
    assert ok(await other.live.get(TEMPLATES))["templates"] == []


async def test_what_is_asked_for_twice_with_one_key_is_made_once(merchant: Merchant):
    headers = {"Idempotency-Key": "template-1"}
    body = {"name": "Receipt", "channel": "sms", "text": "Paid."}
    first = await merchant.test.post(TEMPLATES, json=body, headers=headers)
    again = await merchant.test.post(TEMPLATES, json=body, headers=headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert len(ok(await merchant.test.get(TEMPLATES))["templates"]) == 1


async def test_a_preview_changes_nothing(db: Database, merchant: Merchant):
    made = await template(merchant, **EMAIL)
    await merchant.payment()
    event = await latest(merchant, "payment.succeeded")
    async with nothing_stored(db, merchant):
        assert (await preview(merchant, made["id"], event["id"])).status_code == 200
