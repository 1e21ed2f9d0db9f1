"""Invoices: what each period of a subscription costs, and whether it is paid."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import Metadata, OfCustomer

InvoiceStatus = Literal["draft", "due", "paid", "failed", "canceled"]


class Invoice(Model):
    """One period of a subscription; `amount` in minor units, `number` without gaps in the organization."""

    id: str
    org_id: str
    mode: str
    number: str
    customer_id: str
    external_customer_id: str | None
    subscription_id: str
    plan_id: str | None
    description: str
    amount: int
    currency: str
    method: str | None
    status: InvoiceStatus | str
    period_start: datetime
    period_end: datetime
    due_at: datetime
    payment_id: str | None
    attempt_count: int
    retry_count: int
    next_retry_at: datetime | None
    failure_code: str | None
    failure_message: str | None
    metadata: dict[str, Any]
    paid_at: datetime | None
    canceled_at: datetime | None
    created_at: datetime
    updated_at: datetime


class InvoiceChanges(TypedDict, total=False):
    """`metadata` is merged."""

    metadata: Metadata | None


class InvoiceFilters(OfCustomer, total=False):
    """Every one narrows."""

    status: InvoiceStatus
    subscription_id: str


class Invoices(Resource[Kind]):
    """``reevit.invoices``."""

    @listing
    def list(self, **filters: Unpack[InvoiceFilters]) -> ListCall[Invoice]:
        """Invoices, newest first."""
        return ListCall(path_of("invoices"), "invoices", Invoice, filters)

    @operation
    def get(self, invoice_id: str) -> Call[Invoice]:
        """Raises NotFoundError."""
        return Call("GET", path_of("invoices", invoice_id), Invoice)

    @operation
    def update(
        self,
        invoice_id: str,
        data: InvoiceChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[InvoiceChanges],
    ) -> Call[Invoice]:
        """Changes its metadata; nothing else of an invoice changes by hand."""
        path, body = path_of("invoices", invoice_id), body_of(data, fields)
        return Call("PATCH", path, Invoice, body=body, idempotency_key=idempotency_key)

    @operation
    def cancel(self, invoice_id: str, idempotency_key: str | None = None) -> Call[Invoice]:
        """Lets the customer off an invoice that is not paid."""
        return _deed(invoice_id, "cancel", idempotency_key)

    @operation
    def retry(self, invoice_id: str, idempotency_key: str | None = None) -> Call[Invoice]:
        """Charges an unpaid invoice now."""
        return _deed(invoice_id, "retry", idempotency_key)

    @operation
    def pdf(self, invoice_id: str) -> Call[bytes]:
        """The invoice on paper."""
        return Call("GET", path_of("invoices", invoice_id, "pdf"), bytes, read_bytes=True)

    @operation
    def html(self, invoice_id: str) -> Call[str]:
        """The invoice as a page."""
        return Call("GET", path_of("invoices", invoice_id, "html"), bytes.decode, read_bytes=True)


def _deed(invoice_id: str, deed: str, idempotency_key: str | None) -> Call[Invoice]:
    path = path_of("invoices", invoice_id, deed)
    return Call("POST", path, Invoice, body={}, idempotency_key=idempotency_key)
