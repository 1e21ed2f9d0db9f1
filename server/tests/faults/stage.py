"""A server with shops and a receiver, what to kill of it, and how to wait until all is told."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from subprocess import Popen
from typing import Any

import asyncpg

from reevit_server.core import embedded
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from tests.faults import invariants
from tests.faults.load import Endpoint, Load, Shop
from tests.faults.receiver import Receiver
from tests.providers.mailserver import Postbox
from tests.running import REEVIT, Server, environment, free_port, reevit, serving, start

# A killed worker's job comes back after 30 seconds, and so does its attempt's place. Of a charge that it had begun,
# the provider is asked after one minute, or two. Then all must be sent.
_DRAIN_SECONDS = 240
_WAIT_SECONDS = 60
_SHOWN = 20_000  # characters

_LEFT = """
    SELECT 'delivery' AS what, status, count(*) FROM webhook_deliveries WHERE finished_at IS NULL GROUP BY status
    UNION ALL SELECT entrypoint, status::text, count(*) FROM pgqueuer GROUP BY entrypoint, status
    UNION ALL SELECT 'payment', status, count(*) FROM payments WHERE reconcile_at IS NOT NULL GROUP BY status
    UNION ALL SELECT 'invoice', status, count(*) FROM invoices
    WHERE status = 'draft' OR queue_at <= $1 GROUP BY status
    UNION ALL SELECT 'subscription', status, count(*) FROM subscriptions WHERE queue_at <= $1 GROUP BY status
    UNION ALL SELECT 'execution', status, count(*) FROM executions WHERE finished_at IS NULL GROUP BY status
    UNION ALL SELECT 'message', status, count(*) FROM messages WHERE finished_at IS NULL GROUP BY status
