"""One effect per Idempotency-Key: replays say what was said before, and never do it again."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from reevit_server.core import idempotency
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from tests.http.rows import nothing_stored, rows_of
from tests.makers import Api, Merchant, created, ok, refused

_PAYMENT = {"amount": 15000, "currency": "GHS", "customer": {"external_id": "usr_1"}}
_JSON = {"Content-Type": "application/json"}


def keyed(key: str, **headers: str) -> dict[str, str]:
    return {"Idempotency-Key": key, **headers}


def is_replay(replayed: httpx.Response, first: httpx.Response) -> bool:
    """The same status and the same bytes, and it says what it is."""
    assert "idempotent-replayed" not in first.headers
    assert replayed.headers["x-request-id"] != first.headers["x-request-id"]
    return (
        replayed.headers.get("idempotent-replayed") == "true"
        and (replayed.status_code, replayed.content) == (first.status_code, first.content)
        and replayed.headers.get("content-type") == first.headers.get("content-type")
    )


async def until_done(client: httpx.AsyncClient, key: str, body: dict[str, Any]) -> httpx.Response:
    """Sends a request again for as long as it is told that the first one is still running."""
    while True:
        answer = await client.post("/v1/payments", json=body, headers=keyed(key))
        if answer.status_code != 409:
            return answer
        refused(answer, 409, "idempotency_key_in_use")
        assert answer.headers["retry-after"] == "1"
        await asyncio.sleep(0.02)


async def test_64_clients_with_one_key_make_one_payment(merchant: Merchant, db: Database):
    answers = await asyncio.gather(*(until_done(merchant.test, "one", _PAYMENT) for _ in range(64)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    rows = await rows_of(db, merchant.org_id)
    assert {name: rows[name] for name in ("payments", "customers", "idempotency_keys", "events")} == {
        "payments": 1,
        "customers": 1,
        "idempotency_keys": 1,
        "events": 3,  # customer.created, payment.created, payment.succeeded
    }
    customer = ok(await merchant.test.get("/v1/customers/external/usr_1"))
    assert (customer["total_spent"], customer["payment_count"]) == (15000, 1)


async def test_many_keys_at_once_make_as_many_payments(merchant: Merchant):
    keys = [f"key-{number % 16}" for number in range(64)]
    answers = await asyncio.gather(*(until_done(merchant.test, key, _PAYMENT) for key in keys))
    by_key = {
        key: {answer.content for other, answer in zip(keys, answers, strict=True) if other == key}
        for key in keys
    }
    assert {len(bodies) for bodies in by_key.values()} == {1}
    assert ok(await merchant.test.get("/v1/customers/external/usr_1"))["total_spent"] == 16 * 15000


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/customers", {"name": "Ada"}, 201),
        ("PUT", "/v1/customers/external/usr_9", {"name": "Ada"}, 201),
        ("PUT", "/v1/customers/external/usr_1", {"name": "Ada"}, 200),
        ("PATCH", "/v1/customers/external/usr_1", {"name": "Ada", "metadata": {"plan": "pro"}}, 200),
        ("POST", "/v1/customers/external/usr_1/tags", {"tags": ["vip"]}, 200),
        ("DELETE", "/v1/customers/external/usr_1/tags/old", None, 200),
        ("DELETE", "/v1/customers/external/usr_1", None, 204),
        ("POST", "/v1/payments", {"amount": 1, "currency": "GHS"}, 201),
        ("POST", "/v1/payments", {"amount": 1, "currency": "GHS", "metadata": {"sandbox": "fail"}}, 201),
        ("POST", "/v1/payments/intents", {"amount": 1, "currency": "GHS"}, 201),
        ("PATCH", "/v1/payments/intents/{intent}", {"amount": 2}, 200),
        ("POST", "/v1/payments/{intent}/confirm", None, 200),
        ("POST", "/v1/payments/{intent}/confirm-intent?client_secret={secret}", {}, 200),
        ("POST", "/v1/payments/{intent}/cancel", None, 200),
        ("POST", "/v1/payments/{payment}/refund", {"amount": 1}, 201),
        ("POST", "/v1/sandbox/payments/{waiting}/complete", {"outcome": "succeed"}, 200),
        ("DELETE", "/v1/api-keys/{key}", None, 204),
    ],
)
async def test_every_write_is_replayed_byte_for_byte_and_done_once(
    merchant: Merchant, db: Database, method: str, path: str, body: dict[str, Any] | None, status: int
):
    intent = created(await merchant.test.post("/v1/payments/intents", json={"amount": 5, "currency": "GHS"}))
    names = {
        "intent": intent["id"],
        "secret": intent["client_secret"],
        "payment": (await merchant.payment(customer={"external_id": "usr_1"}))["id"],
        "waiting": (await merchant.payment(metadata={"sandbox": "requires_action"}))["id"],
        "key": created(await merchant.test.post("/v1/api-keys", json={}))["id"],
    }
    there = path.format(**names)
    first = await merchant.test.request(method, there, json=body, headers=keyed("again"))
    assert first.status_code == status, first.text
    async with nothing_stored(db, merchant):
        replayed = await merchant.test.request(method, there, json=body, headers=keyed("again"))
    assert is_replay(replayed, first)


async def test_a_key_that_was_used_for_another_request_is_refused(merchant: Merchant, db: Database):
    payment = await merchant.payment(amount=100)
    await merchant.payment()
    path = f"/v1/payments/{payment['id']}"
    created(await merchant.test.post(f"{path}/refund", json={"amount": 10}, headers=keyed("used")))
    customer = (await merchant.customer())["id"]
    intent = created(await merchant.test.post("/v1/payments/intents", json={"amount": 5, "currency": "GHS"}))
    confirm = f"/v1/payments/{intent['id']}/confirm-intent?client_secret="
    ok(await merchant.test.post(confirm + intent["client_secret"], headers=keyed("secret")))
    ok(await merchant.test.patch(f"/v1/customers/{customer}", json={}, headers=keyed("patch")))
    others = {
        "another body": ("POST", f"{path}/refund", {"amount": 11}, "used"),
        "a body less": ("POST", f"{path}/refund", {}, "used"),
        "a field more": ("POST", f"{path}/refund", {"amount": 10, "reason": "fraud"}, "used"),
        "another route": ("POST", "/v1/customers", {"name": "Ada"}, "used"),
        "another object": ("POST", f"/v1/payments/{intent['id']}/refund", {"amount": 1}, "used"),
        "another query": ("POST", confirm + "another", None, "secret"),
        "another method": ("DELETE", f"/v1/customers/{customer}", None, "patch"),
    }
    async with nothing_stored(db, merchant):
        for what, (method, there, body, key) in others.items():
            answer = await merchant.test.request(method, there, json=body, headers=keyed(key))
            assert answer.status_code == 422, what
            assert refused(answer, 422, "idempotency_key_reused")["error"] == "unprocessable"


async def test_an_encoded_slash_makes_another_request(merchant: Merchant, db: Database):
    """`a%2Ftags%2Fb` is one customer's id; `a/tags/b` is a tag of another."""
    await merchant.customer(external_id="a", tags=["b"])
    await merchant.customer(external_id="a/tags/b")
    removed = await merchant.test.delete("/v1/customers/external/a/tags/b", headers=keyed("slash"))
    assert ok(removed)["tags"] == []
    deleting = await merchant.test.delete("/v1/customers/external/a%2Ftags%2Fb", headers=keyed("slash"))
    refused(deleting, 422, "idempotency_key_reused")


