"""Nobody takes everything: limits in the headers, and a refusal that says when to come back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from reevit_server.app import create_app
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests.http.rows import nothing_stored
from tests.makers import MASTER_KEY, Api, Merchant, created, make_merchant, ok, refused

_JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def slow(dsn: str) -> AsyncIterator[Api]:
    """One request every two seconds, and one in a burst."""
    async with Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=0.5), dsn)) as started:
        yield started


@pytest.fixture
async def shop(slow: Api, db: Database) -> Merchant:
    return await make_merchant(db, slow)


async def test_every_answer_tells_what_is_left(dsn: str, db: Database):
    async with Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=5), dsn)) as app:
        shop = await make_merchant(db, app)
        first = await shop.test.get("/v1/customers")
        second = await shop.test.post("/v1/customers", json={})
    assert first.headers["x-ratelimit-limit"] == second.headers["x-ratelimit-limit"] == "10"
    assert int(first.headers["x-ratelimit-remaining"]) == 9
    assert int(second.headers["x-ratelimit-remaining"]) in (8, 9)
    assert 0 <= int(second.headers["x-ratelimit-reset"]) <= 2
    refused(second, 400, "validation_error")


async def test_too_many_requests_are_refused_with_the_time_to_wait(shop: Merchant, db: Database):
    created(await shop.test.post("/v1/customers", json={"external_id": "usr_1"}))
    async with nothing_stored(db, shop):
        answer = await shop.test.post(
            "/v1/customers", json={"external_id": "usr_2"}, headers={"Idempotency-Key": "limited"}
        )
    body = refused(answer, 429, "rate_limited")
    assert body["error"] == "rate_limited"
    assert answer.headers["retry-after"] == "2"
    assert body["details"] == {"retry_after_seconds": 2}
    assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("1", "0")
    assert answer.headers["x-ratelimit-reset"] == "2"


async def test_who_waits_as_told_is_served(dsn: str, db: Database):
    async with Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=2), dsn)) as app:
        shop = await make_merchant(db, app)
        answers = [await shop.test.get("/v1/customers") for _ in range(20)]
        answer = next(answer for answer in answers if answer.status_code != 200)
        refused(answer, 429, "rate_limited")
        await asyncio.sleep(int(answer.headers["retry-after"]))
        ok(await shop.test.get("/v1/customers"))


async def test_the_limit_is_decided_before_the_body_is_read(shop: Merchant):
    ok(await shop.test.get("/v1/customers"))

    async def never_read() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await shop.test.post("/v1/customers", content=never_read(), headers=_JSON)
    refused(answer, 429, "rate_limited")
    for raw in (b"{", b"x" * 300_000):
        refused(await shop.test.post("/v1/customers", content=raw, headers=_JSON), 429, "rate_limited")


async def test_every_organization_and_mode_has_a_limit_of_its_own(slow: Api, shop: Merchant, db: Database):
    other = await make_merchant(db, slow)
    for client in (shop.test, shop.live, other.test, other.live):
        ok(await client.get("/v1/customers"))
        refused(await client.get("/v1/customers"), 429, "rate_limited")


async def test_a_second_key_of_the_same_shop_shares_its_limit(slow: Api, merchant: Merchant):
    key = created(await merchant.test.post("/v1/api-keys", json={}))["key"]
    async with slow.client(key) as one, slow.client(merchant.test_key) as two:
        ok(await one.get("/v1/customers"))
        refused(await two.get("/v1/customers"), 429, "rate_limited")


async def test_strangers_and_probes_use_nobodys_limit(slow: Api, shop: Merchant):
    async with slow.client("pfk_test_none") as stranger:
        for _ in range(5):
            refused(
                await stranger.get("/v1/customers", headers={"X-Org-Id": shop.org_id}), 401, "invalid_api_key"
            )
            ok(await stranger.get("/healthz"))
            ok(await stranger.get("/readyz"))
    ok(await shop.test.get("/v1/customers"))


async def test_a_limit_of_zero_is_none(merchant: Merchant):
    answer = await merchant.test.get("/v1/customers")
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
