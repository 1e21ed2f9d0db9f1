"""A receiver of webhooks that does nothing but count, in a process of its own; or, at /dead, never answers."""

import asyncio
import multiprocessing
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection

import uvloop

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_CREATED = re.compile(rb'"created_at":"([^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Receiver:
    """What a benchmark asks of the receiver's process."""

    def __init__(self, port: int, pipe: Connection) -> None:
        self.port = port
        self._pipe = pipe

    def arrivals(self) -> list[tuple[float, float]]:
        """When each delivery came since the last time that this was asked, and how long after its event, in seconds."""
        self._pipe.send(True)
        arrived: list[tuple[float, float]] = self._pipe.recv()
        return arrived


@contextmanager
def receiver() -> Iterator[Receiver]:
    """The receiver on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_live, args=(listening, theirs), daemon=True
        )
        process.start()
        try:
            yield Receiver(listening.getsockname()[1], ours)
        finally:
            process.kill()
            process.join()


def _live(listening: socket.socket, pipe: Connection) -> None:
    uvloop.run(_serve(listening, pipe))


async def _serve(listening: socket.socket, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    arrived: list[tuple[float, float]] = []

    def tell() -> None:
        os.set_blocking(pipe.fileno(), True)  # the loop has made it otherwise
        pipe.recv()
        pipe.send(arrived.copy())
        arrived.clear()

    loop.add_reader(pipe.fileno(), tell)
    server = await loop.create_server(lambda: _Caller(arrived), sock=listening)
    await server.serve_forever()


class _Caller(asyncio.Protocol):
    """One connection of the sender's."""

    def __init__(self, arrived: list[tuple[float, float]]) -> None:
        self._arrived = arrived
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < size:
                return
            body, self._received = self._received[end + 4 : size], self._received[size:]
            if head.startswith(b"POST /dead"):
                return  # the sender hears nothing more
            created = _CREATED.search(body)
            assert created is not None, "every event has it"
            now = time.time()
            self._arrived.append((now, now - datetime.fromisoformat(created[1].decode()).timestamp()))
            self._transport.write(_OK)
