"""One try of a request, with its answer whole, and no longer than `timeout` allows.

What httpx calls a read timeout begins anew with every byte: a server that drips would be waited for without end. So
seconds, where seconds are given, are for the whole try. Who gives an `httpx.Timeout` wants what httpx makes of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any, cast

import anyio  # comes with httpx, which runs on it
import anyio.lowlevel
import httpx

Timeout = float | httpx.Timeout | None

_SHORTEST_STEP_SECONDS = 0.001
"""A socket takes 0 for "do not wait", which is another kind of error."""

_LONGER_THAN_A_STEP_SECONDS = 0.1
"""By this the end of an async try lies behind that of its first step: who cannot connect is told so."""


class _Left(dict[str, Any]):
    """The timeouts of a try. The pool asks for one before each step (connect, write, read); it is what is left."""

    def __init__(self, seconds: float) -> None:
        super().__init__(dict.fromkeys(("connect", "read", "write", "pool"), seconds))
        self.deadline = monotonic() + seconds

    def get(self, _name: str, _default: Any = None) -> float:
        return max(_SHORTEST_STEP_SECONDS, self.deadline - monotonic())


class _Until(httpx.SyncByteStream):
    """A body whose parts may come until `deadline`. The wait for one part cannot be cut short from here: it is what
    was left when the body began, so that a body that drips and then stops may take a second `timeout`, and no more.
    """

    def __init__(self, body: httpx.SyncByteStream, deadline: float) -> None:
        self._body, self._deadline = body, deadline

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            if monotonic() > self._deadline:
                raise httpx.ReadTimeout("the answer did not end in time")
            yield part

    def close(self) -> None:
        self._body.close()


def send_sync(http: httpx.Client, request: httpx.Request, allowed: Timeout) -> httpx.Response:
    """Raises httpx.RequestError."""
    if allowed is None or isinstance(allowed, httpx.Timeout):
        return http.send(request)
    request.extensions["timeout"] = left = _Left(allowed)
    response = http.send(request, stream=True)
    try:
        response.stream = _Until(cast("httpx.SyncByteStream", response.stream), left.deadline)
        response.read()
    finally:
        response.close()
    return response


async def send_async(http: httpx.AsyncClient, request: httpx.Request, allowed: Timeout) -> httpx.Response:
    """Raises httpx.RequestError."""
    if allowed is None or isinstance(allowed, httpx.Timeout):
        return await http.send(request)
    try:
        with anyio.fail_after(allowed + _LONGER_THAN_A_STEP_SECONDS):
            return await http.send(request)
    except TimeoutError as error:
        raise httpx.ReadTimeout("the answer did not end in time", request=request) from error


class AsyncPools:
    """The connections of an AsyncReevit: a pool for each event loop, opened by its first call.

    A connection works in the loop that it was opened in. A client that is made once and used in several runs of
    ``asyncio.run`` needs a pool in each; the one before cannot be closed any more, because its loop is gone.
    """

    def __init__(self, settings: dict[str, Any], transport: httpx.AsyncBaseTransport | None) -> None:
        self._settings = settings
        # Somebody else's, who knows where it works. It cannot be made again here.
        self._given = None if transport is None else httpx.AsyncClient(transport=transport, **settings)
        self._by_loop: dict[object, httpx.AsyncClient] = {}
        self._lock = threading.Lock()  # a program may have loops in several threads

    def here(self) -> httpx.AsyncClient:
        """The pool of the loop that runs."""
        if self._given is not None:
            return self._given
        loop = _running_loop()
        with self._lock:
            if loop not in self._by_loop:
                still = {each: pool for each, pool in self._by_loop.items() if not _is_gone(each)}
                self._by_loop = {**still, loop: httpx.AsyncClient(**self._settings)}
            return self._by_loop[loop]

    async def aclose(self) -> None:
        """Closes the pool of the loop that runs."""
        await self.here().aclose()


def _running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return anyio.lowlevel.current_token()  # trio's


def _is_gone(loop: object) -> bool:
    """Trio does not say; its runs follow one another."""
    return not isinstance(loop, asyncio.AbstractEventLoop) or loop.is_closed()
