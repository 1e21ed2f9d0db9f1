"""A merchant's life on a test clock: subscriptions, days that pass, and the history that comes of it."""

from typing import Any

from tests.makers import Merchant, created, ok


async def subscribe(merchant: Merchant, customer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A subscription to team for 15.00 GHS monthly, unless said otherwise."""
    body = {
        "customer_id": customer["id"],
        "plan_id": "team",
        "amount": 1500,
        "currency": "GHS",
        "interval": "monthly",
    }
    return created(await merchant.test.post("/v1/subscriptions", json={**body, **fields}))


async def deed(merchant: Merchant, path: str, **body: Any) -> dict[str, Any]:
    """What is done to something that is there."""
    return ok(await merchant.test.post(path, json=body))


async def advance(merchant: Merchant, by: str) -> str:
    """Lets time pass; the instant at which the clock stands then."""
    passed = await deed(merchant, "/v1/sandbox/clock/advance", by=by)
    return str(passed["now"])


async def history(merchant: Merchant, customer: dict[str, Any], **params: Any) -> dict[str, Any]:
    return ok(await merchant.test.get(f"/v1/customers/{customer['id']}/history", params=params))


async def whole(merchant: Merchant, customer: dict[str, Any]) -> list[dict[str, Any]]:
    """A history that is on one page."""
    page = await history(merchant, customer, limit=100)
    assert not page["has_more"]
    return page["history"]


async def paged(
    merchant: Merchant, customer: dict[str, Any], limit: int, **first: Any
) -> list[dict[str, Any]]:
    """A history page by page; `first` is asked of the first page alone."""
    page = await history(merchant, customer, limit=limit, **first)
    entries = page["history"]
    while page["has_more"]:
        assert len(page["history"]) == limit
        page = await history(merchant, customer, limit=limit, cursor=page["next_cursor"])
        entries += page["history"]
    return entries
