"""Templates to try, and what they say of the events of a merchant."""

import itertools
from typing import Any

import httpx

from reevit_server import organizations
from reevit_server.core.database import Database
from reevit_server.organizations import SellerPatch
from tests.makers import Merchant, created, ok

TEMPLATES = "/v1/workflows/templates"
EMAIL = {"channel": "email", "subject": "Your receipt", "text": "Paid.", "html": "<p>Paid.</p>"}
NOBODYS = "tpl_01jd8w3v5qe2rvkz6n0c4m8x7a"
_numbers = itertools.count(1)


async def template(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    """A template in test mode: an SMS, unless said otherwise."""
    body = {"name": f"Template {next(_numbers)}", "channel": "sms", "text": "Paid.", **fields}
    return created(await merchant.test.post(TEMPLATES, json=body))


async def latest(merchant: Merchant, type: str) -> dict[str, Any]:
    """The newest event of this type."""
    found = ok(await merchant.test.get("/v1/events", params={"type": type, "limit": 1}))["events"]
    assert found, f"no {type} happened"
    event: dict[str, Any] = found[0]
    return event


async def preview(merchant: Merchant, template_id: str, event_id: str, **options: Any) -> httpx.Response:
    address = f"{TEMPLATES}/{template_id}/preview"
    return await merchant.test.post(address, json={"event_id": event_id}, **options)


async def said(merchant: Merchant, source: str, event: dict[str, Any]) -> str:
    """What a text says of an event."""
    made = await template(merchant, text=source)
    text: str = ok(await preview(merchant, made["id"], event["id"]))["text"]
    return text


async def reads(db: Database, merchant: Merchant, locale: str) -> None:
    """From now on this merchant's customers read this language."""
    async with db.transaction() as conn:
        await organizations.update_seller(conn, id=merchant.org_id, patch=SellerPatch(locale=locale))