"""
# What waits for somebody who may be dead, or for another attempt of a message: that time is over at once. To do once
# more what a living one is doing does no harm, as every deed in the background is done once; a delivery and a message
# are left to whoever has their job.
_HURRY = (
    "UPDATE pgqueuer SET heartbeat = $1 - interval '1 hour' WHERE status = 'picked' AND heartbeat < $1",
    "UPDATE pgqueuer_schedules SET heartbeat = $1 - interval '1 hour' WHERE status = 'picked' AND heartbeat < $1",
    """
    UPDATE pgqueuer_schedules SET next_run = $1
    WHERE entrypoint IN ('payments.queue_unsettled', 'jobs.put_back') AND status = 'queued'
    """,
    "UPDATE payments SET reconcile_at = $1 WHERE reconcile_at > $1",
    """
    UPDATE webhook_deliveries AS d SET sending_until = $1
    WHERE d.status = 'sending' AND d.sending_until > $1 AND NOT EXISTS (
        SELECT FROM pgqueuer WHERE status = 'picked' AND convert_from(payload, 'UTF8')::jsonb ? d.id
    )
    """,
    """
    UPDATE messages AS m SET sending_until = $1
    WHERE m.status = 'sending' AND m.sending_until > $1 AND NOT EXISTS (
        SELECT FROM pgqueuer WHERE status = 'picked' AND convert_from(payload, 'UTF8')::jsonb ? m.id
    )
    """,
    "UPDATE messages SET next_attempt_at = $1 WHERE next_attempt_at > $1",
    """
    UPDATE pgqueuer SET execute_after = $1
    WHERE status = 'queued' AND entrypoint IN ('webhooks.deliver', 'messages.deliver') AND execute_after > $1
    """,
)


@dataclass
class Stage:
    """Where a test of faults plays. The database is the embedded one, or the one at `database_url`."""

    folder: Path
    receivers: list[Receiver]
    database_url: str | None = None
    load: Load = field(init=False)
    endpoints: list[Endpoint] = field(default_factory=list)
    postboxes: list[Postbox] = field(default_factory=list)
    _port: int = field(default_factory=free_port)

    @property
    def receiver(self) -> Receiver:
        return self.receivers[0]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """The server, ready; each time the same command on the same port."""
        with serving(*self._options, port=self._port, **self._settings) as server:
            try:
                yield server
            except BaseException:
                sys.stdout.write(server.output[-_SHOWN:])  # which is what a failed test shows
                raise

    @contextmanager
    def working(self, *options: str) -> Iterator["Popen[Any]"]:
        """A further worker, `reevit work`, at work; told to stop at the end if it still runs."""
        command = [REEVIT, "work", *self._options, *options]
        with tempfile.TemporaryFile() as output:
            process = start(command, stdout=output, stderr=output, env=environment(**self._settings))
            try:
                deadline = time.monotonic() + _WAIT_SECONDS
                while b"Working" not in os.pread(output.fileno(), 2**20, 0):
                    assert process.poll() is None, os.pread(output.fileno(), 2**20, 0)
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait(_WAIT_SECONDS)

    async def open_shops(self) -> None:
        """Two organizations with three shops between them, one of it live; each has two endpoints at the receiver."""
        shops = []
        for name, modes in (("Shop", ("test", "live")), ("Other shop", ("test",))):
            made = reevit("orgs", "create", name, *self._options, "--json")
            assert made.returncode == 0, made.stderr
            org = json.loads(made.stdout)
            shops += [Shop(Scope(org["org_id"], mode), org[f"{mode}_key"]) for mode in modes]
        self.load = Load(shops)
        await self.open_endpoints(self.receiver, ["*"])
        await self.open_endpoints(self.receiver, ["payment.succeeded", "customer.*"])

    async def open_endpoints(self, receiver: Receiver, events: list[str]) -> None:
        """Every shop is told of these events there."""
        for shop in self.load.shops:
            url = f"{receiver.base_url}/{len(self.endpoints)}"
            self.endpoints.append(await self.load.create_endpoint(self.base_url, shop, url, events))

    async def check(self, *, database_was_killed: bool = False, now: datetime | None = None) -> None:
        """All is told, and everything that must be true is. The server runs, and the receivers answer."""
        await self.until_all_is_told(now=now)
        dsn = self.dsn()
        received = [request for receiver in self.receivers for request in receiver.got()]
        letters = [letter for box in self.postboxes for letter in box.received]
        async with await Database.open(dsn, connections_max=2) as db:
            evidence = invariants.Evidence(
                db, dsn, self.base_url, self.load, self.endpoints, received, letters
            )
            await invariants.check(evidence, database_was_killed=database_was_killed)

    async def until_all_is_told(
        self, *, now: datetime | None = None, dead_since: datetime | None = None
    ) -> None:
        """Until all that is due is charged and told. Of who died before `dead_since` nothing is waited for."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        while left := await self.fetch(_LEFT, now or utc_now()):
            assert time.monotonic() < deadline, left
            if dead_since is not None:
                await self._hurry(dead_since)
            await asyncio.sleep(0.2)

    async def _hurry(self, dead_since: datetime) -> None:
        conn = await asyncpg.connect(self.dsn())
        try:
            for statement in _HURRY:
                await conn.execute(statement, dead_since)
        finally:
            await conn.close()

    async def attempts(self, error: str) -> int:
        """How many attempts failed for this reason."""
        (row,) = await self.fetch(f"SELECT count(*) FROM webhook_attempts WHERE error = '{error}'")
        return row["count"]

    async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """What an outsider sees in the database, which runs."""
        conn = await asyncpg.connect(self.dsn())
        try:
            return await conn.fetch(statement, *values)
        finally:
            await conn.close()

    async def until(self, condition: str, *values: object) -> None:
        """Until the database says that this is so; it is asked often, so that who is to be killed then is at work."""
        conn = await asyncpg.connect(self.dsn())
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while not await conn.fetchval(f"SELECT {condition}", *values):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.005)
        finally:
            await conn.close()

    def dsn(self) -> str:
        """Asked for while the server runs, so that looking does not stop the database."""
        if self.database_url is not None:
            return self.database_url
        with embedded.running(self.folder / "data") as dsn:
            return dsn

    def postmaster(self) -> int | None:
        """PostgreSQL's first process, if it runs."""
        cluster = self.folder / "data/postgres"
        with suppress(FileNotFoundError, IndexError):
            pid = int((cluster / "postmaster.pid").read_text().split()[0])
            # After `kill -9` the file stays, and its number may be anybody's.
            return pid if os.fsencode(cluster) in _command(pid) else None
        return None

    @property
    def _options(self) -> list[str]:
        """Which database, for every command of the operator's."""
        if self.database_url is not None:
            return ["--database-url", self.database_url]
        return ["--data-dir", str(self.folder / "data")]

    @property
    def _settings(self) -> dict[str, str]:
        # Who is killed leaves temporary files: in our folder.
        return {
            "REEVIT_ALLOW_PRIVATE_WEBHOOKS": "1",
            "REEVIT_TEST_RECIPIENTS": "@example.com",
            "TMPDIR": str(self.folder),
        }


async def worker_of(server: Server) -> int:
    """The process of a server that does its background work; waits while it is started again."""
    return await _child(server, lambda command: b"reevit_server.worker" in command)


async def api_of(server: Server) -> int:
    """The process of a server that answers requests; waits while it is started again."""
    others = (b"reevit_server.worker", b"resource_tracker")
    return await _child(
        server, lambda command: bool(command) and not any(other in command for other in others)
    )


async def _child(server: Server, is_it: Callable[[bytes], bool]) -> int:
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid in server.children() if is_it(_command(pid))]
        return len(found) == 1

    await until(look)
    return found[0]


async def until(true: Callable[[], bool], seconds: float = _WAIT_SECONDS) -> None:
    """Waits without holding up who else is at work."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def kill(*pids: int | None, by: signal.Signals = signal.SIGKILL) -> None:
    for pid in pids:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, by)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
