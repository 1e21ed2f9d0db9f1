"""Messages of test mode reach whom the operator listed; those of live mode reach everybody."""

import pytest

from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from tests.makers import Api, created, ok
from tests.messages import office
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.writing import ACCOUNTS, ADA, PHONE, found, sender, sent, write

LISTED = "Ada@Shop.example, @Example.com,+233501234567"


@pytest.mark.parametrize(
    ("channel", "recipient", "leaves"),
    [
        ("email", "ada@shop.example", True),
        ("email", "ADA@SHOP.EXAMPLE", True),
        ("email", "kofi@shop.example", False),
        ("email", "anybody@example.com", True),
        ("email", "anybody@EXAMPLE.com", True),
        ("email", "anybody@mail.example.com", False),
        ("email", "anybody@example.com.evil.example", False),
        ("sms", "+233501234567", True),
        ("sms", "+233501234568", False),
    ],
)
async def test_only_listed_addresses_are_written_to(
    db: Database, local_api: Api, channel: str, recipient: str, leaves: bool
):
    async with office.opened(db, local_api, test_recipients=LISTED) as shop:
        for provider in ("resend", "africas_talking"):
            await sender(shop, provider)
        message = await sent(shop, channel=channel, recipient=recipient)
        assert len(shop.outside.take()) == leaves
        if not leaves:
            assert (message["status"], message["reason"]) == ("outbox", "test_mode")
            assert "REEVIT_TEST_RECIPIENTS" in message["reason_message"]
            assert (message["to"], message["attempts"]) == (recipient, [])
            assert message["text"].startswith("It is on its way.")


async def test_nobody_is_listed_unless_somebody_is(db: Database, local_api: Api):
    async with office.opened(db, local_api, test_recipients="") as shop:
        await sender(shop, "resend")
        await sender(shop, "chat")
        assert (await sent(shop))["reason"] == "test_mode"
        assert shop.outside.take() == []
        # A chat is somebody's own, named in test mode for that.
        assert (await sent(shop, channel="notification"))["status"] == "sent"


async def test_what_is_not_listed_makes_room_for_what_is_at_once(shop: Office):
    """Of an import of many customers, a few are the operator's own."""
    await sender(shop, "resend")
    for number in range(25):
        await write(shop, recipient=f"customer{number}@elsewhere.example")
    id = await write(shop)
    await shop.work.run()
    assert (await found(shop, id))["status"] == "sent"
    assert len(shop.outside.take()) == 1


async def test_in_live_mode_everybody_is_written_to(db: Database, local_api: Api):
    async with office.opened(db, local_api, test_recipients="") as shop:
        body = {"name": "Ours", "provider": "resend", **ACCOUNTS["resend"]}
        created(await shop.merchant.live.post(INTEGRATIONS, json=body))
        id = await write(
            shop, scope=Scope(shop.merchant.org_id, "live"), recipient="anybody@elsewhere.example"
        )
        await shop.work.run()
        message = ok(await shop.merchant.live.get(f"/v1/messages/{id}"))
        assert (message["status"], message["mode"]) == ("sent", "live")
        (request,) = shop.outside.take()
        assert request.json["to"] == ["anybody@elsewhere.example"]


async def test_an_integration_of_one_mode_sends_nothing_of_the_other(shop: Office):
    body = {"name": "Ours", "provider": "resend", **ACCOUNTS["resend"]}
    created(await shop.merchant.live.post(INTEGRATIONS, json=body))
    message = await sent(shop)
    assert (message["status"], message["reason"]) == ("outbox", "no_integration")
    assert shop.outside.take() == []


@pytest.mark.parametrize(("provider", "to"), [("resend", ADA), ("twilio", PHONE)])
async def test_what_stayed_in_the_outbox_is_still_not_sent_when_it_is_sent_again(
    db: Database, local_api: Api, provider: str, to: str
):
    async with office.opened(db, local_api, test_recipients="@nobody.example") as shop:
        await sender(shop, provider)
        message = await sent(shop, channel="sms" if to == PHONE else "email", recipient=to)
        answer = await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")
        assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
        await shop.work.run_for(minutes=1)
        assert (await found(shop, message["id"]))["reason"] == "test_mode"
        assert shop.outside.take() == []
