"""Who may come in: the key alone decides organization, mode and rights, and a revoked one is out within a second."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from reevit_server.api_keys.models import SCOPES, SecretKey, _checksum
from reevit_server.app import create_app
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests.http.rows import nothing_stored
from tests.makers import MASTER_KEY, Api, Merchant, created, ok, refused


def mistyped(key: str) -> str:
    """The key with one character of its secret changed to another of the alphabet."""
    at = key.index(".") + 10
    return key[:at] + ("2" if key[at] != "2" else "3") + key[at + 1 :]


@pytest.fixture
async def second_process(dsn: str) -> AsyncIterator[Api]:
    """Another API process on the same database, with a memory of its own."""
    async with Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=0), dsn)) as started:
        yield started


async def test_a_key_comes_in_its_own_header_or_as_a_bearer_token(api: Api, merchant: Merchant):
    key = merchant.test_key
    async with api.client() as client:
        for headers in (
            {"X-Reevit-Key": key},
            {"Authorization": f"Bearer {key}"},
            {"Authorization": f"bearer {key}"},
            {"authorization": f"BEARER   {key}"},
            {"X-Reevit-Key": key, "Authorization": "Basic bm9ib2R5OmhlcmU="},
        ):
            ok(await client.get("/v1/customers", headers=headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic {key}"},
        {"Authorization": "{key}"},
        {"X-Reevit-Key": ""},
        {"X-Reevit-Key": "Bearer {key}"},
        {"X-Api-Key": "{key}"},
        {"Cookie": "key={key}"},
    ],
    ids=str,
)
async def test_without_a_key_in_its_place_nobody_gets_in(
    api: Api, merchant: Merchant, db: Database, headers: dict[str, str]
):
    filled = {name: value.format(key=merchant.test_key) for name, value in headers.items()}
    async with nothing_stored(db, merchant), api.client() as client:
        answer = await client.post("/v1/customers", json={"name": "Ada"}, headers=filled)
    body = refused(answer, 401, "invalid_api_key")
    assert body["error"] == "unauthorized"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert merchant.test_key not in answer.text


async def test_a_key_in_the_address_is_no_key(api: Api, merchant: Merchant):
    async with api.client() as client:
        refused(await client.get(f"/v1/customers?key={merchant.test_key}"), 401, "invalid_api_key")


async def test_only_the_whole_key_gets_in(api: Api, merchant: Merchant):
    key = merchant.test_key
    public, _, secret = key.partition(".")
    never_issued = SecretKey.new("test").text
    wrong = [
        *(
            key[:-1],
            key + "a",
            key.upper(),
            key.lower(),
            f" {key[1:]}",
            key.replace(".", ""),
            public,
            f"{public}.",
        ),
        *(mistyped(key), key.replace("test", "live"), f"{public}.{secret[::-1]}", never_issued),
        *(
            f"{public}.{never_issued.partition('.')[2]}",
            "pfk_test_",
            "null",
            "undefined",
            "' OR 1=1 --",
            "x" * 10_000,
        ),
    ]
    for candidate in wrong:
        async with api.client(candidate) as client:
            refused(await client.get("/v1/customers"), 401, "invalid_api_key")
    async with api.client() as client:
        answer = await client.get("/v1/customers", headers=[(b"X-Reevit-Key", b"pfk_test_\xff\xfe")])
        refused(answer, 401, "invalid_api_key")


async def test_the_same_secret_does_not_open_the_other_mode(api: Api, merchant: Merchant):
    """A live key cannot be made from a test key, even with the right checksum."""
    await merchant.customer()
    body = merchant.test_key.replace("pfk_test_", "pfk_live_")[:-6]
    forged = body + _checksum(body)
    assert SecretKey.parse(forged) is not None
    async with api.client(forged) as client:
        refused(await client.get("/v1/customers"), 401, "invalid_api_key")


async def test_the_organization_in_a_header_must_be_the_keys(
    merchant: Merchant, other: Merchant, db: Database
):
    ok(await merchant.test.get("/v1/customers", headers={"X-Org-Id": merchant.org_id}))
    for wrong in (other.org_id, "", merchant.org_id.upper(), merchant.org_id + " x"):
        async with nothing_stored(db, merchant), nothing_stored(db, other):
            answer = await merchant.test.post(
                "/v1/customers", json={"name": "Ada"}, headers={"X-Org-Id": wrong, "Idempotency-Key": "org"}
            )
        assert refused(answer, 403, "org_mismatch")["error"] == "forbidden"


async def test_test_and_live_data_never_meet(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    refused(await merchant.live.get(f"/v1/customers/{customer['id']}"), 404, "customer_not_found")
    refused(await merchant.live.get("/v1/customers/external/usr_1"), 404, "customer_not_found")
    assert ok(await merchant.live.get("/v1/customers"))["customers"] == []
    created(await merchant.live.post("/v1/customers", json={"external_id": "usr_1"}))


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        *(("GET", "/v1/customers", "customers:read"), ("HEAD", "/v1/customers", "customers:read")),
        *(
            ("POST", "/v1/customers", "customers:write"),
            ("PUT", "/v1/customers/external/a", "customers:write"),
        ),
        *(
            ("PATCH", "/v1/customers/cus_1", "customers:write"),
            ("DELETE", "/v1/customers/cus_1", "customers:write"),
        ),
        *(
            ("GET", "/v1/customers/cus_1/payments", "payments:read"),
            ("GET", "/v1/payments", "payments:read"),
        ),
        *(
            ("POST", "/v1/payments", "payments:write"),
            ("POST", "/v1/payments/pay_1/refund", "payments:write"),
        ),
        ("POST", "/v1/sandbox/payments/pay_1/complete", "payments:write"),
        *(("GET", "/v1/api-keys", "api_keys:read"), ("POST", "/v1/api-keys", "api_keys:write")),
        ("DELETE", "/v1/api-keys/key_1", "api_keys:write"),
    ],
)
async def test_a_missing_scope_is_named(
    api: Api, merchant: Merchant, db: Database, method: str, path: str, scope: str
):
    every_other = [right for right in SCOPES if right != scope]
    key = created(await merchant.test.post("/v1/api-keys", json={"scopes": every_other}))["key"]
    async with nothing_stored(db, merchant), api.client(key) as client:
        answer = await client.request(method, path, headers={"Idempotency-Key": "scope"})
    assert answer.status_code == 403
    if method != "HEAD":
        body = refused(answer, 403, "insufficient_scope")
        assert body["error"] == "forbidden"
        assert scope in body["message"]
        assert body["details"] == {"required_scope": scope}
    only_this = created(await merchant.test.post("/v1/api-keys", json={"scopes": [scope]}))["key"]
    async with api.client(only_this) as client:
        assert (await client.request(method, path)).status_code not in (401, 403)


async def test_a_revoked_key_is_out_within_a_second_in_every_process(
    api: Api, second_process: Api, merchant: Merchant
):
    till = created(await merchant.test.post("/v1/api-keys", json={"name": "till"}))
    async with api.client(till["key"]) as here, second_process.client(till["key"]) as there:
        for client in (here, there):
            ok(await client.get("/v1/customers"))
        revoked_at = time.monotonic()
        assert (await merchant.test.delete(f"/v1/api-keys/{till['id']}")).status_code == 204
        for client in (here, there):
            while (answer := await client.get("/v1/customers")).status_code == 200:
                assert time.monotonic() - revoked_at < 1
                await asyncio.sleep(0.02)
            refused(answer, 401, "invalid_api_key")


async def test_a_key_cannot_use_itself_after_it_has_revoked_itself(api: Api, merchant: Merchant):
    till = created(await merchant.test.post("/v1/api-keys", json={}))
    async with api.client(till["key"]) as client:
        assert (await client.delete(f"/v1/api-keys/{till['id']}")).status_code == 204
        await asyncio.sleep(0.6)
        refused(await client.get("/v1/customers"), 401, "invalid_api_key")
