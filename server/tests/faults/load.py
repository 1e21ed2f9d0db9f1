"""Merchants' servers under whom ours is killed: they send with idempotency keys, ask again until they are answered,
and remember every answer.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from reevit_server.core.scope import Scope
from tests.makers import created

_PATIENCE_SECONDS = 90  # longer than a server needs that is killed whole and started again
_AT_ONCE = 8


class Endpoint(NamedTuple):
    """Where a shop is told of events, and of which."""

    scope: Scope
    id: str
    path: str
    events: list[str]
    secret: str


class Shop(NamedTuple):
    """An organization in one of its modes, and the key for that."""

    scope: Scope
    key: str


class Request(NamedTuple):
    shop: Shop
    method: str
    path: str
    body: dict[str, Any]


class Told(NamedTuple):
    """An answer, as it came."""

    status: int
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Load:
    """What was sent, by idempotency key, and what the server said to it.

    `transport` is the way to an application that is in no server.
    """

    shops: list[Shop]
    transport: httpx.AsyncBaseTransport | None = None
    people: int = 4  # of each shop
    sent: dict[str, Request] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def trickle(self, base_url: str) -> AbstractAsyncContextManager[None]:
        """Some requests every second while the block runs: hundreds in all, not thousands. They are answered at its
        end.
        """
        return self._running(base_url, clients=4, pause_seconds=0.25)

    def burst(self, base_url: str) -> AbstractAsyncContextManager[None]:
        """As many requests as there can be while the block runs, so that whoever is killed then has many in hand."""
        return self._running(base_url, clients=8, pause_seconds=0)

    @asynccontextmanager
    async def _running(self, base_url: str, *, clients: int, pause_seconds: float) -> AsyncIterator[None]:
        stopping = asyncio.Event()

        async def one(client: httpx.AsyncClient) -> None:
            while not stopping.is_set():
                await self._send(client, self._next())
                await asyncio.sleep(pause_seconds)

        async with self._client(base_url) as client, asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(one(client))
            try:
                yield
            finally:
                stopping.set()

    async def send(self, base_url: str, count: int) -> None:
        """So many requests, one after the other, each until it is answered."""
        async with self._client(base_url) as client:
            for _ in range(count):
                await self._send(client, self._next())

    async def send_these(self, base_url: str, requests: dict[str, Request]) -> None:
        """Requests of the test's own, by their keys; some at a time, each until it is answered."""
        turns = asyncio.Semaphore(_AT_ONCE)
        self.sent |= requests

        async def one(client: httpx.AsyncClient, key: str) -> None:
            async with turns:
                await self._send(client, key)

        async with self._client(base_url) as client, asyncio.TaskGroup() as group:
            for key in requests:
                group.create_task(one(client, key))

    async def create_endpoint(self, base_url: str, shop: Shop, url: str, events: list[str]) -> Endpoint:
        """Has a shop told of events."""
        async with self._client(base_url) as client:
            body = {"url": url, "events": events}
            headers = {"X-Reevit-Key": shop.key}
            made = created(await client.post("/v1/webhooks/endpoints", json=body, headers=headers))
        return Endpoint(shop.scope, made["id"], httpx.URL(url).path, events, made["signing_secret"])

    async def send_all_again(self, base_url: str) -> list[str]:
        """Every request once more; the keys of those that were not answered with the same bytes."""
        async with self._client(base_url) as client:
            others = []
            for key, told in self.told.items():
                answer = await _post(client, self.sent[key], key)
                replayed = answer.headers.get("idempotent-replayed") == "true"
                if (answer.status_code, answer.content, replayed) != (*told, True):
                    others.append(f"{key}: {told} became {answer.status_code} {answer.content!r}")
            return others

    def _client(self, base_url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=base_url, transport=self.transport, timeout=15)

    def _next(self) -> str:
        """Mostly payments of a few customers in two currencies; some fail, some are refunded, some profiles change,
        and in test mode some subscribe.

        Whatever comes of it names its key.
        """
        number = next(self._numbers)
        key = f"key-{number}"
        shop = self.shops[number % len(self.shops)]
        customer = f"usr_{number % self.people}"
        paid = self._paid(shop)
        if number % 5 == 4 and paid:
            path = f"/v1/payments/{paid[number % len(paid)]}/refund"
            request = Request(shop, "POST", path, {"amount": 1, "reason": key})
        elif number % 7 == 6:
            request = Request(
                shop, "PUT", f"/v1/customers/external/{customer}", {"name": key, "email": _email(customer)}
            )
        elif number % 8 == 3 and shop.scope.mode == "test" and (payers := self._payers(shop)):
            body = _subscription(number, payers[number % len(payers)], key)
            request = Request(shop, "POST", "/v1/subscriptions", body)
        else:
            request = Request(shop, "POST", "/v1/payments", _payment(shop, number, customer, reference=key))
        self.sent[key] = request
        return key

    def _paid(self, shop: Shop) -> list[str]:
        return [payment["id"] for payment in self._payments(shop) if payment["status"] == "succeeded"]

    def _payers(self, shop: Shop) -> list[str]:
        return [payment["customer_id"] for payment in self._payments(shop)]

    def _payments(self, shop: Shop) -> list[dict[str, Any]]:
        return [
            told.json
            for key, told in self.told.items()
            if self.sent[key].shop == shop and self.sent[key].path == "/v1/payments"
        ]

    async def _send(self, client: httpx.AsyncClient, key: str) -> None:
        """Asks until there is an answer: nobody knows what became of a request that was not answered."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                try:
                    answer = await _post(client, self.sent[key], key)
                except httpx.TransportError:
                    await asyncio.sleep(0.2)
                    continue
                if not _is_for_later(answer):
                    break
                await asyncio.sleep(0.2)
        # A fault of ours is never a 500, and never the client's fault.
        assert answer.status_code in (200, 201), (self.sent[key], answer.text)
        self.told[key] = Told(answer.status_code, answer.content)


async def _post(client: httpx.AsyncClient, request: Request, key: str) -> httpx.Response:
    headers = {"X-Reevit-Key": request.shop.key, "Idempotency-Key": key}
    return await client.request(request.method, request.path, json=request.body, headers=headers)


def _is_for_later(answer: httpx.Response) -> bool:
    in_use = answer.status_code == 409 and answer.json()["code"] == "idempotency_key_in_use"
    return answer.status_code == 503 or in_use


def _payment(shop: Shop, number: int, customer: str, *, reference: str) -> dict[str, Any]:
    currency = ("GHS", "XOF")[number // 2 % 2]
    payment = {
        "amount": 1000 + number,
        "currency": currency,
        "customer": {"external_id": customer, "email": _email(customer)},
        "reference": reference,
    }
    if shop.scope.mode == "live":
        return {**payment, "provider": "external"}
    return {**payment, "metadata": {"sandbox": "fail:insufficient_funds"}} if number % 8 == 0 else payment


def _subscription(number: int, customer_id: str, key: str) -> dict[str, Any]:
    """Charged at once. Whoever is declined is declined for good: no further attempt comes while a test runs."""
    declined = {"sandbox": "fail:stolen_card"} if number % 16 == 3 else {}
    return {
        "customer_id": customer_id,
        "amount": 1000 + number,
        "currency": "GHS",
        "interval": "monthly",
        "metadata": {"key": key, **declined},
    }


def _email(customer: str) -> str:
    return f"{customer}@example.com"