async def test_the_order_of_keys_and_white_space_make_no_other_request(merchant: Merchant):
    spellings = [
        b'{"amount": 1500, "currency": "GHS", "metadata": {"a": 1, "b": "\\u00e9"}}',
        b'{"currency":"GHS","metadata":{"b":"\xc3\xa9","a":1},"amount":1500}',
        b'\n{ "metadata" : {"a":1,"b":"\\u00E9"} , "amount":1500,\t"currency":"\\u0047HS" }\r\n',
    ]
    first, *rest = [
        await merchant.test.post("/v1/payments", content=raw, headers=keyed("order", **_JSON))
        for raw in spellings
    ]
    created(first)
    assert all(is_replay(replayed, first) for replayed in rest)


@pytest.mark.parametrize("other", [b"1.0", b"true", b'"1"', b"2"])
async def test_another_type_of_value_makes_another_request(merchant: Merchant, other: bytes):
    body = b'{"name": "Ada", "metadata": {"a": %s}}'
    first = await merchant.test.post("/v1/customers", content=body % b"1", headers=keyed("type", **_JSON))
    created(first)
    second = await merchant.test.post("/v1/customers", content=body % other, headers=keyed("type", **_JSON))
    refused(second, 422, "idempotency_key_reused")


async def test_a_refusal_decided_by_what_was_stored_is_replayed_after_the_world_has_changed(
    merchant: Merchant, db: Database
):
    payment = await merchant.payment(amount=100, metadata={"sandbox": "requires_action"})
    taken = await merchant.customer(external_id="usr_1")
    path = f"/v1/payments/{payment['id']}"
    by_external_id: dict[str, Any] = {"amount": 1, "currency": "GHS", "external_customer_id": "usr_2"}
    requests: list[tuple[str, str, dict[str, Any] | None, int, str]] = [
        ("PATCH", "/v1/customers/external/usr_2", {"name": "Ada"}, 404, "customer_not_found"),
        ("POST", "/v1/customers", {"external_id": "usr_1"}, 409, "external_id_taken"),
        ("POST", f"{path}/refund", {"amount": 1}, 422, "wrong_payment_state"),
        ("POST", "/v1/payments", by_external_id, 422, "customer_not_found"),
        ("POST", f"{path}/retry", None, 422, "wrong_payment_state"),
    ]

    async def send(number: int) -> httpx.Response:
        method, there, body, _, _ = requests[number]
        return await merchant.test.request(method, there, json=body, headers=keyed(f"refusal-{number}"))

    firsts = [await send(number) for number in range(len(requests))]
    for first, (_, _, _, status, code) in zip(firsts, requests, strict=True):
        refused(first, status, code)
    await merchant.customer(external_id="usr_2")
    await merchant.test.delete(f"/v1/customers/{taken['id']}")
    ok(
        await merchant.test.post(
            f"/v1/sandbox{path.removeprefix('/v1')}/complete", json={"outcome": "succeed"}
        )
    )
    async with nothing_stored(db, merchant):
        for number, first in enumerate(firsts):
            replayed = await send(number)
            assert replayed.headers["idempotent-replayed"] == "true"
            assert (replayed.status_code, replayed.content) == (first.status_code, first.content)


