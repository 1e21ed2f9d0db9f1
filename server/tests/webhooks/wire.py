"""What a merchant asks of webhooks over the wire, and what comes of it at the other end."""

from datetime import datetime
from typing import Any

import httpx

from tests.makers import Merchant, created, ok
from tests.webhooks.clockwork import Clock, Outside

HOOKS = "https://shop.example/hooks"


async def endpoint(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    """A new endpoint in test mode, told of everything unless said otherwise."""
    return created(await merchant.test.post("/v1/webhooks/endpoints", json={"url": HOOKS, **fields}))


async def seen(merchant: Merchant, endpoint: dict[str, Any]) -> dict[str, Any]:
    """The endpoint as it is now."""
    return ok(await merchant.test.get(f"/v1/webhooks/endpoints/{endpoint['id']}"))


async def patch(merchant: Merchant, endpoint: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return ok(await merchant.test.patch(f"/v1/webhooks/endpoints/{endpoint['id']}", json=fields))


async def do(
    merchant: Merchant, endpoint: dict[str, Any], deed: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    """pause, resume, rotate-secret, test or replay."""
    return await merchant.test.post(f"/v1/webhooks/endpoints/{endpoint['id']}/{deed}", json=body or {})


async def deliveries(merchant: Merchant, **query: Any) -> list[dict[str, Any]]:
    """The latest hundred, newest first."""
    page = ok(await merchant.test.get("/v1/webhooks/outbound", params={"limit": 100, **query}))
    found: list[dict[str, Any]] = page["outbound"]
    return found


async def delivery(merchant: Merchant, **query: Any) -> dict[str, Any]:
    """The only one."""
    (found,) = await deliveries(merchant, **query)
    return found


async def events(merchant: Merchant, **query: Any) -> list[dict[str, Any]]:
    """The latest hundred, newest first."""
    page = ok(await merchant.test.get("/v1/events", params={"limit": 100, **query}))
    found: list[dict[str, Any]] = page["events"]
    return found


def names(outside: Outside) -> list[str]:
    """Of whom was told since this was last asked, in the order in which it was."""
    return [sent.json["data"]["name"] for sent in outside.take()]


async def customers(merchant: Merchant, clock: Clock, *named: str) -> list[datetime]:
    """Customers, one second after the other; when each was made."""
    made = []
    for name in named:
        await merchant.customer(name=name)
        made.append(clock())
        clock.advance(seconds=1)
    return made
