"""Mail servers that mean ill, or are where none of ours may go: each costs a bounded time and little memory, and what
came of it is a fact.
"""

import asyncio
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from reevit_server.providers import smtp
from reevit_server.providers.sending import Sent
from reevit_server.providers.smtp import Connect, Smtp
from tests.providers.letters import email
from tests.providers.mailserver import Play, Postbox, answering, hangs, mail_server, scripted
from tests.webhooks.hostile import LOOPBACK, network

HOST = "mail.example.com"
PUBLIC, OTHER_PUBLIC = "1.1.1.1", "8.8.8.8"
_MEMORY_BYTES_MAX = 20 * 2**20
_SHORT_SECONDS = 1.0
_HELLO = b"250 mail.example.com\r\n"
Server = AbstractAsyncContextManager[Postbox]


def opened(*addresses: str, private: bool = True, **limits: float) -> AbstractAsyncContextManager[Connect]:
    """The way to mail servers, whose names all have these addresses."""

    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return smtp.opened(private=private, resolve=resolve, tls=ssl.create_default_context(), **limits)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with opened(LOOPBACK) as way:
        yield way


def settings(port: int, security: str = "none", host: str = HOST) -> Smtp:
    return Smtp(host=host, port=port, security=security)


async def sent_to(server: Server, connect: Connect, security: str = "none") -> tuple[Sent, Postbox]:
    async with server as box:
        return await smtp.send(settings(box.port, security), email(), connect=connect), box


def test_a_letter_has_30_seconds_of_which_5_are_for_the_connection():
    defaults = {name: field.default for name, field in Connect.__dataclass_fields__.items()}
    assert (defaults["connect_seconds"], defaults["total_seconds"]) == (5, 30)


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.7",),
        ("169.254.169.254",),
        ("::1",),
        ("64:ff9b::7f00:1",),
        (PUBLIC, "127.0.0.1"),
        ("127.0.0.1", PUBLIC),
    ],
)
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_no_letter_goes_to_an_address_that_is_denied(addresses: tuple[str, ...], security: str):
    with network() as asked, socket.create_server((LOOPBACK, 0)) as listening:
        listening.settimeout(0)
        async with opened(*addresses, private=False) as connect:
            sent = await smtp.send(settings(listening.getsockname()[1], security), email(), connect=connect)
        assert (sent.outcome, sent.code) == ("never", "address_denied")
        assert asked == []
        with pytest.raises(BlockingIOError):  # nobody even knocked
            listening.accept()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "①②⑦.0.0.1",
        "::1",
        "localhost",
        "db.internal",
        "smtp",
    ],
)
async def test_a_host_that_is_not_public_by_its_spelling_is_not_even_looked_up(host: str):
    looked_up = []

    async def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return [LOOPBACK]

    with network() as asked:
        async with smtp.opened(private=False, resolve=resolve) as connect:
            sent = await smtp.send(settings(587, "starttls", host), email(), connect=connect)
    assert (sent.outcome, sent.code) == ("never", "invalid_settings")
    assert (looked_up, asked) == ([], [])


async def test_without_tls_letters_go_nowhere_but_where_local_work_is_allowed():
    with mail_server() as box, network({PUBLIC: box}) as asked:
        async with opened(PUBLIC, private=False) as connect:
            sent = await smtp.send(settings(box.port), email(), connect=connect)
    assert (sent.outcome, sent.code) == ("never", "invalid_settings")
    assert (asked, box.connections) == ([], 0)


async def test_the_connection_goes_to_an_address_that_was_looked_at():
    answers = [[PUBLIC], [LOOPBACK]]  # as a name does that is rebound

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    async with scripted(answering(b"554 No\r\n")) as box:
        with network({PUBLIC: box}) as asked:
            async with smtp.opened(private=False, resolve=resolve) as connect:
                sent = await smtp.send(settings(box.port, "starttls"), email(), connect=connect)
    assert (sent.code, asked, len(answers)) == ("554", [PUBLIC], 1)


