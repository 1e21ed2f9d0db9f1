"""Who sends for a merchant: named, listed, changed, switched off and deleted, and what becomes of what waits."""

import asyncio
from typing import Any

import pytest

from reevit_server.core.database import Database
from reevit_server.messages.models import INTEGRATIONS_MAX
from tests.http.rows import nothing_stored
from tests.makers import Api, created, ok, refused
from tests.messages.office import FROM, INTEGRATIONS, Office
from tests.messages.writing import ACCOUNTS, found, jobs, later, sender, sent, write

CHANNELS = {
    "smtp": "email",
    "resend": "email",
    "sendgrid": "email",
    "twilio": "sms",
    "africas_talking": "sms",
    "hubtel": "sms",
    "chat": "notification",
    "webhook": "webhook",
}
NOBODYS = "itg_01jd8w3v5qe2rvkz6n0c4m8x7a"


async def patch(shop: Office, integration: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{integration['id']}", json=fields))


async def delete(shop: Office, integration: dict[str, Any]) -> None:
    assert (await shop.merchant.test.delete(f"{INTEGRATIONS}/{integration['id']}")).status_code == 204


def faults(body: dict[str, Any]) -> dict[str, str]:
    return {fault["field"]: fault["message"] for fault in body["details"]["fields"]}


@pytest.mark.parametrize("provider", ACCOUNTS)
async def test_it_says_all_of_itself_but_its_credentials(shop: Office, provider: str):
    made = await sender(shop, provider, name="Ours")
    email = CHANNELS[provider] == "email"
    assert made == {
        "id": made["id"],
        "org_id": shop.merchant.org_id,
        "mode": "test",
        "name": "Ours",
        "channel": CHANNELS[provider],
        "provider": provider,
        "from_address": FROM if email else None,
        "from_name": None,
        "reply_to": None,
        "enabled": True,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert ok(await shop.merchant.test.get(f"{INTEGRATIONS}/{made['id']}")) == made
    assert ok(await shop.merchant.test.get(INTEGRATIONS))["integrations"] == [made]


async def test_they_are_listed_the_newest_first_and_by_channel(shop: Office):
    made = [await sender(shop, provider) for provider in ACCOUNTS]
    assert ok(await shop.merchant.test.get(INTEGRATIONS))["integrations"] == made[::-1]
    page = ok(
        await shop.merchant.test.get(
            INTEGRATIONS, params={"channel": "sms", "limit": 2, "include_total": True}
        )
    )
    assert [one["provider"] for one in page["integrations"]] == ["hubtel", "africas_talking"]
    assert (page["total"], page["has_more"]) == (3, True)
    rest = {"channel": "sms", "limit": 2, "cursor": page["next_cursor"]}
    last = ok(await shop.merchant.test.get(INTEGRATIONS, params=rest))
    assert [one["provider"] for one in last["integrations"]] == ["twilio"]
    refused(await shop.merchant.test.get(INTEGRATIONS, params={"channel": "fax"}), 400, "validation_error")


@pytest.mark.parametrize(
    ("provider", "credentials", "named"),
    [
        ("smtp", {}, ["host"]),
        ("smtp", {"port": 25, "user": "ama"}, ["host", "user"]),
        ("smtp", {"host": 1, "port": "25", "password": True}, ["host", "password", "port"]),
        (
            "smtp",
            {"host": "a b", "port": 0, "security": "ssl", "username": "ama"},
            ["host", "password", "port", "security"],
        ),
        ("smtp", {"host": ["mail.test"]}, ["host"]),
        ("resend", {"api_key": ""}, ["api_key"]),
        ("resend", {"api_key": None}, ["api_key"]),
        ("sendgrid", {"api_key": "two words"}, ["api_key"]),
        ("twilio", {"sender": "x"}, ["account_sid", "auth_token"]),
        (
            "twilio",
            {"account_sid": "AC1", "auth_token": "\n", "sender": ""},
            ["account_sid", "auth_token", "sender"],
        ),
        ("africas_talking", {"username": "", "api_key": ""}, ["api_key", "username"]),
        ("hubtel", {"client_id": "a:b", "client_secret": "s", "sender": "é"}, ["client_id", "sender"]),
        ("chat", {"url": "ftp://chat.example.com/x"}, ["url"]),
        ("webhook", {"url": "https://u:p@shop.example.com/", "secret": "hunter2"}, ["secret", "url"]),
    ],
)
async def test_every_fault_of_its_credentials_is_named_at_once(
    shop: Office, db: Database, provider: str, credentials: dict[str, Any], named: list[str]
):
    fields = {"name": "Ours", "provider": provider, "credentials": credentials}
    if CHANNELS[provider] == "email":
        fields["from_address"] = FROM
    async with nothing_stored(db, shop.merchant):
        body = refused(await shop.merchant.test.post(INTEGRATIONS, json=fields), 400, "validation_error")
    assert sorted(faults(body)) == [f"credentials.{name}" for name in named]
    for value in credentials.values():
        if isinstance(value, str) and len(value) > 4:
            assert value not in str(body["details"]), "what is refused may be a secret all the same"


async def test_a_change_of_credentials_is_checked_as_new_ones_are(shop: Office):
    made = await sender(shop, "twilio")
    for credentials in ({}, {"account_sid": "AC1", "auth_token": "t", "sender": "x"}, {"api_key": "re_1"}):
        body = refused(
            await shop.merchant.test.patch(f"{INTEGRATIONS}/{made['id']}", json={"credentials": credentials}),
            400,
            "validation_error",
        )
        assert all(field.startswith("credentials.") for field in faults(body))
    for fields in ({"credentials": None}, {"name": None}, {"enabled": None}, {"from_address": None}):
        refused(
            await shop.merchant.test.patch(f"{INTEGRATIONS}/{made['id']}", json=fields),
            400,
            "validation_error",
        )


async def test_a_provider_that_is_not_known_is_refused_and_those_that_are_get_named(shop: Office):
    for provider in ("pigeon", "SMTP", "credentials"):
        body = refused(
            await shop.merchant.test.post(
                INTEGRATIONS, json={"name": "Ours", "provider": provider, "credentials": {"a": "b"}}
            ),
            400,
            "validation_error",
        )
        (told,) = faults(body).items()
        assert told[0] == "provider"
        assert all(known in told[1] for known in ACCOUNTS)
    made = await sender(shop, "resend")
    answer = await shop.merchant.test.patch(f"{INTEGRATIONS}/{made['id']}", json={"provider": "smtp"})
    assert list(faults(refused(answer, 400, "validation_error"))) == ["provider"]


@pytest.mark.parametrize(
    ("provider", "fields", "named"),
    [
        ("resend", {"from_address": None}, ["from_address"]),
        ("resend", {"from_address": "Ama <ama@example.com>"}, ["from_address"]),
        ("resend", {"from_address": "a@example.com, b@example.com"}, ["from_address"]),
        ("resend", {"from_address": "a@example.com\r\nBcc: b@example.com"}, ["from_address"]),
        ("resend", {"from_name": "Ama\r\nBcc: b@example.com"}, ["from_name"]),
        ("resend", {"reply_to": "nobody"}, ["reply_to"]),
        ("twilio", {"from_address": FROM}, ["from_address"]),
        ("chat", {"from_name": "Ama", "reply_to": FROM}, ["from_name", "reply_to"]),
    ],
)
async def test_an_email_is_from_one_address_and_nothing_else_has_any(
    shop: Office, provider: str, fields: dict[str, Any], named: list[str]
):
    body = {"name": "Ours", "provider": provider, **ACCOUNTS[provider], **fields}
    answer = await shop.merchant.test.post(INTEGRATIONS, json=body)
    assert sorted(faults(refused(answer, 400, "validation_error"))) == named


async def test_a_name_is_taken_until_its_integration_is_deleted(shop: Office):
    first, second = await sender(shop, "resend", name="Ours"), await sender(shop, "chat", name="Theirs")
    body = {"name": "Ours", "provider": "chat", **ACCOUNTS["chat"]}
    conflict = refused(await shop.merchant.test.post(INTEGRATIONS, json=body), 409, "integration_name_taken")
    assert conflict["details"] == {"integration_id": first["id"]}
    renamed = await shop.merchant.test.patch(f"{INTEGRATIONS}/{second['id']}", json={"name": "Ours"})
    assert refused(renamed, 409, "integration_name_taken")["details"] == {"integration_id": first["id"]}
    created(await shop.merchant.live.post(INTEGRATIONS, json=body))
    await patch(shop, first, name="Ours")
    await delete(shop, first)
    created(await shop.merchant.test.post(INTEGRATIONS, json=body))


async def test_of_two_that_ask_for_a_name_at_once_one_gets_it(shop: Office):
    body = {"name": "Ours", "provider": "chat", **ACCOUNTS["chat"]}
    answers = await asyncio.gather(*(shop.merchant.test.post(INTEGRATIONS, json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_there_are_fifty_at_most_whoever_adds_them_at_once(shop: Office):
    for _ in range(INTEGRATIONS_MAX - 2):
        await sender(shop, "chat")
    answers = await asyncio.gather(
        *(
            shop.merchant.test.post(
                INTEGRATIONS, json={"name": f"No. {number}", "provider": "chat", **ACCOUNTS["chat"]}
            )
            for number in range(5)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 201, 422, 422, 422]
    one = next(answer for answer in answers if answer.status_code == 201).json()
    too_many = next(answer for answer in answers if answer.status_code == 422)
    refused(too_many, 422, "too_many_integrations")
    await delete(shop, one)
    await sender(shop, "chat")


async def test_a_foreign_or_deleted_one_is_not_there(shop: Office, other):
    made, gone = await sender(shop, "resend"), await sender(shop, "chat")
    await delete(shop, gone)
    for client, id in (
        (other.test, made["id"]),
        (shop.merchant.live, made["id"]),
        (shop.merchant.test, gone["id"]),
        (shop.merchant.test, NOBODYS),
    ):
        path = f"{INTEGRATIONS}/{id}"
        for answer in (
            await client.get(path),
            await client.patch(path, json={"enabled": False}),
            await client.delete(path),
            await client.post(f"{path}/test", json={"to": FROM}),
        ):
            refused(answer, 404, "integration_not_found")
    assert ok(await shop.merchant.test.get(INTEGRATIONS))["integrations"] == [made]
    for client in (other.test, shop.merchant.live):
        assert ok(await client.get(INTEGRATIONS))["integrations"] == []


async def test_what_is_changed_counts_from_the_next_attempt_on(shop: Office):
    made = await sender(shop, "resend", from_name="Ama", reply_to="help@example.com")
    changed = await patch(shop, made, from_name="Ama's Shop", from_address="ama@shop.example", reply_to=None)
    assert changed == {
        **made,
        "from_name": "Ama's Shop",
        "from_address": "ama@shop.example",
        "reply_to": None,
        "updated_at": changed["updated_at"],
    }
    await patch(shop, made, credentials={"api_key": "re_new"})
    message = await sent(shop)
    (request,) = shop.outside.take()
    assert request.headers["Authorization"] == "Bearer re_new"
    assert request.json["from"] == '"Ama\'s Shop" <ama@shop.example>'
    assert request.json["headers"]["Message-ID"] == f"<{message['id']}@shop.example>"
    assert "reply_to" not in request.json


async def test_the_oldest_that_is_on_sends_when_nobody_names_another(shop: Office):
    first, second = await sender(shop, "resend"), await sender(shop, "sendgrid")
    assert (await sent(shop))["integration_id"] == first["id"]
    assert (await sent(shop, integration_id=second["id"]))["integration_id"] == second["id"]
    await patch(shop, first, enabled=False)
    assert (await sent(shop))["integration_id"] == second["id"]
    await patch(shop, first, enabled=True)
    assert (await sent(shop))["integration_id"] == first["id"]


async def test_what_waits_while_it_is_off_is_sent_when_it_is_on_again(shop: Office):
    made = await sender(shop, "resend")
    await patch(shop, made, enabled=False)
    id = await write(shop, integration_id=made["id"])
    await later(shop, days=7)
    assert (await found(shop, id))["status"] == "scheduled"
    assert shop.outside.take() == []
    await patch(shop, made, enabled=True)
    await shop.work.run()
    assert (await found(shop, id))["status"] == "sent"
    assert len(shop.outside.take()) == 1


async def test_what_had_a_place_already_when_it_was_switched_off_waits_too(shop: Office):
    made = await sender(shop, "resend")
    ids = [await write(shop) for _ in range(12)]
    assert len(await jobs(shop, "messages.deliver")) == 10
    await patch(shop, made, enabled=False)
    await later(shop, hours=1)
    assert {(await found(shop, id))["status"] for id in ids} == {"scheduled"}
    assert [(await found(shop, id))["attempts"] for id in ids] == [[]] * 12
    assert shop.outside.take() == []
    await patch(shop, made, enabled=True)
    await shop.work.run()
    assert {(await found(shop, id))["status"] for id in ids} == {"sent"}
    assert len(shop.outside.take()) == 12


async def test_what_it_was_still_to_send_when_it_was_deleted_stays_in_the_outbox(shop: Office):
    made = await sender(shop, "resend")
    ids = [await write(shop) for _ in range(12)]
    await delete(shop, made)
    assert await shop.work.run_for(days=1) == 10, "their jobs are done, and do nothing"
    for id in ids:
        message = await found(shop, id)
        assert (message["status"], message["reason"]) == ("outbox", "no_integration")
        assert message["reason_message"] == "The integration that was to send this was deleted."
        assert (message["text"], message["attempts"]) == ("It is on its way.\n", [])
    assert shop.outside.take() == []


async def test_what_names_a_deleted_one_stays_in_the_outbox_though_another_could_send_it(shop: Office):
    named, _ = await sender(shop, "resend"), await sender(shop, "sendgrid")
    rule = {"type": "send_email", "subject": "Hi", "body": "Thanks.", "integration_id": named["id"]}
    await shop.rule("payment.succeeded", rule)
    await delete(shop, named)
    customer = await shop.merchant.customer(email="ada@example.com")
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (message,) = await shop.messages()
    assert (message["status"], message["reason"]) == ("outbox", "no_integration")
    assert (message["integration_id"], message["subject"]) == (None, "Hi")


@pytest.mark.parametrize(
    ("provider", "credentials", "field"),
    [
        ("smtp", {"host": "mail.example.com", "security": "none"}, "security"),
        ("smtp", {"host": "localhost"}, "host"),
        ("smtp", {"host": "10.0.0.1"}, "host"),
        ("smtp", {"host": "127.1"}, "host"),
        ("chat", {"url": "http://chat.example.com/hooks"}, "url"),
        ("chat", {"url": "https://127.0.0.1/hooks"}, "url"),
        ("chat", {"url": "https://2130706433/hooks"}, "url"),
        ("chat", {"url": "https://[::1]/hooks"}, "url"),
        ("webhook", {**ACCOUNTS["webhook"]["credentials"], "url": "http://shop.example.com/"}, "url"),
        ("webhook", {**ACCOUNTS["webhook"]["credentials"], "url": "https://localhost/"}, "url"),
    ],
)
async def test_servers_of_our_own_network_are_refused_unless_the_operator_allows_them(
    shop: Office, api: Api, provider: str, credentials: dict[str, Any], field: str
):
    fields = {"from_address": FROM} if provider == "smtp" else {}
    body = {"name": "Ours", "provider": provider, "credentials": credentials, **fields}
    async with api.client(shop.merchant.test_key) as client:
        answer = await client.post(INTEGRATIONS, json=body)
        assert list(faults(refused(answer, 400, "validation_error"))) == [f"credentials.{field}"]
        made = created(await client.post(INTEGRATIONS, json={**body, **ACCOUNTS[provider]}))
        answer = await client.patch(f"{INTEGRATIONS}/{made['id']}", json={"credentials": credentials})
        assert list(faults(refused(answer, 400, "validation_error"))) == [f"credentials.{field}"]
