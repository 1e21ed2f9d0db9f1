"""Any row of deeds and any time between them leave subscriptions, invoices and customers as a plain model says."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from reevit_server.subscriptions.models import boundary
from tests.makers import Merchant, created, make_merchant, ok, refused
from tests.scenarios.value_machine import World
from tests.subscriptions import books
from tests.subscriptions.billing import coming, instant, standing, text
from tests.subscriptions.model import POLICIES, TERMS, Customer, Invoice, Model, Subscription

# REEVIT_TEST_EXAMPLES=2000 searches for an hour what a test run samples in seconds.
EXAMPLES = int(os.environ.get("REEVIT_TEST_EXAMPLES", "25"))

# Which of those that there are, counted from the latest.
WHICH = st.integers(0, 12)
SCENARIO = st.sampled_from(
    [
        "succeed",
        "succeed",
        "fail,succeed",
        "fail,fail:wrong_pin,succeed",
        "fail",
        "fail:lost_card",
        "fail,fail:stolen_card",
        "requires_action",
        "requires_action,requires_action,succeed",
        "timeout",
        "processing",
        "processing,succeed",
    ]
)
INTERVAL = st.sampled_from(
    [("monthly", 1), ("monthly", 1), ("monthly", 2), ("weekly", 1), ("weekly", 3), ("daily", 10)]
)
PLAN = st.sampled_from([*POLICIES])
OUTCOME = st.sampled_from(["succeed", "fail", "fail:wrong_pin", "fail:lost_card", "cancel"])
WAIT = st.sampled_from(["1m", "15m", "1h", "25h", "3d", "10d", "31d", "70d"])
# When a new one begins: now, after a trial, later, or some days ago.
START = st.sampled_from([(0, 0), (0, 0), (5, 0), (0, 9), (12, 6), (0, -4)])


class BillingMachine(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.merchant: Merchant = world.run(make_merchant(world.db, world.api))
        self.model = Model(coming(1, 31))
        ok(self.send("POST", "/sandbox/clock/advance", {"to": text(self.model.now)}))
        for plan_id, policy in POLICIES.items():
            if plan_id != "team":
                ok(self.send("POST", "/policies/retry", {"plan_id": plan_id, **policy._asdict()}))
        self.invoice_ids: dict[int, str] = {}
        self.payment_ids: dict[int, str] = {}
        for _ in range(2):
            self.model.customers.append(Customer(self.world.run(self.merchant.customer())["id"]))

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.world.run(self.merchant.test.request(method, f"/v1{path}", json=body))

    # Deeds

    @rule(
        number=WHICH, plan_id=PLAN, amount=st.integers(1, 9), terms=INTERVAL, scenario=SCENARIO, start=START
    )
    def create(self, number, plan_id, amount, terms, scenario, start):
        customer = self.model.customers[number % 2]
        trial_days, ahead = start
        start_at = self.model.now + timedelta(days=ahead)
        anchor = start_at + timedelta(days=trial_days)
        interval, count = terms
        kept = {"plan_id": plan_id, "amount": amount, "interval": interval, "interval_count": count}
        response = self.send(
            "POST",
            "/subscriptions",
            {
                **kept,
                "customer_id": customer.id,
                "currency": "GHS",
                "trial_days": trial_days,
                "start_at": text(start_at),
                "metadata": {"sandbox": scenario},
            },
        )
        if customer.deleted:
            refused(response, 422, "customer_not_found")
        else:
            begun = anchor <= self.model.now
            self.model.subscribe(
                Subscription(
                    id=created(response)["id"],
                    customer=customer,
                    terms=kept,
                    scenario=scenario,
                    status="active" if begun else "trialing",
                    anchor=anchor,
                    number=int(begun),
                    start=anchor if begun else min(start_at, self.model.now),
                    end=boundary(anchor, interval, count, 1) if begun else anchor,
                )
            )
        self.check()

    @precondition(lambda self: self.model.subscriptions)
    @rule(
        number=WHICH,
        plan_id=st.none() | PLAN,
        amount=st.none() | st.integers(1, 9),
        terms=st.none() | INTERVAL,
        scenario=st.none() | SCENARIO,
    )
    def update(self, number, plan_id, amount, terms, scenario):
        subscription = self.a_subscription(number)
        fields = {"plan_id": plan_id, "amount": amount}
        if terms is not None:
            fields["interval"], fields["interval_count"] = terms
        fields = {name: value for name, value in fields.items() if value is not None}
        body = fields if scenario is None else {**fields, "metadata": {"sandbox": scenario}}
        response = self.send("PATCH", f"/subscriptions/{subscription.id}", body)
        if self.allowed(response, subscription, "trialing", "active", "past_due", "paused"):
            self.model.change(subscription, fields, scenario or subscription.scenario)
        self.check()

    @precondition(lambda self: self.model.subscriptions)
    @rule(number=WHICH, at_period_end=st.booleans())
    def cancel(self, number, at_period_end):
        subscription = self.a_subscription(number)
        body = {"at_period_end": at_period_end}
        response = self.send("POST", f"/subscriptions/{subscription.id}/cancel", body)
        if self.allowed(response, subscription, "trialing", "active", "past_due", "paused"):
            if at_period_end and subscription.end > self.model.now:
                self.model.end_with_period(subscription, whether=True)
            else:
                self.model.end(subscription)
        self.check()

    @precondition(lambda self: self.model.subscriptions)
    @rule(number=WHICH)
    def pause(self, number):
        subscription = self.a_subscription(number)
        response = self.send("POST", f"/subscriptions/{subscription.id}/pause")
        if self.allowed(response, subscription, "trialing", "active", "past_due"):
            self.model.pause(subscription)
        self.check()

    @precondition(lambda self: self.model.subscriptions)
    @rule(number=WHICH)
    def resume(self, number):
        subscription = self.a_subscription(number)
        response = self.send("POST", f"/subscriptions/{subscription.id}/resume")
        if subscription.ends_with_period and subscription.status in ("trialing", "active", "past_due"):
            ok(response)
            self.model.end_with_period(subscription, whether=False)
        elif self.allowed(response, subscription, "paused"):
            self.model.resume(subscription)
        self.check()

    @precondition(lambda self: self.model.invoices)
    @rule(number=WHICH)
    def retry_invoice(self, number):
        invoice = self.an_invoice(number)
        response = self.send("POST", f"/invoices/{self.invoice_ids[invoice.number]}/retry")
        if invoice.status not in ("due", "failed") or invoice.payment == "processing":
            self.refuse(response, invoice)
        else:
            ok(response)
            self.model.charge(invoice, by_hand=True)
        self.check()

    @precondition(lambda self: self.model.invoices)
    @rule(number=WHICH)
    def cancel_invoice(self, number):
        invoice = self.an_invoice(number)
        response = self.send("POST", f"/invoices/{self.invoice_ids[invoice.number]}/cancel")
        if invoice.status not in ("due", "failed") or invoice.payment == "processing":
            self.refuse(response, invoice)
        else:
            ok(response)
            self.model.let_off(invoice)
            self.model.recover(invoice.subscription)
        self.check()

    @precondition(lambda self: self.model.invoices)
    @rule(number=WHICH, outcome=OUTCOME)
    def complete_payment(self, number, outcome):
        invoice = self.an_invoice(number)
        address = f"/sandbox/payments/{self.payment_ids[invoice.number]}/complete"
        response = self.send("POST", address, {"outcome": outcome})
        if invoice.payment in ("requires_action", "processing"):
            ok(response)
            self.model.complete(invoice, outcome)
        else:
            assert refused(response, 422, "wrong_payment_state")["details"] == {"status": invoice.payment}
        self.check()

    @precondition(lambda self: len(self.model.subscriptions) > 3)
    @rule(number=st.integers(0, 1))
    def delete_customer(self, number):
        customer = self.model.customers[number]
        response = self.send("DELETE", f"/customers/{customer.id}")
        if customer.deleted:
            refused(response, 404, "customer_deleted")
        else:
            assert response.status_code == 204
            customer.deleted = True
        self.check()

    @rule(by=WAIT)
    def let_time_pass(self, by):
        unit = {"m": "minutes", "h": "hours", "d": "days"}[by[-1]]
        ok(self.send("POST", "/sandbox/clock/advance", {"by": by}))
        self.model.pass_until(self.model.now + timedelta(**{unit: int(by[:-1])}))
        self.check()

    # What they have in common

    def a_subscription(self, number: int) -> Subscription:
        return self.model.subscriptions[-1 - number % len(self.model.subscriptions)]

    def an_invoice(self, number: int) -> Invoice:
        """One that has been charged, as all have; those that are not paid first."""
        unpaid = [invoice for invoice in self.model.invoices if invoice.status != "paid"]
        found = unpaid or self.model.invoices
        return found[-1 - number % len(found)]

    def allowed(self, response: httpx.Response, subscription: Subscription, *states: str) -> bool:
        """Whether the deed was done, as it must be in these states and in no other."""
        if subscription.status in states:
            ok(response)
            return True
        assert refused(response, 422, "wrong_subscription_state")["details"] == {
            "status": subscription.status
        }
        return False

    def refuse(self, response: httpx.Response, invoice: Invoice) -> None:
        assert refused(response, 422, "wrong_invoice_state")["details"] == {"status": invoice.status}

    # Checking

    def check(self) -> None:
        """What the API says is what the model says: of everything, down to the instant."""
        self.check_subscriptions()
        self.check_invoices()
        for customer in self.model.customers:
            self.check_customer(customer)

    def check_subscriptions(self) -> None:
        shown = {row["id"]: row for row in self.every("subscriptions")}
        assert len(shown) == len(self.model.subscriptions)
        for subscription in self.model.subscriptions:
            row = shown[subscription.id]
            assert (row["status"], row["cancel_at_period_end"]) == (
                subscription.status,
                subscription.ends_with_period,
            )
            assert {name: row[name] for name in TERMS} == subscription.terms
            assert row["pending_changes"] == (subscription.pending or None)
            assert (instant(row["current_period_start"]), instant(row["current_period_end"])) == (
                subscription.start,
                subscription.end,
            )
            assert instant(row["next_renewal_at"]) == subscription.renews()
            assert (row["paused_at"] is not None) == (subscription.status == "paused")

    def check_invoices(self) -> None:
        shown = {row["number"]: row for row in self.every("invoices")}
        assert len(shown) == len(self.model.invoices)
        for invoice in self.model.invoices:
            row = shown[f"INV-{invoice.number:06}"]
            self.invoice_ids[invoice.number], self.payment_ids[invoice.number] = row["id"], row["payment_id"]
            assert row["subscription_id"] == invoice.subscription.id
            assert (row["status"], row["attempt_count"], row["failure_code"]) == (
                invoice.status,
                invoice.attempts,
                invoice.failure,
            )
            assert instant(row["next_retry_at"]) == invoice.next_at
            assert (row["amount"], row["plan_id"]) == (invoice.amount, invoice.plan_id)
            assert (instant(row["period_start"]), instant(row["period_end"])) == (invoice.start, invoice.end)

    def check_customer(self, customer: Customer) -> None:
        response = self.send("GET", f"/customers/{customer.id}")
        if customer.deleted:
            refused(response, 404, "customer_deleted")
            return
        of_theirs = [each for each in self.model.subscriptions if each.customer is customer]
        statuses = ["active" if each.status == "trialing" else each.status for each in of_theirs]
        best = next(
            (status for status in ("active", "past_due", "paused", "canceled") if status in statuses), "none"
        )
        paid = [
            invoice.amount
            for invoice in self.model.invoices
            if invoice.status == "paid" and invoice.subscription.customer is customer
        ]
        shown = ok(response)
        assert standing(shown) == (best, statuses.count("active"), sum(paid))
        assert shown["payment_count"] == len(paid)

    def every(self, noun: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = "limit=100"
        while True:
            page = ok(self.send("GET", f"/{noun}?{query}"))
            found += page[noun]
            if not page["has_more"]:
                return found
            query = f"limit=100&cursor={page['next_cursor']}"

    def teardown(self) -> None:
        """The books are right, and every change has its event, and no event had no change."""
        assert self.world.run(books.drift(self.world.db, self.merchant.scope)) == []
        names = {subject: self.id_of(subject) for _, subject in self.model.events}
        expected = {(type, names[subject]): count for (type, subject), count in self.model.events.items()}
        assert self.world.run(self._recorded()) == expected

    def id_of(self, subject: Subscription | Invoice) -> str:
        return subject.id if isinstance(subject, Subscription) else self.invoice_ids[subject.number]

    async def _recorded(self) -> Counter[tuple[str, str]]:
        async with self.world.db.read() as conn:
            rows = await conn.fetch(
                """
                SELECT type, subject_id
                FROM events
                WHERE org_id = $1 AND (starts_with(type, 'subscription.') OR starts_with(type, 'invoice.'))
                """,
                self.merchant.org_id,
            )
        return Counter((row["type"], row["subject_id"]) for row in rows)


@pytest.fixture
def world(dsn: str) -> Iterator[World]:
    with World.on(dsn) as world:
        yield world


def test_billing_always_agrees_with_the_model(world: World):
    in_ci = "CI" in os.environ
    run_state_machine_as_test(
        lambda: BillingMachine(world),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            derandomize=in_ci,
            print_blob=True,
            **({"database": None} if in_ci else {}),
        ),
    )
