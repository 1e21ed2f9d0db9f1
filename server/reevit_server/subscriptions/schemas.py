"""Subscriptions and retry policies on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reevit_server.core.database import Row
from reevit_server.core.json_schema import never_null
from reevit_server.core.money import Amount, Currency
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import (
    Bound,
    Instant,
    Line,
    Metadata,
    MetadataValue,
    VisibleLine,
    Word,
    in_the_form,
)
from reevit_server.customers import PayerOut
from reevit_server.subscriptions.models import (
    DELAY,
    DELAY_SECONDS_MAX,
    INTERVAL_COUNT_MAX,
    RETRIES_MAX,
    TRIAL_DAYS_MAX,
    span,
)

Interval = Literal["daily", "weekly", "monthly", "yearly"]
Status = Literal["trialing", "active", "past_due", "paused", "canceled"]
OnExhausted = Literal["past_due", "pause", "cancel"]

PlanId = Annotated[
    VisibleLine, Field(description="Your own name of what is subscribed to.", examples=["team"])
]
IntervalCount = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=max(INTERVAL_COUNT_MAX.values()),
        description="How many intervals a period has: at most 1095 days, 156 weeks, 36 months or 3 years.",
    ),
]
_NULL: dict[str, JsonValue] = {"type": "null"}
_STRING: dict[str, JsonValue] = {"type": "string"}
# The rule of `_one_customer`, as a schema says it.
_ONE_CUSTOMER: list[JsonValue] = [
    {"required": ["customer_id"], "properties": {"customer_id": _STRING, "external_customer_id": _NULL}},
    {
        "required": ["external_customer_id"],
        "properties": {"external_customer_id": _STRING, "customer_id": _NULL},
    },
]


def check_interval(interval: str, count: int) -> None:
    """Raises ValueError when a period would be too long."""
    most = INTERVAL_COUNT_MAX[interval]
    if count > most:
        raise ValueError(f"interval_count is at most {most} for {interval}")


class SubscriptionCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": _ONE_CUSTOMER,
            "examples": [
                {
                    "external_customer_id": "usr_1234",
                    "plan_id": "team",
                    "amount": 15000,
                    "currency": "GHS",
                    "interval": "monthly",
                }
            ],
        },
    )

    customer_id: Annotated[Line | None, Field(examples=["cus_01jd8w3v5qe2rvkz6n0c4m8x7a"])] = None
    external_customer_id: Annotated[Line | None, Field(description="The customer's external_id.")] = None
    plan_id: PlanId | None = None
    amount: Annotated[Amount, Field(description="What a period costs, in the currency's minor units.")]
    currency: Currency
    method: Annotated[Word | None, Field(description="For example card, mobile_money.")] = None
    interval: Interval
    interval_count: IntervalCount = 1
    trial_days: Annotated[
        int, Field(strict=True, ge=0, le=TRIAL_DAYS_MAX, description="Days before the first charge.")
    ] = 0
    start_at: Annotated[
        Instant | None,
        Field(description="When it begins; default: now. At most one period ago, at most ten years ahead."),
    ] = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _one_customer(self) -> Self:
        if (self.customer_id is None) == (self.external_customer_id is None):
            raise ValueError("Name the customer, once: by customer_id or external_customer_id")
        return self

    @field_validator("interval_count")
    @classmethod
    def _not_too_long(cls, count: int, info: ValidationInfo) -> int:
        if "interval" in info.data:  # else that is the fault
            check_interval(info.data["interval"], count)
        return count


class SubscriptionPatch(BaseModel):
    """Fields left out stay as they are. What a period costs and how long it is changes with the next one."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"plan_id": "business", "amount": 45000}]}
    )

    plan_id: PlanId | None = None
    amount: Annotated[Amount | None, Field(json_schema_extra=never_null)] = None
    interval: Annotated[Interval | None, Field(json_schema_extra=never_null)] = None
    interval_count: Annotated[IntervalCount | None, Field(json_schema_extra=never_null)] = None
    method: Word | None = None
    metadata: Metadata | None = None

    @field_validator("amount", "interval", "interval_count")
    @classmethod
    def _not_cleared(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("This can be changed, but not cleared")
        return value


class SubscriptionCancel(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"at_period_end": True}]})

    at_period_end: Annotated[
        bool, Field(strict=True, description="Let the period that is running come to its end first.")
    ] = False


