"""Receivers that answer late, never, endlessly or with nonsense: each costs a bounded time and little memory, and is
told again as it should be.
"""

import asyncio
import gzip
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import trustme
import uvloop

from reevit_server.core import egress
from reevit_server.core.database import Database
from reevit_server.core.egress import Post, Reply
from reevit_server.core.jobs import Tools
from reevit_server.core.sealing import Sealer
from tests.makers import MASTER_KEY, Merchant, created, ok
from tests.webhooks.clockwork import Clock, Clockwork
from tests.webhooks.hostile import (
    GIGABYTE,
    LOOPBACK,
    Connection,
    Scenario,
    answers,
    deaf,
    drips,
    hangs_up,
    head,
    network,
    pours,
    receiver,
    resets,
    says,
    silent,
)

HOST = "shop.example.com"
PUBLIC = "1.1.1.1"
BODY = b'{"id":"evt_1"}'

_MEMORY_BYTES_MAX = 20 * 2**20
_SENT_BYTES_MAX = 8 * 2**20  # 1 MiB at most, and what lies in the buffers of both machines
_BLOCK = b"x" * 2**16
_OK = head("200 OK")
_LONG = head("200 OK", f"Content-Length: {GIGABYTE}")
_CHUNKED = head("200 OK", "Transfer-Encoding: chunked")
_BOMB = gzip.compress(bytes(2**20)) * 50  # fifty kilobytes that become as many megabytes


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    """The way out, as it is for local work."""
    async with egress.opened(private=True) as opened:
        yield opened


async def test_who_does_not_answer_in_15_seconds_has_not_answered():
    """All at once, in real time: whoever is late, drips, or says nothing at any stage of a request."""
    tls = ssl.create_default_context()

    async def resolve(host: str, _: int) -> list[str]:
        if host == "lost.example.com":
            await asyncio.Event().wait()
        return [PUBLIC] if host == HOST else [LOOPBACK]

    late: dict[str, Scenario] = {
        "silent": silent,
        "deaf": deaf,
        "drips its head": drips(b"X-A: b\r\n", first=b"HTTP/1.1 200 OK\r\n"),
        "drips its body": drips(b"x", first=_LONG),
        "drips its chunks": drips(b"1\r\nx\r\n", first=_CHUNKED),
        "drips interim answers": drips(head("100 Continue")),
    }
    async with AsyncExitStack() as stack:
        post = await stack.enter_async_context(egress.opened(private=True, resolve=resolve, tls=tls))
        stack.enter_context(network({PUBLIC: None}))
        urls = {
            name: (await stack.enter_async_context(receiver(scenario))).url for name, scenario in late.items()
        }
        punctual = await stack.enter_async_context(receiver(answers(after=14)))
        no_tls = await stack.enter_async_context(receiver(silent))
        await stack.enter_async_context(asyncio.timeout(60))  # who is not cut off would drip for ever
        *replies, just_so, no_name, no_connection, no_handshake = await asyncio.gather(
            *(post(url, bytes(10**6), {}) for url in urls.values()),
            post(punctual.url, BODY, {}),
            post("https://lost.example.com/", BODY, {}),
            post(f"https://{HOST}/", BODY, {}),
            post(f"https://{LOOPBACK}:{no_tls.port}/", BODY, {}),
        )
    for name, reply in zip(urls, replies, strict=True):
        assert (reply.error, reply.status_code) == ("timeout", None), name
        assert 14_900 <= reply.latency_ms < 30_000, name
    for reply in (no_name, no_connection, no_handshake):
        assert (reply.error, reply.status_code) == ("connect_timeout", None)
        assert reply.latency_ms >= 4_900
    assert (just_so.status_code, just_so.error) == (200, None)
    assert just_so.latency_ms >= 13_900


