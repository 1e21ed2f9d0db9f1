"""A server on loopback that takes payments, each once by its Idempotency-Key, and answers badly as it is told to."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_NO_LINGER = struct.pack("ii", 1, 0)


class Shop:
    """The payments it took, by key, and every try of a request."""

    base_url: str

    def __init__(self, troubles: Iterator[Trouble]) -> None:
        self.payments: dict[str, dict[str, Any]] = {}
        self.tries: list[str] = []
        self.asked_again, self.done = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._troubles = troubles

    def trouble(self, key: str) -> Trouble:
        """How this try ends. When none is left, well."""
        with self._lock:
            self.tries.append(key)
            return next(self._troubles, well)

    def execute(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """The payment, made now or before."""
        with self._lock:
            made = {"id": f"pay_{len(self.payments) + 1}", **body, "status": "succeeded"}
            return self.payments.setdefault(key, made)


class Exchange(BaseHTTPRequestHandler):
    """One request, and the means to answer it in part."""

    protocol_version = "HTTP/1.1"
    shop: Shop
    key: str
    body: dict[str, Any]

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.key = self.headers["Idempotency-Key"]
        self.shop.trouble(self.key)(self)

    def answer(self) -> bytes:
        """Executes it; what a good server says then."""
        return self.worded("201 Created", self.shop.execute(self.key, self.body))

    def worded(self, status: str, told: dict[str, Any], *headers: str) -> bytes:
        content = json.dumps(told).encode()
        named = ["Content-Type: application/json", f"Content-Length: {len(content)}", *headers]
        return "\r\n".join([f"HTTP/1.1 {status}", *named, "", ""]).encode() + content

    def send(self, data: bytes) -> None:
        self.wfile.write(data)

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


Trouble = Callable[[Exchange], None]


def well(exchange: Exchange) -> None:
    exchange.send(exchange.answer())


def refuses_the_connection(exchange: Exchange) -> None:
    """Before anything is done."""
    exchange.hang_up()


def says_nothing(exchange: Exchange) -> None:
    exchange.answer()
    exchange.hang_up()


def resets(exchange: Exchange) -> None:
    exchange.answer()
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    exchange.connection.close()
    exchange.hang_up()


def breaks_in_the_headers(exchange: Exchange) -> None:
    exchange.send(exchange.answer()[:40])
    exchange.hang_up()


def breaks_before_the_body(exchange: Exchange) -> None:
    exchange.send(exchange.answer().partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    exchange.hang_up()


def breaks_in_the_body(exchange: Exchange) -> None:
    exchange.send(exchange.answer()[:-10])
    exchange.hang_up()


def breaks_between_chunks(exchange: Exchange) -> None:
    content = exchange.answer().partition(b"\r\n\r\n")[2]
    exchange.send(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
    exchange.send(b"%x\r\n%s\r\n" % (len(content), content))  # all of it, but who knows?
    exchange.hang_up()


def talks_nonsense(exchange: Exchange) -> None:
    exchange.answer()
    exchange.send(b"\x00\x01 this is no HTTP\r\n\r\n")
    exchange.hang_up()


def is_busy(exchange: Exchange) -> None:
    told = {"error": "unavailable", "code": "unavailable", "message": "Ask again.", "details": {}}
    exchange.send(exchange.worded("503 Service Unavailable", told, "Retry-After: 0"))


def is_behind_a_proxy_that_gives_up(exchange: Exchange) -> None:
    exchange.answer()
    page = b"<html>Bad gateway</html>"
    exchange.send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))


def drips(exchange: Exchange) -> None:
    """A byte at a time, all of it."""
    exchange.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in exchange.answer():
        exchange.send(bytes([byte]))


def drips_for_ever(exchange: Exchange) -> None:
    """The headers, and then a byte at a time of a body that does not end, until who asks has gone."""
    exchange.answer()
    exchange.send(
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n"
    )
    while not select.select([exchange.connection], [], [], 0.01)[0]:
        exchange.send(b" ")
    exchange.hang_up()


def stalls(exchange: Exchange) -> None:
    """Half of it, and then nothing, until who asks has gone."""
    exchange.send(exchange.answer()[:-10])
    _wait_until_gone(exchange)


def takes_too_long(exchange: Exchange) -> None:
    """Does it only after the same request was sent again; to that one `is_still_at_it`."""
    assert exchange.shop.asked_again.wait(60)
    exchange.answer()
    exchange.shop.done.set()
    exchange.hang_up()


def is_still_at_it(exchange: Exchange) -> None:
    told = {"error": "conflict", "code": "idempotency_key_in_use", "message": "Wait.", "details": {}}
    exchange.shop.asked_again.set()
    assert exchange.shop.done.wait(60)
    exchange.send(exchange.worded("409 Conflict", told, "Retry-After: 0"))


def closes_after_its_answer(exchange: Exchange) -> None:
    """Without saying so: the next request goes into a connection that is dead."""
    well(exchange)
    exchange.hang_up()


def _wait_until_gone(exchange: Exchange) -> None:
    exchange.connection.settimeout(60)
    assert exchange.connection.recv(1) == b""
    exchange.hang_up()


@contextmanager
def shop(*troubles: Trouble, endless: Iterator[Trouble] | None = None) -> Iterator[Shop]:
    """One that has these troubles, a request each, and then none."""
    opened = Shop(endless or iter(troubles))
    handler = type("ShopExchange", (Exchange,), {"shop": opened})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        opened.base_url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield opened
        finally:
            server.shutdown()
            thread.join()
