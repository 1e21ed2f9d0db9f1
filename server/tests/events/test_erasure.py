"""Erasing a customer takes the person out of all that was told; what happened stays told."""

import asyncio

from reevit_server.core.database import Database
from tests.events.recorded import count_events, events_of
from tests.makers import Merchant, created, ok
from tests.scenarios.fold import drift, traces

ADA = {
    "external_id": "usr/ada-8842",
    "email": "ada.8842@example.com",
    "name": "Adaline Eightyeight",
    "phone": "+233508842884",
}
MONEY = {"amount": 1000, "currency": "GHS"}


async def test_what_happened_stays_and_to_whom_is_gone(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA, tags=["vip-8842"], metadata={"note": "size 8842"})
    payment = await merchant.payment(**MONEY, customer_id=customer["id"], reference="order-1")
    await merchant.refund(payment["id"], amount=300, reason="broken")
    ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Ada Eightyeight"}))
    before = await events_of(db, merchant, payment["id"])
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    after = await events_of(db, merchant, payment["id"])
    kept = ("id", "type", "subject_id", "customer_id", "mode", "created_at")
    assert [[event[name] for name in kept] for event in after] == [
        [event[name] for name in kept] for event in before
    ]
    for old, new in zip(before, after, strict=True):
        assert new["data"] == {
            **old["data"],
            "customer": {"id": customer["id"]},
            "external_customer_id": None,
        }
    *told, deleted = await events_of(db, merchant, customer["id"])
    assert [event["data"] for event in told] == [{"id": customer["id"]}] * 2
    assert (deleted["type"], deleted["customer_id"]) == ("customer.deleted", customer["id"])
    words = [*ADA.values(), "Ada Eightyeight", "vip-8842", "size 8842"]
    assert await traces(db, merchant.scope, words) == {}


async def test_others_are_left_as_they_were(db: Database, merchant: Merchant, other: Merchant):
    customer = await merchant.customer(**ADA)
    zoe = await merchant.customer(external_id="zoe", name="Zoë")
    namesake = await other.customer(**ADA)
    kept = [
        (await merchant.payment(**MONEY, customer_id=zoe["id"]))["id"],
        (await merchant.payment(**MONEY))["id"],
        zoe["id"],
    ]
    before = [await events_of(db, merchant, id) for id in kept]
    theirs = await events_of(db, other, namesake["id"])
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    assert [await events_of(db, merchant, id) for id in kept] == before
    assert await events_of(db, other, namesake["id"]) == theirs
    assert (
        ok(await other.test.get("/v1/customers/lookup", params={"external_id": ADA["external_id"]}))
        == namesake
    )


async def test_a_payment_that_changed_hands_forgets_only_who_is_erased(db: Database, merchant: Merchant):
    ada, zoe = await merchant.customer(**ADA), await merchant.customer(external_id="zoe-1", name="Zoë Living")
    body = {**MONEY, "customer_id": ada["id"]}
    intent = created(
        await merchant.test.post("/v1/payments/intents", json=body, headers={"Idempotency-Key": "intent"})
    )
    address = f"/v1/payments/intents/{intent['id']}"
    key = {"Idempotency-Key": "move"}
    ok(await merchant.test.patch(address, json={"customer_id": zoe["id"]}, headers=key))
    assert (await merchant.test.delete(f"/v1/customers/{ada['id']}")).status_code == 204
    assert await traces(db, merchant.scope, list(ADA.values())) == {}
    [first, moved] = await events_of(db, merchant, intent["id"])
    assert first["data"]["customer"] == {"id": ada["id"]}
    assert moved["data"]["customer"]["name"] == "Zoë Living"
    assert moved["data"]["previous_attributes"] == {"customer_id": ada["id"]}
    again = await merchant.test.patch(address, json={"customer_id": zoe["id"]}, headers=key)
    assert ok(again)["external_customer_id"] == "zoe-1"


async def test_a_payment_made_while_its_customer_is_erased_leaves_no_trace_of_it(
    db: Database, merchant: Merchant
):
    """Whichever comes first: the payment's event and stored answer are erased with the rest, or it is refused."""
    refusals = 0
    for turn in range(8):
        person = {
            **ADA,
            "external_id": f"{ADA['external_id']}.{turn}",
            "email": f"ada.8842.{turn}@example.com",
        }
        customer = await merchant.customer(**person)
        address = f"/v1/customers/{customer['id']}"
        pay = {**MONEY, "customer_id": customer["id"]}
        deeds = [
            *(
                merchant.test.post(
                    "/v1/payments", json=pay, headers={"Idempotency-Key": f"pay-{turn}-{number}"}
                )
                for number in range(4)
            ),
            merchant.test.patch(
                address, json={"name": f"Adaline {turn}"}, headers={"Idempotency-Key": f"patch-{turn}"}
            ),
            merchant.test.delete(address),
            *(
                merchant.test.post(f"{address}/tags", json={"tags": [f"tag-8842-{number}"]})
                for number in range(2)
            ),
        ]
        answers = await asyncio.gather(*deeds[turn % 3 :], *deeds[: turn % 3])
        refusals += sum(answer.status_code in (404, 422) for answer in answers)
        assert all(answer.status_code in (200, 201, 204, 404, 422) for answer in answers)
        assert sum(answer.status_code == 204 for answer in answers) == 1
    assert refusals > 0, "no deed came after an erasure: the race was not run"
    assert (
        await traces(db, merchant.scope, ["ada-8842", "ada.8842", "tag-8842", ADA["phone"], "Adaline"]) == {}
    )
    assert await drift(db, merchant.scope) == []


async def test_an_erasure_is_told_by_your_id_and_without_the_person(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA)
    before = await count_events(db, merchant)
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    assert await count_events(db, merchant) == before + 1
    [*_, event] = await events_of(db, merchant, customer["id"])
    assert (event["type"], event["subject_id"], event["data"]) == (
        "customer.deleted",
        customer["id"],
        {"id": customer["id"], "customer": {"id": customer["id"], "external_id": ADA["external_id"]}},
    )


async def test_why_something_was_done_is_forgotten_too_but_not_who_did_it(db: Database, merchant: Merchant):
    """A reason is free text, such as "Adaline asked for it"; only that of the erasure itself is kept."""

    def told(reason: str) -> dict[str, str]:
        return {"X-Reason": reason, "X-Actor-Id": "till-7"}

    send = merchant.test
    customer = created(await send.post("/v1/customers", json=ADA, headers=told("Adaline Eightyeight rang")))
    zoe = created(await send.post("/v1/customers", json={"name": "Zoe"}, headers=told("Zoe rang")))
    paid = {**MONEY, "customer_id": customer["id"]}
    payment = created(await send.post("/v1/payments", json=paid, headers=told("for Adaline Eightyeight")))
    path = f"/v1/payments/{payment['id']}/refund"
    created(await send.post(path, json={"amount": 1}, headers=told("Adaline Eightyeight sent it back")))
    deleted = await send.delete(f"/v1/customers/{customer['id']}", headers=told("request 17"))
    assert deleted.status_code == 204
    assert await traces(db, merchant.scope, list(ADA.values())) == {}
    about_her = [
        *await events_of(db, merchant, customer["id"]),
        *await events_of(db, merchant, payment["id"]),
    ]
    assert [(event["reason"], event["actor_id"]) for event in about_her] == [
        (None, "till-7"),
        ("request 17", "till-7"),
        *[(None, "till-7")] * 3,
    ]
    assert [event["reason"] for event in await events_of(db, merchant, zoe["id"])] == ["Zoe rang"]
