"""From an event to what is done: rules whose conditions are met send, tag and tell, once each."""

from reevit_server.core.database import Database
from tests.makers import Api, ok
from tests.messages import office
from tests.providers.mailserver import mail_server

_WELCOME = {
    "type": "send_email",
    "subject": "Hi {{ customer.name }}",
    "body": "We got {{ payment.amount | money }}.",
}


async def test_an_event_whose_conditions_are_met_sends_a_mail_and_tags_the_customer(
    db: Database, local_api: Api
):
    with mail_server() as box:
        async with office.opened(db, local_api) as shop:
            await shop.mail_by(box)
            tag = {"type": "add_tag", "tag": "vip"}
            await shop.rule(
                "payment.succeeded", _WELCOME, tag, conditions={"currencies": ["GHS"], "min_amount": 100}
            )
            customer = await shop.merchant.customer(name="Ada", email="ada@example.com")
            await shop.merchant.payment(customer_id=customer["id"], amount=15000)
            await shop.work.run()
            (received,) = box.received
            assert received.recipients == ["ada@example.com"]
            assert received.letter["subject"] == "Hi Ada"
            assert received.text.split() == ["We", "got", "GHS", "150.00."]
            (message,) = await shop.messages()
            assert (message["status"], message["attempt_count"]) == ("sent", 1)
            (execution,) = await shop.executions()
            assert [(action["type"], action["status"]) for action in execution["actions"]] == [
                ("send_email", "done"),
                ("add_tag", "done"),
            ]
            tagged = ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))
            assert tagged["tags"] == ["vip"]


async def test_what_does_not_meet_the_conditions_does_nothing(db: Database, local_api: Api):
    async with office.opened(db, local_api) as shop:
        await shop.rule("payment.succeeded", _WELCOME, conditions={"currencies": ["XOF"]})
        customer = await shop.merchant.customer(name="Ada", email="ada@example.com")
        await shop.merchant.payment(customer_id=customer["id"])
        await shop.work.run()
        assert await shop.executions() == []
        assert await shop.messages() == []


async def test_without_an_integration_everything_that_is_written_can_be_read_in_the_outbox(
    db: Database, local_api: Api
):
    async with office.opened(db, local_api) as shop:
        await shop.rule("payment.succeeded", _WELCOME)
        customer = await shop.merchant.customer(name="Ada", email="ada@example.com")
        await shop.merchant.payment(customer_id=customer["id"])
        await shop.work.run()
        (message,) = await shop.messages()
        assert (message["status"], message["reason"]) == ("outbox", "no_integration")
        assert (message["to"], message["subject"]) == ("ada@example.com", "Hi Ada")
        assert message["text"].split() == ["We", "got", "GHS", "150.00."]


async def test_a_rule_that_sets_itself_off_is_stopped_and_says_so(db: Database, local_api: Api):
    async with office.opened(db, local_api) as shop:
        rule = await shop.rule(
            "customer.updated", {"type": "add_tag", "tag": "seen"}, {"type": "remove_tag", "tag": "seen"}
        )
        customer = await shop.merchant.customer(name="Ada")
        ok(await shop.merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Ada L."}))
        await shop.work.run()
        first, *others = await shop.executions(workflow_id=rule["id"])
        assert first["status"] == "done"
        assert [(each["status"], each["reason"]) for each in others] == [("skipped", "loop")] * 2
