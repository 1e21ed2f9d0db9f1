"""How commands reach a server as any client does: over HTTP, with an API key."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiohttp
import typer

ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="REEVIT_API_KEY", help="A key with the scopes that it takes."),
]
BaseUrl = Annotated[
    str,
    typer.Option(
        "--base-url", envvar="REEVIT_BASE_URL", help="Where the server is, such as https://pay.example.com."
    ),
]
LOCAL = "http://localhost:8000"
_SECONDS = 30


class Refused(Exception):
    """The server refused, and says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(Exception):
    """There is no server at the address."""


class Client:
    """A few calls of the API. Raises Refused, Unreachable."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, parsed; None when there is nothing in it."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._session.request(
                method, self._base_url + path, data=data, headers=headers
            ) as response:
                answer = json.loads(await response.read() or b"null")
                if response.status >= 400:
                    raise Refused(response.status, answer["message"])
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(
                f"No answer from {self._base_url}: {error or type(error).__name__}. "
                "Check --base-url (or REEVIT_BASE_URL) and that the server runs."
            ) from None


@asynccontextmanager
async def connected(api_key: str | None, base_url: str) -> AsyncIterator[Client]:
    if not api_key:
        raise typer.BadParameter(
            "set it, or REEVIT_API_KEY, to an API key of the server", param_hint="--api-key"
        )
    async with aiohttp.ClientSession(
        headers={"X-Reevit-Key": api_key}, timeout=aiohttp.ClientTimeout(total=_SECONDS)
    ) as session:
        yield Client(session, base_url)
