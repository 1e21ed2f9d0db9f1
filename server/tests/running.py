"""A server as operators start it: `reevit serve` in processes of its own, on a free port of loopback."""

import functools
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from reevit_server.core import embedded
from tests.makers import MASTER_KEY

REEVIT = str(Path(sys.executable).parent / "reevit")
_SOURCES = Path(embedded.__file__).parents[2]
_START_SECONDS = 60
_STOP_SECONDS = 60
# Linux sends SIGTERM to who asked for it when its parent ends; that outlives the exec.
_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
"""


def environment(**settings: str) -> dict[str, str]:
    """Ours without the settings somebody may have in it, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REEVIT_")}
    return {**kept, "PYTHONPATH": str(_SOURCES), "REEVIT_MASTER_KEY": MASTER_KEY, **settings}


def start(command: list[str], **options: Any) -> subprocess.Popen[Any]:
    """A process that is told to stop when ours ends, even by `kill -9`: no server is left behind."""
    return subprocess.Popen([sys.executable, "-c", _WITH_PARENT, *command], **options)


def free_port() -> int:
    """A port on which nobody listens, and which no test in another process is given."""
    _, ports = _ports()
    for port in ports:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("they never end")


@functools.cache
def _ports() -> tuple[socket.socket, Iterator[int]]:
    """Over and over the hundred ports that are this process's, below those that the system gives to clients.

    A name that the kernel keeps, and takes back when this process ends, says that they are ours: not the other
    workers' of this run, nor another run's beside it.
    """
    for first in range(20_000, 32_000, 100):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0reevit tests {first}")
        except OSError:
            mark.close()
            continue
        return mark, itertools.cycle(range(first, first + 100))
    raise AssertionError("120 processes test at once")


def gone(pid: int) -> bool:
    """Ended, or only waiting for its parent to take notice."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    return True


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Server:
    """A started server, and what it printed."""

    base_url: str
    process: subprocess.Popen[bytes]
    _output: IO[bytes]

    @property
    def output(self) -> str:
        self._output.seek(0)
        return self._output.read().decode()

    def wait_until_ready(self) -> None:
        self.wait_until_answering(200)

    def wait_until_answering(self, *statuses: int) -> None:
        """Until /readyz is answered with one of these, or at all."""
        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(base_url=self.base_url) as client:
            while True:
                assert self.process.poll() is None, self.output
                with suppress(httpx.TransportError):
                    status = client.get("/readyz").status_code
                    if not statuses or status in statuses:
                        return
                assert time.monotonic() < deadline, self.output
                time.sleep(0.05)

    def children(self) -> list[int]:
        """The processes that the supervisor started; the embedded PostgreSQL is not among them."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]

    def api_process(self) -> int:
        """The one process that answers requests."""
        others = (b"reevit_server.worker", b"resource_tracker")
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.children()}
        (process,) = [pid for pid, line in commands.items() if not any(other in line for other in others)]
        return process

    def stop(self) -> int:
        """As an operator stops it; the exit status. One that does not stop is killed, and fails the test."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def serving(*options: str, port: int | None = None, **settings: str) -> Iterator[Server]:
    """`reevit serve` with these options and settings, ready; stopped at the end if it still runs."""
    port = port or free_port()
    command = [REEVIT, "serve", "--port", str(port), *options]
    settings = {"REEVIT_DRAIN_SECONDS": "0", **settings}  # no load balancer is waited for
    with tempfile.TemporaryFile() as output:
        process = start(command, stdout=output, stderr=output, env=environment(**settings))
        server = Server(f"http://127.0.0.1:{port}", process, output)
        try:
            server.wait_until_ready()
            yield server
        finally:
            if process.poll() is None:
                server.stop()


def reevit(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """One command of the operator's, to its end."""
    return subprocess.run(
        [REEVIT, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(**settings),
    )
