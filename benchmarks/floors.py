"""The floors: bare ASGI handlers that run the statements of one operation and nothing else. No routing, keys,
validation, errors, figures or limits; what they cost is what the driver, the loop and the server cost.

Runs as a server of its own: python floors.py get_customer PORT
"""

import asyncio
import hashlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import asyncpg
import orjson
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from capture import Asking, capture
from recipe import payment_recipe
from worlds import customer_id

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_CONNECTIONS_MIN, _CONNECTIONS_MAX = 2, 10  # as `reevit serve` has them


class _PooledConnection(asyncpg.Connection):
    """As in the product: giving a connection back needs no round trip."""

    def get_reset_query(self) -> str:
        return ""


async def _teach_json(conn: asyncpg.Connection) -> None:
    for type in ("json", "jsonb"):
        await conn.set_type_codec(type, schema="pg_catalog", encoder=_json, decoder=orjson.loads)


def _json(value: Any) -> str:
    return (value if isinstance(value, bytes) else orjson.dumps(value)).decode()


class _Bare(ABC):
    """What both handlers share: a pool, and an answer."""

    def __init__(self, dsn: str, org_id: str, key: str) -> None:
        self._dsn = dsn
        self._org_id = org_id
        self._headers = {"x-reevit-key": key, "content-type": "application/json"}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] == "/readyz":
            await self._answer(send, 200, b"{}")
        else:
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=_CONNECTIONS_MIN,
            max_size=_CONNECTIONS_MAX,
            connection_class=_PooledConnection,
            init=_teach_json,
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    @abstractmethod
    async def prepare(self) -> None:
        """Learns the statements from the product, before the server starts."""

    @abstractmethod
    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""

    @staticmethod
    async def _answer(send: Send, status: int, body: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class GetCustomer(_Bare):
    """The one statement of `GET /v1/customers/{id}`, its row as JSON."""

    async def prepare(self) -> None:
        asking = Asking("GET", f"/v1/customers/{customer_id(1)}", self._headers)
        (captured,) = await capture(self._dsn, asking)
        ((self._statement, values),) = captured.statements
        assert values == (self._org_id, "test", customer_id(1)), values

    async def _serve(self, scope: dict[str, Any], _: Receive, send: Send) -> None:
        id = scope["path"].rpartition("/")[2]
        async with self._pool.acquire() as conn:
            row = await conn.fetchrow(self._statement, self._org_id, "test", id)
        await self._answer(send, 200, orjson.dumps(dict(row)))


class CreatePayment(_Bare):
    """Every statement of `POST /v1/payments`, in one transaction and with the same values."""

    async def prepare(self) -> None:
        recipe = await payment_recipe(self._dsn, self._headers)
        self._always, self._events = recipe.always, range(recipe.events)
        self._statements = [(text, itemgetter(*names)) for text, names in recipe.statements]

    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        asked = orjson.loads(body)
        payment_id, customer_id = "pay_" + os.urandom(13).hex(), asked["customer_id"]
        values = {
            **self._always,
            "idempotency_key": dict(scope["headers"])[b"idempotency-key"].decode(),
            "fingerprint": hashlib.sha256(body).digest(),
            "customer_id": customer_id,
            "customer_ids": [customer_id for _ in self._events],
            "reference": asked["reference"],
            "payment_id": payment_id,
            "payment_ids": [payment_id for _ in self._events],
            "event_ids": ["evt_" + os.urandom(13).hex() for _ in self._events],
            "now": datetime.now(UTC),
        }
        async with self._pool.acquire() as conn, conn.transaction():
            for text, chosen in self._statements:
                row = await conn.fetchrow(text, *chosen(values))
                if "FROM customers" in text and row is not None and "tags" in row:
                    payer = dict(row)
                elif "INSERT INTO payments" in text:
                    payment = dict(row)
                    data = orjson.dumps({**payment, "customer": payer})
                    values["event_data"] = [data for _ in self._events]
                    values["answer"] = orjson.dumps(payment)
        await self._answer(send, 201, values["answer"])


HANDLERS: dict[str, type[_Bare]] = {"get_customer": GetCustomer, "create_payment": CreatePayment}


def build() -> _Bare:
    """The handler, as Granian calls for it in its worker."""
    handler = HANDLERS[os.environ["BENCH_HANDLER"]](
        os.environ["BENCH_DSN"], os.environ["BENCH_ORG"], os.environ["BENCH_KEY"]
    )
    loop = asyncio.new_event_loop()
    loop.run_until_complete(handler.prepare())
    loop.close()
    return handler


def main(handler: str, port: str) -> None:
    os.environ["BENCH_HANDLER"] = handler
    Granian(
        "floors:build",
        factory=True,
        address="127.0.0.1",
        port=int(port),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
