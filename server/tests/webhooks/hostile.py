"""Receivers that mean ill: servers on loopback that play one scenario each, and note what reached them; and a network
in which public addresses are theirs.
"""

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

LOOPBACK = "127.0.0.1"
GIGABYTE = 2**30
_LEAVES_SECONDS = 30
_SEND_BUFFER_BYTES = 2**16  # what a receiver's own machine takes off its hands is soon full


@dataclass(frozen=True)
class Request:
    """One request, as it arrived; the names of its headers are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Where a scenario is played, and what came of it."""

    port: int
    connections: int = 0
    sent: int = 0  # bytes that it got rid of
    requests: list[Request] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)  # that TLS asked for, one for each handshake
    playing: set[asyncio.Task[None]] = field(default_factory=set)  # one for each connection that is open

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/hooks"

    async def left(self) -> None:
        """Waits until nobody is connected any more; if somebody stays, the test fails."""
        async with asyncio.timeout(_LEAVES_SECONDS):
            await asyncio.gather(*self.playing)


class Connection:
    """One connection of a receiver's. Everything raises OSError or EOFError when the other side has left."""

    def __init__(
        self, receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._receiver = receiver
        self._reader = reader
        self._writer = writer

    async def request(self) -> Request:
        """The next request, read to its end."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        request = Request(line, headers, body)
        self._receiver.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        self._receiver.sent += len(data)

    async def stay(self) -> None:
        """Until the other side leaves; whatever it says is heard and not answered."""
        while await self._reader.read(2**16):
            pass

    def reset(self) -> None:
        """Not a farewell but a broken line."""
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._writer.transport.abort()


Scenario = Callable[[Connection], Awaitable[None]]


@asynccontextmanager
async def receiver(scenario: Scenario, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A server that plays the scenario on every connection, until the block ends."""

    async def play(connection: Connection, writer: asyncio.StreamWriter) -> None:
        try:
            await scenario(connection)
        except (OSError, EOFError):
            pass  # the other side has left
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        task = asyncio.create_task(play(Connection(here, reader, writer), writer))
        here.playing.add(task)
        task.add_done_callback(here.playing.discard)

    def note_name(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        here.server_names.append(name)

    if tls is not None:
        tls.sni_callback = note_name
    listening = socket.create_server((LOOPBACK, 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    here = Receiver(listening.getsockname()[1])
    server = await asyncio.start_server(accept, sock=listening, ssl=tls)
    try:
        yield here
    finally:
        server.close()
        for task in here.playing:
            task.cancel()
        await asyncio.gather(*here.playing, return_exceptions=True)


@contextmanager
def network(public: Mapping[str, Receiver | None] = MappingProxyType({})) -> Iterator[list[str]]:
    """A network in which public addresses lead to these receivers, or answer nothing; from every other one but
    loopback the way is cut off. Gives the addresses that connections were asked for, as the kernel would be.
    """
    loop = asyncio.get_running_loop()
    asked: list[str] = []
    kernel = loop.sock_connect

    async def connect(sock: socket.socket, address: tuple[str, int]) -> None:
        host = address[0]
        asked.append(host)
        if host == LOOPBACK:
            await kernel(sock, address)
        elif host not in public:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        elif (leads_to := public[host]) is not None:
            await kernel(sock, (LOOPBACK, leads_to.port))
        else:
            await asyncio.Event().wait()

    loop.sock_connect = connect
    try:
        yield asked
    finally:
        del loop.sock_connect


def head(status: str, *fields: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields, "")).encode("latin-1")


def answers(status: str = "200 OK", *fields: str, body: bytes = b"", after: float = 0) -> Scenario:
    """Answers every request, `after` so many seconds."""

    async def play(connection: Connection) -> None:
        while True:
            await connection.request()
            await asyncio.sleep(after)
            await connection.send(head(status, *fields, f"Content-Length: {len(body)}") + body)

    return play


def says(*parts: bytes) -> Scenario:
    """Hears a request, says something whatever it is, and hangs up."""

    async def play(connection: Connection) -> None:
        await connection.request()
        for part in parts:
            await connection.send(part)

    return play


def drips(text: bytes, *, first: bytes = b"") -> Scenario:
    """One byte a second, over and over."""

    async def play(connection: Connection) -> None:
        await connection.request()
        await connection.send(first)
        while True:
            for byte in text:
                await connection.send(bytes([byte]))
                await asyncio.sleep(1)

    return play


def pours(block: bytes, *, first: bytes = b"", total: float = float("inf")) -> Scenario:
    """As fast as it can, so many bytes."""

    async def play(connection: Connection) -> None:
        await connection.request()
        await connection.send(first)
        poured = 0
        while poured < total:
            await connection.send(block)
            poured += len(block)
        await connection.stay()

    return play


async def silent(connection: Connection) -> None:
    """Hears everything and answers nothing."""
    await connection.stay()


async def deaf(_: Connection) -> None:
    """Does not even listen."""
    await asyncio.Event().wait()


async def resets(connection: Connection) -> None:
    """Hears a request, and breaks the line."""
    await connection.request()
    connection.reset()


async def hangs_up(_: Connection) -> None:
    """At once."""
