"""Customers on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import email_validator
import phonenumbers
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from reevit_server.core.database import Row
from reevit_server.core.money import Currency
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import IN_DIGITS, Bound, Line, Metadata, MetadataValue, Name, Word
from reevit_server.customers.models import TAGS_MAX, Payer, without_repeats

SubscriptionStatus = Literal["none", "active", "past_due", "paused", "canceled"]
_IDENTITIES = ("external_id", "email", "phone", "name")


def checked_email(text: str) -> str:
    """The address, if it is one, as it is written. Raises ValueError."""
    try:
        email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"This is not an e-mail address: {error}") from None
    return text


def checked_phone(text: str) -> str:
    """The number, if a numbering plan knows it, in the form of E.164. Raises ValueError."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise ValueError("This is not a phone number of any numbering plan; write it as E.164, +233501234567")
    if phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) != text:
        raise ValueError("Write a phone number as E.164, without spaces or brackets: +233501234567")
    return text


ExternalIdText = Annotated[
    Line,
    Field(description="Your own id of this customer; case-sensitive, kept as it is.", examples=["usr_1234"]),
]
Email = Annotated[
    str,
    StringConstraints(strict=True, max_length=254),
    AfterValidator(checked_email),
    Field(json_schema_extra={"format": "email"}, examples=["ada@example.com"]),
]
Phone = Annotated[
    str,
    StringConstraints(strict=True, max_length=16),
    AfterValidator(checked_phone),
    Field(
        json_schema_extra={"format": "e164", "pattern": r"^\+[1-9][0-9]{1,14}$"},
        description="E.164, a number that its numbering plan knows.",
        examples=["+233501234567"],
    ),
]
Tags = Annotated[
    list[Word],
    AfterValidator(without_repeats),
    Field(
        description="At most 50; order is kept, repeats are dropped.", examples=[["premium", "early-adopter"]]
    ),
    Field(max_length=TAGS_MAX),
]


def _one_identity(schema: dict[str, Any]) -> None:
    """What `_identified` checks, as a schema says it."""
    schema["anyOf"] = [
        {"required": [field], "properties": {field: {"type": "string"}}} for field in _IDENTITIES
    ]


def _create(schema: dict[str, Any]) -> None:
    _one_identity(schema)
    schema["examples"] = [
        {
            "external_id": "usr_1234",
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "phone": "+233501234567",
            "tags": ["premium"],
            "metadata": {"plan": "pro"},
        }
    ]


class CustomerDetails(BaseModel):
    """What can be said of a customer; null and absent mean the same when it is created."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_one_identity)

    external_id: ExternalIdText | None = None
    email: Email | None = None
    phone: Phone | None = None
    name: Annotated[Name | None, Field(examples=["Ada Lovelace"])] = None

    @model_validator(mode="after")
    def _identified(self) -> Self:
        if not any(getattr(self, field) for field in _IDENTITIES):
            raise ValueError("A customer needs at least one of external_id, email, phone and name")
        return self


class CustomerCreate(CustomerDetails):
    model_config = ConfigDict(extra="forbid", json_schema_extra=_create)

    tags: Tags | None = None
    metadata: Metadata | None = None


class CustomerUpsert(BaseModel):
    """Fields left out stay as they are; null clears; `tags` replaces the list, `metadata` is merged."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Ada Lovelace", "tags": ["premium"]}]}
    )

    email: Email | None = None
    phone: Phone | None = None
    name: Annotated[Name | None, Field(examples=["Ada Lovelace"])] = None
    tags: Tags | None = None
    metadata: Metadata | None = None


class CustomerPatch(CustomerUpsert):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"email": "ada@example.com", "metadata": {"plan": "team"}}]},
    )

    external_id: ExternalIdText | None = None
    rekey: Annotated[StrictBool, Field(description="Allows changing an external_id that is set.")] = False


