"""Money that goes back: never more than came in, whoever asks at once."""

import asyncio

from tests.makers import Merchant, ok, refused


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
