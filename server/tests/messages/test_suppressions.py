"""`/v1/messages/suppressions`: who is not written to any more, known by a fingerprint and shown by a hint."""

import asyncio
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import created, ok, refused
from tests.messages.kept import everything_kept
from tests.messages.office import PUBLIC_URL, Office
from tests.messages.writing import ADA, PHONE, sender, sent, suppressions

PATH = "/v1/messages/suppressions"
NOBODYS = "sup_01jd8w3v5qe2rvkz6n0c4m8x7a"


async def suppress(shop: Office, address: str = ADA, **fields: Any) -> dict[str, Any]:
    channel = "email" if "@" in address else "sms"
    return created(
        await shop.merchant.test.post(PATH, json={"channel": channel, "address": address, **fields})
    )


@pytest.mark.parametrize(
    ("address", "hint"), [(ADA, "a***@example.com"), (PHONE, "+23350***67"), ("+6834002", "+6***02")]
)
async def test_of_an_address_a_hint_is_shown_and_kept_and_nothing_else(
    shop: Office, db: Database, address: str, hint: str
):
    body = {"channel": "email" if "@" in address else "sms", "address": address}
    answer = await shop.merchant.test.post(PATH, json=body, headers={"Idempotency-Key": "k"})
    made = created(answer)
    assert made == {
        "id": made["id"],
        "org_id": shop.merchant.org_id,
        "mode": "test",
        "channel": body["channel"],
        "hint": hint,
        "covers": "everything",
        "reason": "manual",
        "created_at": made["created_at"],
    }
    assert await suppressions(shop) == [made]
    assert address not in answer.text
    kept = await everything_kept(db, shop.merchant.org_id)
    assert address not in kept
    assert hint in kept


@pytest.mark.parametrize(("covers", "held_back"), [("everything", True), ("marketing", False)])
@pytest.mark.parametrize(("provider", "address"), [("resend", ADA), ("twilio", PHONE)])
async def test_what_it_covers_is_held_back(
    shop: Office, provider: str, address: str, covers: str, held_back: bool
):
    await sender(shop, provider)
    await suppress(shop, address, covers=covers)
    channel = "email" if "@" in address else "sms"
    offer = await sent(shop, channel=channel, purpose="marketing", recipient=address)
    assert (offer["status"], offer["reason"]) == ("suppressed", "manual")
    assert (offer["attempts"], offer["next_attempt_at"]) == ([], None)
    receipt = await sent(shop, channel=channel, recipient=address)
    assert (receipt["status"] == "suppressed") is held_back
    assert len(shop.outside.take()) == (not held_back)


async def test_it_is_found_by_its_address_in_any_case(shop: Office):
    made, _ = await suppress(shop, "Ada@Example.com"), await suppress(shop, "zoe@example.com")
    phone = await suppress(shop, PHONE)
    for spelling in (ADA, "ADA@EXAMPLE.COM", "Ada@Example.com"):
        assert await suppressions(shop, address=spelling) == [made]
        assert await suppressions(shop, address=spelling, channel="email") == [made]
        assert await suppressions(shop, address=spelling, channel="sms") == []
    assert await suppressions(shop, address=PHONE) == [phone]
    for nobody in ("nobody@example.com", "a***@example.com", "+233501234568", ""):
        assert await suppressions(shop, address=nobody) == []
    counted = ok(await shop.merchant.test.get(PATH, params={"address": ADA, "include_total": True}))
    assert counted["total"] == 1


async def test_they_are_listed_page_by_page_the_newest_first(shop: Office):
    made = [await suppress(shop, f"customer{number}@example.com") for number in range(5)]
    page = ok(await shop.merchant.test.get(PATH, params={"limit": 3, "include_total": True}))
    assert (page["suppressions"], page["total"]) == (made[:1:-1], 5)
    rest = ok(await shop.merchant.test.get(PATH, params={"limit": 3, "cursor": page["next_cursor"]}))
    assert (rest["suppressions"], rest["has_more"]) == (made[1::-1], False)


async def test_one_address_has_one_whoever_asks_at_once(shop: Office):
    made = await asyncio.gather(*(suppress(shop, address) for address in [ADA, "ADA@example.com"] * 3))
    assert len({one["id"] for one in made}) == 1
    assert len(await suppressions(shop)) == 1


