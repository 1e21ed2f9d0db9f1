"""Payments and their refunds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import Instant, Metadata, Paging

PaymentStatus = Literal[
    "pending",
    "requires_action",
    "processing",
    "succeeded",
    "failed",
    "canceled",
    "partially_refunded",
    "refunded",
]


class Payment(Model):
    """One payment. Amounts are in the currency's minor units; `net_amount` is what is left after refunds and fee."""

    id: str
    org_id: str
    mode: str
    customer_id: str | None
    external_customer_id: str | None
    amount: int
    amount_refunded: int
    currency: str
    status: PaymentStatus | str
    method: str | None
    country: str | None
    reference: str | None
    description: str | None
    metadata: dict[str, Any]
    provider: str
    connection_id: str | None
    provider_ref_id: str | None
    fee_amount: int | None
    net_amount: int | None
    failure_code: str | None
    failure_message: str | None
    source: Literal["api", "checkout", "payment_link", "subscription", "import"] | str
    source_id: str | None
    client_secret: str | None
    next_action: dict[str, Any] | None
    occurred_at: datetime
    succeeded_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Refund(Model):
    """Money that went back, in the payment's currency."""

    id: str
    org_id: str
    mode: str
    payment_id: str
    customer_id: str | None
    amount: int
    currency: str
    status: str
    reason: str | None
    provider_ref_id: str | None
    occurred_at: datetime
    created_at: datetime


class CurrencyStats(Model):
    """Payments of one currency."""

    currency: str
    payment_count: int
    succeeded_count: int
    failed_count: int
    by_status: dict[str, int]
    total_spent: int
    total_refunded: int
    net_amount: int
    success_rate: float | None


class PaymentStats(Model):
    """One row a currency."""

    stats: list[CurrencyStats]


class PaymentCustomer(TypedDict, total=False):
    """Who pays: found by `external_id`, or created with the payment."""

    external_id: str | None
    email: str | None
    phone: str | None
    name: str | None


class IntentChanges(TypedDict, total=False):
    """The customer is named by `customer_id`, `external_customer_id` or `customer`, or not at all."""

    customer_id: str | None
    external_customer_id: str | None
    customer: PaymentCustomer | None
    amount: int
    currency: str
    method: str | None
    country: str | None
    reference: str | None
    description: str | None
    metadata: Metadata | None


class IntentFields(IntentChanges, total=False):
    """`amount` (in minor units) and `currency` are needed."""

    provider: str | None


class PaymentFields(IntentFields, total=False):
    """The last three record a payment made elsewhere, with ``provider="external"``."""

    occurred_at: Instant | None
    provider_ref_id: str | None
    fee_amount: int | None


class PaymentFilters(TypedDict, total=False):
    """Every one narrows; `cursor` and `include_total` as in `Paging`, where `limit` and `offset` are too."""

    cursor: str
    include_total: bool
    customer_id: str
    external_customer_id: str
    created_after: Instant
    created_before: Instant
    status: PaymentStatus
    currency: str
    reference: str


class StatsFilters(TypedDict, total=False):
    """Every one narrows."""

    currency: str
    created_after: Instant
    created_before: Instant


