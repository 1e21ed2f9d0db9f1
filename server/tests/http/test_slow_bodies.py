"""Who sends slowly: waited for as long as is promised, not longer, and let in by a key that is still good."""

import asyncio
import selectors
from collections.abc import AsyncIterator

import httpx

from reevit_server.app import create_app
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests.http.rows import nothing_stored
from tests.makers import MASTER_KEY, Api, Merchant, created, refused

_JSON = {"Content-Type": "application/json"}
_BODY = b'{"external_id": "usr_1"}'
_HASTE = 10


class _HastySelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / _HASTE)


class HastyLoop(asyncio.SelectorEventLoop):
    """An event loop in a world where a second takes a tenth of one, so that half a minute can be waited for."""

    def __init__(self) -> None:
        super().__init__(_HastySelector())

    def time(self) -> float:
        return super().time() * _HASTE


def test_a_body_that_trickles_in_is_waited_for_30_seconds_and_no_longer(dsn: str, merchant: Merchant):
    """Every byte of it is quick: what counts is the whole."""

    async def trickle() -> AsyncIterator[bytes]:
        for number in range(100):
            yield _BODY[number : number + 1] or b" "
            await asyncio.sleep(1)

    async def send() -> tuple[httpx.Response, float]:
        async with (
            Api(create_app(Settings(master_key=MASTER_KEY, rate_limit=0), dsn)) as api,
            api.client(merchant.test_key) as client,
        ):
            asked = asyncio.get_running_loop().time()
            answer = await client.post("/v1/customers", content=trickle(), headers=_JSON)
            return answer, asyncio.get_running_loop().time() - asked

    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        answer, waited = runner.run(send())
    body = refused(answer, 408, "request_timeout")
    assert body["error"] == "validation_error"
    assert "30 seconds" in body["message"]
    assert 30 <= waited < 50
    assert answer.headers["connection"] == "close", "the rest of the body would be taken for the next request"


async def test_a_key_revoked_while_the_body_is_on_its_way_is_refused(
    api: Api, merchant: Merchant, db: Database
):
    till = created(await merchant.test.post("/v1/api-keys", json={"name": "till"}))

    async def revoked_midway() -> AsyncIterator[bytes]:
        yield b'{"external_id":'
        assert (await merchant.test.delete(f"/v1/api-keys/{till['id']}")).status_code == 204
        await asyncio.sleep(1)
        yield b'"usr_1"}'

    headers = {**_JSON, "Idempotency-Key": "slow"}
    async with nothing_stored(db, merchant), api.client(till["key"]) as client:
        answer = await client.post("/v1/customers", content=revoked_midway(), headers=headers)
    refused(answer, 401, "invalid_api_key")


async def test_a_slow_body_with_a_good_key_is_taken(merchant: Merchant):
    async def slow() -> AsyncIterator[bytes]:
        yield _BODY[:9]
        await asyncio.sleep(0.7)
        yield _BODY[9:]

    created(await merchant.test.post("/v1/customers", content=slow(), headers=_JSON))
