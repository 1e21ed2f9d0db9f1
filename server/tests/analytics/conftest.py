"""A shop whose clock can be set, and the ledger it should show."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from reevit_server.app import create_app
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, Merchant, make_merchant


@dataclass
class Shop:
    """A merchant in a world whose time is `now`, with every move of money written down beside it."""

    merchant: Merchant
    clock: "Clock"
    moves: list[tuple[datetime, str, str, int]] = field(default_factory=list)

    async def customer(self, name: str, **fields) -> dict:
        return await self.merchant.customer(external_id=name, **fields)

    async def pay(self, name: str, amount: int, currency: str = "GHS") -> dict:
        self.moves.append((self.clock.now, name, currency, amount))
        return await self.merchant.payment(external_customer_id=name, amount=amount, currency=currency)

    async def refund(self, payment: dict, amount: int) -> None:
        name, currency = payment["external_customer_id"], payment["currency"]
        self.moves.append((self.clock.now, name, currency, -amount))
        await self.merchant.refund(payment["id"], amount=amount)

    def expected(self, metric: str, currency: str, start: datetime, end: datetime) -> dict[str, int]:
        """What a ranking should say, reckoned from the written moves."""
        amounts: dict[str, int] = defaultdict(int)
        for at, name, move_currency, amount in self.moves:
            if move_currency != currency or not start <= at < end:
                continue
            if metric == "lifetime_value":
                amounts[name] += amount
            elif amount > 0:
                amounts[name] += amount if metric == "total_spent" else 1
            else:
                amounts[name] += 0
        return dict(amounts)


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
async def clock_and_api(dsn: str) -> AsyncIterator[tuple[Clock, Api]]:
    clock = Clock()
    async with Api(
        create_app(Settings(master_key=MASTER_KEY, rate_limit=0), dsn, now=lambda: clock.now)
    ) as api:
        yield clock, api


@pytest.fixture
async def shop(db: Database, clock_and_api: tuple[Clock, Api]) -> Shop:
    clock, api = clock_and_api
    clock.now = Clock().now
    return Shop(await make_merchant(db, api), clock)
