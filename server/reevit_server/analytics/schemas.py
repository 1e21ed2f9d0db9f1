"""Analytics on the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reevit_server.core.money import Currency
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.text import FIRST, IN_DIGITS, LAST, Bound, Word
from reevit_server.customers import CustomerOut, TotalsOut
from reevit_server.invoices import InvoiceOut
from reevit_server.payments import PaymentOut, RefundOut
from reevit_server.subscriptions import SubscriptionOut

Metric = Literal["lifetime_value", "total_spent", "payment_count"]
Period = Literal["all", "7d", "30d", "90d", "365d"]


class TopQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100), IN_DIGITS] = 10
    metric: Metric = "lifetime_value"
    currency: Annotated[Currency | None, Field(description="Default: the organization's.")] = None
    period: Annotated[Period | None, Field(description="The last so many days; default: all.")] = None
    from_: Annotated[Bound | None, Field(alias="from", description="Instead of a period.")] = None
    to: Annotated[Bound | None, Field(description="Up to, not including; default: just after now.")] = None
    tag: Annotated[list[Word] | None, Field(max_length=50, description="Repeatable; all must match.")] = None

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if self.period is not None and (self.from_ or self.to):
            raise ValueError("Give a period, or from and to, not both")
        beyond_reach = self.from_ == self.to and self.from_ in (FIRST, LAST)
        if self.from_ and self.to and self.from_ >= self.to and not beyond_reach:
            raise ValueError("from must be before to")
        return self


class RankedCustomerOut(CustomerOut):
    rank: int
    amount: Annotated[int, Field(description="What was ranked by: minor units of `currency`, or a count.")]


class TopOut(BaseModel):
    """The best customers. In a window, a refund counts on the day it was made, so an amount may be negative."""

    customers: list[RankedCustomerOut]
    currency: str
    metric: Metric
    period: Annotated[str, Field(description="`custom` when from or to was given.")]
    from_: Annotated[datetime | None, Field(serialization_alias="from")]
    to: datetime | None


class ValueQuery(PageQuery):
    explain: Annotated[
        bool, Field(description="List every payment and refund that adds up to the totals.")
    ] = False
    as_of: Annotated[Bound | None, Field(description="The totals as they stood at this instant.")] = None
    currency: Annotated[Currency | None, Field(description="Only this currency.")] = None

    @model_validator(mode="after")
    def _pages_of_something(self) -> Self:
        if not self.explain and (self.cursor is not None or self.include_total):
            raise ValueError("cursor and include_total speak of the entries; ask for them with explain=true")
        return self


class ValueEntryOut(BaseModel):
    """One payment or refund of a total."""

    type: Literal["payment", "refund"]
    id: str
    payment_id: str
    at: Annotated[datetime, Field(description="When it began to count.")]
    amount: Annotated[int, Field(description="What it adds to lifetime_value: refunds are negative.")]
    currency: str
    reference: str | None


class ValueOut(BaseModel):
    """What a customer is worth."""

    customer_id: str
    external_customer_id: str | None
    as_of: datetime | None
    totals: list[TotalsOut]


class ExplainedValueOut(ValueOut):
    """What a customer is worth, and why: the entries of all pages add up to `totals`."""

    entries: list[ValueEntryOut]
    has_more: bool
    next_cursor: str | None
    total: Annotated[
        int | None,
        Field(description="Only with `include_total=true`.", exclude_if=lambda total: total is None),
    ] = None


EntryType = Literal["payment", "refund", "subscription", "invoice"]
EntryData = PaymentOut | RefundOut | SubscriptionOut | InvoiceOut


class HistoryEntryOut(BaseModel):
    type: EntryType
    id: str
    at: Annotated[
        datetime,
        Field(description="When it happened; a subscription or an invoice: when it was created."),
    ]
    summary: Annotated[str, Field(description="What became of it, in a few words.")]
    data: EntryData


class HistoryPage(Page):
    history: list[HistoryEntryOut]


class PaymentMethodOut(BaseModel):
    method: str
    currency: str
    last_used_at: datetime


class StateOut(BaseModel):
    """The whole picture of a customer, all of one instant. What lists have no room for is in those of their nouns."""

    customer: CustomerOut
    active_subscriptions: Annotated[
        list[SubscriptionOut],
        Field(description="All that are not canceled, the latest 100: trialing, active, past_due, paused."),
    ]
    open_invoices: Annotated[
        list[InvoiceOut], Field(description="Not paid and not canceled, the latest 100: draft, due, failed.")
    ]
    recent_payments: Annotated[list[PaymentOut], Field(description="The latest 10, of any status.")]
    default_payment_method: Annotated[
        PaymentMethodOut | None,
        Field(
            description="How the latest successful payment was made; null: there is none, or it did not say."
        ),
    ]


class StatsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    currency: Currency | None = None
    created_after: Bound | None = None
    created_before: Bound | None = None


class CurrencyStatsOut(BaseModel):
    """Payments in one currency. Counts by status; amounts in its minor units."""

    currency: str
    payment_count: int
    succeeded_count: Annotated[int, Field(description="Refunded ones among them.")]
    failed_count: int
    by_status: dict[str, int]
    total_spent: Annotated[int, Field(description="All successful payments.")]
    total_refunded: int
    net_amount: Annotated[int, Field(description="What is left after refunds.")]
    success_rate: Annotated[
        float | None, Field(description="Succeeded of those that succeeded or failed, 0 to 1.")
    ]


class StatsOut(BaseModel):
    stats: list[CurrencyStatsOut]
