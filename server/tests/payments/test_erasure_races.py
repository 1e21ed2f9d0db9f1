"""A payment that changes while its customer is erased: whoever comes first, nothing of the person is left."""

import asyncio
import random
from typing import Any

import httpx
import pytest

from reevit_server.core.database import Database
from tests import locks
from tests.events.recorded import types_of
from tests.makers import Merchant, created, ok
from tests.scenarios.fold import drift, traces

ADA = {
    "external_id": "usr/ada-7713",
    "email": "ada.7713@example.com",
    "name": "Adaline Seventyseven",
    "phone": "+233507713771",
}
MONEY = {"amount": 1000, "currency": "GHS"}
DEEDS = ("confirm", "retry", "cancel", "complete", "patch", "refund")


async def waiting_for(merchant: Merchant, deed: str, **payer: Any) -> str:
    """A payment that this deed can be done to; its id."""
    if deed in ("confirm", "cancel", "patch"):
        intent = await merchant.test.post("/v1/payments/intents", json={**MONEY, **payer})
        return created(intent)["id"]
    scenario = {"retry": "fail", "complete": "processing", "refund": "succeed"}[deed]
    payment = await merchant.payment(**MONEY, **payer, metadata={"sandbox": scenario})
    if deed == "retry":  # it is to succeed this time
        mended = {"metadata": {"sandbox": ""}}
        ok(await merchant.test.patch(f"/v1/payments/intents/{payment['id']}", json=mended))
    return payment["id"]


async def do(merchant: Merchant, deed: str, payment_id: str) -> httpx.Response:
    """With a key of its own, so that the answer is stored."""
    method, path, body = {
        "complete": ("POST", f"/v1/sandbox/payments/{payment_id}/complete", {"outcome": "succeed"}),
        "patch": ("PATCH", f"/v1/payments/intents/{payment_id}", {"amount": 700}),
    }.get(deed, ("POST", f"/v1/payments/{payment_id}/{deed}", {}))
    headers = {"Idempotency-Key": f"{deed}-{payment_id}"}
    return await merchant.test.request(method, path, json=body, headers=headers)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("first", ["deed", "erasure"])
@pytest.mark.parametrize("known", ["by your id", "by contact only"])
async def test_whichever_comes_first_the_other_waits_and_nothing_of_the_person_is_left(
    db: Database, merchant: Merchant, dsn: str, deed: str, first: str, known: str
):
    """The first is stopped where it writes events, with all its locks; the second then waits for one of them.

    Without an external_id an erasure changes no key of the customer's row, so its own lock must be the strong one.
    """
    customer = await merchant.customer(
        **{**ADA, "external_id": ADA["external_id"] if known == "by your id" else None}
    )
    id = await waiting_for(merchant, deed, customer_id=customer["id"])
    deeds = [
        lambda: do(merchant, deed, id),
        lambda: merchant.test.delete(f"/v1/customers/{customer['id']}"),
    ]
    if first == "erasure":
        deeds.reverse()
    async with locks.held(dsn, "events", "SHARE") as outsider:
        earlier = asyncio.create_task(deeds[0]())
        await locks.until_waiting(outsider, 1)
        later = asyncio.create_task(deeds[1]())
        await locks.until_waiting(outsider, 2)
    answers = [await earlier, await later]
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    assert await traces(db, merchant.scope, list(ADA.values())) == {}
    assert await drift(db, merchant.scope) == []
    payment = ok(await merchant.test.get(f"/v1/payments/{id}"))
    assert (payment["customer_id"], payment["external_customer_id"]) == (customer["id"], None)
    done = {"cancel": "canceled", "patch": "updated", "refund": "refunded"}.get(deed, "succeeded")
    assert (await types_of(db, merchant, id))[-1] == f"payment.{done}"
    replayed = await do(merchant, deed, id)
    if first == "deed":
        assert replayed.status_code == 410
    else:
        (answer,) = (answer for answer in answers if answer.status_code != 204)
        assert (replayed.status_code, replayed.content) == (answer.status_code, answer.content)


async def test_all_at_once_nobody_fails_and_nothing_of_the_person_is_left(db: Database, merchant: Merchant):
    """Every deed on payments of one customer, twice on each payment, with the erasure in the midst of them."""
    chance = random.Random(7)
    for turn in range(6):
        customer = await merchant.customer(**ADA)
        named = {"customer_id": customer["id"]}
        ids = [(deed, await waiting_for(merchant, deed, **named)) for deed in DEEDS for _ in range(2)]
        requests = [do(merchant, deed, id) for deed, id in ids]
        requests += [do(merchant, chance.choice(DEEDS), id) for _, id in ids]
        chance.shuffle(requests)
        requests.insert(turn * 4, merchant.test.delete(f"/v1/customers/{customer['id']}"))
        answers = await asyncio.gather(*requests)
        # 409, 410: the same deed on the same payment, so the same key; 422: its state does not allow it (any more)
        assert {answer.status_code for answer in answers} <= {200, 201, 204, 409, 410, 422}
        assert sum(answer.status_code == 204 for answer in answers) == 1
        assert await traces(db, merchant.scope, list(ADA.values())) == {}
        for _, id in ids:
            payment = ok(await merchant.test.get(f"/v1/payments/{id}"))
            assert (payment["customer_id"], payment["external_customer_id"]) == (customer["id"], None)
    assert await drift(db, merchant.scope) == []
