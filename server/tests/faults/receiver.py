"""An honest receiver of webhooks, in a process of its own, so that it outlives whatever a test kills.

It verifies nothing. What comes is written down, headers and exact bytes, before it is answered; and that it was
answered, after that. `python -m tests.faults.receiver FILE PORT` is that process: it is told what to do by lines on
its standard input, does it, and says so.
"""

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from tests.running import environment, free_port, start

_NOTES = """
    CREATE TABLE requests (
        number   INTEGER PRIMARY KEY,
        at       REAL NOT NULL,
        path     TEXT NOT NULL,
        headers  TEXT NOT NULL,
        body     BLOB NOT NULL,
        answer   INTEGER
    )
"""


class Received(NamedTuple):
    """One request. `answer` is the status it was answered with; None as long as it is not, or for ever."""

    number: int
    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    answer: int | None

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


class Receiver:
    """What a test knows of the process: where it listens, what it is told to do, and what it got."""

    def __init__(self, process: "subprocess.Popen[str]", notes: Path, port: int) -> None:
        self._process = process
        self._notes = notes
        self.base_url = f"http://127.0.0.1:{port}"

    def answer(self, status: int = 200, *, after_seconds: float = 0) -> None:
        """From now on; what was held is answered so too."""
        self._tell(f"answer {status} {after_seconds}")

    def hold(self) -> None:
        """Takes what comes and answers nothing, until it is told to."""
        self._tell("hold")

    def go_down(self) -> None:
        """Nobody listens any more, and who waits for an answer is cut off."""
        self._tell("down")

    def come_back(self) -> None:
        self._tell("up")

    def got(self) -> list[Received]:
        """Everything so far, in the order in which it came."""
        with closing(sqlite3.connect(self._notes)) as notes:
            rows = notes.execute(
                "SELECT number, at, path, headers, body, answer FROM requests ORDER BY number"
            )
            return [
                Received(number, at, path, json.loads(headers), body, answer)
                for number, at, path, headers, body, answer in rows
            ]

    def count(self) -> int:
        with closing(sqlite3.connect(self._notes)) as notes:
            return notes.execute("SELECT count(*) FROM requests").fetchone()[0]

    def _tell(self, words: str) -> None:
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n", "the receiver has ended"


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """A receiver that listens; its notes are in that folder. It ends with the block, or with us."""
    port = free_port()
    notes = folder / f"receiver-{port}.sqlite"
    process = start(
        [sys.executable, "-m", "tests.faults.receiver", str(notes), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout.readline() == "listening\n"
        yield Receiver(process, notes, port)
    finally:
        process.communicate()


class _Listener:
    """The process's part."""

    def __init__(self, notes: Path, port: int) -> None:
        # One statement, one transaction, there for whoever reads. The disk need not have it: we are not killed.
        self._notes = sqlite3.connect(notes, isolation_level=None)
        self._notes.execute("PRAGMA journal_mode = wal")
        self._notes.execute("PRAGMA synchronous = off")
        self._notes.execute(_NOTES)
        self._port = port
        self._status, self._after_seconds = 200, 0.0
        self._answering = asyncio.Event()
        self._answering.set()
        self._runner: web.ServerRunner | None = None

    async def listen(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._receive), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def obey(self, words: list[str]) -> None:
        match words:
            case ["answer", status, after_seconds]:
                self._status, self._after_seconds = int(status), float(after_seconds)
                self._answering.set()
            case ["hold"]:
                self._answering.clear()
            case ["down"]:
                await self.close()
            case ["up"]:
                await self.listen()
            case _:
                raise AssertionError(words)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        number = self._note(request, body)
        await asyncio.sleep(self._after_seconds)
        await self._answering.wait()
        status = self._status
        response = web.Response(status=status, text="thank you")
        if request.transport is not None and not request.transport.is_closing():
            await response.prepare(request)
            await response.write_eof()
            self._notes.execute("UPDATE requests SET answer = ? WHERE number = ?", (status, number))
        return response

    def _note(self, request: web.BaseRequest, body: bytes) -> int:
        headers = json.dumps(dict(request.headers))
        return self._notes.execute(
            "INSERT INTO requests (at, path, headers, body) VALUES (?, ?, ?, ?) RETURNING number",
            (time.time(), request.path, headers, body),
        ).fetchone()[0]


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def _main(notes: Path, port: int) -> None:
    listener = _Listener(notes, port)
    await listener.listen()
    _say("listening")
    while words := await asyncio.to_thread(sys.stdin.readline):
        await listener.obey(words.split())
        _say("done")
    await listener.close()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
