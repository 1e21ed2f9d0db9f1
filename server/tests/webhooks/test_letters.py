"""What is sent, byte by byte."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reevit_server.core.database import Database
from reevit_server.webhooks.signature import API_VERSION
from tests.events.recorded import events_of
from tests.makers import Merchant, created, ok
from tests.webhooks.clockwork import BROKEN, FINE, Clock, Clockwork, Outside
from tests.webhooks.wire import HOOKS, delivery, endpoint

ADA = {"external_id": "usr/ä 1", "email": "ada@example.com", "name": "Ada", "phone": "+233501234567"}


async def test_what_is_sent_says_all_that_there_is_to_know(
    db: Database, merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    await endpoint(merchant, events=["payment.succeeded"])
    customer = await merchant.customer(**ADA, tags=["vip"])
    payment = await merchant.payment(customer_id=customer["id"], reference="order-1")
    clock.advance(seconds=2.5)
    await clockwork.run()
    (sent,) = outside.take()
    (_, event) = await events_of(db, merchant, payment["id"])
    told = await delivery(merchant)
    assert (sent.url, list(sent.json)) == (
        HOOKS,
        [
            "id",
            "type",
            "event",
            "org_id",
            "mode",
            "created_at",
            "api_version",
            "signature_timestamp",
            "delivery_id",
            "attempt",
            "data",
        ],
    )
    assert sent.json == {
        "id": event["id"],
        "type": "payment.succeeded",
        "event": "payment.succeeded",
        "org_id": merchant.org_id,
        "mode": "test",
        "created_at": event["created_at"].isoformat().replace("+00:00", "Z"),
        "api_version": API_VERSION,
        "signature_timestamp": clock().replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        "delivery_id": told["id"],
        "attempt": 1,
        "data": {**payment, "customer": {**ADA, "id": customer["id"], "tags": ["vip"]}},
    }
    assert {name: sent.headers[name] for name in sent.headers if "ignature" not in name} == {
        "Content-Type": "application/json",
        "User-Agent": "Reevit-Webhooks/1.0",
        "X-Reevit-Event": "payment.succeeded",
        "X-Reevit-Delivery": told["id"],
        "webhook-id": event["id"],
        "webhook-timestamp": str(int(clock().timestamp())),
    }


Story = Callable[[Merchant, dict[str, Any]], Awaitable[Any]]


async def _updated(merchant: Merchant, customer: dict[str, Any]) -> None:
    ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Zoe"}))


async def _deleted(merchant: Merchant, customer: dict[str, Any]) -> None:
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204


async def _canceled(merchant: Merchant, customer: dict[str, Any]) -> None:
    body = {"amount": 5, "currency": "GHS", "customer_id": customer["id"]}
    intent = created(await merchant.test.post("/v1/payments/intents", json=body))
    ok(await merchant.test.patch(f"/v1/payments/intents/{intent['id']}", json={"amount": 7}))
    ok(await merchant.test.post(f"/v1/payments/{intent['id']}/cancel"))


async def _refunded(merchant: Merchant, customer: dict[str, Any]) -> None:
    await merchant.refund((await merchant.payment(customer_id=customer["id"]))["id"])


def _paid(scenario: str) -> Story:
    return lambda merchant, customer: merchant.payment(
        customer_id=customer["id"], metadata={"sandbox": scenario}
    )


STORIES: dict[str, Story] = {
    "customer.created": _paid("succeed"),
    "customer.updated": _updated,
    "customer.deleted": _deleted,
    "payment.created": _paid("succeed"),
    "payment.succeeded": _paid("succeed"),
    "payment.failed": _paid("fail"),
    "payment.requires_action": _paid("requires_action"),
    "payment.processing": _paid("processing"),
    "payment.updated": _canceled,
    "payment.canceled": _canceled,
    "payment.refunded": _refunded,
}


@pytest.mark.parametrize("type", STORIES)
async def test_the_receiver_finds_its_own_user_in_every_event_that_concerns_one(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, type: str
):
    await endpoint(merchant, events=[type])
    customer = await merchant.customer(**ADA, tags=["vip"])
    await STORIES[type](merchant, customer)
    await clockwork.run()
    sent = outside.take()[0].json
    assert sent["type"] == type
    named = {"id": customer["id"], "external_id": ADA["external_id"]}
    if type != "customer.deleted":  # there is no more to say of whom nothing is known
        name = "Zoe" if type == "customer.updated" else "Ada"
        named |= {"email": ADA["email"], "phone": ADA["phone"], "name": name, "tags": ["vip"]}
    assert sent["data"]["customer"] == named


async def test_a_payment_by_nobody_has_no_customer(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant)
    await merchant.payment()
    await clockwork.run()
    assert [sent.json["data"]["customer"] for sent in outside.take()] == [None, None]


async def test_updates_say_what_was_there_before(merchant: Merchant, clockwork: Clockwork, outside: Outside):
    await endpoint(merchant, events=["customer.updated", "payment.updated"])
    customer = await merchant.customer(**ADA, metadata={"plan": "free", "seats": 1})
    change = {"name": "Zoe", "email": None, "metadata": {"plan": "pro"}}
    after = ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json=change))
    await _canceled(merchant, customer)
    await clockwork.run()
    about_customer, about_payment = [sent.json["data"] for sent in outside.take()]
    assert about_customer["previous_attributes"] == {
        "name": "Ada",
        "email": "ada@example.com",
        "metadata": {"plan": "free", "seats": 1},
    }
    rest = {
        name: about_customer[name] for name in about_customer.keys() - {"previous_attributes", "customer"}
    }
    assert rest == after
    assert (about_payment["amount"], about_payment["previous_attributes"]) == (7, {"amount": 5})


ODD = {
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "beyond a float": 2**53 + 1,
    "fraction": 0.1,
    "tiny": 5e-324,
    "large": 1_000_000_000_000_000.5,
    "yes": True,
    "quotes": 'a "quoted" \\ back\\slash / \b\f\n\r\t',
    "not ASCII": "Zoë 中文 עברית नमस्ते",
    "beyond the first plane": "👩‍👩‍👧‍👦 \U0010ffff",
    "separators": "\u2028\u2029\x85\ufeff\x7f",
    "combining": "é vs é",
}


async def test_numbers_and_letters_of_any_kind_arrive_as_they_were_written(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant, events=["customer.created"])
    customer = await merchant.customer(name="Ada", metadata=ODD)
    assert customer["metadata"] == ODD
    await clockwork.run()
    (sent,) = outside.take()
    assert sent.json["data"]["metadata"] == ODD
    assert {key: type(value) for key, value in sent.json["data"]["metadata"].items()} == {
        key: type(value) for key, value in ODD.items()
    }
    async with db.read() as conn:
        data = await conn.fetchval("SELECT data::text FROM events WHERE subject_id = $1", customer["id"])
    assert sent.body.endswith(b',"data":' + data.encode() + b"}"), "the event's own bytes"


async def test_totals_of_any_size_arrive_exactly(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant, events=["customer.updated"])
    customer = await merchant.customer(**ADA)
    await merchant.payment(customer_id=customer["id"])
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE customer_totals SET total_spent = 10::numeric ^ 30 + 1 WHERE org_id = $1", merchant.org_id
        )
    await _updated(merchant, customer)
    await clockwork.run()
    (sent,) = outside.take()
    assert sent.json["data"]["total_spent"] == 10**30 + 1


async def test_all_attempts_tell_the_same_event_and_each_says_which_it_is(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant)
    outside.answer(BROKEN, BROKEN, FINE)
    await merchant.customer(**ADA)
    await clockwork.run_for(hours=1)
    sent = outside.take()
    assert [one.json["attempt"] for one in sent] == [1, 2, 3]
    assert len({one.json["signature_timestamp"] for one in sent}) == 3
    assert len({one.body.partition(b',"data":')[2] for one in sent}) == 1
    assert len({(one.json["id"], one.json["delivery_id"], one.headers["webhook-id"]) for one in sent}) == 1
