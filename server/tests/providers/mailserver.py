"""Mail servers on loopback: a real one (aiosmtpd, in a thread of its own) that takes letters or refuses them as a
test says, and scripted ones that play what no real one would.
"""

# ruff: noqa: ARG002, N802 - the names of the hooks and their arguments are aiosmtpd's

import asyncio
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import MappingProxyType
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, Envelope, Session

from tests.webhooks.hostile import LOOPBACK

_THREAD_SECONDS = 30
OnData = Callable[[SMTP], Awaitable[str]]
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """A letter as it came."""

    sender: str | None
    recipients: list[str]
    content: bytes
    over_tls: bool
    greeted_as: str | None

    @property
    def letter(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def text(self) -> str:
        return text_of(self.letter)


@dataclass
class Postbox:
    """What reached a mail server."""

    port: int = 0
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)


class _Server(SMTP):
    """One connection."""

    def __init__(
        self, box: Postbox, open_lines: set[asyncio.BaseTransport], *args: Any, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._box = box
        self._open_lines = open_lines

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None:  # it is called again once TLS has begun
            self._box.connections += 1
        self._open_lines.add(transport)
        super().connection_made(transport)


class _Handler:
    """Answers as the test says, else takes everything."""

    def __init__(self, box: Postbox, answers: Mapping[str, str], on_data: OnData | None) -> None:
        self._box = box
        self._answers = answers
        self._on_data = on_data

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self._box.commands.append("EHLO")
        session.host_name = hostname
        return responses

    async def handle_AUTH(self, server: SMTP, session: Session, envelope: Envelope, words: list[str]) -> Any:
        self._box.commands.append(f"AUTH {words[0]}")
        return self._answers.get("AUTH", MISSING)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._box.commands.append("MAIL")
        envelope.mail_from = address
        return self._answers.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._box.commands.append("RCPT")
        if "RCPT" not in self._answers:
            envelope.rcpt_tos.append(address)
        return self._answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.original_content, bytes)
        self._box.received.append(
            Received(
                envelope.mail_from,
                envelope.rcpt_tos,
                envelope.original_content,
                session.ssl is not None or isinstance(_tls_of(server), ssl.SSLObject),
                session.host_name,
            )
        )
        if self._on_data is not None:
            return await self._on_data(server)
        return self._answers.get("DATA", "250 OK")

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self._box.commands.append("QUIT")
        return "221 Bye"


@contextmanager
def mail_server(
    *,
    answers: Mapping[str, str] = MappingProxyType({}),
    on_data: OnData | None = None,
    from_the_start: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    **options: Any,
) -> Iterator[Postbox]:
    """A mail server, until the block ends. `options` are aiosmtpd's."""
    box = Postbox()
    open_lines: set[asyncio.BaseTransport] = set()
    loop = asyncio.new_event_loop()
    handler = _Handler(box, answers, on_data)

    def connection() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # that passwords without TLS are no good idea: they are not
            return _Server(
                box,
                open_lines,
                handler,
                hostname="mail.example.com",
                loop=loop,
                tls_context=starttls,
                **options,
            )

    async def start() -> asyncio.Server:
        return await loop.create_server(connection, LOOPBACK, 0, ssl=from_the_start)

    async def stop() -> None:
        server.close()
        for line in open_lines:
            line.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def wait_for(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_THREAD_SECONDS)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = wait_for(start())
        box.port = server.sockets[0].getsockname()[1]
        yield box
        wait_for(stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_THREAD_SECONDS)
        loop.close()


async def hangs(_: SMTP) -> str:
    """Has the letter and says nothing of it."""
    await asyncio.Event().wait()
    raise AssertionError("nobody wakes it")


async def breaks(server: SMTP) -> str:
    """Has the letter, and its line breaks."""
    assert server.transport is not None
    server.transport.abort()
    return "250 OK"


@asynccontextmanager
async def scripted(play: Play, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Postbox]:
    """A server that plays the same to whoever connects, and hangs up; in this loop."""
    box = Postbox()
    playing: set[asyncio.Task[None]] = set()

    async def perform(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        except (OSError, EOFError):
            pass  # the other side has left
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        box.connections += 1
        task = asyncio.create_task(perform(reader, writer))
        playing.add(task)
        task.add_done_callback(playing.discard)

    server = await asyncio.start_server(accept, LOOPBACK, 0, ssl=tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


def text_of(part: EmailMessage) -> str:
    """What a person reads, with the line breaks of Python."""
    return part.get_content().replace("\r\n", "\n")


def answering(*answers: bytes, heard: list[bytes] | None = None) -> Play:
    """Says the first answer at once and each other one to a line of the client's; then hears on, and is silent."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                line = await reader.readuntil(b"\n")
                if heard is not None:
                    heard.append(line)
            writer.write(answer)
            await writer.drain()
        while data := await reader.read(2**16):
            if heard is not None:
                heard.append(data)

    return play


def _tls_of(server: SMTP) -> Any:
    return server.transport.get_extra_info("ssl_object") if server.transport is not None else None
