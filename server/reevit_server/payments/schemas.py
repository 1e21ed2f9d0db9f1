"""Payments on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from reevit_server.core.countries import COUNTRIES
from reevit_server.core.database import Row
from reevit_server.core.json_schema import never_null
from reevit_server.core.money import MAX_AMOUNT, Amount, Currency
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import Bound, Instant, Line, Metadata, MetadataValue, Text, Word
from reevit_server.customers import CustomerDetails, PayerOut

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
Source = Literal["api", "checkout", "payment_link", "subscription", "import"]


def _known_country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(
            "This is not a country of ISO 3166-1; write its two letters in upper case, such as GH, NG or KE"
        )
    return code


Country = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_known_country),
    Field(
        description="ISO 3166-1 alpha-2 in upper case.",
        examples=["GH"],
        json_schema_extra={"format": "iso-3166-1-alpha-2", "pattern": "^[A-Z]{2}$"},
    ),
]
Method = Annotated[Word, Field(description="For example card, mobile_money, bank_transfer.")]
Reference = Annotated[Line, Field(description="Your own name of this payment; one reference is one payment.")]


class PaymentCustomer(CustomerDetails):
    """Found by its external_id, or created with the payment."""


# The rules that validators check below, as a schema says them: in branches without branches, which tools read best.
_NULL: dict[str, JsonValue] = {"type": "null"}
_WAYS: list[dict[str, JsonValue]] = [
    {"customer": _NULL, "external_customer_id": _NULL},
    {"customer": _NULL, "customer_id": _NULL},
    {"customer_id": _NULL, "external_customer_id": _NULL},
]
_INSIDE: dict[str, JsonValue] = {"occurred_at": _NULL, "provider_ref_id": _NULL, "fee_amount": _NULL}
_OUTSIDE: dict[str, JsonValue] = {"provider": {"const": "external"}}
_ONE_WAY: list[JsonValue] = [{"properties": way} for way in _WAYS]
_ONE_WAY_OUTSIDE: list[JsonValue] = [
    {"properties": {**way, **_OUTSIDE}, "required": ["provider"]} for way in _WAYS
]
_ONE_WAY_INSIDE: list[JsonValue] = [{"properties": {**way, **_INSIDE}} for way in _WAYS]
_PAYMENT: dict[str, JsonValue] = {
    "amount": 15000,
    "currency": "GHS",
    "external_customer_id": "usr_1234",
    "method": "mobile_money",
    "reference": "order_5678",
}
_INTENT: dict[str, JsonValue] = {**_PAYMENT, "reference": "order_5679"}


class _Customer(BaseModel):
    """Whom a payment is by, in one of three ways; nobody is fine too."""

    model_config = ConfigDict(extra="forbid")

    customer_id: Annotated[Line | None, Field(examples=["cus_01jd8w3v5qe2rvkz6n0c4m8x7a"])] = None
    external_customer_id: Annotated[Line | None, Field(description="The customer's external_id.")] = None
    customer: PaymentCustomer | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [self.customer_id, self.external_customer_id, self.customer]
        if sum(way is not None for way in given) > 1:
            raise ValueError("Name the customer once: by customer_id, external_customer_id or customer")
        return self


class IntentCreate(_Customer):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"anyOf": _ONE_WAY, "examples": [_INTENT]})

    amount: Amount
    currency: Currency
    method: Method | None = None
    country: Country | None = None
    reference: Reference | None = None
    description: Text | None = None
    metadata: Metadata | None = None
    provider: Literal["sandbox"] | None = None


class PaymentCreate(_Customer):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"anyOf": _ONE_WAY_INSIDE + _ONE_WAY_OUTSIDE, "examples": [_PAYMENT]},
    )

    amount: Amount
    currency: Currency
    method: Method | None = None
    country: Country | None = None
    reference: Reference | None = None
    description: Text | None = None
    metadata: Metadata | None = None
    provider: Annotated[
        Literal["sandbox", "external"] | None,
        Field(
            description="`external` records a payment that was made elsewhere; default: sandbox, in test mode."
        ),
    ] = None
    occurred_at: Annotated[
        Instant | None,
        Field(description="When an external payment was made; default: now. Not in the future."),
    ] = None
    provider_ref_id: Annotated[
        Line | None, Field(description="An external payment's name at its provider.")
    ] = None
    fee_amount: Annotated[
        int | None,
        Field(ge=0, le=MAX_AMOUNT, strict=True, description="An external payment's fee, at most its amount."),
    ] = None

    @model_validator(mode="after")
    def _outside_facts(self) -> Self:
        if self.provider != "external":
            for field in ("occurred_at", "provider_ref_id", "fee_amount"):
                if getattr(self, field) is not None:
                    raise ValueError(f'{field} can only be said of a payment with provider "external"')
        if self.fee_amount is not None and self.fee_amount > self.amount:
            raise ValueError("fee_amount is more than amount")
        return self


class IntentPatch(_Customer):
    """Fields left out stay as they are; `metadata` is merged."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"anyOf": _ONE_WAY, "examples": [{"amount": 12000, "currency": "GHS"}]},
    )

    amount: Annotated[Amount | None, Field(json_schema_extra=never_null)] = None
    currency: Annotated[Currency | None, Field(json_schema_extra=never_null)] = None
    method: Method | None = None
    country: Country | None = None
    reference: Reference | None = None
    description: Text | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _still_money(self) -> Self:
        for field in ("amount", "currency"):
            if field in self.model_fields_set and getattr(self, field) is None:
                raise ValueError(f"{field} can be changed, but not cleared")
        return self


class ConfirmQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_secret: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            description="From the answer that created the intent.",
            examples=[f"pay_01jd8w3v5qe2rvkz6n0c4m8x7a_secret_{'0123456789abcdef' * 3}"],
        ),
    ]


class RefundCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"amount": 5000, "reason": "One of three was broken"}]},
    )

    amount: Annotated[Amount | None, Field(description="Default: all that is left.")] = None
    reason: Text | None = None


class PaymentOut(BaseModel):
    id: str
    org_id: str
    mode: Mode
    customer_id: str | None
    external_customer_id: str | None
    amount: int
    amount_refunded: int
    currency: str
    status: PaymentStatus
    method: str | None
    country: str | None
    reference: str | None
    description: str | None
    metadata: dict[str, MetadataValue]
    provider: str
    connection_id: str | None
    provider_ref_id: str | None
    fee_amount: int | None
    net_amount: Annotated[int | None, Field(description="amount less fee_amount, once the fee is known.")]
    failure_code: str | None
    failure_message: str | None
    source: Source
    source_id: str | None
    client_secret: Annotated[str | None, Field(description="Only in the answer that created an intent.")] = (
        None
    )
    next_action: dict[str, Any] | None
    occurred_at: datetime
    succeeded_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        fee = row["fee_amount"]
        return cls.model_validate({**row, "net_amount": None if fee is None else row["amount"] - fee, **more})


class RefundOut(BaseModel):
    id: str
    org_id: str
    mode: Mode
    payment_id: str
    customer_id: str | None
    amount: int
    currency: str
    status: Literal["succeeded"]
    reason: str | None
    provider_ref_id: str | None
    occurred_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls.model_validate(dict(row))


class PaymentChangedOut(PaymentOut):
    """The `data` of a payment's event."""

    customer: PayerOut | None
    refund: Annotated[RefundOut | None, Field(exclude_if=lambda refund: refund is None)] = None
    previous_attributes: Annotated[
        dict[str, Any] | None, Field(exclude_if=lambda previous: previous is None)
    ] = None


class PaymentPage(Page):
    payments: list[PaymentOut]


class RefundPage(Page):
    refunds: list[RefundOut]


class HistoryQuery(PageQuery):
    status: PaymentStatus | None = None


class PaymentQuery(HistoryQuery):
    customer_id: Annotated[str | None, Field(max_length=255)] = None
    external_customer_id: Annotated[str | None, Field(max_length=255)] = None
    currency: Currency | None = None
    reference: Annotated[str | None, Field(max_length=255)] = None
    created_after: Bound | None = None
    created_before: Bound | None = None
