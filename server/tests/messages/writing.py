"""Messages as the actions of workflows write them, by whom they are sent, and what came of them."""

import base64
from datetime import datetime
from typing import Any

from reevit_server import messages
from reevit_server.core.scope import Scope
from tests.makers import ok
from tests.messages.office import FROM, Office

ADA, PHONE = "ada@example.com", "+233501234567"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
# What it takes to send by each.
ACCOUNTS: dict[str, dict[str, Any]] = {
    "smtp": {
        "credentials": {"host": "mail.test", "username": "ama", "password": "correct horse"},
        "from_address": FROM,
    },
    "resend": {"credentials": {"api_key": "re_123456789"}, "from_address": FROM},
    "sendgrid": {"credentials": {"api_key": "SG.abc-def_1.23"}, "from_address": FROM},
    "twilio": {
        "credentials": {
            "account_sid": "AC" + "0123456789abcdef" * 2,
            "auth_token": "t0ken-of-twilio",
            "sender": "+15005550006",
        }
    },
    "africas_talking": {"credentials": {"username": "ama", "api_key": "atsk_0123456789"}},
    "hubtel": {
        "credentials": {"client_id": "qoohqvcp", "client_secret": "sgrorne-secret", "sender": "AmaShop"}
    },
    "chat": {"credentials": {"url": "https://chat.example.com/hooks/T0000secret"}},
    "webhook": {"credentials": {"url": "https://shop.example.com/told", "secret": SECRET}},
}
_DRAFTS: dict[str, dict[str, Any]] = {
    "email": {"recipient": ADA, "subject": "Your order", "text": "It is on its way.\n"},
    "sms": {"recipient": PHONE, "text": "It is on its way."},
    "notification": {"text": "Ada paid."},
    "webhook": {"text": '{"type":"payment.succeeded","data":{"amount":15000}}'},
}


async def sender(shop: Office, provider: str, **fields: Any) -> dict[str, Any]:
    """An integration with this provider."""
    return await shop.integration(provider=provider, **{**ACCOUNTS[provider], **fields})


async def write(shop: Office, *, scope: Scope | None = None, **fields: Any) -> str:
    """A message that leaves as soon as somebody works: an e-mail to Ada, unless said otherwise; its id."""
    scope = scope or shop.merchant.scope
    channel = fields.get("channel", "email")
    draft = messages.Draft(
        **{"channel": channel, "purpose": "transactional", **_DRAFTS[channel], **fields},
    )
    tools, now = shop.work.tools, shop.work.clock()
    async with tools.db.transaction() as conn:
        written = await messages.create(conn, scope, tools.sealer, draft, now=now)
        assert written is not None
        if written["status"] == "scheduled":
            await messages.lock_and_release(conn, scope, integration_id=written["integration_id"], now=now)
    return str(written["id"])


async def found(shop: Office, id: str) -> dict[str, Any]:
    """The message as it is now."""
    return ok(await shop.merchant.test.get(f"/v1/messages/{id}"))


async def sent(shop: Office, **fields: Any) -> dict[str, Any]:
    """A message, and what came of the first attempt to send it."""
    id = await write(shop, **fields)
    await shop.work.run()
    return await found(shop, id)


async def later(shop: Office, **span: float) -> None:
    """Works, lets so much time pass at one blow, and works again: also where what is due cannot be sent."""
    await shop.work.run()
    shop.work.clock.advance(**span)
    await shop.work.fulfil("messages.queue_due")
    await shop.work.run()


async def erase(shop: Office, customer: dict[str, Any]) -> None:
    """Deletes the customer, and tells everybody inside of it."""
    answer = await shop.merchant.test.delete(f"/v1/customers/{customer['id']}")
    assert answer.is_success, answer.text
    for job in await shop.work.queued():
        if job.name == "events.fan_out":
            await shop.work.do(job)
            await shop.work.take_out(job)


async def suppressions(shop: Office, **query: Any) -> list[dict[str, Any]]:
    """Who is not written to any more, the newest first."""
    page = ok(await shop.merchant.test.get("/v1/messages/suppressions", params={"limit": 100, **query}))
    listed: list[dict[str, Any]] = page["suppressions"]
    return listed


async def statuses(shop: Office) -> dict[str, int]:
    """How many messages the organization has, by status."""
    async with shop.work.tools.db.read() as conn:
        rows = await conn.fetch(
            "SELECT status, count(*) FROM messages WHERE org_id = $1 GROUP BY status", shop.merchant.org_id
        )
    return dict(rows)


async def jobs(shop: Office, name: str) -> list[str]:
    """The jobs of this name that wait to be done."""
    return [job.name for job in await shop.work.queued() if job.name == name]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
