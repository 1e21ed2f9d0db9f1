"""Money that goes back: never more than came in, whoever asks at once."""

import asyncio

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import events_of, types_of
from tests.makers import Merchant, created, ok, refused
from tests.scenarios.fold import drift


async def test_a_refund_says_what_it_is(merchant: Merchant):
    customer = await merchant.customer()
    payment = await merchant.payment(customer_id=customer["id"], amount=1000, currency="KWD")
    refund = await merchant.refund(payment["id"], amount=300, reason="One of three was broken")
    expected = {
        "org_id": merchant.org_id,
        "mode": "test",
        "payment_id": payment["id"],
        "customer_id": customer["id"],
        "amount": 300,
        "currency": "KWD",
        "status": "succeeded",
        "reason": "One of three was broken",
        "provider_ref_id": None,
    }
    assert refund.items() >= expected.items()
    assert refund["id"].startswith("ref_")
    assert refund["occurred_at"] == refund["created_at"] > payment["created_at"]
    page = ok(await merchant.test.get(f"/v1/payments/{payment['id']}/refunds?include_total=true"))
    assert page == {"refunds": [refund], "has_more": False, "next_cursor": None, "total": 1}


async def test_a_payment_is_refunded_in_parts_and_then_whole(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    payment = await merchant.payment(customer_id=customer["id"], amount=1000)
    for amount, refunded, status in (
        (300, 300, "partially_refunded"),
        (699, 999, "partially_refunded"),
        (None, 1000, "refunded"),
    ):
        refund = await merchant.refund(payment["id"], **({} if amount is None else {"amount": amount}))
        assert refund["amount"] == (amount or 1)
        shown = ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))
        assert (shown["status"], shown["amount_refunded"], shown["amount"]) == (status, refunded, 1000)
        assert shown["succeeded_at"] == payment["succeeded_at"]
        after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
        assert (after["total_spent"], after["total_refunded"]) == (1000, refunded)
        assert (after["lifetime_value"], after["payment_count"]) == (1000 - refunded, 1)
        assert after["last_payment_at"] == payment["succeeded_at"]
    refusal = await merchant.test.post(f"/v1/payments/{payment['id']}/refund", json={"amount": 1})
    refused(refusal, 422, "wrong_payment_state")
    assert await types_of(db, merchant, payment["id"]) == [
        "payment.created",
        "payment.succeeded",
        *["payment.refunded"] * 3,
    ]
    assert await drift(db, merchant.scope) == []


async def test_without_an_amount_all_that_is_left_goes_back(merchant: Merchant):
    for body in (None, {}, {"amount": None, "reason": None}):
        payment = await merchant.payment(amount=1000)
        answer = await merchant.test.post(f"/v1/payments/{payment['id']}/refund", json=body)
        assert created(answer)["amount"] == 1000


async def test_more_than_is_left_is_refused_whole(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    payment = await merchant.payment(customer_id=customer["id"], amount=1000)
    await merchant.refund(payment["id"], amount=400)
    answer = await merchant.test.post(f"/v1/payments/{payment['id']}/refund", json={"amount": 601})
    refusal = refused(answer, 422, "refund_too_large")
    assert refusal["details"] == {"refundable": 600}
    assert "600" in refusal["message"]
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["amount_refunded"] == 400
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["total_refunded"] == 400
    assert len(await events_of(db, merchant, payment["id"])) == 3
    assert (await merchant.refund(payment["id"], amount=600))["amount"] == 600


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", 0), ("amount", -5), ("amount", 1.0), ("amount", "5"), ("amount", True), ("amount", 10**12),
     ("currency", "GHS"), ("reason", "x" * 1001), ("reason", 5)],
)  # fmt: skip
async def test_a_faulty_refund_is_refused(merchant: Merchant, field: str, value):
    payment = await merchant.payment(amount=1000)
    answer = await merchant.test.post(f"/v1/payments/{payment['id']}/refund", json={field: value})
    refusal = refused(answer, 400, "validation_error")
    assert [fault["field"] for fault in refusal["details"]["fields"]] == [field]
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["status"] == "succeeded"


