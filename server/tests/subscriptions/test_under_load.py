"""Many at once on the same few subscriptions: nobody is charged twice, nothing is miscounted, all are answered."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from reevit_server import payments, subscriptions
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection, Database
from reevit_server.core.errors import AppError
from reevit_server.core.jobs import Tools
from reevit_server.core.sealing import Sealer
from reevit_server.customers import CustomerId
from reevit_server.customers.actions import delete as delete_customer
from reevit_server.invoices import CANCELABLE, COLLECTIBLE, RETRYABLE
from reevit_server.payments.models import COMPLETABLE, REFUNDABLE
from reevit_server.payments.schemas import RefundCreate
from reevit_server.subscriptions import actions, collecting
from reevit_server.subscriptions.models import LIVING, RUNNING
from reevit_server.subscriptions.schemas import SubscriptionCancel, SubscriptionCreate, SubscriptionPatch
from tests.makers import MASTER_KEY, Merchant, ok, refused
from tests.subscriptions import books
from tests.subscriptions.billing import Billing, standing
from tests.webhooks.clockwork import Outside

SCENARIOS = (
    "succeed",
    "fail,succeed",
    "fail",
    "fail:lost_card",
    "timeout",
    "processing,succeed",
    "requires_action",
    "requires_action,fail",
)
PLANS = ("keeping", "pausing", "canceling")
DAILY = {"amount": 500, "currency": "GHS", "interval": "daily"}


async def insist(
    merchant: Merchant, path: str, key: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    """Sends a request until it is answered, as a client does who is told to come again."""
    for _ in range(200):
        answer = await merchant.test.post(path, json=body or {}, headers={"Idempotency-Key": key})
        if answer.status_code != 503 and answer.json().get("code") != "idempotency_key_in_use":
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"never answered: {answer.text}")


@pytest.mark.parametrize(
    ("scenario", "given_up", "ends"),
    [
        ("fail,succeed", False, "paid"),
        ("fail:lost_card,succeed", True, "paid"),
        ("fail,timeout", False, "due"),
        ("fail:lost_card,processing", True, "due"),
    ],
)
async def test_of_fifty_who_charge_an_invoice_at_once_one_does(
    billing: Billing, scenario: str, given_up: bool, ends: str
):
    customer = await billing.merchant.customer()
    subscription = await billing.subscribe(customer, scenario)
    (invoice,) = await billing.invoices(subscription)
    assert invoice["status"] == ("failed" if given_up else "due")
    await billing.news()
    path = f"/v1/invoices/{invoice['id']}/retry"
    answers = await asyncio.gather(
        *(insist(billing.merchant, path, f"retry-{number}") for number in range(50))
    )
    (charged,) = [answer for answer in answers if answer.status_code == 200]
    assert (charged.json()["status"], charged.json()["attempt_count"]) == (ends, 2)
    for answer in answers:
        if answer is not charged:
            assert refused(answer, 422, "wrong_invoice_state")["details"] == {"status": ends}
    assert await billing.invoices(subscription) == [charged.json()]
    paid = standing(await billing.see(customer["id"]))[2]
    assert paid == (1500 if ends == "paid" else 0)
    assert len(await billing.payments(customer)) == 1


class Storm:
    """A shop in which everything happens at once: merchants' requests, workers' jobs, customers who leave."""

    def __init__(self, db: Database, merchant: Merchant, people: list[dict[str, Any]]) -> None:
        self.db = db
        self.merchant = merchant
        self.scope = merchant.scope
        self.people = people
        self.now = utc_now()
        self.chance = random.Random(23)
        self.outcomes: Counter[str] = Counter()
        self.tools = Tools(db, lambda: self.now, Sealer(MASTER_KEY), Outside())

    async def a(self, table: str, *statuses: str) -> str:
        """The id of one of the organization's rows; mostly of one that is in such a state."""
        wanted = statuses if self.chance.random() < 0.9 else ()
        async with self.db.read() as conn:
            rows = await conn.fetch(
                f"""
                SELECT id FROM {table}
                WHERE org_id = $1 AND ($2::text[] = '{{}}' OR status = ANY($2))
                ORDER BY id
                """,
                self.scope.org_id,
                wanted,
            )
        return self.chance.choice(rows)["id"] if rows else f"{table}_none"

    async def deed(self, name: str) -> None:
        """One of all that can happen. What is refused counts too; what waited in a circle is done again."""
        for _ in range(4):
            try:
                await getattr(self, f"_{name}")()
                self.outcomes[name] += 1
            except AppError as refusal:
                self.outcomes[refusal.code] += 1
            except asyncpg.DeadlockDetectedError:  # as the door does, and the queue
                self.outcomes["deadlock"] += 1
                continue
            except asyncpg.LockNotAvailableError:  # a slow machine; the door would answer 503
                self.outcomes["busy"] += 1
            return
        raise AssertionError(f"{name} is taken for the victim every time")

    async def _once(self, deed: Callable[[Connection], Awaitable[Any]]) -> None:
        async with self.db.transaction() as conn:
            await deed(conn)

    async def _create(self) -> None:
        new = SubscriptionCreate(
            **DAILY,
            customer_id=self.chance.choice(self.people)["id"],
            plan_id=self.chance.choice(PLANS),
            metadata={"sandbox": self.chance.choice(SCENARIOS)},
        )
        now = self.now
        await self._once(lambda conn: actions.create(conn, self.scope, new, now=now))

    async def _update(self) -> None:
        id = await self.a("subscriptions", *LIVING)
        patch = SubscriptionPatch(
            amount=500 + self.chance.randrange(9), metadata={"sandbox": self.chance.choice(SCENARIOS)}
        )
        now = self.now
        await self._once(lambda conn: actions.update(conn, self.scope, id=id, patch=patch, now=now))

    async def _cancel(self) -> None:
        id, now = await self.a("subscriptions", *LIVING), self.now
        given = SubscriptionCancel(at_period_end=self.chance.random() < 0.7)
        await self._once(lambda conn: actions.cancel(conn, self.scope, id=id, given=given, now=now))

    async def _pause(self) -> None:
        id, now = await self.a("subscriptions", *RUNNING), self.now
        await self._once(lambda conn: actions.pause(conn, self.scope, id=id, now=now))

    async def _resume(self) -> None:
        id, now = await self.a("subscriptions", "paused"), self.now
        await self._once(lambda conn: actions.resume(conn, self.scope, id=id, now=now))

    async def _retry(self) -> None:
        id, now = await self.a("invoices", *RETRYABLE), self.now
        await self._once(lambda conn: collecting.retry(conn, self.scope, invoice_id=id, now=now))

    async def _let_off(self) -> None:
        id, now = await self.a("invoices", *CANCELABLE), self.now
        await self._once(lambda conn: collecting.cancel_invoice(conn, self.scope, invoice_id=id, now=now))

    async def _refund(self) -> None:
        id, now = await self.a("payments", *REFUNDABLE), self.now
        back = RefundCreate(amount=1)
        await self._once(lambda conn: payments.refund(conn, self.scope, id=id, new=back, now=now))

    async def _complete(self) -> None:
        id, now = await self.a("payments", *COMPLETABLE), self.now
        outcome = self.chance.choice(["succeed", "fail", "fail:lost_card", "cancel"])
        await self._once(
            lambda conn: payments.complete_in_sandbox(
                conn, self.scope, id=id, outcome=outcome, now=now, then=subscriptions.follow
            )
        )

    async def _leave(self) -> None:
        """Somebody is deleted, and the subscriptions are ended by whoever is told."""
        place, now = self.chance.randrange(len(self.people)), self.now
        leaving, self.people[place] = self.people[place], await self.merchant.customer()
        id = CustomerId(leaving["id"])
        await self._once(lambda conn: delete_customer(conn, self.scope, id, now=now))
        event = {"type": "customer.deleted", "customer_id": leaving["id"]}
        await subscriptions.on_event(self.tools, self.scope, [event])

    async def _renew(self) -> None:
        await subscriptions.renew(self.tools, self.scope, await self.a("subscriptions", *RUNNING))

    async def _collect(self) -> None:
        await subscriptions.collect(self.tools, self.scope, await self.a("invoices", *COLLECTIBLE))

    async def _reconcile(self) -> None:
        id = await self.a("payments", "processing")
        await payments.reconcile(self.tools, self.scope, id, then=subscriptions.follow)