async def test_a_request_that_was_never_understood_keeps_no_key(merchant: Merchant, db: Database):
    readers = created(await merchant.test.post("/v1/api-keys", json={"scopes": ["customers:read"]}))["key"]
    good = b'{"name": "Ada"}'
    async with nothing_stored(db, merchant):
        for status, body, headers in (
            (400, b'{"name": 7}', _JSON),
            (400, b"{", _JSON),
            (401, good, {**_JSON, "X-Reevit-Key": "pfk_test_none"}),
            (403, good, {**_JSON, "X-Reevit-Key": readers}),
            (403, good, {**_JSON, "X-Org-Id": "org_another"}),
            (413, b" " * 300_000, _JSON),
            (415, good, {"Content-Type": "text/plain"}),
        ):
            answer = await merchant.test.post(
                "/v1/customers", content=body, headers=keyed("retry", **headers)
            )
            assert answer.status_code == status, answer.text
        assert (await merchant.test.put("/v1/customers", headers=keyed("retry"))).status_code == 405
    created(await merchant.test.post("/v1/customers", content=good, headers=keyed("retry", **_JSON)))


async def test_a_wrong_secret_or_a_date_in_the_future_keeps_no_key(merchant: Merchant, db: Database):
    """403 and 400 are not stored, even where only the deed itself can tell."""
    intent = created(await merchant.test.post("/v1/payments/intents", json={"amount": 5, "currency": "GHS"}))
    confirm = f"/v1/payments/{intent['id']}/confirm-intent?client_secret="
    later = {"amount": 5, "currency": "GHS", "provider": "external", "occurred_at": "2099-01-01T00:00:00Z"}
    async with nothing_stored(db, merchant):
        wrong = await merchant.test.post(confirm + "wrong", headers=keyed("secret"))
        refused(wrong, 403, "client_secret_wrong")
        refused(
            await merchant.test.post("/v1/payments", json=later, headers=keyed("date")),
            400,
            "validation_error",
        )
    ok(await merchant.test.post(confirm + intent["client_secret"], headers=keyed("secret")))
    created(await merchant.test.post("/v1/payments", json=_PAYMENT, headers=keyed("date")))


