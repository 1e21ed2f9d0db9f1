"""Workers, databases and everything are killed while messages are written and sent: every one of them arrives.

A second copy comes only of a letter whose sender was killed before it could write down that it was taken, and it has
the same name.
"""

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import pytest

from reevit_server.core import embedded
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from tests import run_folder
from tests.faults import workflows
from tests.faults.conftest import Extent
from tests.faults.mail import PostOffice, check_everybody_was_written_to, open_mail, post_office
from tests.faults.receiver import receiving
from tests.faults.stage import Stage, kill, until, worker_of
from tests.running import Server, gone

_PEOPLE = 40  # of each shop
_ROUNDS_MAX = 20
_PLACES = 10  # of each shop's mail server: so many letters it is handed at once
_REQUESTS = 48  # among them at least five payments of each shop that succeed, and two letters tell of each
_SLOW_SECONDS = 0.3

# Workers with several letters in their hands.
_SENDERS = """
    SELECT
    FROM pgqueuer
    WHERE entrypoint = 'messages.deliver' AND status = 'picked'
    GROUP BY queue_manager_id
    HAVING count(*) > 2
"""


@dataclass
class Scene:
    """A server whose shops write to whoever has paid, and the mail server that takes the letters."""

    stage: Stage
    office: PostOffice
    server: Server
    started: ExitStack
    database_was_killed: bool = False

    def kill_everything(self) -> datetime:
        """As by a power cut. When that was."""
        kill(self.server.process.pid, *self.server.children(), self.stage.postmaster())
        self.server.process.wait()
        self.started.close()
        self.database_was_killed = True
        return utc_now()

    def start_again(self) -> None:
        self.server = self.started.enter_context(self.stage.serving())

    async def until_told(self, extent: Extent, *, dead_since: datetime) -> None:
        await self.stage.until_all_is_told(dead_since=None if extent.waits_for_the_dead else dead_since)

    async def interrupted(self) -> int:
        """How many attempts ended nobody knows how."""
        return len(await self.stage.fetch("SELECT FROM message_attempts WHERE outcome = 'interrupted'"))

    async def check(self) -> None:
        """What concerns messages; all else is looked at in the end."""
        async with await Database.open(self.stage.dsn(), connections_max=2) as db:
            await workflows.check(db, self.office.box.received, database_was_killed=self.database_was_killed)
        await check_everybody_was_written_to(self.stage, self.office)


@pytest.fixture(scope="module")
async def scene() -> AsyncIterator[Scene]:
    """One for all, for it takes a while to set. Each test leaves it with everything told."""
    folder = run_folder.new_folder()
    with receiving(folder) as receiver:
        stage = Stage(folder, [receiver])
        async with post_office() as office:
            with ExitStack() as started:
                scene = Scene(stage, office, started.enter_context(stage.serving()), started)
                await stage.open_shops()
                stage.load.people = _PEOPLE
                await open_mail(stage, office)
                yield scene
                office.answer()
                await stage.check(database_was_killed=scene.database_was_killed)
    with embedded.running(folder / "data"):
        pass
    shutil.rmtree(folder)


async def test_a_worker_killed_while_it_executes_and_sends_loses_no_message(scene: Scene, extent: Extent):
    stage = scene.stage
    scene.office.answer(within_seconds=_SLOW_SECONDS)
    before = await scene.interrupted()
    for number in range(_ROUNDS_MAX):
        with stage.working() as process:
            async with stage.load.burst(stage.base_url):
                await stage.until(f"(SELECT count(*) FROM ({_SENDERS}) AS busy) = 2")
                await asyncio.sleep(random.uniform(0, 0.2))
                kill(process.pid)
            process.wait()
            await scene.until_told(extent, dead_since=utc_now())
        if number + 1 >= extent.mail_runs and await scene.interrupted() > before:
            break
    else:
        raise AssertionError("nobody was killed while it was sending")
    await scene.check()


async def test_a_letter_that_was_taken_when_its_sender_was_killed_comes_again_under_its_name(
    scene: Scene, extent: Extent
):
    """The mail server has it and has not said so. All others come once."""
    stage, office = scene.stage, scene.office
    began, interrupted = office.count(), await scene.interrupted()
    places = _PLACES * len(stage.load.shops)
    again = Counter[str]()
    for _ in range(extent.mail_runs):
        worker, count = await worker_of(scene.server), office.count()
        office.hold()
        await stage.load.send(stage.base_url, _REQUESTS)
        await until(lambda before=count: office.count() == before + places)
        kill(worker)
        await until(lambda pid=worker: gone(pid))
        dead_since = utc_now()
        held = office.letters(count)
        assert held.total() == places, "it had sent one that nobody heard of"
        again += held
        office.answer()
        await scene.until_told(extent, dead_since=dead_since)
    await scene.check()
    letters = office.letters(began)
    assert letters == Counter(letters.keys()) + again
    assert await scene.interrupted() == interrupted + again.total()


async def test_a_mail_server_that_is_down_holds_up_nobody_and_gets_every_letter_once(
    scene: Scene, extent: Extent
):
    stage, office = scene.stage, scene.office
    began_at, began = utc_now(), office.count()
    office.answer()
    await stage.load.send(stage.base_url, _REQUESTS)
    await stage.until_all_is_told()
    before = office.count()
    async with office.down():
        await stage.load.send(stage.base_url, extent.requests_while_down)
        # Everything else goes on: what rules want is done, and receivers of webhooks are told.
        await stage.until("NOT EXISTS (SELECT FROM pgqueuer)")
        waiting = await stage.fetch(
            """
            SELECT m.status, a.outcome, a.code
            FROM messages AS m
            LEFT JOIN message_attempts AS a ON a.message_id = m.id
            WHERE m.finished_at IS NULL
            """
        )
        assert {tuple(row) for row in waiting} == {("scheduled", "later", "connection_failed")}
        assert office.count() == before
    # Nobody died since then; what is for later comes now.
    await stage.until_all_is_told(dead_since=began_at)
    await scene.check()
    assert set(office.letters(began).values()) == {1}


async def test_a_server_killed_whole_while_it_executes_and_sends_loses_no_message(
    scene: Scene, extent: Extent
):
    stage, office = scene.stage, scene.office
    office.answer(within_seconds=_SLOW_SECONDS)
    async with stage.load.trickle(stage.base_url):
        for _ in range(extent.whole_kills):
            count = office.count()
            await until(lambda before=count: office.count() > before + 10)
            await asyncio.sleep(random.uniform(0, 0.5))
            dead_since = scene.kill_everything()
            scene.start_again()
    await scene.until_told(extent, dead_since=dead_since)
    await scene.check()