@pytest.mark.parametrize(
    ("scenario", "status", "error"),
    [
        (pours(_BLOCK, first=_LONG, total=GIGABYTE), 200, None),
        (pours(_BLOCK, first=_OK), 200, None),
        (pours(b"10000\r\n" + _BLOCK + b"\r\n", first=_CHUNKED), 200, None),
        (pours(b"1\r\nx\r\n" * 8000, first=_CHUNKED), 200, None),
        (
            pours(_BOMB, first=head("200 OK", "Content-Encoding: gzip")),
            200,
            None,
        ),
        (pours(b"X-A: b\r\n" * 8000, first=b"HTTP/1.1 200 OK\r\n"), None, "bad_answer"),
        (pours(_BLOCK, first=b"HTTP/1.1 200 OK\r\nX-A: "), None, "bad_answer"),
        (pours(_BLOCK, first=b"HTTP/1.1 200 "), None, "bad_answer"),
        (pours(b"\x00\xff" * 2**15), None, "bad_answer"),
        (pours(head("100 Continue") * 2600), None, "bad_answer"),
        (pours(_BLOCK, first=_CHUNKED + b"1;"), None, "bad_answer"),
        (pours(b"0" * 2**16, first=_CHUNKED), None, "bad_answer"),
        (pours(b"X-A: b\r\n" * 8000, first=_CHUNKED + b"0\r\n"), None, "bad_answer"),
    ],
    ids=[
        *("a gigabyte", "a body without end", "chunks without end", "a byte in each chunk", "a bomb of gzip"),
        *("headers without end", "a header without end", "a status without end", "noise without end"),
        *("interim answers without end", "a chunk's extension without end", "a chunk's size without end"),
        "trailers without end",
    ],
)
async def test_an_answer_without_end_is_cut_off(
    post: Post, scenario: Scenario, status: int | None, error: str | None
):
    tracemalloc.start()
    try:
        async with receiver(scenario) as there:
            reply = await post(there.url, BODY, {})
            await there.left()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (reply.status_code, reply.error) == (status, error)
    assert reply.body is None or len(reply.body.encode(errors="replace")) <= 4 * egress.KEPT_BYTES_MAX
    assert there.sent < _SENT_BYTES_MAX
    assert peak < _MEMORY_BYTES_MAX


async def _breaks_in_its_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(_LONG + b"the beginning")
    await asyncio.sleep(0.05)
    connection.reset()


async def _answers_unasked(connection: Connection) -> None:
    await connection.send(head("200 OK", "Content-Length: 0", "Connection: close"))
    await connection.request()


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        (hangs_up, "connection_lost"),
        (says(), "connection_lost"),
        (resets, "connection_lost"),
        (says(b"HTTP/1.1 200 OK\r\nContent-"), "connection_lost"),
        (says(head("100 Continue")), "connection_lost"),
        (says(_LONG + b"the beginning"), "connection_lost"),
        (says(_CHUNKED + b"3\r\nthe\r\n"), "connection_lost"),
        (_breaks_in_its_body, "connection_lost"),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "bad_answer"),
        (says(b"<html>It works!</html>\r\n\r\n"), "bad_answer"),
        (says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"), "bad_answer"),
        (says(b"HTTP/1.1 2OO OK\r\n\r\n"), "bad_answer"),
        (says(b"HTTP/1.1 2000 OK\r\n\r\n"), "bad_answer"),
        (says(b"HTTP/1.1 200 OK\r\nX\0Y: z\r\n\r\n"), "bad_answer"),
        (says(head("200 OK", "Content-Length: -1")), "bad_answer"),
        (says(head("200 OK", f"Content-Length: {'9' * 5000}")), "bad_answer"),
        (says(head("200 OK", "Content-Length: 1", "Content-Length: 2") + b"xx"), "bad_answer"),
        (says(_CHUNKED + b"many\r\n"), "bad_answer"),
        (_answers_unasked, None),
    ],
    ids=[
        *("hangs up", "hangs up after the request", "breaks the line", "breaks off in its head"),
        *("goes on and does not", "breaks off in its body", "breaks off between chunks"),
        *("breaks the line in its body", "SSH", "HTML alone", "HTTP/2", "a status of letters"),
        *("a status of four digits", "a NUL in a header", "a negative length", "a length of 5000 digits"),
        *("two lengths", "a chunk of many", "answers unasked"),
    ],
)
async def test_whatever_comes_is_a_fact_and_the_next_is_told_as_ever(
    post: Post, scenario: Scenario, error: str | None
):
    async with receiver(scenario) as there, receiver(answers()) as good:
        reply = await post(there.url, BODY, {})
        assert (await post(good.url, BODY, {})).status_code == 200
    assert reply.error == error
    assert (reply.status_code is None, reply.error_message is None) == (error is not None, error is None)


async def test_receivers_that_pour_hold_up_nobody_else(post: Post):
    async with (
        receiver(pours(head("100 Continue") * 2600)) as one,
        receiver(pours(_BLOCK, first=_CHUNKED + b"1;")) as another,
        receiver(answers()) as good,
    ):
        pouring = [
            asyncio.create_task(post(there.url, BODY, {})) for there in (one, another) for _ in range(3)
        ]
        replies = [await post(good.url, BODY, {}) for _ in range(20)]
        assert [reply.status_code for reply in replies] == [200] * 20
        assert {reply.error for reply in await asyncio.gather(*pouring)} == {"bad_answer"}


