"""Stories of billing: the merchant they are about, and its books at the end."""

from collections.abc import AsyncIterator

import pytest

from reevit_server.core.database import Database
from tests.makers import Merchant
from tests.subscriptions import books
from tests.subscriptions.billing import Billing


@pytest.fixture
async def billing(db: Database, merchant: Merchant) -> AsyncIterator[Billing]:
    """Subscriptions of a merchant's own. However the story went, its books are right at the end."""
    yield Billing(merchant)
    assert await books.drift(db, merchant.scope) == []
