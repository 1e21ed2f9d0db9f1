"""A merchant whose messages really leave: by a mail server on loopback, and to whatever a test lets answer posts."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.jobs import Tools
from reevit_server.core.sealing import Sealer
from reevit_server.providers import smtp
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, Merchant, created, make_merchant, ok
from tests.providers.mailserver import Postbox
from tests.webhooks.clockwork import Clock, Clockwork, Outside

PUBLIC_URL = "https://pay.example.com"
FROM = "shop@example.com"
INTEGRATIONS = "/v1/workflows/integrations"
_numbers = itertools.count(1)


@dataclass
class Office:
    """A merchant in test mode, and the background work that sends for it."""

    merchant: Merchant
    work: Clockwork

    @property
    def outside(self) -> Outside:
        outside = self.work.tools.post
        assert isinstance(outside, Outside)
        return outside

    async def messages(self, **query: Any) -> list[dict[str, Any]]:
        """What was written, the oldest first, whole."""
        listed = ok(await self.merchant.test.get("/v1/messages", params={"limit": 100, **query}))["messages"]
        return [ok(await self.merchant.test.get(f"/v1/messages/{each['id']}")) for each in reversed(listed)]

    async def mail_by(self, box: Postbox, **fields: Any) -> dict[str, Any]:
        """An integration with this mail server."""
        return await self.integration(
            provider="smtp",
            credentials={"host": "mail.test", "port": box.port, "security": "none"},
            **{"from_address": FROM, **fields},
        )

    async def integration(self, **fields: Any) -> dict[str, Any]:
        body = {"name": f"Integration {next(_numbers)}", **fields}
        return created(await self.merchant.test.post(INTEGRATIONS, json=body))

    async def rule(self, trigger: str, *actions: dict[str, Any], **fields: Any) -> dict[str, Any]:
        body = {"name": f"Rule {next(_numbers)}", "trigger": trigger, "actions": list(actions), **fields}
        return created(await self.merchant.test.post("/v1/workflows/rules", json=body))

    async def executions(self, **query: Any) -> list[dict[str, Any]]:
        """What workflows did, the oldest first, with their actions."""
        found = ok(await self.merchant.test.get("/v1/workflows/executions", params={"limit": 100, **query}))[
            "executions"
        ]
        return [
            ok(await self.merchant.test.get(f"/v1/workflows/executions/{each['id']}"))
            for each in reversed(found)
        ]


@asynccontextmanager
async def opened(
    db: Database,
    api: Api,
    *,
    test_recipients: str = "@example.com,+233501234567",
    public_url: str | None = PUBLIC_URL,
    **times: float,
) -> AsyncIterator[Office]:
    """An office, until the block ends. `times` are those of connections to mail servers."""

    async def loopback(host: str, port: int) -> list[str]:
        del host, port
        return ["127.0.0.1"]

    merchant, clock = await make_merchant(db, api), Clock(utc_now())
    settings = Settings(public_url=public_url, test_recipients=test_recipients)  # type: ignore[arg-type]
    async with smtp.opened(private=True, resolve=loopback, **times) as connect:
        tools = Tools(db, clock, Sealer(MASTER_KEY), Outside())
        yield Office(merchant, Clockwork(tools, clock, merchant.org_id, connect=connect, settings=settings))
