"""Customers: who they are, what they paid, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import ByExternalId, Call, ListCall, body_of, checked_id, customer_path, nothing, path_of
from reevit._model import Model, instant_of
from reevit._resource import Kind, Resource, listing, operation
from reevit.errors import UnexpectedAnswer
from reevit.resources._shared import Instant, Metadata, Paging
from reevit.resources.invoices import Invoice
from reevit.resources.payments import Payment
from reevit.resources.subscriptions import Subscription


class Totals(Model):
    """What a customer paid in one currency, in its minor units. Currencies are never added together."""

    currency: str
    total_spent: int
    total_refunded: int
    lifetime_value: int
    payment_count: int
    first_payment_at: datetime
    last_payment_at: datetime


class Customer(Model):
    """One customer. The figures at the top are in `preferred_currency`; `totals` has each currency's."""

    id: str
    org_id: str
    mode: str
    external_id: str | None
    email: str | None
    phone: str | None
    name: str | None
    tags: list[str]
    metadata: dict[str, Any]
    preferred_currency: str | None
    preferred_method: str | None
    total_spent: int
    total_refunded: int
    lifetime_value: int
    payment_count: int
    first_payment_at: datetime | None
    last_payment_at: datetime | None
    totals: list[Totals]
    subscription_status: Literal["none", "active", "past_due", "paused", "canceled"] | str
    active_subscriptions: int
    created_at: datetime
    updated_at: datetime


class RankedCustomer(Customer):
    """A customer with its `rank`, from 1, and the `amount` that it is ranked by."""

    rank: int
    amount: int


class TopCustomers(list[RankedCustomer]):
    """A ranking, best first, and what it ranks by: `metric` in `currency` over `period`, or from then to then."""

    def __init__(self, answer: Any) -> None:
        rows = answer.get("customers") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UnexpectedAnswer(200, repr(answer).encode())
        super().__init__(RankedCustomer(row) for row in rows)
        self.currency: str | None = answer.get("currency")
        self.metric: str | None = answer.get("metric")
        self.period: str | None = answer.get("period")
        self.from_at: datetime | None = instant_of(answer.get("from"))
        self.to: datetime | None = instant_of(answer.get("to"))

    @property
    def data(self) -> list[RankedCustomer]:
        """The customers, as a plain list."""
        return self[:]


class Value(Model):
    """What a customer is worth, per currency; `as_of` an instant, or now when None."""

    customer_id: str
    external_customer_id: str | None
    as_of: datetime | None
    totals: list[Totals]


class ValueEntry(Model):
    """A payment or a refund that is part of the value; a refund's `amount` is negative."""

    type: Literal["payment", "refund"] | str
    id: str
    payment_id: str
    at: datetime
    amount: int
    currency: str
    reference: str | None


class HistoryEntry(Model):
    """Something that happened to a customer: `data` is the payment, refund, subscription or invoice."""

    type: Literal["payment", "refund", "subscription", "invoice"] | str
    id: str
    at: datetime
    summary: str
    data: dict[str, Any]


class PaymentMethod(Model):
    """How the customer last paid."""

    method: str
    currency: str
    last_used_at: datetime


class CustomerState(Model):
    """The whole picture of a customer in one call."""

    customer: Customer
    active_subscriptions: list[Subscription]
    open_invoices: list[Invoice]
    recent_payments: list[Payment]
    default_payment_method: PaymentMethod | None


class Profile(TypedDict, total=False):
    """What is known of a customer. `phone` is E.164 (``+233501234567``); at most 50 tags and 50 keys of metadata."""

    email: str | None
    phone: str | None
    name: str | None
    tags: Sequence[str] | None
    metadata: Metadata | None


class CustomerFields(Profile, total=False):
    """All are optional, but one of `external_id`, `email`, `phone` and `name` must be there. `external_id` is your
    own id of the customer, unique in your organization and mode.
    """

    external_id: str | None


class CustomerChanges(CustomerFields, total=False):
    """What is left out stays, None clears. `metadata` is merged, `tags` are replaced. An `external_id` that is set
    changes only with ``rekey=True``.
    """

    rekey: bool


class CustomerFilters(Paging, total=False):
    """Every one narrows. `tag` may be several, all must be there; `search` is for the beginnings of words;
    `min_spent` and sorting by money are of one `currency`.
    """

    external_id: str
    email: str
    phone: str
    tag: str | Sequence[str]
    metadata: Metadata
    search: str
    created_after: Instant
    created_before: Instant
    min_spent: int
    currency: str
    sort_by: Literal["created_at", "total_spent", "lifetime_value", "payment_count", "last_payment_at"]
    sort_order: Literal["asc", "desc"]


class TopFilters(TypedDict, total=False):
    """`limit` up to 100 (10 unless said); by `metric` in `currency`, over `period`, or from `from_` to `to`."""

    limit: int
    metric: Literal["lifetime_value", "total_spent", "payment_count"]
    currency: str
    period: Literal["all", "7d", "30d", "90d", "365d"]
    from_: Instant
    to: Instant
    tag: str | Sequence[str]


class OfStatus(Paging, total=False):
    """Those with this status."""

    status: str


class Moment(TypedDict, total=False):
    """One `currency` only; `as_of` an instant."""

    currency: str
    as_of: Instant


