"""An intent's secret is in the answer, and in no table that a thief could copy."""

from reevit_server.core.database import Database
from tests.makers import Merchant, created


async def test_the_stored_answer_is_sealed_and_replayed_byte_for_byte(db: Database, merchant: Merchant):
    send = {"json": {"amount": 1000, "currency": "GHS"}, "headers": {"Idempotency-Key": "order-1"}}
    first = await merchant.test.post("/v1/payments/intents", **send)
    secret = created(first)["client_secret"].encode()
    async with db.read() as conn:
        body = await conn.fetchval("SELECT body FROM idempotency_keys WHERE org_id = $1", merchant.org_id)
    assert secret not in body
    again = await merchant.test.post("/v1/payments/intents", **send)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_answer_without_a_secret_is_stored_as_it_is(db: Database, merchant: Merchant):
    send = {"json": {"amount": 1000, "currency": "GHS"}, "headers": {"Idempotency-Key": "order-1"}}
    first = await merchant.test.post("/v1/payments", **send)
    async with db.read() as conn:
        body = await conn.fetchval("SELECT body FROM idempotency_keys WHERE org_id = $1", merchant.org_id)
    assert body == first.content
