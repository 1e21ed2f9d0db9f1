"""Makers of what tests need: the running application, merchants, and the JSON they would send."""

import asyncio
import base64
import itertools
from dataclasses import dataclass
from typing import Any, Self

import httpx

from reevit_server import api_keys, organizations
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.front import Front
from reevit_server.core.scope import Scope
from tests.openapi import conformance

_numbers = itertools.count(1)

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


class Api:
    """The ASGI application between its start-up and its shutdown, and clients for it."""

    def __init__(self, app: Front) -> None:
        self.app = app
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self.app({"type": "lifespan"}, self._told.get, self._said.put))
        await self._told.put({"type": "lifespan.startup"})
        assert (await self._said.get())["type"] == "lifespan.startup.complete"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._told.put({"type": "lifespan.shutdown"})
        await self._life

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        """A client with this API key, which fails the test at any answer that the OpenAPI document does not tell of.

        A bug in the application is a 500 here, as it would be outside.
        """
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://reevit.test",
            headers={} if key is None else {"X-Reevit-Key": key},
            event_hooks={"response": [conformance.aread_and_check]},
        )


@dataclass(frozen=True)
class Merchant:
    """An organization with a client for its test mode and one for its live mode."""

    org_id: str
    test_key: str
    live_key: str
    test: httpx.AsyncClient
    live: httpx.AsyncClient

    @property
    def scope(self) -> Scope:
        return Scope(self.org_id, "test")

    async def customer(self, **fields: Any) -> dict[str, Any]:
        """A customer in test mode, with an external_id unless other fields are given."""
        body = fields or {"external_id": f"usr_{next(_numbers)}"}
        return created(await self.test.post("/v1/customers", json=body))

    async def payment(self, **fields: Any) -> dict[str, Any]:
        """A payment in test mode: 150.00 GHS, succeeded, unless said otherwise."""
        return created(
            await self.test.post("/v1/payments", json={"amount": 15000, "currency": "GHS", **fields})
        )

    async def refund(self, payment_id: str, **fields: Any) -> dict[str, Any]:
        return created(await self.test.post(f"/v1/payments/{payment_id}/refund", json=fields))


async def make_merchant(db: Database, api: Api) -> Merchant:
    now = utc_now()
    async with db.transaction() as conn:
        org = await organizations.create(conn, name=f"Shop {next(_numbers)}", currency="GHS", now=now)
        _, test_key = await api_keys.create(conn, Scope(org["id"], "test"), now=now)
        _, live_key = await api_keys.create(conn, Scope(org["id"], "live"), now=now)
    return Merchant(org["id"], test_key, live_key, api.client(test_key), api.client(live_key))


def created(response: httpx.Response) -> dict[str, Any]:
    """The body of a 201; anything else fails the test with what was said instead."""
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


def ok(response: httpx.Response) -> dict[str, Any]:
    """The body of a 200."""
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal: the status, the code, and the one shape that every refusal has."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert set(body) == {"error", "code", "message", "details", "request_id"}
    assert body["code"] == code, body
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["message"].endswith((".", ".)")), body["message"]
    return body