async def test_it_grows_to_everything_and_never_back(shop: Office):
    first = await suppress(shop, covers="marketing")
    assert (await suppress(shop, covers="everything")) == {**first, "covers": "everything"}
    assert (await suppress(shop, covers="marketing")) == {**first, "covers": "everything"}


async def test_who_was_taken_off_is_written_to_again(shop: Office):
    await sender(shop, "resend")
    made = await suppress(shop)
    assert (await sent(shop))["status"] == "suppressed"
    assert (await shop.merchant.test.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert (await sent(shop))["status"] == "sent"
    refused(await shop.merchant.test.delete(f"{PATH}/{made['id']}"), 404, "suppression_not_found")


async def test_what_was_written_before_and_waits_is_held_back_too(shop: Office):
    integration = await sender(shop, "resend", enabled=False)
    id = (await sent(shop, integration_id=integration["id"]))["id"]
    await suppress(shop)
    path = f"/v1/workflows/integrations/{integration['id']}"
    ok(await shop.merchant.test.patch(path, json={"enabled": True}))
    await shop.work.run()
    message = ok(await shop.merchant.test.get(f"/v1/messages/{id}"))
    assert (message["status"], message["reason"]) == ("suppressed", "manual")
    assert shop.outside.take() == []


async def test_an_address_of_one_channel_and_organization_is_none_of_another(shop: Office, other):
    await sender(shop, "resend")
    for client in (other.test, shop.merchant.live):
        created(await client.post(PATH, json={"channel": "email", "address": ADA}))
    assert (await sent(shop))["status"] == "sent"
    made = await suppress(shop)
    for client in (other.test, shop.merchant.live):
        refused(await client.delete(f"{PATH}/{made['id']}"), 404, "suppression_not_found")
        assert made not in ok(await client.get(PATH))["suppressions"]
    refused(await shop.merchant.test.delete(f"{PATH}/{NOBODYS}"), 404, "suppression_not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channel": "email", "address": "nobody"}, "address"),
        ({"channel": "email", "address": "a@example.com, b@example.com"}, "address"),
        ({"channel": "email", "address": PHONE}, "address"),
        ({"channel": "sms", "address": ADA}, "address"),
        ({"channel": "sms", "address": "0501234567"}, "address"),
        ({"channel": "email", "address": ""}, "address"),
        ({"channel": "email", "address": 5}, "address"),
        ({"channel": "email"}, "address"),
        ({"channel": "notification", "address": ADA}, "channel"),
        ({"address": ADA}, "channel"),
        ({"channel": "email", "address": ADA, "covers": "nothing"}, "covers"),
        ({"channel": "email", "address": ADA, "reason": "bounced"}, "reason"),
    ],
)
async def test_what_names_no_address_is_refused(shop: Office, db: Database, body: dict[str, Any], field: str):
    async with nothing_stored(db, shop.merchant):
        answer = await shop.merchant.test.post(PATH, json=body)
        (fault,) = refused(answer, 400, "validation_error")["details"]["fields"]
    assert fault["field"] == field


async def test_each_reason_stands_by_itself_and_is_taken_back_by_itself(shop: Office):
    await sender(shop, "resend")
    await sent(shop, purpose="marketing")
    (request,) = shop.outside.take()
    link = request.json["headers"]["List-Unsubscribe"].strip("<>").removeprefix(PUBLIC_URL)
    assert (await shop.merchant.test.post(link)).status_code == 200
    made = await suppress(shop)
    reasons = [one["reason"] for one in await suppressions(shop, address=ADA)]
    assert sorted(reasons) == ["manual", "unsubscribed"]
    assert (await sent(shop))["reason"] == "manual"
    assert (await shop.merchant.test.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert (await sent(shop, purpose="marketing"))["reason"] == "unsubscribed"
    assert (await sent(shop))["status"] == "sent"
    assert (await shop.merchant.test.post(f"{link}/undo")).status_code == 200
    assert (await sent(shop, purpose="marketing"))["status"] == "sent"
    assert await suppressions(shop) == []
