"""One side of `bench_sdk`: gets one customer, again and again, one call after another. A program of its own, since the
published client and ours share the name that they are imported by.

python sdk_side.py sdk|sdk_async|httpx|httpx_async|published BASE_URL KEY CUSTOMER SECONDS
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any


def main(side: str, base_url: str, key: str, customer: str, seconds: str) -> None:
    """Prints how many answers there were, and the median of their times."""
    times = SIDES[side](base_url, key, customer, float(seconds))
    said = {"answers": len(times), "latency_ms": sorted(times)[len(times) // 2] * 1000}
    print(json.dumps(said))  # noqa: T201 - to bench_sdk


def sdk(base_url: str, key: str, customer: str, seconds: float) -> list[float]:
    """Ours."""
    from reevit import Reevit

    with Reevit(key, base_url=base_url) as client:
        return timed(lambda: client.customers.get(customer).email, seconds)


def sdk_async(base_url: str, key: str, customer: str, seconds: float) -> list[float]:
    """Ours, awaited."""
    from reevit import AsyncReevit

    async def run() -> list[float]:
        async with AsyncReevit(key, base_url=base_url) as client:

            async def get() -> Any:
                return (await client.customers.get(customer)).email

            return await awaited(get, seconds)

    return asyncio.run(run())


def httpx(base_url: str, key: str, customer: str, seconds: float) -> list[float]:
    """The floor: the same request by the same library, and its JSON."""
    import httpx

    with httpx.Client(headers={"X-Reevit-Key": key}, timeout=30) as client:
        url = f"{base_url}/v1/customers/{customer}"
        return timed(lambda: client.get(url).raise_for_status().json()["email"], seconds)


def httpx_async(base_url: str, key: str, customer: str, seconds: float) -> list[float]:
    """The floor of ours, awaited."""
    import httpx

    async def run() -> list[float]:
        async with httpx.AsyncClient(headers={"X-Reevit-Key": key}, timeout=30) as client:
            url = f"{base_url}/v1/customers/{customer}"

            async def get() -> Any:
                return (await client.get(url)).raise_for_status().json()["email"]

            return await awaited(get, seconds)

    return asyncio.run(run())


def published(base_url: str, key: str, customer: str, seconds: float) -> list[float]:
    """The client that merchants have today."""
    from reevit import Reevit

    client = Reevit(key, org_id=None, base_url=base_url)
    client.org_id = "unsaid"  # it warns without one, which costs more than the call
    return timed(lambda: client.customers.get(customer)["email"], seconds)


def timed(call: Callable[[], Any], seconds: float) -> list[float]:
    """How long each call took."""
    times = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        call()
        times.append(time.perf_counter() - started)
    return times


async def awaited(call: Callable[[], Awaitable[Any]], seconds: float) -> list[float]:
    """The same of calls that are awaited."""
    times = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        await call()
        times.append(time.perf_counter() - started)
    return times


SIDES = {side.__name__: side for side in (sdk, sdk_async, httpx, httpx_async, published)}

if __name__ == "__main__":
    main(*sys.argv[1:])
