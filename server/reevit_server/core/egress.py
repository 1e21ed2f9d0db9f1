"""The way out: requests to addresses that strangers chose, which can hurt neither our network nor us.

A host is resolved once for each connection. If any of its addresses is denied, there is none; else the connection
goes to one of those that were looked at, with Host, SNI and certificate by name. No redirect is followed, no cookie
kept, nothing decompressed; time is limited by the clock on the wall and not by read, so that who answers one byte a
second does not hold us; an answer is read up to 64 KiB.
"""

import asyncio
import functools
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from reevit_server.core.addresses import AddressDenied, is_denied

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
READ_BYTES_MAX = 64 * 1024
KEPT_BYTES_MAX = 1024
# All that an answer may consist of: interim answers before it, its head, the frames of its chunks. aiohttp knows no
# end of those, and shows us only what they carry.
HEARD_BYTES_MAX = 1024 * 1024
# A name server that does not answer holds a thread for many seconds; asyncio's own few would soon all be held.
_RESOLVING_AT_ONCE = 64

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Reply(NamedTuple):
    """How a request went: an answer, or why there was none. A refused connection is a fact, not an exception."""

    latency_ms: int
    status_code: int | None = None
    retry_after: str | None = None
    body: str | None = None  # the beginning of the answer, as text
    error: str | None = None  # for programs
    error_message: str | None = None  # for people


class Post(Protocol):
    """Sends a body to an address. Never raises for what the other side does or fails to do."""

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply: ...


@asynccontextmanager
async def opened(
    *,
    private: bool,
    plain: bool | None = None,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Post]:
    """The way out, until the block ends. `private` lets requests go to loopback and private networks, and over http
    unless `plain` says otherwise.
    """
    plain = private if plain is None else plain
    threads = ThreadPoolExecutor(_RESOLVING_AT_ONCE, "resolve")
    asked: dict[tuple[str, int], asyncio.Future[Any]] = {}

    async def ask_the_system(host: str, port: int) -> list[str]:
        """Whoever asks while the same question is open hears the same answer: a name holds one thread at most."""
        if (answer := asked.get((host, port))) is None:
            ask = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            answer = asyncio.get_running_loop().run_in_executor(threads, ask)
            asked[host, port] = answer
            answer.add_done_callback(lambda _: asked.pop((host, port), None))
        return [str(address[4][0]) for address in await asyncio.shield(answer)]

    connector = _Connector(
        resolver=_Resolver(resolve or ask_the_system, private=private),
        use_dns_cache=False,  # what was looked at is what is connected to
        limit=0,  # who calls has limits
        ssl=tls or True,
        socket_factory=None if private else _socket_to_public,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        trust_env=False,
        timeout=aiohttp.ClientTimeout(
            total=TOTAL_SECONDS,
            connect=CONNECT_SECONDS,  # its name resolved and every address tried
            ceil_threshold=TOTAL_SECONDS,  # or it would be rounded up to a whole second of the clock
        ),
    ) as session:

        async def post(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
            started = time.monotonic()
            if not plain and not url.startswith("https://"):  # stored when that was allowed
                return _failed("address_denied", "Requests are sent over https only.")
            reply = await _post(session, url, body, headers)
            return reply._replace(latency_ms=round((time.monotonic() - started) * 1000))

        try:
            yield post
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    try:
        # As it is written: %20 and + are two things to some receivers.
        address = URL(url, encoded=True)
        async with session.post(address, data=body, headers=headers, allow_redirects=False) as response:
            text = await _beginning(response)
            return Reply(0, response.status, response.headers.get("Retry-After"), text)
    except AddressDenied as error:
        return _failed("address_denied", str(error))
    except aiohttp.ConnectionTimeoutError:
        return _failed("connect_timeout", f"No connection within {CONNECT_SECONDS:.0f} seconds.")
    except TimeoutError:
        return _failed("timeout", f"No whole answer within {TOTAL_SECONDS:.0f} seconds.")
    except aiohttp.ClientConnectorDNSError:
        return _failed("name_not_resolved", "The host's name could not be resolved.")
    except aiohttp.ClientConnectorCertificateError as error:
        return _failed("tls_failed", f"The certificate is not good: {error.certificate_error}.")
    except aiohttp.ClientConnectorSSLError as error:
        return _failed("tls_failed", f"TLS failed: {error.os_error}.")
    except aiohttp.ClientConnectorError as error:
        reason = os.strerror(error.errno) if error.errno else error.os_error
        return _failed("connection_failed", f"No connection: {reason}.")
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
        return _failed("connection_lost", "The connection was closed before there was a whole answer.")
    except (aiohttp.NonHttpUrlClientError, ValueError):
        return _failed("address_denied", "This is no address that requests are sent to.")
    except (aiohttp.ClientError, OSError) as error:
        return _failed("bad_answer", f"What came is no answer of HTTP: {type(error).__name__}.")


def _failed(error: str, message: str) -> Reply:
    return Reply(0, error=error, error_message=message)


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first kilobyte of an answer. What is longer than 64 KiB is cut off, and its connection with it."""
    kept, size = bytearray(), 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        kept += chunk[: KEPT_BYTES_MAX - len(kept)]
        if size >= READ_BYTES_MAX:
            response.close()
            break
    return bytes(kept).decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


class _Resolver(AbstractResolver):
    """Names as addresses that may be connected to. Raises AddressDenied, and OSError when there are none."""

    def __init__(self, resolve: Resolve, *, private: bool) -> None:
        self._resolve = resolve
        self._private = private

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - both are fine
    ) -> list[ResolveResult]:
        addresses = await self._resolve(host, port)
        if not addresses:
            raise OSError("a name without addresses")
        if not self._private and any(is_denied(address) for address in addresses):
            raise AddressDenied(f"{host} is, among others, an address that is not on the public internet.")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


class _Connector(aiohttp.TCPConnector):
    """Makes connections that break off when an answer has no end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        connection: type[ResponseHandler] = _Measured
        self._factory = functools.partial(connection, loop=self._loop)


class EndlessAnswer(aiohttp.ClientError):
    """More was heard than an answer may consist of. The merchant reads this name."""


class _Measured(ResponseHandler):
    """One connection: counts what is heard of one answer."""

    _heard = 0

    def set_response_params(self, **options: Any) -> None:
        """Called before every request."""
        self._heard = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        self._heard += len(data)
        if self._heard <= HEARD_BYTES_MAX:
            super().data_received(data)
            return
        error = EndlessAnswer()
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        self.abort()


def _socket_to_public(address: Any) -> socket.socket:
    """The last look, at the very address that is about to be connected to, whoever found it."""
    family, kind, protocol, _, place = address
    if is_denied(str(place[0])):
        raise AddressDenied(f"{place[0]} is not on the public internet.")
    return socket.socket(family=family, type=kind, proto=protocol)
