"""What may not lie in the table of answers: an erased person, a secret, and the traces of a deed that failed."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored, rows_of
from tests.makers import Merchant, created, ok, refused
from tests.webhooks.clockwork import Clockwork

_ADA = {"external_id": "usr_1", "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+233501234567"}
_PAYMENT = {"amount": 15000, "currency": "GHS", "external_customer_id": "usr_1"}


@pytest.fixture
async def outsider(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else, who may hold locks."""
    conn = await asyncpg.connect(dsn)
    yield conn
    await conn.close()


async def everything(db: Database, org_id: str) -> str:
    """Every row that an organization has anywhere, as text; binary columns in hexadecimal."""
    tables = await rows_of(db, org_id)
    async with db.read() as conn:
        rows = [
            row["row"]
            for name in tables
            for row in await conn.fetch(f"SELECT t::text AS row FROM {name} AS t WHERE org_id = $1", org_id)
        ]
    return "\n".join(rows)


async def test_erasing_a_customer_turns_replays_of_its_answers_into_410(merchant: Merchant, db: Database):
    send = merchant.test.request
    requests = [
        ("POST", "/v1/customers", _ADA),
        ("PUT", "/v1/customers/external/usr_1", {"name": "Ada King"}),
        ("PATCH", "/v1/customers/external/usr_1", {"metadata": {"street": "St James's Square"}}),
        ("POST", "/v1/customers/external/usr_1/tags", {"tags": ["countess"]}),
        ("POST", "/v1/payments", _PAYMENT),
        ("POST", "/v1/payments/intents", _PAYMENT),
    ]
    for number, (method, path, body) in enumerate(requests):
        answer = await send(method, path, json=body, headers={"Idempotency-Key": f"k{number}"})
        assert answer.is_success, answer.text
    deleting = await send("DELETE", "/v1/customers/external/usr_1", headers={"Idempotency-Key": "delete"})
    assert deleting.status_code == 204
    async with nothing_stored(db, merchant):
        for number, (method, path, body) in enumerate(requests):
            answer = await send(method, path, json=body, headers={"Idempotency-Key": f"k{number}"})
            assert refused(answer, 410, "idempotent_answer_erased")["error"] == "not_found"
        again = await send("DELETE", "/v1/customers/external/usr_1", headers={"Idempotency-Key": "delete"})
        assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (204, b"", "true")
    await Clockwork.in_the_present(db, merchant.org_id).run()  # whoever is to forget it has been told
    stored = await everything(db, merchant.org_id)
    for personal in ("Ada", "ada@example.com", "233501234567", "James", "countess", "usr_1"):
        assert personal not in stored
        assert personal.encode().hex() not in stored


async def test_the_answers_about_others_stay(merchant: Merchant):
    first = await merchant.test.post(
        "/v1/customers", json={"name": "Grace"}, headers={"Idempotency-Key": "g"}
    )
    ada = await merchant.customer(**_ADA)
    await merchant.test.delete(f"/v1/customers/{ada['id']}")
    replayed = await merchant.test.post(
        "/v1/customers", json={"name": "Grace"}, headers={"Idempotency-Key": "g"}
    )
    assert (replayed.status_code, replayed.content) == (201, first.content)


async def test_a_new_key_is_shown_once_and_its_secret_is_nowhere(merchant: Merchant, db: Database):
    headers = {"Idempotency-Key": "new-till"}
    made = created(await merchant.test.post("/v1/api-keys", json={"name": "till"}, headers=headers))
    async with nothing_stored(db, merchant):
        again = await merchant.test.post("/v1/api-keys", json={"name": "till"}, headers=headers)
        refused(again, 410, "idempotent_answer_erased")
    stored = await everything(db, merchant.org_id)
    public, _, secret = made["key"].partition(".")
    assert public.removeprefix("pfk_test_") in stored
    for spelling in (secret, secret[:20], secret.encode().hex(), secret[:20].encode().hex()):
        assert spelling not in stored
    assert secret not in (await merchant.test.get("/v1/api-keys")).text