async def test_a_failed_payment_has_nothing_to_give_back(merchant: Merchant):
    payment = await merchant.payment(metadata={"sandbox": "fail"})
    answer = await merchant.test.post(f"/v1/payments/{payment['id']}/refund", json={})
    assert refused(answer, 422, "wrong_payment_state")["details"] == {"status": "failed"}


async def test_a_guests_payment_is_refunded_like_any_other(db: Database, merchant: Merchant):
    payment = await merchant.payment(amount=1000)
    refund = await merchant.refund(payment["id"], amount=1)
    assert refund["customer_id"] is None
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["status"] == "partially_refunded"
    assert await drift(db, merchant.scope) == []


async def test_refunds_of_one_payment_are_listed_newest_first_in_pages(merchant: Merchant):
    payment = await merchant.payment(amount=1000)
    other = await merchant.payment(amount=1000)
    await merchant.refund(other["id"], amount=7)
    ids = [(await merchant.refund(payment["id"], amount=number + 1))["id"] for number in range(5)]
    address = f"/v1/payments/{payment['id']}/refunds"
    first = ok(await merchant.test.get(f"{address}?limit=2&include_total=true"))
    assert ([row["id"] for row in first["refunds"]], first["total"]) == (ids[4:2:-1], 5)
    second = ok(await merchant.test.get(address, params={"limit": 2, "cursor": first["next_cursor"]}))
    third = ok(await merchant.test.get(address, params={"limit": 2, "cursor": second["next_cursor"]}))
    assert [row["id"] for row in second["refunds"] + third["refunds"]] == ids[2::-1]
    assert (third["has_more"], third["next_cursor"]) == (False, None)
    skipped = ok(await merchant.test.get(f"{address}?limit=2&offset=4"))
    assert [row["id"] for row in skipped["refunds"]] == ids[:1]


async def test_a_refund_is_told_with_the_payment_as_it_is_now(db: Database, merchant: Merchant):
    payment = await merchant.payment(amount=1000, customer={"external_id": "usr_1"})
    refund = await merchant.refund(payment["id"], amount=400)
    [*_, event] = await events_of(db, merchant, payment["id"])
    assert event["data"]["refund"] == refund
    assert (event["data"]["status"], event["data"]["amount_refunded"]) == ("partially_refunded", 400)
    assert event["data"]["customer"]["external_id"] == "usr_1"


async def test_repeating_a_refund_with_its_key_refunds_once(merchant: Merchant):
    payment = await merchant.payment(amount=1000)
    key = {"Idempotency-Key": "return-1"}
    address = f"/v1/payments/{payment['id']}/refund"
    first = await merchant.test.post(address, json={"amount": 600}, headers=key)
    again = await merchant.test.post(address, json={"amount": 600}, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    too_much = {"Idempotency-Key": "return-2"}
    for _ in range(2):
        answer = await merchant.test.post(address, json={"amount": 600}, headers=too_much)
        assert refused_replay(answer) == {"refundable": 400}
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["amount_refunded"] == 600


def refused_replay(answer) -> dict:
    """A replayed refusal names the request that was refused first, so only its code and details are looked at."""
    assert (answer.status_code, answer.json()["code"]) == (422, "refund_too_large")
    return answer.json()["details"]


async def test_of_fifty_parallel_refunds_of_sixty_percent_one_succeeds(merchant: Merchant):
    customer = await merchant.customer()
    payment = await merchant.payment(amount=1000, customer_id=customer["id"])
    path = f"/v1/payments/{payment['id']}/refund"
    answers = await asyncio.gather(*(merchant.test.post(path, json={"amount": 600}) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 49
    for answer in answers:
        if answer.status_code == 422:
            assert refused(answer, 422, "refund_too_large")["details"] == {"refundable": 400}
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["amount_refunded"] == 600
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["lifetime_value"] == 400


async def test_fifty_parallel_refunds_of_a_fiftieth_all_succeed(db: Database, merchant: Merchant):
    customer = await merchant.customer()
    payment = await merchant.payment(amount=1000, customer_id=customer["id"])
    answers = await asyncio.gather(*(merchant.refund(payment["id"], amount=20) for _ in range(50)))
    assert len({answer["id"] for answer in answers}) == 50
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["status"] == "refunded"
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["lifetime_value"] == 0
    assert await drift(db, merchant.scope) == []
