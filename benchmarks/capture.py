"""The statements that a request of the product runs, taken from the product itself, so that a floor that runs the
same ones cannot fall behind.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from reevit_server.api_keys import Authenticator
from reevit_server.app import ROUTERS
from reevit_server.core.bell import RING
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection, Database
from reevit_server.core.front import Front
from reevit_server.core.rate_limit import RateLimiter
from reevit_server.core.routing import Routes
from reevit_server.core.sealing import Sealer, new_master_key


class Statement(NamedTuple):
    """A statement and the values it was given."""

    text: str
    values: tuple[Any, ...]


class Captured(NamedTuple):
    """An answered request and what it ran between BEGIN and COMMIT, or outside of any transaction."""

    statements: list[Statement]
    body: bytes


@dataclass(frozen=True)
class Asking:
    """A request to be made."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class _Recording(Database):
    """A database that remembers what it was asked."""

    asked: list[Statement]

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        async with super().read() as conn:
            with conn.query_logger(self._remember):
                yield conn

    def _remember(self, record: Any) -> None:
        self.asked.append(Statement(record.query, record.args))


async def capture(dsn: str, *requests: Asking) -> list[Captured]:
    """Sends requests through the whole application, in this process, and says what reached PostgreSQL."""
    db = await _Recording.open(dsn, connections_max=1)  # the driver's questions about types come once
    db.asked = []

    async def open_database() -> Database:
        return db

    front = Front(
        Routes(route for router in ROUTERS for route in router.routes),
        open_database=open_database,
        authenticate=Authenticator(),
        rate_limiter=RateLimiter(0),
        sealer=Sealer(new_master_key()),
        clock=utc_now,
    )
    orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    life = asyncio.create_task(front({"type": "lifespan"}, orders.get, reports.put))
    await orders.put({"type": "lifespan.startup"})
    await reports.get()
    captured = []
    for request in requests:
        # The look-up of the key is remembered by then, and no part of what is captured.
        await _ask(front, Asking("GET", "/v1/customers?limit=1", request.headers))
        db.asked.clear()
        body = await _ask(front, request)
        around = ("BEGIN", "COMMIT", RING)  # and the bell, which rings for several requests at once
        asked = [statement for statement in db.asked if not statement.text.startswith(around)]
        captured.append(Captured(asked, body))
    await orders.put({"type": "lifespan.shutdown"})
    await life
    return captured


async def _ask(front: Front, request: Asking) -> bytes:
    path, _, query = request.target.partition("?")
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": request.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in request.headers.items()],
    }
    await front(scope, receive, send)
    await asyncio.sleep(0)  # the driver's log comes a turn of the loop later
    start, body = said
    if start["status"] // 100 != 2:
        raise RuntimeError(f"{request.method} {request.target} was refused: {body['body']!r}")
    answer: bytes = body["body"]
    return answer