async def test_a_deed_that_fails_stores_nothing_and_its_key_is_free(
    merchant: Merchant, db: Database, outsider: asyncpg.Connection
):
    """Cut off in the middle: the database ends the connection while the deed waits for a lock."""
    customer = await merchant.customer(external_id="usr_1")
    before = await rows_of(db, merchant.org_id)
    held = outsider.transaction()
    await held.start()
    await outsider.execute("SELECT FROM customers WHERE id = $1 FOR UPDATE", customer["id"])
    paying = asyncio.create_task(
        merchant.test.post("/v1/payments", json=_PAYMENT, headers={"Idempotency-Key": "cut"})
    )
    await ended_waiting(outsider)
    cut = await paying
    assert refused(cut, 503, "unavailable")["error"] == "unavailable"
    assert cut.headers["retry-after"] == "1"
    await held.rollback()
    assert await rows_of(db, merchant.org_id) == before
    created(await merchant.test.post("/v1/payments", json=_PAYMENT, headers={"Idempotency-Key": "cut"}))
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["total_spent"] == 15000


async def ended_waiting(conn: asyncpg.Connection) -> None:
    """Ends whoever waits for this connection's locks, as soon as somebody does."""
    ended = None
    while not ended:
        await asyncio.sleep(0.01)
        ended = await conn.fetchval(
            """
            SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))
            """
        )


async def test_a_deed_that_waits_too_long_for_a_lock_is_unavailable_and_done_by_the_next_try(
    merchant: Merchant, db: Database, outsider: asyncpg.Connection
):
    customer = await merchant.customer(external_id="usr_1")
    before = await rows_of(db, merchant.org_id)
    async with outsider.transaction():
        await outsider.execute("SELECT FROM customers WHERE id = $1 FOR UPDATE", customer["id"])
        waiting = asyncio.create_task(
            merchant.test.post("/v1/payments", json=_PAYMENT, headers={"Idempotency-Key": "slow"})
        )
        await asyncio.sleep(0.3)
        meanwhile = await merchant.test.post(
            "/v1/payments", json=_PAYMENT, headers={"Idempotency-Key": "slow"}
        )
        refused(meanwhile, 409, "idempotency_key_in_use")
        refused(await waiting, 503, "unavailable")
        assert await rows_of(db, merchant.org_id) == before
    created(await merchant.test.post("/v1/payments", json=_PAYMENT, headers={"Idempotency-Key": "slow"}))


async def test_a_payment_on_its_way_while_its_customer_is_erased_keeps_no_personal_data(
    merchant: Merchant, db: Database, outsider: asyncpg.Connection
):
    """The erasure waits for the payment, and then finds the answer and the event that it left."""
    customer = await merchant.customer(**_ADA)
    async with outsider.transaction():
        # The payment stops at its last statement, with everything else of it done.
        await outsider.execute("LOCK TABLE customer_days IN ACCESS EXCLUSIVE MODE")
        paying = asyncio.create_task(
            merchant.test.post("/v1/payments", json=_PAYMENT, headers={"Idempotency-Key": "pay"})
        )
        await asyncio.sleep(0.3)
        erasing = asyncio.create_task(merchant.test.delete(f"/v1/customers/{customer['id']}"))
        await asyncio.sleep(0.2)
    created(await paying)
    assert (await erasing).status_code == 204
    await Clockwork.in_the_present(db, merchant.org_id).run()  # whoever is to forget it has been told
    stored = await everything(db, merchant.org_id)
    for personal in ("Ada", "ada@example.com", "233501234567", "usr_1"):
        assert personal not in stored
        assert personal.encode().hex() not in stored
    replayed = await merchant.test.post("/v1/payments", json=_PAYMENT, headers={"Idempotency-Key": "pay"})
    refused(replayed, 410, "idempotent_answer_erased")