class TagsAdd(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tags": ["premium"]}]})

    tags: Annotated[Tags, Field(min_length=1)]


class TotalsOut(BaseModel):
    """What a customer has paid in one currency, in its minor units."""

    currency: str
    total_spent: Annotated[int, Field(description="All successful payments.")]
    total_refunded: int
    lifetime_value: Annotated[int, Field(description="What is left after refunds.")]
    payment_count: Annotated[int, Field(description="Successful payments.")]
    first_payment_at: datetime
    last_payment_at: datetime


class CustomerOut(BaseModel):
    """A customer. The figures on top are in `preferred_currency`; currencies are never added together."""

    id: str
    org_id: str
    mode: Mode
    external_id: str | None
    email: str | None
    phone: str | None
    name: str | None
    tags: list[str]
    metadata: dict[str, MetadataValue]
    preferred_currency: Annotated[
        str | None, Field(description="The one with most payments; of several, the latest.")
    ]
    preferred_method: Annotated[str | None, Field(description="How the latest payment was made.")]
    total_spent: int
    total_refunded: int
    lifetime_value: int
    payment_count: int
    first_payment_at: datetime | None
    last_payment_at: datetime | None
    totals: list[TotalsOut]
    subscription_status: SubscriptionStatus
    active_subscriptions: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        """A row of `customers` with its totals, the preferred currency first (see `store.COLUMNS`)."""
        totals = row["totals"]
        preferred = totals[0] if totals else _NOTHING_PAID
        latest = max(totals, key=lambda total: total["last_payment_at"], default=_NOTHING_PAID)
        return cls.model_validate(
            {
                **row,
                "preferred_currency": preferred["currency"],
                "preferred_method": latest["last_method"],
                "total_spent": preferred["total_spent"],
                "total_refunded": preferred["total_refunded"],
                "lifetime_value": preferred["lifetime_value"],
                "payment_count": preferred["payment_count"],
                "first_payment_at": preferred["first_payment_at"],
                "last_payment_at": preferred["last_payment_at"],
                **more,
            }
        )


_NOTHING_PAID: dict[str, Any] = {
    "currency": None,
    "last_method": None,
    "total_spent": 0,
    "total_refunded": 0,
    "lifetime_value": 0,
    "payment_count": 0,
    "first_payment_at": None,
    "last_payment_at": None,
}


class PayerOut(BaseModel):
    """The customer inside an event: the receiver finds its own user by `external_id`, without a second call."""

    id: str
    external_id: str | None
    email: str | None
    name: str | None
    phone: str | None
    tags: list[str]

    @classmethod
    def of(cls, payer: Payer) -> Self:
        return cls.model_validate(payer._asdict())


class CustomerChangedOut(CustomerOut):
    """The `data` of a customer's event."""

    customer: PayerOut
    previous_attributes: Annotated[dict[str, Any] | None, Field(exclude_if=lambda previous: previous is None)]


class DeletedOut(BaseModel):
    """Whom the receiver should forget too. The external_id is kept until this event has been told, no longer."""

    id: str
    external_id: str | None


class CustomerDeletedOut(BaseModel):
    """The `data` of a customer's last event."""

    id: str
    customer: DeletedOut


class CustomerPage(Page):
    customers: list[CustomerOut]


class LookupQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    external_id: ExternalIdText


CustomerSort = Literal["created_at", "total_spent", "lifetime_value", "payment_count", "last_payment_at"]


class CustomerQuery(PageQuery):
    external_id: ExternalIdText | None = None
    email: Annotated[str | None, Field(max_length=254, description="Compared without regard to case.")] = None
    phone: Annotated[str | None, Field(max_length=32)] = None
    tag: Annotated[
        list[Word] | None, Field(max_length=TAGS_MAX, description="Repeatable; all must match.")
    ] = None
    metadata: Annotated[
        dict[str, str] | None, Field(max_length=10, description="`metadata[key]=value`; all must match.")
    ] = None
    search: Annotated[
        str | None,
        Field(
            max_length=200,
            description="First letters of words in name, e-mail, phone and external_id.",
            json_schema_extra={"pattern": r"[\p{L}\p{N}]"},
        ),
    ] = None
    created_after: Bound | None = None
    created_before: Bound | None = None
    min_spent: Annotated[
        int | None, Field(ge=0, le=2**63 - 1, description="In minor units of `currency`."), IN_DIGITS
    ] = None
    currency: Annotated[
        Currency | None,
        Field(description="What money filters and sorts speak of; default: the organization's."),
    ] = None
    sort_by: CustomerSort = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"