class SubscriptionOut(BaseModel):
    id: str
    org_id: str
    mode: Mode
    customer_id: str
    external_customer_id: str | None
    plan_id: str | None
    amount: Annotated[int, Field(description="What the period that is running costs.")]
    currency: str
    method: str | None
    interval: Interval
    interval_count: int
    status: Annotated[Status, Field(description="`trialing` until the first charge.")]
    start_at: datetime
    trial_end_at: datetime | None
    current_period_start: datetime
    current_period_end: datetime
    next_renewal_at: Annotated[
        datetime | None, Field(description="When the next charge is; null: there is none.")
    ]
    cancel_at_period_end: bool
    pending_changes: dict[str, Any] | None
    latest_invoice_id: str | None
    metadata: dict[str, MetadataValue]
    paused_at: datetime | None
    canceled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        renews = row["status"] in ("trialing", "active", "past_due") and not row["cancel_at_period_end"]
        return cls.model_validate(
            {**row, "next_renewal_at": row["current_period_end"] if renews else None, **more}
        )


class SubscriptionChangedOut(SubscriptionOut):
    """The `data` of a subscription's event."""

    customer: PayerOut
    previous_attributes: Annotated[
        dict[str, Any] | None, Field(exclude_if=lambda previous: previous is None)
    ] = None


class SubscriptionPage(Page):
    subscriptions: list[SubscriptionOut]


class SubscriptionHistoryQuery(PageQuery):
    status: Status | None = None


class SubscriptionQuery(SubscriptionHistoryQuery):
    customer_id: Annotated[str | None, Field(max_length=255)] = None
    external_customer_id: Annotated[str | None, Field(max_length=255)] = None
    plan_id: Annotated[str | None, Field(max_length=255)] = None
    created_after: Bound | None = None
    created_before: Bound | None = None


_DELAY = f"^{DELAY.pattern}$"


class RetryPolicyUpsert(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"plan_id": "team", "delays": ["1h", "1d", "3d"]}]},
    )

    plan_id: Annotated[
        VisibleLine | None,
        Field(
            min_length=1, description="Whom it is for; without: all plans that have no policy of their own."
        ),
    ] = None
    delays: Annotated[
        list[
            Annotated[
                str,
                StringConstraints(strict=True),
                in_the_form(_DELAY, "Write a delay as minutes, hours or days: 15m, 1h, 3d"),
                Field(json_schema_extra={"pattern": _DELAY}),
            ]
        ],
        Field(
            max_length=RETRIES_MAX,
            description="How long to wait after each failure: minutes, hours or days, at most 30 days. The last one "
            "repeats.",
        ),
    ]
    max_retries: Annotated[
        int | None,
        Field(strict=True, ge=0, le=RETRIES_MAX, description="Default: as many as there are delays."),
    ] = None
    on_exhausted: Annotated[
        OnExhausted, Field(description="What becomes of the subscription after the last failure.")
    ] = "past_due"

    @field_validator("delays")
    @classmethod
    def _not_too_long(cls, delays: list[str]) -> list[str]:
        if any(span(delay).total_seconds() > DELAY_SECONDS_MAX for delay in delays):
            raise ValueError("A delay is at most 30 days")
        return delays

    @field_validator("max_retries")
    @classmethod
    def _with_delays(cls, retries: int | None, info: ValidationInfo) -> int | None:
        if retries and info.data.get("delays") == []:
            raise ValueError("Give at least one delay, or max_retries 0")
        return retries


class RetryPolicyOut(BaseModel):
    plan_id: Annotated[str | None, Field(description="null: the organization's own.")]
    delays: list[str]
    max_retries: int
    on_exhausted: OnExhausted
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls.model_validate({**row, "plan_id": row["plan_id"] or None})


class RetryPolicyPage(Page):
    policies: list[RetryPolicyOut]


class RetryPolicyQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    plan_id: Annotated[
        str | None,
        Field(min_length=1, max_length=255, description="Without: the organization's own policy."),
    ] = None