async def test_of_several_addresses_a_dead_one_does_not_keep_the_letter():
    async with scripted(answering(b"554 No\r\n")) as box:
        with network({PUBLIC: None, OTHER_PUBLIC: box}) as asked:
            async with opened(
                "2606:4700::1", PUBLIC, OTHER_PUBLIC, private=False, connect_seconds=1
            ) as connect:
                sent = await smtp.send(settings(box.port, "starttls"), email(), connect=connect)
    assert (sent.code, asked) == ("554", ["2606:4700::1", PUBLIC, OTHER_PUBLIC])


async def test_where_no_connection_comes_about_the_letter_is_sent_later():
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def lost(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async def none(host: str, port: int) -> list[str]:
        return []

    async def sent(connecting: AbstractAsyncContextManager[Connect], port: int = 587) -> Sent:
        async with connecting as connect:
            return await smtp.send(settings(port, "starttls"), email(), connect=connect)

    with socket.socket() as nobody_listens, network({PUBLIC: None}):
        nobody_listens.bind((LOOPBACK, 0))
        cases = {
            "name_not_resolved": [
                await sent(smtp.opened(private=False, resolve=unknown)),
                await sent(smtp.opened(private=False, resolve=none)),
            ],
            "connect_timeout": [
                await sent(smtp.opened(private=False, resolve=lost, connect_seconds=_SHORT_SECONDS)),
                await sent(opened(PUBLIC, private=False, connect_seconds=_SHORT_SECONDS)),
            ],
            "connection_failed": [
                await sent(opened(LOOPBACK), nobody_listens.getsockname()[1]),
                await sent(opened(OTHER_PUBLIC, private=False)),
            ],
        }
    for code, facts in cases.items():
        for fact in facts:
            assert (fact.outcome, fact.code, fact.is_unsure) == ("later", code, False)
            assert fact.message


async def test_the_system_s_names_are_asked_for_by_default():
    with mail_server() as box:
        async with smtp.opened(private=True) as connect:
            sent = await smtp.send(settings(box.port, host="localhost"), email(), connect=connect)
    assert sent.outcome == "sent"


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (answering(b"SSH-2.0-OpenSSH_9.6\r\n"), "bad_answer"),
        (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "bad_answer"),
        (answering(b"\x00\xff\x00\xff\r\n"), "bad_answer"),
        (answering(b"2200 hi\r\n", b"-12 what\r\n"), "bad_answer"),
        (answering(b"220 hi\r\n", b"999 what\r\n"), "bad_answer"),
        (answering(b"220 hi\r\n", _HELLO, b"354 not yet\r\n"), "bad_answer"),
        (answering(b"220 hi\r\n", _HELLO, b"250 ok\r\n", b"250 ok\r\n", b"250 what?\r\n"), "bad_answer"),
    ],
)
async def test_nonsense_is_a_fact(play: Play, code: str, connect: Connect):
    sent, _ = await sent_to(scripted(play), connect)
    assert (sent.outcome, sent.code) == ("later", code)
    assert sent.message is not None
    sent.message.encode()


def _hangs_up_after(*answers: bytes) -> Play:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                await reader.readuntil(b"\n")
            writer.write(answer)
            await writer.drain()

    return play


@pytest.mark.parametrize(
    "answers", [(), (b"220 hi\r\n",), (b"220 hi\r\n", _HELLO), (b"220 hi\r\n", b"250-and")]
)
async def test_a_server_that_hangs_up_before_it_has_the_letter_is_sent_it_later(
    answers: tuple[bytes, ...], connect: Connect
):
    sent, _ = await sent_to(scripted(_hangs_up_after(*answers)), connect)
    assert (sent.outcome, sent.code) == ("later", "connection_lost")
    assert sent.message is not None
    assert "handed over" not in sent.message


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_server_that_speaks_no_tls_after_all_is_a_fact(security: str, connect: Connect):
    plays = {
        "tls": answering(b"220 hi, no TLS here, and none to come\r\n" * 10),
        "starttls": answering(
            b"220 hi\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go\r\n", b"no TLS\r\n" * 100
        ),
    }
    sent, _ = await sent_to(scripted(plays[security]), connect, security)
    assert sent.outcome == "later"
    assert sent.code in ("tls_failed", "connection_lost")


