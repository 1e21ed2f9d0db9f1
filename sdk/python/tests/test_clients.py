"""The clients: their connections, threads and event loops."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import patch

import anyio
import httpx
import pytest

from reevit import AsyncReevit, Reevit
from tests.answers import KEY, Answers


class Network(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """One that knows whether it was closed."""

    closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": "cus_1"})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": "cus_1"})

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def test_a_with_block_closes_the_connections():
    network = Network()
    with Reevit(KEY, transport=network) as client:
        assert client.customers.get("cus_1").id == "cus_1"
        assert not network.closed
    assert network.closed
    with pytest.raises(RuntimeError, match="closed"):
        client.customers.get("cus_1")


async def test_an_async_with_block_closes_the_connections():
    network = Network()
    async with AsyncReevit(KEY, transport=network) as client:
        assert (await client.customers.get("cus_1")).id == "cus_1"
        assert not network.closed
    assert network.closed


def test_twenty_threads_share_a_client_and_each_has_its_own_answers():
    seen: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["X-Actor-Id"], request.headers["Idempotency-Key"]))
        return httpx.Response(200, json={"id": request.url.path.rpartition("/")[2]})

    client = Reevit(KEY, transport=httpx.MockTransport(answer))

    def work(thread: int) -> list[str]:
        mine = client.with_options(actor_id=f"thread-{thread}")
        return [mine.customers.update(f"cus_{thread}_{one}", name="x").id for one in range(25)]

    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(work, range(20)))
    assert found == [[f"cus_{thread}_{one}" for one in range(25)] for thread in range(20)]
    assert sorted({actor for actor, _ in seen}) == sorted(f"thread-{thread}" for thread in range(20))
    assert len({key for _, key in seen}) == len(seen) == 500


@contextmanager
def pauses_of_nothing() -> Iterator[None]:
    """The pauses are made, in the way of the event loop, but none is long."""
    with patch("random.uniform", lambda least, most: 0.0):
        yield


@pytest.mark.parametrize("backend", anyio.get_available_backends())
def test_it_runs_on_every_event_loop_that_is_installed(backend: str):
    more = {"customers": [{"id": "cus_2"}], "has_more": True, "next_cursor": "2"}
    wire = Answers(httpx.ConnectError("refused"), {"id": "cus_1"}, more, more, {"customers": []})

    async def story() -> None:
        async with AsyncReevit(KEY, transport=wire) as reevit:
            assert (await reevit.customers.create(external_id="usr_1")).id == "cus_1"
            async for customer in reevit.customers.list():
                assert customer.id == "cus_2"
                break
            gc.collect()  # what a loop leaves half done is complained of here
            assert [row.id async for row in reevit.customers.list()] == ["cus_2"]

    with pauses_of_nothing():
        anyio.run(story, backend=backend)
    assert len(wire.requests) == 5
