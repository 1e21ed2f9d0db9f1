"""A client under load: keep-alive connections that each send a request, wait for its whole answer, and send the
next. Runs in a process of its own and counts nothing but good answers.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from statistics import median, quantiles

import uvloop

_ANSWERS_MIN = 5  # a slow operation's time is stretched until there are so many
_PATIENCE_SECONDS = 60


class BadAnswerError(Exception):
    """Something else than 2xx came back: figures about refusals would be figures about nothing."""


@dataclass(frozen=True)
class Measured:
    """What one round gave. Latencies are in milliseconds, CPU is the client's own."""

    answers: int
    answers_in_all: int  # those before the measured time too
    seconds: float
    latency_ms: float
    latency_p95_ms: float
    busy: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


@dataclass
class _Tally:
    """What the connections of one client count together; `open` while the measured time lasts."""

    latencies: list[float] = field(default_factory=list)
    answers: int = 0
    open: bool = False
    bad: str | None = None


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes], tally: _Tally, ended: asyncio.Event) -> None:
        self._requests = requests
        self._tally = tally
        self._ended = ended
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._ended.is_set():
            self._stop("the server closed the connection")

    def data_received(self, data: bytes) -> None:
        self._received = data = self._received + data
        head_ends = data.find(b"\r\n\r\n")
        if head_ends < 0 or len(data) < head_ends + 4 + _content_length(data[:head_ends]):
            return
        tally = self._tally
        if data[9:10] != b"2":
            self._stop(data.decode(errors="replace"))
        tally.answers += 1
        if tally.open:
            tally.latencies.append(time.perf_counter() - self._sent_at)
        self._received = b""
        if not self._ended.is_set():
            self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def _stop(self, bad: str) -> None:
        self._tally.bad = self._tally.bad or bad
        self._ended.set()


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def _run(
    port: int, requests: Iterator[bytes], connections: int, warm: float, seconds: float
) -> Measured:
    loop, tally, ended = asyncio.get_running_loop(), _Tally(), asyncio.Event()
    transports = []
    for _ in range(connections):
        transport, _ = await loop.create_connection(
            lambda: _Client(requests, tally, ended), "127.0.0.1", port
        )
        transports.append(transport)
    await _unless(ended, warm)
    tally.open, began, cpu = True, time.perf_counter(), time.process_time()
    await _unless(ended, seconds)
    while len(tally.latencies) < _ANSWERS_MIN and not ended.is_set():
        await _unless(ended, seconds)
    took, busy = time.perf_counter() - began, time.process_time() - cpu
    ended.set()
    for transport in transports:
        transport.abort()
    if tally.bad is not None:
        raise BadAnswerError(tally.bad)
    return Measured(
        answers=len(tally.latencies),
        answers_in_all=tally.answers,
        seconds=took,
        latency_ms=median(tally.latencies) * 1000,
        latency_p95_ms=quantiles(tally.latencies, n=20)[-1] * 1000,
        busy=busy / took,
    )


async def _unless(ended: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except TimeoutError:
        pass


def _work(port: int, requests: Iterable[bytes], connections: int, warm: float, seconds: float) -> Measured:
    return uvloop.run(_run(port, iter(requests), connections, warm, seconds))


class Load:
    """The client's process. Use as `with Load() as load: load(port, requests, connections=16, seconds=5)`."""

    def __enter__(self) -> "Load":
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def __call__(
        self, port: int, requests: Iterable[bytes], *, connections: int, seconds: float, warm: float = 0.5
    ) -> Measured:
        """Sends `requests`, which never end, for `seconds` after `warm` seconds. Raises BadAnswerError."""
        running = self._pool.submit(_work, port, requests, connections, warm, seconds)
        return running.result(_PATIENCE_SECONDS + warm + seconds)