class PagedMoment(Paging, Moment, total=False):
    """A moment, a page at a time."""


CustomerId = str | ByExternalId
"""A customer's id, or ``{"external_id": "usr_1234"}``: your own."""


class Customers(Resource[Kind]):
    """``reevit.customers``. Where a customer is named, ``"cus_…"`` and ``{"external_id": "usr_1234"}`` both do."""

    @operation
    def create(
        self,
        data: CustomerFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[CustomerFields],
    ) -> Call[Customer]:
        """Creates a customer. Raises ConflictError ``external_id_taken``, with ``details["customer_id"]``."""
        body = body_of(data, fields)
        return Call("POST", path_of("customers"), Customer, body=body, idempotency_key=idempotency_key)

    @operation
    def upsert(
        self,
        external_id: str,
        data: Profile | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Profile],
    ) -> Call[Customer]:
        """The customer with your own id: created, or changed. What is left out stays, None clears."""
        path = path_of("customers", "external", external_id)
        return Call("PUT", path, Customer, body=body_of(data, fields), idempotency_key=idempotency_key)

    @operation
    def get(self, customer_id: CustomerId) -> Call[Customer]:
        """Raises NotFoundError."""
        return Call("GET", customer_path(customer_id), Customer)

    @operation
    def lookup(self, external_id: str) -> Call[Customer]:
        """The customer with your own id. Raises NotFoundError."""
        return Call("GET", path_of("customers", "lookup"), Customer, {"external_id": checked_id(external_id)})

    @listing
    def list(self, **filters: Unpack[CustomerFilters]) -> ListCall[Customer]:
        """Customers, newest first unless sorted."""
        return ListCall(path_of("customers"), "customers", Customer, filters)

    @operation
    def update(
        self,
        customer_id: CustomerId,
        data: CustomerChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[CustomerChanges],
    ) -> Call[Customer]:
        """Changes what is given. Raises NotFoundError, ConflictError."""
        path, body = customer_path(customer_id), body_of(data, fields)
        return Call("PATCH", path, Customer, body=body, idempotency_key=idempotency_key)

    @operation
    def delete(self, customer_id: CustomerId, idempotency_key: str | None = None) -> Call[None]:
        """Erases the personal data; the payments stay. The external_id is free again."""
        return Call("DELETE", customer_path(customer_id), nothing, idempotency_key=idempotency_key)

    @operation
    def add_tags(
        self, customer_id: CustomerId, tags: Sequence[str], idempotency_key: str | None = None
    ) -> Call[Customer]:
        """Adds tags to those that are there."""
        path = customer_path(customer_id, "tags")
        return Call("POST", path, Customer, body={"tags": tags}, idempotency_key=idempotency_key)

    @operation
    def remove_tag(
        self, customer_id: CustomerId, tag: str, idempotency_key: str | None = None
    ) -> Call[Customer]:
        """Removes one tag, if it is there."""
        path = customer_path(customer_id, "tags", tag)
        return Call("DELETE", path, Customer, idempotency_key=idempotency_key)

    @listing
    def get_payment_history(self, customer_id: CustomerId, **filters: Unpack[OfStatus]) -> ListCall[Payment]:
        """The customer's payments, newest first."""
        return ListCall(customer_path(customer_id, "payments"), "payments", Payment, filters)

    @listing
    def subscriptions(self, customer_id: CustomerId, **filters: Unpack[OfStatus]) -> ListCall[Subscription]:
        """The customer's subscriptions, newest first."""
        return ListCall(customer_path(customer_id, "subscriptions"), "subscriptions", Subscription, filters)

    @listing
    def invoices(self, customer_id: CustomerId, **filters: Unpack[OfStatus]) -> ListCall[Invoice]:
        """The customer's invoices, newest first."""
        return ListCall(customer_path(customer_id, "invoices"), "invoices", Invoice, filters)

    @listing
    def history(self, customer_id: CustomerId, **paging: Unpack[Paging]) -> ListCall[HistoryEntry]:
        """Payments, refunds, subscriptions and invoices in one order of time, newest first."""
        return ListCall(customer_path(customer_id, "history"), "history", HistoryEntry, paging)

    @operation
    def state(self, customer_id: CustomerId) -> Call[CustomerState]:
        """The whole picture: totals, active subscriptions, open invoices, last payments, payment method."""
        return Call("GET", customer_path(customer_id, "state"), CustomerState)

    @operation
    def value(self, customer_id: CustomerId, **moment: Unpack[Moment]) -> Call[Value]:
        """What the customer is worth, per currency, now or `as_of` an instant."""
        return Call("GET", customer_path(customer_id, "value"), Value, moment)

    @listing
    def explain_value(self, customer_id: CustomerId, **moment: Unpack[PagedMoment]) -> ListCall[ValueEntry]:
        """Every payment and refund that the value adds up from; the totals are in the page's `extra`."""
        query = {"explain": True, **moment}
        return ListCall(customer_path(customer_id, "value"), "entries", ValueEntry, query)

    @operation
    def get_top_customers(self, **filters: Unpack[TopFilters]) -> Call[TopCustomers]:
        """The customers who are worth most, or who paid most or most often, in one currency."""
        return Call("GET", path_of("customers", "top"), TopCustomers, filters)

    # The names of reevit 0.11.
    payment_history = get_payment_history
    top = get_top_customers
