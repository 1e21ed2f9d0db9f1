"""Invoices on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from reevit_server.core.database import Row
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import Bound, Metadata, MetadataValue
from reevit_server.customers import PayerOut
from reevit_server.invoices.models import number_text

InvoiceStatus = Literal["draft", "due", "paid", "failed", "canceled"]


class InvoicePatch(BaseModel):
    """`metadata` is merged: an empty string unsets a key."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"metadata": {"ledger": "2026-11"}}]}
    )

    metadata: Metadata | None = None


class InvoiceOut(BaseModel):
    """What a customer owes, or has paid, for one period of a subscription."""

    id: str
    org_id: str
    mode: Mode
    number: Annotated[str, Field(description="Counted in each organization and mode, without gaps.")]
    customer_id: str
    external_customer_id: str | None
    subscription_id: str
    plan_id: str | None
    description: str
    amount: int
    currency: str
    method: str | None
    status: InvoiceStatus
    period_start: datetime
    period_end: datetime
    due_at: datetime
    payment_id: Annotated[str | None, Field(description="The payment that is to pay it, or has.")]
    attempt_count: Annotated[int, Field(description="How often it was charged.")]
    retry_count: Annotated[int, Field(description="How often it was charged again.")]
    next_retry_at: Annotated[
        datetime | None,
        Field(description="When it is charged again; null: it is not, or for the first time."),
    ]
    failure_code: Annotated[str | None, Field(description="Why the latest charge failed.")]
    failure_message: str | None
    metadata: dict[str, MetadataValue]
    paid_at: datetime | None
    canceled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        attempts = row["attempt_count"]
        return cls.model_validate(
            {
                **row,
                "number": number_text(row["number"]),
                "retry_count": max(attempts - 1, 0),
                "next_retry_at": row["next_attempt_at"] if attempts else None,
                **more,
            }
        )


class InvoiceChangedOut(InvoiceOut):
    """The `data` of an invoice's event."""

    customer: PayerOut
    previous_attributes: Annotated[
        dict[str, Any] | None, Field(exclude_if=lambda previous: previous is None)
    ] = None


class InvoicePage(Page):
    invoices: list[InvoiceOut]


class InvoiceHistoryQuery(PageQuery):
    status: InvoiceStatus | None = None


class InvoiceQuery(InvoiceHistoryQuery):
    customer_id: Annotated[str | None, Field(max_length=255)] = None
    external_customer_id: Annotated[str | None, Field(max_length=255)] = None
    subscription_id: Annotated[str | None, Field(max_length=255)] = None
    created_after: Bound | None = None
    created_before: Bound | None = None
