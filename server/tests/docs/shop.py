"""A merchant's server that takes every delivery but those to /gone, and remembers what came."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Post(NamedTuple):
    """One request as it came; names of headers as they were sent."""

    headers: dict[str, str]
    body: bytes


class Shop(NamedTuple):
    url: str
    posts: list[Post]


@contextmanager
def opened() -> Iterator[Shop]:
    """On a free port of loopback, until the block ends; it answers 204, and at /gone 410."""
    posts: list[Post] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.append(Post(dict(self.headers.items()), body))
            self.send_response(410 if self.path == "/gone" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Shop(f"http://127.0.0.1:{server.server_port}", posts)
        finally:
            server.shutdown()
            thread.join()
