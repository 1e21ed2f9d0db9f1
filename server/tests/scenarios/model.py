"""The registry as plain Python objects: what the API must answer after any row of requests."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

IDENTITIES = ("external_id", "email", "phone", "name")
SCENARIOS = {
    None: "succeeded",
    "succeed": "succeeded",
    "fail": "failed",
    "fail:insufficient_funds": "failed",
    "requires_action": "requires_action",
    "processing": "processing",
    "timeout": "processing",
}
OUTCOMES = {
    "succeed": "succeeded",
    "fail": "failed",
    "fail:wrong_pin": "failed",
    "cancel": "canceled",
}


@dataclass(eq=False)
class Customer:
    """A profile, and every success and refund that its value is made of."""

    id: str
    profile: dict[str, Any]
    deleted: bool = False
    paid: list["Payment"] = field(default_factory=list)

    def totals(self) -> list[dict[str, Any]]:
        """Per currency, most payments first, ties to the latest, then by code."""
        rows = []
        for currency in {payment.currency for payment in self.paid}:
            paid = [payment for payment in self.paid if payment.currency == currency]
            spent = sum(payment.amount for payment in paid)
            refunded = sum(payment.refunded for payment in paid)
            rows.append(
                {
                    "currency": currency,
                    "total_spent": spent,
                    "total_refunded": refunded,
                    "lifetime_value": spent - refunded,
                    "payment_count": len(paid),
                    "first_payment_at": min(payment.money_at() for payment in paid),
                    "last_payment_at": max(payment.money_at() for payment in paid),
                }
            )
        rows.sort(key=lambda row: row["currency"])
        rows.sort(key=lambda row: (row["payment_count"], row["last_payment_at"]), reverse=True)
        return rows

    def last_methods(self) -> set[str | None]:
        """How the latest payment was made; several when several were made at that instant."""
        latest = max((payment.money_at() for payment in self.paid), default=None)
        return {payment.method for payment in self.paid if payment.money_at() == latest} or {None}


@dataclass(eq=False)
class Payment:
    id: str
    customer: Customer | None
    amount: int
    currency: str
    method: str | None
    metadata: dict[str, Any]
    status: str
    client_secret: str | None = None
    refunded: int = 0
    succeeded_at: datetime | None = None

    def terms(self) -> list[Any]:
        """What may change before it is charged."""
        return [self.customer and self.customer.id, self.amount, self.currency, self.metadata]

    def money_at(self) -> datetime:
        assert self.succeeded_at is not None, "only successful payments count"
        return self.succeeded_at


@dataclass(frozen=True)
class Kept:
    """A request that was sent with an Idempotency-Key, and the answer that every repetition must hear."""

    key: str
    method: str
    path: str
    body: Any
    status: int
    answer: bytes
    about: str | None  # the customer whose data the answer holds


class Model:
    """All customers and payments of one merchant in one mode, and how many events of each kind there must be."""

    def __init__(self) -> None:
        self.customers: list[Customer] = []
        self.payments: list[Payment] = []
        self.kept: list[Kept] = []
        self.events: Counter[tuple[str, str]] = Counter()
        self.words: dict[str, list[Customer]] = {}  # personal data, and everybody it was ever true of

    def by_external_id(self, external_id: str) -> Customer | None:
        for customer in self.customers:
            if not customer.deleted and customer.profile["external_id"] == external_id:
                return customer
        return None

    def customer(self, id: str | None) -> Customer | None:
        return next((customer for customer in self.customers if customer.id == id), None)

    def add_customer(self, id: str, given: dict[str, Any]) -> Customer:
        profile = changed({**dict.fromkeys(IDENTITIES), "tags": [], "metadata": {}}, given)
        customer = Customer(id, profile)
        self.customers.append(customer)
        self._remember(customer)
        self.events["customer.created", id] += 1
        return customer

    def change(self, customer: Customer, profile: dict[str, Any]) -> None:
        """One event per change, and none when nothing is different."""
        if not same(profile, customer.profile):
            customer.profile = profile
            self._remember(customer)
            self.events["customer.updated", customer.id] += 1

    def delete(self, customer: Customer) -> None:
        customer.deleted = True
        self.events["customer.deleted", customer.id] += 1

    def add_payment(self, payment: Payment) -> None:
        self.payments.append(payment)
        self.events["payment.created", payment.id] += 1

    def settle(self, payment: Payment, status: str, *, at: datetime) -> None:
        payment.status = status
        self.events[f"payment.{status}", payment.id] += 1
        if status == "succeeded":
            payment.succeeded_at = at
            if payment.customer is not None:
                payment.customer.paid.append(payment)

    def refund(self, payment: Payment, amount: int) -> None:
        payment.refunded += amount
        payment.status = "refunded" if payment.refunded == payment.amount else "partially_refunded"
        self.events["payment.refunded", payment.id] += 1

    def forgotten_words(self) -> list[str]:
        """Personal data that was only ever true of customers who are deleted now."""
        return [word for word, people in self.words.items() if all(person.deleted for person in people)]

    def _remember(self, customer: Customer) -> None:
        for name in IDENTITIES:
            if (word := customer.profile[name]) is not None:
                self.words.setdefault(word, []).append(customer)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: to Python, 1 and True are equal; to a client they are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def changed(profile: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A profile after an update: absent stays, null clears, tags are replaced, metadata is merged."""
    after = {**profile, **{name: value for name, value in given.items() if name in IDENTITIES}}
    if "tags" in given:
        after["tags"] = list(dict.fromkeys(given["tags"] or []))
    if "metadata" in given:
        after["metadata"] = merged(profile["metadata"], given["metadata"])
    return after


def merged(stored: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """Keys are added and replaced; an empty string unsets one, null clears all."""
    if given is None:
        return {}
    return {key: value for key, value in {**stored, **given}.items() if value != ""}
