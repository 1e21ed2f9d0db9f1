"""How commands reach a server as any client does: over HTTP, with an API key of test mode."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiohttp
import typer
from yarl import URL

from reevit_server.settings import SettingsError

ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="REEVIT_API_KEY", help="A test key with the scopes it takes."),
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
            address = URL(self._base_url + path, encoded=True)  # as it is written
            async with self._session.request(
                method, address, data=data, headers=headers, allow_redirects=False
            ) as response:
                text = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unreachable(f"No answer from {self._base_url}: {reason(error)}.") from None
        try:
            answer = json.loads(text or b"null")
            if response.status >= 300:
                raise Refused(response.status, answer["message"])
        except (ValueError, TypeError, KeyError):
            raise self._unreachable(
                f"What answers at {self._base_url} is no Reevit server (status {response.status})."
            ) from None
        return answer

    def _unreachable(self, what: str) -> Unreachable:
        return Unreachable(f"{what} Check --base-url (or REEVIT_BASE_URL) and that the server runs.")


@asynccontextmanager
async def connected(api_key: str | None, base_url: str) -> AsyncIterator[Client]:
    """A client until the block ends. Raises SettingsError when key or address cannot be right."""
    if not api_key:
        raise SettingsError("No API key. Set REEVIT_API_KEY, or give --api-key: a test key, pfk_test_….")
    if api_key.startswith("pfk_live_"):
        raise SettingsError("This is done in test mode only. Use a test key, pfk_test_…, not a live one.")
    if not base_url.startswith(("http://", "https://")):
        raise SettingsError(f"{base_url} is no address. Write http:// or https:// before it.")
    async with aiohttp.ClientSession(
        headers={"X-Reevit-Key": api_key}, timeout=aiohttp.ClientTimeout(total=_SECONDS)
    ) as session:
        yield Client(session, base_url)


def reason(error: Exception) -> str:
    """Why somebody did not answer, in a few words."""
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        if number is not None and number > 0:
            return os.strerror(number)
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__
