"""A profile changes while its owner pays: a payment keeps the customer from erasure, and from nothing else."""

import asyncio

import pytest

from reevit_server.core.database import Database
from tests import locks
from tests.makers import Merchant, created, ok
from tests.scenarios.fold import drift

CHANGES = {
    "patch": ("PATCH", "", {"name": "Ada King", "email": "king@example.com", "metadata": {"k": 1}}),
    "tags": ("POST", "/tags", {"tags": ["vip"]}),
    "untag": ("DELETE", "/tags/new", None),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_profile_changes_while_ten_payments_of_its_owner_are_in_flight(
    db: Database, merchant: Merchant, dsn: str, change: str
):
    """They are stopped at their last statement, with everything else of them done and locked."""
    customer = await merchant.customer(external_id="usr_1", name="Ada Lovelace", tags=["new"])
    body = {"amount": 700, "currency": "GHS", "external_customer_id": "usr_1"}
    method, below, changed = CHANGES[change]
    async with locks.held(dsn, "customer_totals", "SHARE") as outsider:
        paying = [asyncio.create_task(merchant.test.post("/v1/payments", json=body)) for _ in range(10)]
        await locks.until_waiting(outsider, 10)
        address = f"/v1/customers/{customer['id']}{below}"
        ok(await merchant.test.request(method, address, json=changed))
        assert not any(payment.done() for payment in paying), "nobody was in flight any more"
    for payment in paying:
        created(await payment)
    after = ok(await merchant.test.get("/v1/customers/external/usr_1"))
    assert (after["total_spent"], after["payment_count"]) == (7000, 10)
    assert await drift(db, merchant.scope) == []


async def test_a_profile_changes_in_the_midst_of_payments_that_never_pause(db: Database, merchant: Merchant):
    """As many at a time as there are connections to spare: whoever had to wait for a pause would not find one."""
    customer = await merchant.customer(external_id="usr_1")
    body = {"amount": 10, "currency": "GHS", "customer": {"external_id": "usr_1"}}
    changes = 0
    paid = 0

    async def pay() -> None:
        nonlocal paid
        while changes < 20:
            created(await merchant.test.post("/v1/payments", json=body))
            paid += 1

    payers = [asyncio.create_task(pay()) for _ in range(12)]
    for number in range(20):
        address = f"/v1/customers/{customer['id']}"
        ok(await merchant.test.patch(address, json={"metadata": {"turn": number}}))
        changes += 1
        await asyncio.sleep(0.02)
    await asyncio.gather(*payers)
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (after["metadata"], after["payment_count"]) == ({"turn": 19}, paid)
    assert paid > 50, "the payments did pause"
    assert await drift(db, merchant.scope) == []