def test_all_this_is_true_of_the_event_loop_that_workers_run_on():
    async def tell_everybody() -> None:
        async with egress.opened(private=True) as post, egress.opened(private=False, plain=True) as public:
            for scenario, status, error in (
                (answers(), 200, None),
                (pours(_BLOCK, first=_LONG, total=GIGABYTE), 200, None),
                (pours(_BLOCK, first=_CHUNKED + b"1;"), None, "bad_answer"),
                (says(b"SSH-2.0-OpenSSH_9.6\r\n"), None, "bad_answer"),
                (hangs_up, None, "connection_lost"),
                (resets, None, "connection_lost"),
                (_breaks_in_its_body, None, "connection_lost"),
            ):
                async with receiver(scenario) as there:
                    reply = await post(there.url, BODY, {})
                    assert (reply.status_code, reply.error) == (status, error)
                    assert there.sent < _SENT_BYTES_MAX
                    assert (await public(there.url, BODY, {})).error == "address_denied"
                    assert there.connections == 1
            assert (await post(there.url, BODY, {})).error == "connection_failed"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(tell_everybody())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def asked() -> list[str]:
    """The addresses that deliveries were sent to."""
    return []


@pytest.fixture
async def tools(
    db: Database, clock: Clock, authority: trustme.CA, asked: list[str], request: pytest.FixtureRequest
) -> AsyncIterator[Tools]:
    """What a worker works with, the real way out included. HOST is on loopback, unless said otherwise."""
    addresses = getattr(request, "param", None)

    async def resolve(*_: object) -> list[str]:
        return addresses or [LOOPBACK]

    async def watched(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        with network() as connected:
            reply = await post(url, body, headers)
        asked.extend(connected)
        return reply

    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    async with egress.opened(private=addresses is None, resolve=resolve, tls=tls) as post:
        yield Tools(db, clock, Sealer(MASTER_KEY), watched)


class Told:
    """An endpoint that plays a scenario, and its one delivery."""

    def __init__(self, merchant: Merchant, clockwork: Clockwork, authority: trustme.CA) -> None:
        self._merchant = merchant
        self._clockwork = clockwork
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self._tls)

    async def by(self, scenario: Scenario) -> tuple[dict[str, Any], dict[str, Any]]:
        """Tells it of a customer; the delivery and the endpoint after the first attempt."""
        async with receiver(scenario, tls=self._tls) as there:
            url = f"https://{HOST}:{there.port}/hooks"
            new = {"url": url, "events": ["customer.created"]}
            endpoint = created(await self._merchant.test.post("/v1/webhooks/endpoints", json=new))
            await self._merchant.customer()
            await self._clockwork.run()
        address = f"/v1/webhooks/outbound?endpoint_id={endpoint['id']}"
        [delivery] = ok(await self._merchant.test.get(address))["outbound"]
        endpoint = ok(await self._merchant.test.get(f"/v1/webhooks/endpoints/{endpoint['id']}"))
        return delivery, endpoint


@pytest.fixture
def told(merchant: Merchant, clockwork: Clockwork, authority: trustme.CA) -> Told:
    return Told(merchant, clockwork, authority)


def _waits(delivery: dict[str, Any], clock: Clock) -> timedelta:
    return datetime.fromisoformat(delivery["next_attempt_at"]) - clock.now


@pytest.mark.parametrize(
    ("scenario", "status", "error"),
    [
        (answers("500 Internal Server Error", body=b"out of order"), 500, "http_status"),
        (answers("404 Not Found"), 404, "http_status"),
        (answers("304 Not Modified"), 304, "redirect"),
        (answers("301 Moved", "Location: http://169.254.169.254/latest/"), 301, "redirect"),
        (says(head("101 Switching Protocols", "Upgrade: x", "Connection: upgrade")), 101, "http_status"),
        (says(head("999 So", "Content-Length: 0")), 999, "http_status"),
        (hangs_up, None, "connection_lost"),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), None, "bad_answer"),
        (pours(head("100 Continue") * 2600), None, "bad_answer"),
    ],
    ids=["500", "404", "304", "301", "101", "999", "hangs up", "SSH", "interim answers without end"],
)
async def test_a_failure_is_tried_again_in_about_five_seconds(
    told: Told, clock: Clock, asked: list[str], scenario: Scenario, status: int | None, error: str
):
    delivery, endpoint = await told.by(scenario)
    assert asked == [LOOPBACK]
    assert (delivery["status"], endpoint["status"]) == ("scheduled", "active")
    assert timedelta(seconds=4) <= _waits(delivery, clock) <= timedelta(seconds=6)
    [attempt] = delivery["attempts"]
    assert (attempt["number"], attempt["status_code"], attempt["error"]) == (1, status, error)
    assert attempt["error_message"].endswith(".")
    assert attempt["response_body"] == ("out of order" if status == 500 else None if status is None else "")
    assert endpoint["failing_since"] is not None


