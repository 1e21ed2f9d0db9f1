"""How long each test goes on, and the stage on which it plays: a data directory, and a receiver of webhooks."""

import os
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from reevit_server.core import embedded
from tests import run_folder
from tests.faults.receiver import receiving
from tests.faults.stage import Stage


class Extent(NamedTuple):
    """How often. Each time costs some seconds, until what was killed is up again."""

    worker_kills: int
    api_kills: int
    database_kills: int
    whole_kills: int
    requests_while_down: int
    requests_while_held: int
    requests_to_two_workers: int
    worker_stops: int
    billing_runs: int
    subscriptions: int
    subscriptions_to_catch_up: int
    days_missed: int
    mail_runs: int
    waits_for_the_dead: bool


SHORT = Extent(
    worker_kills=2,
    api_kills=2,
    database_kills=3,
    whole_kills=1,
    requests_while_down=12,
    requests_while_held=20,
    requests_to_two_workers=40,
    worker_stops=1,
    billing_runs=1,
    subscriptions=200,
    subscriptions_to_catch_up=18,
    days_missed=4,
    mail_runs=1,
    waits_for_the_dead=False,
)
LONG = Extent(
    worker_kills=15,
    api_kills=20,
    database_kills=20,
    whole_kills=8,
    requests_while_down=120,
    requests_while_held=60,
    requests_to_two_workers=500,
    worker_stops=8,
    billing_runs=4,
    subscriptions=600,
    subscriptions_to_catch_up=90,
    days_missed=30,
    mail_runs=4,
    waits_for_the_dead=True,
)


@pytest.fixture(scope="session")
def extent() -> Extent:
    """`make faults` says `long`, `make test` nothing."""
    return LONG if os.environ.get("REEVIT_FAULTS") == "long" else SHORT


@pytest.fixture
def stage() -> Iterator[Stage]:
    """With an embedded database of its own. Whatever a test left running is stopped at the end."""
    folder = run_folder.new_folder()
    with receiving(folder) as receiver:
        yield Stage(folder, [receiver])
    with embedded.running(folder / "data"):
        pass
    shutil.rmtree(folder)


@pytest.fixture
def stage_for_many(empty_dsn: str) -> Iterator[Stage]:
    """With a database that several servers and workers can use."""
    folder = run_folder.new_folder()
    with receiving(folder) as receiver:
        yield Stage(folder, [receiver], database_url=empty_dsn)
    shutil.rmtree(folder)
