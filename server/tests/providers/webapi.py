"""Web APIs on loopback, and what reached them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from reevit_server.core import egress
from reevit_server.core.egress import Post
from tests.webhooks.hostile import LOOPBACK, Receiver, Request, Scenario, answers, receiver


def says(status: int, body: Any = b"", *fields: str) -> Scenario:
    """Answers every request with this; what is no bytes is JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return answers(f"{status} So", *fields, body=data)


@asynccontextmanager
async def api(scenario: Scenario) -> AsyncIterator[tuple[Receiver, Post, str]]:
    """A web API, the way to it, and its base address."""
    async with egress.opened(private=True) as post, receiver(scenario) as there:
        yield there, post, f"http://{LOOPBACK}:{there.port}"


def only(there: Receiver) -> Request:
    """The one request that came."""
    (request,) = there.requests
    return request
