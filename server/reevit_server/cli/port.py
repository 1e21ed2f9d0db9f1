"""One server per port. Left alone, Granian shares its port with whoever else runs Granian (SO_REUSEPORT): of two
servers, on two databases, each would answer half of the requests, and neither would say so.
"""

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WAIT_SECONDS = 5


class CannotListenError(Exception):
    """The port is somebody else's, or nobody's to have; the message says why and what to do next."""


@contextmanager
def only_listener(host: str, port: int) -> Iterator[None]:
    """Keeps the port for this server while the block runs. Raises CannotListenError.

    Waits up to 5 seconds for a server that was just told to stop, or killed. The mark is a name that the kernel keeps
    beside the port, in the same network namespace, and takes back when this process ends, however it ends. It holds
    from before the API processes open the port, and while one that crashed is started again.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with socket.socket(socket.AF_UNIX) as mark:
        if sys.platform == "linux":  # elsewhere the API processes share one socket, opened once
            # By the port alone: 0.0.0.0 and 127.0.0.1 are in each other's way too.
            name = f"\0reevit serve {os.geteuid()} {port}"
            _insist(lambda: mark.bind(name), where, "Another `reevit serve` does. Stop that one")
        _insist(lambda: _probe(host, port), where, "Address already in use. Stop what listens there")
        yield


def _insist(take: Callable[[], None], where: str, taken: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return take()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                option = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
                advice = f"{error.strerror}. Choose another with {option}."
            elif time.monotonic() > deadline:
                advice = f"{taken}, or choose another port with --port."
            else:
                advice = None
        if advice is not None:
            raise CannotListenError(f"Cannot listen on {where}: {advice}")
        time.sleep(0.2)


def _probe(host: str, port: int) -> None:
    """Raises OSError unless nobody listens there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections do no harm
        probe.bind((host, port))
