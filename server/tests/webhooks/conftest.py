"""A merchant in a time that the test sets, and the background work that goes with it."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from reevit_server.app import create_app
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.jobs import Tools
from reevit_server.core.sealing import Sealer
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, Merchant
from tests.webhooks.clockwork import Clock, Clockwork, Outside

# A run has a hundred for all its processes.
_CONNECTIONS = 6


class World(NamedTuple):
    """The application and a worker's way to its database, in one time."""

    clock: Clock
    api: Api
    db: Database


@pytest.fixture(scope="module")
async def world(dsn: str) -> AsyncIterator[World]:
    clock = Clock(utc_now())
    settings = Settings(master_key=MASTER_KEY, rate_limit=0, database_connections=_CONNECTIONS)
    async with (
        Api(create_app(settings, dsn, now=clock)) as api,
        await Database.open(dsn, connections_max=_CONNECTIONS) as db,
    ):
        yield World(clock, api, db)


@pytest.fixture
def clock(world: World) -> Clock:
    """The time: it begins now, and stands still."""
    world.clock.now = utc_now()
    return world.clock


@pytest.fixture
def api(world: World, clock: Clock) -> Api:
    return world.api


@pytest.fixture
def outside() -> Outside:
    """Everybody whom a delivery could reach. They answer 200 until the test says otherwise."""
    return Outside()


@pytest.fixture
def tools(world: World, clock: Clock, outside: Outside) -> Tools:
    return Tools(world.db, clock, Sealer(MASTER_KEY), outside)


@pytest.fixture
def clockwork(tools: Tools, clock: Clock, merchant: Merchant) -> Clockwork:
    """The background work of the merchant's organization."""
    return Clockwork(tools, clock, merchant.org_id)
