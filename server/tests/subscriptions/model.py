"""Billing as plain Python objects: what the API must say after any row of deeds, and after any time."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reevit_server.providers.base import HARD_DECLINES
from reevit_server.subscriptions.models import DEFAULT_POLICY, NOTICE_DAYS, RetryPolicy, boundary, recounted

POLICIES = {
    "team": DEFAULT_POLICY,
    "pausing": RetryPolicy(["1h"], 1, "pause"),
    "canceling": RetryPolicy(["36h", "10d"], 3, "cancel"),
    "never": RetryPolicy([], 0, "past_due"),
}
TERMS = ("plan_id", "amount", "interval", "interval_count")
NOTICE = timedelta(days=NOTICE_DAYS)
RECONCILE_DELAYS = [timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)]


@dataclass(eq=False)
class Customer:
    id: str
    deleted: bool = False


@dataclass(eq=False)
class Subscription:
    """`number` says which period is running, counted from the anchor; 0: none yet."""

    id: str
    customer: Customer
    terms: dict[str, Any]
    scenario: str
    status: str
    anchor: datetime
    number: int
    start: datetime
    end: datetime
    ends_with_period: bool = False
    pending: dict[str, Any] = field(default_factory=dict)
    told: datetime | None = None

    def looked_at(self) -> datetime | None:
        """When the schedule has anything to do with it."""
        if self.status in ("trialing", "active", "past_due") or (
            self.status == "paused" and self.ends_with_period
        ):
            return self.end
        return None

    def renews(self) -> datetime | None:
        return None if self.ends_with_period or self.status in ("paused", "canceled") else self.end

    def told_of(self) -> datetime | None:
        """When its renewal is to be told of, once in each period that is long enough."""
        told = self.told == self.end or self.end - self.start <= 2 * NOTICE
        return None if told or self.status == "past_due" or self.renews() is None else self.end - NOTICE


@dataclass(eq=False)
class Invoice:
    """With its payment: what that says, which step of the scenario it plays, and when its provider is asked."""

    number: int
    subscription: Subscription
    plan_id: str
    amount: int
    start: datetime
    end: datetime
    status: str = "draft"
    attempts: int = 0
    next_at: datetime | None = None
    given_up: bool = False
    failure: str | None = None
    payment: str | None = None
    step: str = ""
    asked: int = 0
    ask_at: datetime | None = None


class Model:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self.customers: list[Customer] = []
        self.subscriptions: list[Subscription] = []
        self.invoices: list[Invoice] = []
        self.events: Counter[tuple[str, Any]] = Counter()

    # Deeds

    def subscribe(self, subscription: Subscription) -> None:
        self.subscriptions.append(subscription)
        self._tell("subscription.created", subscription)
        if subscription.number:
            self._bill(subscription)

    def change(self, subscription: Subscription, fields: dict[str, Any], scenario: str) -> None:
        wanted = {**subscription.terms, **subscription.pending, **fields}
        pending = {name: value for name, value in wanted.items() if value != subscription.terms[name]}
        if pending != subscription.pending or scenario != subscription.scenario:
            subscription.pending, subscription.scenario = pending, scenario
            self._tell("subscription.updated", subscription)

    def end(self, subscription: Subscription) -> None:
        for invoice in self.of(subscription):
            if invoice.status in ("draft", "due") and invoice.payment != "processing":
                self.let_off(invoice)
        if subscription.status != "canceled":
            self._restate(subscription, "canceled", "subscription.canceled")

    def end_with_period(self, subscription: Subscription, *, whether: bool) -> None:
        if subscription.ends_with_period != whether:
            subscription.ends_with_period = whether
            self._tell("subscription.updated", subscription)

    def pause(self, subscription: Subscription) -> None:
        self._restate(subscription, "paused", "subscription.paused")

    def resume(self, subscription: Subscription) -> None:
        if subscription.end <= self.now:
            self._begin(subscription, "subscription.resumed", anchor=self.now)
            return
        going_on = "past_due" if self._owes(subscription) else "active"
        self._restate(subscription, going_on if subscription.number else "trialing", "subscription.resumed")

    def let_off(self, invoice: Invoice) -> None:
        if invoice.payment == "requires_action":
            invoice.payment = "canceled"
        self._close(invoice, "canceled")

    def complete(self, invoice: Invoice, outcome: str) -> None:
        self._settle(invoice, outcome)

    def charge(self, invoice: Invoice, *, by_hand: bool = False) -> None:
        subscription = invoice.subscription
        if subscription.customer.deleted:
            invoice.status, invoice.failure = "due", invoice.failure
            self.end(subscription)
            return
        last = self._policy(invoice).is_last(invoice.attempts) or subscription.status == "canceled"
        last = last or invoice.given_up
        before = invoice.status
        if invoice.payment == "requires_action" and not by_hand and last:
            self._settle(invoice, "cancel")
            return
        steps = subscription.scenario.split(",")
        invoice.attempts += 1
        invoice.step = steps[min(invoice.attempts, len(steps)) - 1]
        invoice.status, invoice.next_at, invoice.failure = "due", None, None
        self._settle(invoice, invoice.step)
        if (before, invoice.status) == ("failed", "due"):
            self._tell("invoice.updated", invoice)

    def recover(self, subscription: Subscription) -> None:
        if subscription.status == "past_due" and not self._owes(subscription):
            self._restate(subscription, "active", "subscription.updated")

    # Time

    def pass_until(self, to: datetime) -> None:
        """Whatever is due, one after the other: the earliest, and of one instant what was begun first."""
        while True:
            due = [
                *((invoice.ask_at, 1, place, invoice) for place, invoice in enumerate(self.invoices)),
                *((invoice.next_at, 2, place, invoice) for place, invoice in enumerate(self.invoices)),
                *((each.looked_at(), 3, place, each) for place, each in enumerate(self.subscriptions)),
                *((each.told_of(), 4, place, each) for place, each in enumerate(self.subscriptions)),
            ]
            at, kind, _, subject = min(
                ((at, *more) for at, *more in due if at is not None and at <= to),
                key=lambda found: found[:3],
                default=(to, 0, 0, None),
            )
            self.now = max(self.now, at)
            if kind == 0:
                return
            {1: self._ask, 2: self.charge, 3: self._renew, 4: self._tell_of_renewal}[kind](subject)

    def _ask(self, invoice: Invoice) -> None:
        if invoice.step == "timeout":
            self._settle(invoice, "succeed")
        else:
            invoice.asked += 1
            invoice.ask_at = self.now + RECONCILE_DELAYS[min(invoice.asked, 3)]

    def _renew(self, subscription: Subscription) -> None:
        if subscription.ends_with_period:
            self._restate(subscription, "canceled", "subscription.canceled")
        else:
            self._begin(subscription, "subscription.renewed")

    def _tell_of_renewal(self, subscription: Subscription) -> None:
        subscription.told = subscription.end
        if not subscription.customer.deleted:
            self._tell("subscription.renewal_upcoming", subscription)

    # What follows

    def of(self, subscription: Subscription) -> list[Invoice]:
        return [invoice for invoice in self.invoices if invoice.subscription is subscription]

    def _owes(self, subscription: Subscription) -> bool:
        return any(
            invoice.given_up and invoice.status in ("due", "failed") for invoice in self.of(subscription)
        )

    def _policy(self, invoice: Invoice) -> RetryPolicy:
        return POLICIES[invoice.plan_id]

    def _tell(self, type: str, subject: Any) -> None:
        self.events[type, subject] += 1

    def _restate(self, subscription: Subscription, status: str, type: str) -> None:
        subscription.status = status
        if status == "canceled":
            subscription.ends_with_period = False
        self._tell(type, subscription)

    def _begin(self, subscription: Subscription, type: str, *, anchor: datetime | None = None) -> None:
        if subscription.customer.deleted:
            self.end(subscription)
            return
        before = dict(subscription.terms)
        subscription.terms |= subscription.pending
        interval, count = subscription.terms["interval"], subscription.terms["interval_count"]
        if anchor is not None:
            subscription.start, subscription.number, subscription.anchor = anchor, 1, anchor
        else:
            subscription.start, subscription.number = subscription.end, subscription.number + 1
            if (before["interval"], before["interval_count"]) != (interval, count):
                by_months = before["interval"] in ("monthly", "yearly")
                day = subscription.anchor.day if by_months else subscription.start.day
                subscription.anchor, subscription.number = recounted(subscription.start, day, interval, count)
        subscription.end = boundary(subscription.anchor, interval, count, subscription.number)
        subscription.pending, subscription.ends_with_period = {}, False
        owing = subscription.status in ("past_due", "paused") and self._owes(subscription)
        self._restate(subscription, "past_due" if owing else "active", type)
        self._bill(subscription)

    def _bill(self, subscription: Subscription) -> None:
        number, terms = len(self.invoices) + 1, subscription.terms
        invoice = Invoice(
            number, subscription, terms["plan_id"], terms["amount"], subscription.start, subscription.end
        )
        self.invoices.append(invoice)
        self._tell("invoice.created", invoice)
        self.charge(invoice)

    def _settle(self, invoice: Invoice, outcome: str) -> None:
        """How an attempt went, in the sandbox's words."""
        invoice.ask_at = None
        verb, _, code = outcome.partition(":")
        if verb == "succeed":
            invoice.payment = "succeeded"
            self._close(invoice, "paid")
            self.recover(invoice.subscription)
        elif verb == "requires_action":
            invoice.payment = "requires_action"
            invoice.next_at = self._policy(invoice).patience(invoice.attempts, self.now)
        elif verb in ("processing", "timeout"):
            invoice.payment, invoice.asked = "processing", 0
            invoice.ask_at = self.now + RECONCILE_DELAYS[0]
        else:
            invoice.payment = "canceled" if verb == "cancel" else "failed"
            self._fail(invoice, None if verb == "cancel" else code or "card_declined")

    def _close(self, invoice: Invoice, status: str) -> None:
        invoice.status, invoice.next_at, invoice.failure = status, None, None
        self._tell(f"invoice.{status}", invoice)

    def _fail(self, invoice: Invoice, code: str | None) -> None:
        subscription, policy = invoice.subscription, self._policy(invoice)
        invoice.failure = code
        invoice.next_at = policy.next_attempt(invoice.attempts, self.now)
        by_hand = invoice.given_up
        if code in HARD_DECLINES or subscription.status == "canceled" or by_hand:
            invoice.next_at = None
        invoice.given_up = invoice.next_at is None
        invoice.status = "failed" if invoice.next_at is None else "due"
        self._tell("invoice.failed", invoice)
        if invoice.status == "due" or by_hand:
            return
        if subscription.status == "active":
            self._restate(subscription, "past_due", "subscription.past_due")
        if subscription.status == "past_due" and policy.on_exhausted == "pause":
            self._restate(subscription, "paused", "subscription.paused")
        elif subscription.status in ("past_due", "paused") and policy.on_exhausted == "cancel":
            self.end(subscription)
