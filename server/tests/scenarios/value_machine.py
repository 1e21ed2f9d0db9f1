"""The machine that plays a merchant's day at random, request by request, against the model."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from reevit_server.app import create_app
from reevit_server.core.database import Database
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, Merchant, make_merchant
from tests.scenarios import fold
from tests.scenarios.model import IDENTITIES, Customer, Kept, Model, Payment, same

# How much time goes by before a request, and whether it carries an Idempotency-Key.
HOW = st.tuples(st.sampled_from([0, 0.001, 3600, 26 * 3600]), st.booleans())
# Which of the customers or payments there are, counted from the latest.
WHICH = st.integers(0, 30)
EXTERNAL_IDS = ["shop/7?x=1", "Ada#%41", "ada#%41", "ключ-🔑"]
CURRENCIES = ["GHS", "NGN", "XOF", "KWD"]
TOTALS = ("currency", "total_spent", "total_refunded", "lifetime_value", "payment_count")

_numbers = itertools.count(1)


class World:
    """The application and its database on an event loop of their own, with a clock that a test moves."""

    def __init__(self, runner: asyncio.Runner, dsn: str) -> None:
        self.now = datetime(2026, 1, 30, tzinfo=UTC)
        self.run = runner.run
        self.api = Api(
            create_app(
                Settings(master_key=MASTER_KEY, rate_limit=0, database_connections=2),
                dsn,
                now=lambda: self.now,
            )
        )
        self.db: Database

    @classmethod
    @contextmanager
    def on(cls, dsn: str) -> Iterator[Self]:
        async def enter(stack: AsyncExitStack) -> None:
            world.db = await stack.enter_async_context(await Database.open(dsn, connections_max=2))
            await stack.enter_async_context(world.api)

        with asyncio.Runner() as runner:
            world = cls(runner, dsn)
            stack = AsyncExitStack()
            try:
                runner.run(enter(stack))
                yield world
            finally:
                runner.run(stack.aclose())


class Machine(RuleBasedStateMachine):
    """What the rules share: sending a request, checking what is stored, and the sums at the end."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.merchant: Merchant = world.run(make_merchant(world.db, world.api))
        self.model = Model()

    # Sending

    def send(self, how: tuple[float, bool], method: str, path: str, body: Any = None) -> httpx.Response:
        """Sends a request a while later; what was sent with a key is kept, to be repeated."""
        seconds, keyed = how
        self.world.now += timedelta(seconds=seconds)
        headers = {"Idempotency-Key": f"key-{len(self.model.kept)}"} if keyed else {}
        response = self.request(method, path, body, headers)
        if keyed:
            about = holds_data_of(response)
            if (customer := self.model.customer(about)) is not None and customer.deleted:
                about = None  # a payment of somebody forgotten: there was nothing left to hold
            answer = (response.status_code, response.content, about)
            self.model.kept.append(Kept(headers["Idempotency-Key"], method, path, body, *answer))
        return response

    def request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        sent = self.merchant.test.request(method, f"/v1{path}", json=body, headers=headers)
        return self.world.run(sent)

    # Picking

    def a_customer(self, number: int) -> Customer:
        return self.model.customers[-1 - number % len(self.model.customers)]

    def a_payment(self, number: int) -> Payment:
        return self.model.payments[-1 - number % len(self.model.payments)]

    def fresh(self, field: str) -> str:
        """A value that nobody had before."""
        number = next(_numbers)
        return {
            "email": f"Person{number:06}@example.com",
            "phone": f"+23350{1000000 + number}",
            "name": f"Person {number:06}",
        }[field]

    # Checking

    def check_customer(self, customer: Customer) -> None:
        """What the API says of a customer is what the model says."""
        response = self.request("GET", f"/customers/{customer.id}", None, {})
        if customer.deleted:
            assert (response.status_code, response.json()["code"]) == (404, "customer_deleted")
            return
        assert response.status_code == 200, response.text
        self.compare_customer(response.json(), customer)

    def compare_customer(self, shown: dict[str, Any], customer: Customer) -> None:
        profile = {name: shown[name] for name in customer.profile}
        assert same(profile, customer.profile), (profile, customer.profile)
        totals = customer.totals()
        assert [read(row) for row in shown["totals"]] == totals
        top = totals[0] if totals else {**dict.fromkeys(TOTALS, 0), "currency": None}
        assert {**read(shown), "currency": shown["preferred_currency"]}.items() >= top.items()
        assert shown["preferred_method"] in customer.last_methods()
        if not totals:
            assert shown["first_payment_at"] is None
            assert shown["last_payment_at"] is None

    def check_payment(self, payment: Payment) -> None:
        response = self.request("GET", f"/payments/{payment.id}", None, {})
        assert response.status_code == 200, response.text
        shown = response.json()
        customer = payment.customer
        assert shown["customer_id"] == (customer and customer.id)
        known = None if customer is None or customer.deleted else customer.profile["external_id"]
        assert shown["external_customer_id"] == known
        assert (shown["amount"], shown["currency"]) == (payment.amount, payment.currency)
        assert (shown["status"], shown["amount_refunded"]) == (payment.status, payment.refunded)
        assert shown["method"] == payment.method
        assert same(shown["metadata"], payment.metadata), (shown["metadata"], payment.metadata)
        assert instant(shown["succeeded_at"]) == payment.succeeded_at
        assert shown["client_secret"] is None
        if customer is not None:
            self.check_customer(customer)

    # At the end

    def teardown(self) -> None:
        """Whatever was done: every figure is the fold, every change has its event, nobody deleted is remembered."""
        self._check_everybody()
        assert self.world.run(fold.drift(self.world.db, self.merchant.scope)) == []
        assert self.world.run(self._recorded()) == dict(self.model.events)
        assert self.world.run(self._kept_totals()) == {
            (customer.id, row["currency"]): (row["total_spent"], row["total_refunded"], row["payment_count"])
            for customer in self.model.customers
            for row in customer.totals()
        }
        words = self.model.forgotten_words()
        assert self.world.run(fold.traces(self.world.db, self.merchant.scope, words)) == {}
        self._forget_everybody()

    def _forget_everybody(self) -> None:
        """When all are deleted, nothing that was ever true of anybody is left, and the sums still are."""
        for customer in self.model.customers:
            if not customer.deleted:
                assert self.request("DELETE", f"/customers/{customer.id}", None, {}).status_code == 204
        words = list(self.model.words)
        assert self.world.run(fold.traces(self.world.db, self.merchant.scope, words)) == {}
        assert self.world.run(fold.drift(self.world.db, self.merchant.scope)) == []

    def _check_everybody(self) -> None:
        living = {customer.id: customer for customer in self.model.customers if not customer.deleted}
        response = self.request("GET", "/customers?limit=100&include_total=true", None, {})
        assert response.json()["total"] == len(living)
        assert {shown["id"] for shown in response.json()["customers"]} == set(living)
        for shown in response.json()["customers"]:
            self.compare_customer(shown, living[shown["id"]])

    async def _recorded(self) -> dict[tuple[str, str], int]:
        async with self.world.db.read() as conn:
            rows = await conn.fetch(
                "SELECT type, subject_id, count(*) AS times FROM events WHERE org_id = $1 GROUP BY 1, 2",
                self.merchant.org_id,
            )
        return {(row["type"], row["subject_id"]): row["times"] for row in rows}

    async def _kept_totals(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Those of deleted customers too, which no address shows any more."""
        async with self.world.db.read() as conn:
            rows = await conn.fetch(
                """
                SELECT customer_id, currency, total_spent, total_refunded, payment_count
                FROM customer_totals
                WHERE org_id = $1
                """,
                self.merchant.org_id,
            )
        return {
            (row["customer_id"], row["currency"]): (
                int(row["total_spent"]),
                int(row["total_refunded"]),
                row["payment_count"],
            )
            for row in rows
        }


def external(external_id: str) -> str:
    """An external_id's own address."""
    return f"/customers/external/{quote(external_id, safe='')}"


def holds_data_of(response: httpx.Response) -> str | None:
    """The customer whose data an answer holds; refusals hold nobody's."""
    if not response.is_success or not response.content:
        return None
    shown = response.json()
    own_id: str | None = shown["id"] if shown["id"].startswith("cus_") else shown.get("customer_id")
    return own_id


def identified(profile: dict[str, Any]) -> bool:
    return any(profile.get(name) for name in IDENTITIES)


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The figures of a customer or of one of its totals, with instants as instants."""
    figures = {name: row[name] for name in TOTALS if name in row}
    return {
        **figures,
        "first_payment_at": instant(row["first_payment_at"]),
        "last_payment_at": instant(row["last_payment_at"]),
    }