async def _drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220")
    while True:
        writer.write(b"-")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _is_deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the letter's beginning only; the rest stays with whoever sends it."""
    for answer in (b"220 hi\r\n", _HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
        writer.write(answer)
        if not answer.startswith(b"354"):
            await reader.readuntil(b"\n")
    writer.transport.pause_reading()
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("play", "security", "handed_over"),
    [
        (answering(), "none", False),
        (answering(), "tls", False),
        (answering(b"220 hi\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go\r\n"), "starttls", False),
        (_drips, "none", False),
        (_is_deaf, "none", True),
    ],
    ids=["silent", "silent in TLS", "silent in STARTTLS", "drips", "deaf"],
)
async def test_who_does_not_come_to_an_end_is_left(play: Play, security: str, *, handed_over: bool):
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        finally:
            left.set()

    async with opened(LOOPBACK, total_seconds=_SHORT_SECONDS) as connect, scripted(watched) as box:
        begun = loop.time()
        letter = email(text="x" * 70 + "\n", html="<p>" + "y" * 8 * 2**20)
        sent = await smtp.send(settings(box.port, security), letter, connect=connect)
        assert loop.time() - begun >= _SHORT_SECONDS * 0.9
        if play is not _is_deaf:
            async with asyncio.timeout(10):
                await left.wait()  # its line was cut
    assert (sent.outcome, sent.code) == ("later", "timeout")
    assert sent.message is not None
    assert ("handed over" in sent.message) is handed_over


async def test_what_a_deaf_server_did_not_take_is_not_kept_for_it():
    """Its line is cut, although much of the letter is still to be written."""
    ended = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        deaf = asyncio.create_task(_is_deaf(reader, writer))
        await gone.wait()
        deaf.cancel()
        writer.transport.resume_reading()
        while await reader.read(2**16):
            pass
        ended.set()

    gone = asyncio.Event()
    async with opened(LOOPBACK, total_seconds=_SHORT_SECONDS) as connect, scripted(play) as box:
        letter = email(html="<p>" + "y" * 16 * 2**20)
        sent = await smtp.send(settings(box.port), letter, connect=connect)
        gone.set()
        async with asyncio.timeout(10):
            await ended.wait()
    assert sent.code == "timeout"


def _pours(block: bytes, *, first: bytes = b"") -> Play:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(block)
            await writer.drain()

    return play


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (_pours(b"x" * 2**16), "bad_answer"),
        (_pours(b"220-and\r\n" * 8000), "bad_answer"),
        (_pours(b"2" * 2**16, first=b"220-hi\r\n"), "bad_answer"),
        (_pours(b"250-X-AND\r\n" * 8000, first=b"220 hi\r\n"), None),
    ],
    ids=["a line without end", "lines without end", "a last line without end", "an answer unasked"],
)
async def test_an_answer_without_end_is_cut_off(play: Play, code: str | None):
    tracemalloc.start()
    try:
        async with opened(LOOPBACK, total_seconds=3) as connect:
            sent, _ = await sent_to(scripted(play), connect)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent.outcome == "later"
    assert code is None or sent.code == code
    assert peak < _MEMORY_BYTES_MAX


async def test_a_letter_that_is_called_off_leaves_no_line_open(connect: Connect):
    handed_over = asyncio.Event()
    left = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readuntil(b"\n")
        handed_over.set()
        await reader.read()
        left.set()

    async with scripted(play) as box:
        sending = asyncio.create_task(smtp.send(settings(box.port), email(), connect=connect))
        await handed_over.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(10):
            await left.wait()


async def test_a_server_that_hangs_keeps_no_other_letter():
    with mail_server(on_data=hangs) as slow, mail_server() as good:
        async with opened(LOOPBACK, total_seconds=2) as connect:

            async def sent(box: Postbox) -> Sent:
                return await smtp.send(settings(box.port), email(), connect=connect)

            hanging = asyncio.gather(*(sent(slow) for _ in range(20)))
            assert (await sent(good)).outcome == "sent"
            assert not hanging.done()
            assert {one.code for one in await hanging} == {"timeout"}
