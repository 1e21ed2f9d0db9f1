"""The background work of one organization, done as a worker does it, but one job after the other and in a time that
the test sets. What runs is what `worker.py` names; only the outside is replaced.
"""

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from reevit_server import subscriptions, worker
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.egress import Reply
from reevit_server.core.jobs import NotYet, Tools, scope_and_ids
from reevit_server.core.sealing import Sealer
from reevit_server.providers import smtp
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY

FINE = Reply(12, 200, body="thank you")
BROKEN = Reply(34, 500, body="out of order")


async def _nowhere(host: str, port: int) -> list[str]:
    del host, port
    return []


# For work that sends no mail: no mail server has an address.
NO_MAIL = smtp.Connect(private=True, resolve=_nowhere, tls=ssl.create_default_context())
REFUSED = Reply(1, error="connection_failed", error_message="No connection: Connection refused.")

_SETTINGS = Settings()
_DUTIES = {duty.name: duty.run for duty in worker.every(_SETTINGS)}
# Those that look for what is due, in the order of a test clock: what was begun earlier is ended first.
_QUEUEING = (
    "webhooks.queue_due",
    "messages.queue_due",
    "payments.queue_unsettled",
    "subscriptions.queue_collections",
    "subscriptions.queue_renewals",
    "subscriptions.tell_upcoming",
)
_BATCH_ROWS = 10_000


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


class Sent(NamedTuple):
    """One request, as it left."""

    url: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


# What a test lets the other side say, or do meanwhile.
Answer = Reply | Callable[[Sent], Reply | Awaitable[Reply]]


@dataclass
class Outside:
    """Everybody beyond the wire: keeps what is sent, and answers what the test says."""

    sent: list[Sent] = field(default_factory=list)
    _answers: dict[str | None, list[Answer]] = field(default_factory=dict)

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        sent = Sent(url, body, dict(headers))
        self.sent.append(sent)
        answers = self._answers.get(url) or self._answers.get(None) or [FINE]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Reply):
            return answer
        said = answer(sent)
        return said if isinstance(said, Reply) else await said

    def answer(self, *answers: Answer, url: str | None = None) -> None:
        """From now on, at this address or at all that have no answers of their own: one after the other, the last one
        for ever.
        """
        self._answers[url] = list(answers)

    def take(self) -> list[Sent]:
        """What was sent since this was last asked."""
        taken, self.sent = self.sent, []
        return taken


class Queued(NamedTuple):
    """A job that waits to be done."""

    id: int
    name: str
    payload: bytes


class Clockwork:
    """The jobs of an organization, and the hands of the clock."""

    def __init__(
        self,
        tools: Tools,
        clock: Clock,
        org_id: str,
        *,
        connect: smtp.Connect = NO_MAIL,
        settings: Settings = _SETTINGS,
    ) -> None:
        self._run = {kind.name: kind.run for kind in worker.kinds(settings, connect)}
        self.tools = tools
        self.clock = clock
        self._org_id = org_id
        self._later: dict[int, datetime] = {}  # jobs that could not be done yet

    @classmethod
    def in_the_present(cls, db: Database, org_id: str) -> Self:
        """The work of an organization that lives in the present, where everybody outside answers 200."""
        clock = Clock(utc_now())
        return cls(Tools(db, clock, Sealer(MASTER_KEY), Outside()), clock, org_id)

    async def run(self) -> int:
        """Does every job that can be done now, and what these leave behind, one after the other; how many.

        What a job raises, other than NotYet, is for the test to see; such a job stays.
        """
        done = 0
        while jobs := [
            job for job in await self.queued() if self._later.get(job.id, self.clock()) <= self.clock()
        ]:
            try:
                await self.do(jobs[0])
            except NotYet as later:
                self._later[jobs[0].id] = self.clock() + timedelta(seconds=later.seconds)
                continue
            await self.take_out(jobs[0])
            done += 1
        return done

    async def do(self, job: Queued) -> None:
        """A job, which stays in the queue, as if its worker died before it could take it out."""
        scope, ids = scope_and_ids(job.payload)
        await self._run[job.name](self.tools, scope, *ids)

    async def take_out(self, job: Queued) -> None:
        self._later.pop(job.id, None)
        async with self.tools.db.transaction() as conn:
            await conn.execute("DELETE FROM pgqueuer WHERE id = $1", job.id)

    async def run_until(self, at: datetime) -> int:
        """Lets time pass to `at`, and does what becomes due on the way, when it does; how many jobs."""
        done = await self.run()
        while (due := await self._next_at()) is not None and due <= at:
            self.clock.now = max(self.clock.now, due)
            for duty in _QUEUEING:
                await self.fulfil(duty)
            done += await self.run()
        self.clock.now = max(self.clock.now, at)
        return done

    async def run_for(self, **span: float) -> int:
        """Lets so much time pass."""
        return await self.run_until(self.clock.now + timedelta(**span))

    async def fulfil(self, name: str) -> int:
        """One of the duties that come by the clock, now; of all organizations. How many rows it dealt with."""
        async with self.tools.db.transaction() as conn:
            done: int = await _DUTIES[name](conn, now=self.clock(), limit=_BATCH_ROWS)
        return done

    async def queued(self) -> list[Queued]:
        """The organization's jobs, the oldest first."""
        async with self.tools.db.read() as conn:
            rows = await conn.fetch(
                """
                SELECT id, entrypoint, payload
                FROM pgqueuer
                WHERE status = 'queued' AND convert_from(payload, 'UTF8')::json ->> 0 = $1
                ORDER BY id
                """,
                self._org_id,
            )
        return [Queued(*row) for row in rows]

    async def _next_at(self) -> datetime | None:
        """When something becomes due next: a delivery's or a message's next attempt, a payment's provider, an
        invoice's charge, the end of a period, the notice before it, a job put off. Where a test clock stands still,
        the worker waits for none of billing.
        """
        async with self.tools.db.read() as conn:
            due = await conn.fetchval(
                f"""
                SELECT min(at)
                FROM (
                    SELECT next_attempt_at AS at FROM webhook_deliveries WHERE org_id = $1 AND status = 'scheduled'
                    UNION ALL SELECT next_attempt_at FROM messages WHERE org_id = $1 AND status = 'scheduled'
                    UNION ALL SELECT min(at)
                    FROM (
                        SELECT reconcile_at AS at FROM payments WHERE org_id = $1
                        UNION ALL SELECT queue_at FROM invoices WHERE org_id = $1
                        UNION ALL SELECT queue_at FROM subscriptions WHERE org_id = $1
                        UNION ALL SELECT current_period_end - interval '{subscriptions.NOTICE_DAYS} days'
                        FROM subscriptions
                        WHERE org_id = $1 AND {subscriptions.UPCOMING} AND current_period_end > $2
                    ) AS billing
                    WHERE NOT EXISTS (SELECT FROM sandbox_clocks WHERE org_id = $1 AND now IS NOT NULL)
                ) AS due
                """,
                self._org_id,
                self.clock(),
            )
        return min((at for at in (due, *self._later.values()) if at is not None), default=None)