@pytest.mark.parametrize(
    ("retry_after", "at_least", "at_most"),
    [
        ("120", 120, 120),
        ("1", 4, 6),
        ("99999999", 86_400, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400, 86_400),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 4, 6),
        ("-120", 4, 6),
        ("soon", 4, 6),
        ("", 4, 6),
        ("9" * 5000, 4, 6),
        ("Sun, 01 Mar 2099 12:00:00 +" + "9" * 30, 4, 6),
        ("Sun, 01 Mar 2099 12:00:00 " + "9" * 4000, 4, 6),
        ("\xff\xfe", 4, 6),
    ],
    ids=lambda value: ascii(value)[:40] if isinstance(value, str) else None,
)
async def test_who_asks_for_time_gets_it_up_to_a_day_and_nonsense_asks_for_none(
    told: Told, clock: Clock, retry_after: str, at_least: int, at_most: int
):
    delivery, _ = await told.by(answers("429 Too Many Requests", f"Retry-After: {retry_after}"))
    assert delivery["status"] == "scheduled"
    assert timedelta(seconds=at_least) <= _waits(delivery, clock) <= timedelta(seconds=1.2 * at_most)
    [attempt] = delivery["attempts"]
    assert (attempt["status_code"], attempt["error"]) == (429, "http_status")


async def test_time_may_be_asked_for_by_a_date(told: Told, clock: Clock):
    date = format_datetime(clock.now + timedelta(hours=2), usegmt=True)
    delivery, _ = await told.by(answers("503 Service Unavailable", f"Retry-After: {date}"))
    assert timedelta(hours=2, seconds=-1) <= _waits(delivery, clock) <= timedelta(hours=2.4)


async def test_who_is_gone_is_told_no_more(told: Told):
    delivery, endpoint = await told.by(answers("410 Gone"))
    assert (delivery["status"], delivery["next_attempt_at"]) == ("disabled", None)
    assert (endpoint["status"], endpoint["disabled_reason"]) == ("disabled", "gone")
    [attempt] = delivery["attempts"]
    assert (attempt["status_code"], attempt["error"]) == (410, "gone")


@pytest.mark.parametrize(
    ("scenario", "body"),
    [
        (answers(), ""),
        (answers("204 No Content", "Set-Cookie: id=1"), ""),
        (answers(body=b"thank\0you \xff"), "thank\ufffdyou \ufffd"),
        (pours(_BLOCK, first=_LONG, total=GIGABYTE), "x" * 1024),
        (pours(b"\xff\0" * 2**15, first=_LONG), "\ufffd" * 1024),
        (_answers_unasked, ""),
    ],
    ids=["200", "204", "bytes", "a gigabyte", "a gigabyte of no text", "answers unasked"],
)
async def test_an_answer_of_2xx_is_a_delivery_and_its_first_kilobyte_is_kept(
    told: Told, scenario: Scenario, body: str
):
    delivery, endpoint = await told.by(scenario)
    assert (delivery["status"], delivery["next_attempt_at"]) == ("delivered", None)
    assert (endpoint["status"], endpoint["failing_since"]) == ("active", None)
    [attempt] = delivery["attempts"]
    assert (attempt["error"], attempt["error_message"]) == (None, None)
    assert attempt["response_body"] == body
    assert isinstance(attempt["latency_ms"], int)


@pytest.mark.parametrize("tools", [["1.1.1.1", "10.0.0.7"]], ids=["10.0.0.7"], indirect=True)
async def test_a_name_that_turned_private_is_a_failure_that_says_so(told: Told, asked: list[str]):
    """It was fine when it was written down."""
    delivery, endpoint = await told.by(answers())
    assert asked == []
    assert (delivery["status"], endpoint["status"]) == ("scheduled", "active")
    [attempt] = delivery["attempts"]
    assert (attempt["status_code"], attempt["error"]) == (None, "address_denied")
    assert HOST in attempt["error_message"]
