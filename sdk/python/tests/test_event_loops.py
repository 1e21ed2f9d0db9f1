"""One AsyncReevit, made once for a whole program, in one event loop after the other, and in several at once."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from reevit import AsyncReevit
from tests.answers import KEY, Answers
from tests.flaky import shop

# The connections of a loop that is gone cannot be closed in another one; Python says so when it does it itself.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """While that is ignored, and not in the middle of another test."""
    yield
    gc.collect()


async def pay(client: AsyncReevit, reference: str) -> str | None:
    return (await client.payments.create(amount=1, currency="GHS", reference=reference)).reference


def test_it_works_in_one_run_after_the_other():
    with shop() as seen:
        client = AsyncReevit(KEY, base_url=seen.base_url, max_retries=0)
        assert [asyncio.run(pay(client, f"order-{one}")) for one in range(3)] == [
            "order-0",
            "order-1",
            "order-2",
        ]
        asyncio.run(client.aclose())
    assert len(seen.payments) == 3


def test_so_does_one_with_other_options_that_was_made_before():
    with shop() as seen:
        client = AsyncReevit(KEY, base_url=seen.base_url, max_retries=0)
        other = client.with_options(reason="x")
        found = [asyncio.run(pay(each, "order")) for each in (client, other, client, other)]
        asyncio.run(client.aclose())
    assert found == ["order"] * 4


def test_within_a_run_connections_are_kept():
    client = AsyncReevit(KEY)

    async def pools() -> list[httpx.AsyncClient]:
        return [client._pools.here(), client.with_options(reason="x")._pools.here()]

    first, second = asyncio.run(pools()), asyncio.run(pools())
    assert first[0] is first[1]
    assert second[0] is second[1]
    assert first[0] is not second[0]
    assert list(client._pools._by_loop.values()) == [second[0]], "the pool of a loop that is gone is dropped"


def test_it_may_be_closed_in_each_run():
    with shop() as seen:
        client = AsyncReevit(KEY, base_url=seen.base_url, max_retries=0)

        async def story() -> str | None:
            async with client:
                return await pay(client, "order")

        assert [asyncio.run(story()) for _ in range(2)] == ["order", "order"]


async def test_after_it_is_closed_it_is_closed():
    client = AsyncReevit(KEY)
    await client.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await client.customers.get("cus_1")


def test_two_loops_in_two_threads_do_not_take_each_others_connections():
    both = threading.Barrier(2)
    found: list[Any] = []

    async def story(client: AsyncReevit, reference: str) -> None:
        for _ in range(5):
            both.wait(60)
            found.append(await pay(client, reference))
        both.wait(60)  # the other loop still runs: its pool is not dropped
        pools = set(client._pools._by_loop.values())
        both.wait(60)
        assert len(pools) == 2
        await client.aclose()

    with shop() as seen:
        client = AsyncReevit(KEY, base_url=seen.base_url, max_retries=0)
        threads = [threading.Thread(target=asyncio.run, args=(story(client, name),)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == ["a"] * 5 + ["b"] * 5


def test_a_transport_that_was_given_is_used_in_each():
    wire = Answers({"id": "cus_1"}, {"id": "cus_2"})
    client = AsyncReevit(KEY, transport=wire)
    found = [asyncio.run(_got(client, id)) for id in ("cus_1", "cus_2")]
    assert found == ["cus_1", "cus_2"]


async def _got(client: AsyncReevit, id: str) -> str:
    return (await client.customers.get(id)).id
