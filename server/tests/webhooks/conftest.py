"""A merchant in a time that the test sets, and the background work that goes with it."""

from collections.abc import AsyncIterator

import pytest

from reevit_server.app import create_app
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.jobs import Tools
from reevit_server.core.sealing import Sealer
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, Merchant
from tests.webhooks.clockwork import Clock, Clockwork, Outside


@pytest.fixture(scope="session")
async def clock_and_api(dsn: str) -> AsyncIterator[tuple[Clock, Api]]:
    """The application, in the same time as the background work."""
    clock = Clock(utc_now())
    settings = Settings(master_key=MASTER_KEY, rate_limit=0, database_connections=20)
    async with Api(create_app(settings, dsn, now=clock)) as api:
        yield clock, api


@pytest.fixture
def clock(clock_and_api: tuple[Clock, Api]) -> Clock:
    """The time: it begins now, and stands still."""
    clock, _ = clock_and_api
    clock.now = utc_now()
    return clock


@pytest.fixture
def api(clock: Clock, clock_and_api: tuple[Clock, Api]) -> Api:
    _, api = clock_and_api
    return api


@pytest.fixture
def outside() -> Outside:
    """Everybody whom a delivery could reach. They answer 200 until the test says otherwise."""
    return Outside()


@pytest.fixture
def tools(db: Database, clock: Clock, outside: Outside) -> Tools:
    return Tools(db, clock, Sealer(MASTER_KEY), outside)


@pytest.fixture
def clockwork(tools: Tools, clock: Clock, merchant: Merchant) -> Clockwork:
    """The background work of the merchant's organization."""
    return Clockwork(tools, clock, merchant.org_id)