async def test_keys_are_apart_in_every_organization_and_mode(merchant: Merchant, other: Merchant):
    outside = {"amount": 7, "currency": "GHS", "provider": "external"}
    clients = (merchant.test, merchant.live, other.test, other.live)
    payments = [
        created(await client.post("/v1/payments", json=outside, headers=keyed("same"))) for client in clients
    ]
    assert len({payment["id"] for payment in payments}) == 4
    assert len({(payment["org_id"], payment["mode"]) for payment in payments}) == 4


async def test_a_revoked_key_gets_no_replay(merchant: Merchant, api: Api):
    till = created(await merchant.test.post("/v1/api-keys", json={}))
    async with api.client(till["key"]) as client:
        created(await client.post("/v1/payments", json=_PAYMENT, headers=keyed("mine")))
        await merchant.test.delete(f"/v1/api-keys/{till['id']}")
        await asyncio.sleep(0.6)
        refused(
            await client.post("/v1/payments", json=_PAYMENT, headers=keyed("mine")), 401, "invalid_api_key"
        )


async def test_a_key_without_the_scope_gets_no_replay(merchant: Merchant, api: Api):
    created(await merchant.test.post("/v1/payments", json=_PAYMENT, headers=keyed("mine")))
    reader = created(await merchant.test.post("/v1/api-keys", json={"scopes": ["payments:read"]}))
    async with api.client(reader["key"]) as client:
        answer = await client.post("/v1/payments", json=_PAYMENT, headers=keyed("mine"))
        refused(answer, 403, "insufficient_scope")


async def test_reads_take_no_notice_of_a_key(merchant: Merchant, db: Database):
    async with nothing_stored(db, merchant):
        before = ok(await merchant.test.get("/v1/customers", headers=keyed("read")))
    await merchant.customer()
    after = ok(await merchant.test.get("/v1/customers", headers=keyed("read")))
    assert (len(before["customers"]), len(after["customers"])) == (0, 1)


async def test_keys_are_kept_72_hours_and_then_forgotten(merchant: Merchant, db: Database):
    first = await merchant.test.post("/v1/payments", json=_PAYMENT, headers=keyed("old"))
    hours = timedelta(hours=1)
    async with db.transaction() as conn:
        await idempotency.purge(conn, now=utc_now() + 71 * hours, limit=10_000)
    assert is_replay(await merchant.test.post("/v1/payments", json=_PAYMENT, headers=keyed("old")), first)
    async with db.transaction() as conn:
        assert await idempotency.purge(conn, now=utc_now() + 73 * hours, limit=10_000) >= 1
    again = created(await merchant.test.post("/v1/payments", json=_PAYMENT, headers=keyed("old")))
    assert again["id"] != first.json()["id"]


async def test_old_keys_are_purged_oldest_first_in_batches(merchant: Merchant, db: Database):
    async with db.transaction() as conn:
        while await idempotency.purge(conn, now=utc_now() + timedelta(hours=73), limit=10_000):
            pass
    for number in range(5):
        await merchant.test.post("/v1/customers", json={"name": "Ada"}, headers=keyed(f"k{number}"))
    later = utc_now() + timedelta(hours=73)
    async with db.transaction() as conn:
        assert await idempotency.purge(conn, now=later, limit=3) == 3
        left = await conn.fetch(
            "SELECT key FROM idempotency_keys WHERE org_id = $1 ORDER BY key", merchant.org_id
        )
        assert [row["key"] for row in left] == ["k3", "k4"]
        assert await idempotency.purge(conn, now=later, limit=3) == 2
        assert await idempotency.purge(conn, now=later, limit=3) == 0
