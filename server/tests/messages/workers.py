"""Workers that do jobs at the same time, and die; and receivers that answer when they are told to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from reevit_server.core.database import PASSING
from reevit_server.core.egress import Reply
from reevit_server.messages import sending
from tests.messages.office import PUBLIC_URL, Office
from tests.messages.writing import PHONE
from tests.webhooks.clockwork import FINE, NO_MAIL, Queued, Sent

PATIENCE_SECONDS = 30


class WorkerDied(Exception):
    """Killed while it waited for an answer: it writes nothing down any more."""


def dies(_: Sent) -> NoReturn:
    """An answer that the worker does not live to hear."""
    raise WorkerDied


async def begin(shop: Office, id: str) -> sending.Prepared:
    """A worker's first step, which is committed."""
    tools, way = shop.work.tools, sending.Way(NO_MAIL, PUBLIC_URL, ("@example.com", PHONE))
    async with tools.db.transaction() as conn:
        prepared = await sending._prepare(
            conn, shop.merchant.scope, id, sealer=tools.sealer, way=way, now=tools.clock()
        )
    assert isinstance(prepared, sending.Prepared)
    return prepared


@dataclass
class Slow:
    """Who answers when told to, as an answer of `Outside`."""

    held: list[tuple[Sent, asyncio.Future[Reply]]] = field(default_factory=list)
    most: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, sent: Sent) -> Reply:
        answer = asyncio.get_running_loop().create_future()
        self.held.append((sent, answer))
        self.most = max(self.most, len(self.held))
        self.reached.set()
        return await answer

    def answer(self, reply: Reply = FINE) -> Sent:
        """To the one that has waited longest."""
        sent, answer = self.held.pop(0)
        answer.set_result(reply)
        return sent


class Crowd:
    """Many workers at once: each job of the queue in a task of its own."""

    def __init__(self, shop: Office) -> None:
        self._work = shop.work
        self._begun: dict[int, asyncio.Task[None]] = {}

    @property
    def under_way(self) -> int:
        """How many of them work."""
        return sum(not task.done() for task in self._begun.values())

    async def begin(self) -> None:
        """Begins every job that nobody does yet."""
        for job in await self._work.queued():
            if job.id not in self._begun:
                self._begun[job.id] = asyncio.create_task(self._do(job))

    async def until(self, true: Callable[[], bool]) -> None:
        """Works on until something is so, and a little longer: nothing else must come of it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():
                await self.begin()
                await asyncio.sleep(0.01)
        for _ in range(3):
            await self.begin()
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        """Waits for all that was begun."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*self._begun.values())

    async def die(self) -> None:
        """All at once, with what they have begun."""
        for task in self._begun.values():
            task.cancel()
        await asyncio.gather(*self._begun.values(), return_exceptions=True)

    async def _do(self, job: Queued) -> None:
        while True:
            try:
                await self._work.do(job)
            except PASSING:  # on a slow machine, so many may wait too long for each other
                await asyncio.sleep(0.1)
            else:
                break
        await self._work.take_out(job)
