"""A merchant whose workflows run: in a time that the test sets, and without waiting."""

from collections.abc import AsyncIterator

import pytest

from reevit_server.core.database import Database
from tests.makers import Api
from tests.messages import office
from tests.messages.office import Office


@pytest.fixture
async def shop(db: Database, local_api: Api) -> AsyncIterator[Office]:
    async with office.opened(db, local_api) as opened:
        yield opened