class Payments(Resource[Kind]):
    """``reevit.payments``."""

    @operation
    def create(
        self,
        data: PaymentFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[PaymentFields],
    ) -> Call[Payment]:
        """Creates a payment and confirms it, or records one made elsewhere. A declined one comes back `failed`."""
        body = body_of(data, fields)
        return Call("POST", path_of("payments"), Payment, body=body, idempotency_key=idempotency_key)

    @operation
    def create_intent(
        self,
        data: IntentFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[IntentFields],
    ) -> Call[Payment]:
        """Creates a payment to be confirmed later, with its `client_secret`."""
        body = body_of(data, fields)
        return Call(
            "POST", path_of("payments", "intents"), Payment, body=body, idempotency_key=idempotency_key
        )

    @operation
    def update_intent(
        self,
        payment_id: str,
        data: IntentChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[IntentChanges],
    ) -> Call[Payment]:
        """Changes a payment that is not confirmed yet."""
        path, body = path_of("payments", "intents", payment_id), body_of(data, fields)
        return Call("PATCH", path, Payment, body=body, idempotency_key=idempotency_key)

    @listing
    def list(
        self, limit: int | None = None, offset: int | None = None, **filters: Unpack[PaymentFilters]
    ) -> ListCall[Payment]:
        """Payments, newest first; 20 a page unless said."""
        return ListCall(
            path_of("payments"), "payments", Payment, {"limit": limit, "offset": offset, **filters}
        )

    @operation
    def get(self, payment_id: str) -> Call[Payment]:
        """Raises NotFoundError."""
        return Call("GET", path_of("payments", payment_id), Payment)

    @operation
    def confirm(self, payment_id: str, idempotency_key: str | None = None) -> Call[Payment]:
        """Charges a payment that was only created."""
        return _deed(payment_id, "confirm", idempotency_key)

    @operation
    def confirm_intent(
        self, payment_id: str, client_secret: str, idempotency_key: str | None = None
    ) -> Call[Payment]:
        """The same, for whoever holds its `client_secret`."""
        return _deed(payment_id, "confirm-intent", idempotency_key, {"client_secret": client_secret})

    @operation
    def cancel(self, payment_id: str, idempotency_key: str | None = None) -> Call[Payment]:
        """Calls off a payment that is not paid."""
        return _deed(payment_id, "cancel", idempotency_key)

    @operation
    def retry(self, payment_id: str, idempotency_key: str | None = None) -> Call[Payment]:
        """Charges a failed payment again."""
        return _deed(payment_id, "retry", idempotency_key)

    @operation
    def refund(
        self,
        payment_id: str,
        amount: int | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Refund]:
        """Gives back `amount`, or all that is left of the payment. Never more than was paid, whoever asks at once."""
        return _refund(payment_id, amount, reason, idempotency_key)

    @operation
    def receipt_pdf(self, payment_id: str) -> Call[bytes]:
        """The receipt of what was paid, on paper. Raises ConflictError for a payment that is not paid."""
        return Call("GET", path_of("payments", payment_id, "receipt", "pdf"), bytes, read_bytes=True)

    @operation
    def receipt_html(self, payment_id: str) -> Call[str]:
        """The same as a page."""
        path = path_of("payments", payment_id, "receipt", "html")
        return Call("GET", path, bytes.decode, read_bytes=True)

    @operation
    def stats(self, **filters: Unpack[StatsFilters]) -> Call[PaymentStats]:
        """Counts and sums per currency."""
        return Call("GET", path_of("payments", "stats"), PaymentStats, filters)


class Refunds(Resource[Kind]):
    """``reevit.refunds``, of one payment."""

    @operation
    def create(
        self,
        payment_id: str,
        amount: int | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Refund]:
        """``reevit.payments.refund``."""
        return _refund(payment_id, amount, reason, idempotency_key)

    @listing
    def list(self, payment_id: str, **paging: Unpack[Paging]) -> ListCall[Refund]:
        """The refunds of a payment, newest first."""
        return ListCall(path_of("payments", payment_id, "refunds"), "refunds", Refund, paging)


def _deed(
    payment_id: str, deed: str, idempotency_key: str | None, query: dict[str, str] | None = None
) -> Call[Payment]:
    path = path_of("payments", payment_id, deed)
    return Call("POST", path, Payment, query or {}, {}, idempotency_key)


def _refund(
    payment_id: str, amount: int | None, reason: str | None, idempotency_key: str | None
) -> Call[Refund]:
    given = {"amount": amount, "reason": reason}
    body = {name: value for name, value in given.items() if value is not None}
    return Call(
        "POST", path_of("payments", payment_id, "refund"), Refund, body=body, idempotency_key=idempotency_key
    )
