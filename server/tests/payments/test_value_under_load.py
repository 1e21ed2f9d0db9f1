"""Many at once: every acknowledged payment and refund is counted once, and nobody waits for anybody in a circle."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx

from reevit_server import payments, subscriptions
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection, Database
from reevit_server.core.errors import AppError
from reevit_server.customers import CustomerId, actions
from reevit_server.customers.schemas import CustomerPatch
from reevit_server.payments.actions import (
    cancel,
    complete_in_sandbox,
    confirm,
    create_intent,
    retry,
    update_intent,
)
from reevit_server.payments.schemas import IntentCreate, IntentPatch, PaymentCreate, RefundCreate
from tests.events.recorded import types_of
from tests.makers import Merchant, created, ok
from tests.scenarios.fold import drift

INTENT = {"amount": 5, "currency": "GHS"}


async def insist(merchant: Merchant, path: str, body: dict[str, Any], key: str) -> httpx.Response:
    """Sends a request until it is answered, as a client does who is told to come again."""
    for _ in range(200):
        answer = await merchant.test.post(path, json=body, headers={"Idempotency-Key": key})
        if answer.status_code != 503 and answer.json().get("code") != "idempotency_key_in_use":
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"never answered: {answer.text}")


async def test_two_hundred_parallel_payments_and_refunds_add_up(db: Database, merchant: Merchant):
    people = [await merchant.customer(external_id=f"usr_{number}") for number in range(5)]
    earlier = [
        await merchant.payment(customer_id=person["id"], amount=1000) for person in people for _ in range(4)
    ]
    deeds: list[tuple[str, dict[str, Any]]] = []
    for number in range(120):
        person = people[number % 5]
        named = (
            {"customer_id": person["id"]},
            {"external_customer_id": person["external_id"]},
            {"customer": {"external_id": person["external_id"], "name": "Somebody"}},
        )[number % 3]
        currency = ("GHS", "GHS", "XOF", "KWD")[number % 4]
        deeds.append(("/v1/payments", {"amount": 100 + number, "currency": currency, **named}))
    for payment in earlier:
        deeds += [(f"/v1/payments/{payment['id']}/refund", {"amount": amount}) for amount in (600, 600, 1, 2)]
    random.Random(5).shuffle(deeds)
    assert len(deeds) == 200

    answers = await asyncio.gather(
        *(insist(merchant, path, body, f"deed-{number}") for number, (path, body) in enumerate(deeds))
    )
    spent: Counter[tuple[str, str]] = Counter()
    refunded: Counter[tuple[str, str]] = Counter()
    count: Counter[tuple[str, str]] = Counter()
    for payment in earlier + [answer.json() for answer in answers if answer.status_code == 201]:
        place = (payment["customer_id"], payment["currency"])
        if payment["id"].startswith("pay_"):
            spent[place] += payment["amount"]
            count[place] += 1
        else:
            refunded[place] += payment["amount"]
    assert Counter(answer.status_code for answer in answers) == {201: 120 + 3 * 20, 422: 20}
    assert sum(refunded.values()) == 20 * 603
    for person in people:
        shown = ok(await merchant.test.get(f"/v1/customers/{person['id']}"))
        assert len(shown["totals"]) == 3
        for row in shown["totals"]:
            place = (person["id"], row["currency"])
            assert (row["total_spent"], row["total_refunded"]) == (spent[place], refunded[place])
            assert row["payment_count"] == count[place]
    assert await drift(db, merchant.scope) == []


async def test_sixty_four_clients_with_one_key_make_one_payment(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    body = {"amount": 500, "currency": "GHS", "customer_id": customer["id"]}
    answers = await asyncio.gather(*(insist(merchant, "/v1/payments", body, "order-1") for _ in range(64)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    replayed = [answer for answer in answers if "idempotent-replayed" in answer.headers]
    assert len(replayed) == 63
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["total_spent"] == 500
    assert await types_of(db, merchant, created(answers[0])["id"]) == ["payment.created", "payment.succeeded"]


async def test_deeds_on_the_same_few_customers_never_wait_in_a_circle(db: Database, merchant: Merchant):
    """Run without the net that tries again after a deadlock, so that one would be seen."""
    people = [await merchant.customer(external_id=f"usr_{number}") for number in range(4)]
    made = [
        await merchant.payment(customer_id=person["id"], amount=1000) for person in people for _ in range(5)
    ]
    leaving = [await merchant.customer(external_id=f"gone_{number}") for number in range(15)]
    intents = [created(await merchant.test.post("/v1/payments/intents", json=INTENT)) for _ in range(5)]
    # Payments of those who are erased meanwhile: which deed is allowed to each, that deed finds by chance.
    fading = [
        await merchant.payment(customer_id=person["id"], amount=9, metadata={"sandbox": scenario})
        for person in leaving
        for scenario in ("fail:wrong_pin", "processing", "requires_action")
    ] + [
        created(
            await merchant.test.post("/v1/payments/intents", json={**INTENT, "customer_id": person["id"]})
        )
        for person in leaving
    ]
    scope, now = merchant.scope, utc_now()
    chance = random.Random(11)

    def a_deed(number: int) -> Callable[[Connection], Awaitable[Any]]:
        person = chance.choice(people)
        gone = leaving[number % len(leaving)]
        money = {"amount": 10, "currency": chance.choice(["GHS", "XOF"])}
        payment, intent, faded = chance.choice(made), chance.choice(intents), chance.choice(fading)
        pay = PaymentCreate(**money, customer_id=person["id"])
        pay_and_open = PaymentCreate(
            **money, customer={"external_id": chance.choice(["new", "gone_1", "usr_1"])}
        )
        back = RefundCreate(amount=1)
        change = CustomerPatch(name=f"Name {number}", metadata={f"k{number % 9}": number})
        move = IntentPatch(customer_id=person["id"], amount=number + 1)
        return chance.choice(
            [
                lambda conn: payments.create(conn, scope, pay, now=now),
                lambda conn: payments.create(conn, scope, pay_and_open, now=now),
                lambda conn: payments.refund(conn, scope, id=payment["id"], new=back, now=now),
                lambda conn: actions.update(conn, scope, CustomerId(person["id"]), change, now=now),
                lambda conn: actions.add_tags(
                    conn, scope, CustomerId(person["id"]), [f"t{number % 7}"], now=now
                ),
                lambda conn: actions.delete(conn, scope, CustomerId(gone["id"]), now=now),
                lambda conn: update_intent(conn, scope, id=intent["id"], patch=move, now=now),
                lambda conn: create_intent(conn, scope, IntentCreate(**money), now=now),
                lambda conn: confirm(conn, scope, id=faded["id"], now=now),
                lambda conn: retry(conn, scope, id=faded["id"], now=now),
                lambda conn: cancel(conn, scope, id=faded["id"], now=now),
                lambda conn: complete_in_sandbox(
                    conn, scope, id=faded["id"], outcome="succeed", now=now, then=subscriptions.follow
                ),
            ]
        )

    turns = asyncio.Semaphore(15)

    async def run(deed: Callable[[Connection], Awaitable[Any]]) -> str:
        async with turns:
            try:
                async with db.transaction() as conn:
                    await deed(conn)
            except (
                AppError
            ) as refusal:  # a customer that is gone already, a payment that is given back already
                return refusal.code
            except asyncpg.LockNotAvailableError:  # a slow machine; the door would answer 503
                return "busy"
            return "done"

    outcomes = Counter(await asyncio.gather(*(run(a_deed(number)) for number in range(450))))
    assert outcomes["done"] > 250, outcomes
    assert await drift(db, merchant.scope) == []
