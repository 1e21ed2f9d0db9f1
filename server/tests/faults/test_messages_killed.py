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
from datetime import datetime
from typing import NamedTuple

import pytest

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
_REQUESTS = 30  # of which enough are payments that succeed to take all places
_SLOW_SECONDS = 0.3

# Workers with several letters in their hands.
_SENDERS = """
    SELECT
    FROM pgqueuer
    WHERE entrypoint = 'messages.deliver' AND status = 'picked'
    GROUP BY queue_manager_id
    HAVING count(*) > 2
"""


class Scene(NamedTuple):
    """A server whose shops write to whoever has paid, and who takes the letters."""

    stage: Stage
    server: Server
    office: PostOffice


@pytest.fixture(scope="module")
async def scene(dsn_of_file: str) -> AsyncIterator[Scene]:
    """One for several tests, whose database several workers can use. At the end all must be true that is, ever."""
    folder = run_folder.new_folder()
    with receiving(folder) as receiver:
        stage = Stage(folder, [receiver], database_url=dsn_of_file)
        async with post_office() as office:
            with stage.serving() as server:
                await _open(stage, office)
                yield Scene(stage, server, office)
                office.answer()
                await stage.check()
    shutil.rmtree(folder)


async def test_a_server_killed_whole_while_it_executes_and_sends_loses_no_message(
    stage: Stage, extent: Extent
):
    async with post_office() as office:
        with ExitStack() as started:
            server = started.enter_context(stage.serving())
            await _open(stage, office)
            office.answer(within_seconds=_SLOW_SECONDS)
            async with stage.load.trickle(stage.base_url):
                for _ in range(extent.whole_kills):
                    count = office.count()
                    await until(lambda before=count: office.count() > before + 10)
                    await asyncio.sleep(random.uniform(0, 0.5))
                    kill(server.process.pid, *server.children(), stage.postmaster())
                    server.process.wait()
                    dead_since = utc_now()
                    started.close()
                    server = started.enter_context(stage.serving())
            await _until_told(stage, extent, dead_since=dead_since)
            await stage.check(database_was_killed=True)
            await check_everybody_was_written_to(stage, office)


async def test_a_worker_killed_while_it_executes_and_sends_loses_no_message(scene: Scene, extent: Extent):
    stage, _, office = scene
    office.answer(within_seconds=_SLOW_SECONDS)
    before = await _interrupted(stage)
    for number in range(_ROUNDS_MAX):
        with stage.working() as process:
            async with stage.load.burst(stage.base_url):
                await stage.until(f"(SELECT count(*) FROM ({_SENDERS}) AS busy) = 2")
                await asyncio.sleep(random.uniform(0, 0.5))
                kill(process.pid)
            process.wait()
            await _until_told(stage, extent, dead_since=utc_now())
        if number + 1 >= extent.mail_runs and await _interrupted(stage) > before:
            break
    else:
        raise AssertionError("nobody was killed while it was sending")
    await _check(stage, office)


async def test_a_letter_that_was_taken_when_its_sender_was_killed_comes_again_under_its_name(
    scene: Scene, extent: Extent
):
    """The mail server has it and has not said so. All others come once."""
    stage, server, office = scene
    began, interrupted = office.count(), await _interrupted(stage)
    places = _PLACES * len(stage.load.shops)
    again = Counter[str]()
    for _ in range(extent.mail_runs):
        worker, count = await worker_of(server), office.count()
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
        await _until_told(stage, extent, dead_since=dead_since)
    await _check(stage, office)
    letters = office.letters(began)
    assert letters == Counter(letters.keys()) + again
    assert await _interrupted(stage) == interrupted + again.total()


async def test_a_mail_server_that_is_down_holds_up_nobody_and_gets_every_letter_once(
    scene: Scene, extent: Extent
):
    stage, _, office = scene
    began_at, began = utc_now(), office.count()
    office.answer()
    await stage.load.send(stage.base_url, _REQUESTS)
    await stage.until_all_is_told()
    before = office.count()
    await office.go_down()
    await stage.load.send(stage.base_url, extent.requests_while_down)
    # Everything else goes on: what rules want is done, and receivers of webhooks are told.
    await stage.until("NOT EXISTS (SELECT FROM pgqueuer WHERE entrypoint <> 'messages.deliver')")
    await stage.until("NOT EXISTS (SELECT FROM messages WHERE attempt_count = 0)")
    refused = await stage.fetch("SELECT FROM message_attempts WHERE code = 'connection_failed'")
    assert len(refused) >= extent.requests_while_down
    assert office.count() == before
    await office.come_back()
    # Nobody died since then; what is for later comes now.
    await stage.until_all_is_told(dead_since=began_at)
    await _check(stage, office)
    assert set(office.letters(began).values()) == {1}


async def _open(stage: Stage, office: PostOffice) -> None:
    await stage.open_shops()
    stage.load.people = _PEOPLE
    await open_mail(stage, office)


async def _until_told(stage: Stage, extent: Extent, *, dead_since: datetime) -> None:
    await stage.until_all_is_told(dead_since=None if extent.waits_for_the_dead else dead_since)


async def _check(stage: Stage, office: PostOffice) -> None:
    async with await Database.open(stage.dsn(), connections_max=2) as db:
        await workflows.check(db, office.box.received, database_was_killed=False)
    await check_everybody_was_written_to(stage, office)


async def _interrupted(stage: Stage) -> int:
    """How many attempts ended nobody knows how."""
    return len(await stage.fetch("SELECT FROM message_attempts WHERE outcome = 'interrupted'"))