DEEDS = {
    "create": 6,
    "update": 3,
    "cancel": 2,
    "pause": 4,
    "resume": 6,
    "retry": 10,
    "let_off": 5,
    "refund": 4,
    "complete": 10,
    "leave": 1,
    "renew": 12,
    "collect": 12,
    "reconcile": 4,
}


async def begin_storm(db: Database, billing: Billing) -> Storm:
    merchant = billing.merchant
    people = [await merchant.customer() for _ in range(4)]
    for plan_id, on_exhausted in zip(PLANS, ("past_due", "pause", "cancel"), strict=True):
        policy = {"plan_id": plan_id, "delays": ["15m", "12h"], "on_exhausted": on_exhausted}
        await billing.deed("policies/retry", **policy)
    for number in range(24):
        await billing.subscribe(
            people[number % 4], SCENARIOS[number // 3 % 8], plan_id=PLANS[number % 3], interval="daily"
        )
    return Storm(db, merchant, people)


async def test_whatever_happens_at_once_no_invoice_is_paid_twice_and_nothing_drifts(
    db: Database, billing: Billing
):
    storm = await begin_storm(db, billing)
    turns = asyncio.Semaphore(15)

    async def take_turn(name: str) -> None:
        async with turns:
            storm.now += timedelta(minutes=7)
            await storm.deed(name)

    names = storm.chance.choices(list(DEEDS), list(DEEDS.values()), k=1200)
    await asyncio.gather(*(take_turn(name) for name in names))
    assert all(storm.outcomes[name] > 0 for name in DEEDS), storm.outcomes
    assert storm.outcomes["deadlock"] < len(names) / 20, "that is the exception"
    assert await books.drift(db, storm.scope) == []


async def test_requests_are_answered_while_the_clock_is_moved(db: Database, billing: Billing):
    """By one hand, step by step; and none of them, nor the clock, meets anything that is not in the document."""
    storm = await begin_storm(db, billing)
    merchant, chance = billing.merchant, storm.chance
    moving = True

    async def move() -> None:
        nonlocal moving
        for step in range(8):
            ok(await insist(merchant, "/v1/sandbox/clock/advance", f"step-{step}", {"by": "11h"}))
        moving = False

    async def request() -> tuple[str, dict[str, Any]]:
        """One of those that a merchant makes."""
        deed = chance.choice(["create", "end", "pause", "resume", "retry", "let_off", "refund", "complete"])
        if deed == "create":
            body = {
                **DAILY,
                "customer_id": chance.choice(storm.people)["id"],
                "plan_id": chance.choice(PLANS),
                "metadata": {"sandbox": chance.choice(SCENARIOS)},
            }
            return "/v1/subscriptions", body
        if deed in ("retry", "let_off"):
            verb = "retry" if deed == "retry" else "cancel"
            return f"/v1/invoices/{await storm.a('invoices', *RETRYABLE)}/{verb}", {}
        if deed == "refund":
            return f"/v1/payments/{await storm.a('payments', *REFUNDABLE)}/refund", {"amount": 1}
        if deed == "complete":
            id = await storm.a("payments", *COMPLETABLE)
            return f"/v1/sandbox/payments/{id}/complete", {"outcome": chance.choice(["succeed", "fail"])}
        if deed == "end":
            body = {"at_period_end": chance.random() < 0.8}
            return f"/v1/subscriptions/{await storm.a('subscriptions', *LIVING)}/cancel", body
        states = RUNNING if deed == "pause" else ("paused",)
        return f"/v1/subscriptions/{await storm.a('subscriptions', *states)}/{deed}", {}

    async def ask(client: int) -> Counter[int]:
        said: Counter[int] = Counter()
        while moving:
            path, body = await request()
            key = f"{client}-{said.total()}"
            said[(await insist(merchant, path, key, body)).status_code] += 1
        return said

    _, *answers = await asyncio.gather(move(), *(ask(client) for client in range(4)))
    said = sum(answers, Counter())
    assert set(said) <= {200, 201, 404, 422}, said
    assert said[200] > 20, said
    assert said[201] > 20, said
    clock = ok(await merchant.test.get("/v1/sandbox/clock"))
    assert clock["stands_still"]


async def test_of_two_who_move_a_clock_at_once_one_does(billing: Billing):
    """The other is told to wait, and has moved nothing."""
    customer = await billing.merchant.customer()
    await billing.subscribe(customer, interval="daily")
    await billing.later("1s")
    before = ok(await billing.merchant.test.get("/v1/sandbox/clock"))["now"]
    path, by = "/v1/sandbox/clock/advance", {"by": "20d"}
    answers = await asyncio.gather(*(billing.merchant.test.post(path, json=by) for _ in range(5)))
    moved = [answer for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer not in moved:
            refused(answer, 409, "clock_is_moving")
            assert answer.headers["retry-after"] == "1"
    assert 1 <= len(moved) < 5, "one came when another was done, perhaps"
    assert {answer.json()["renewals"] for answer in moved} == {20}
    after = ok(await billing.merchant.test.get("/v1/sandbox/clock"))["now"]
    assert datetime.fromisoformat(after) - datetime.fromisoformat(before) == len(moved) * timedelta(days=20)
    assert standing(await billing.see(customer["id"])) == ("active", 1, (1 + 20 * len(moved)) * 1500)
