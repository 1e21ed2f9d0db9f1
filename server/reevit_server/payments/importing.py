"""A row of `reevit import payments`: what was paid before, or elsewhere. Storing it is in `loading.py`."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from reevit_server.core.money import MAX_AMOUNT, Currency, NotDecimal, to_minor_units
from reevit_server.core.tabular import Fault, Fields, RowRefused, validated
from reevit_server.core.text import Instant, Line, Metadata, Text, Word
from reevit_server.payments.models import CAPTURED
from reevit_server.payments.schemas import Country, Method, Reference

FIELDS = Fields(
    names=(
        *(
            "reference",
            "external_customer_id",
            "customer_id",
            "amount",
            "currency",
            "status",
            "amount_refunded",
        ),
        *("method", "provider", "provider_ref_id", "occurred_at", "description", "country", "fee_amount"),
        *("failure_code", "failure_message", "metadata"),
    ),
    required=("reference", "amount", "currency"),
    ignored=("created_at",),
    maps=("metadata",),
)

_MINOR = re.compile(r"[0-9]{1,15}")
_WHEN = re.compile(
    r"[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)

_Amount = Annotated[StrictInt, Field(ge=0, le=MAX_AMOUNT)]  # free orders are real


class PaymentRow(BaseModel):
    """A row of the file. Its context is (now, whether amounts are in major units)."""

    model_config = ConfigDict(extra="forbid")

    reference: Reference
    external_customer_id: Line | None = None
    customer_id: Line | None = None
    currency: Currency  # before the amounts: it says how many decimals they have
    amount: _Amount
    status: Literal["succeeded", "failed", "refunded", "partially_refunded"] = "succeeded"
    amount_refunded: _Amount = 0
    method: Method | None = None
    provider: Word = "external"
    provider_ref_id: Line | None = None
    occurred_at: Instant | None = None
    description: Text | None = None
    country: Country | None = None
    fee_amount: _Amount | None = None
    failure_code: Word | None = None
    failure_message: Text | None = None
    metadata: Metadata = Field(default_factory=dict)

    @field_validator("currency", "status", mode="before")
    @classmethod
    def _trim(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("amount", "amount_refunded", "fee_amount", mode="before")
    @classmethod
    def _read_amount(cls, value: Any, info: ValidationInfo) -> Any:
        if "currency" not in info.data:
            return 0  # the row is refused for it; how many decimals this has, nobody can say
        major = _context(info)[1]
        return _major_amount(value, info.data["currency"]) if major else _minor_amount(value)

    @field_validator("occurred_at", mode="before")
    @classmethod
    def _read_instant(cls, value: Any, info: ValidationInfo) -> Any:
        at = _instant(value)
        if at > _context(info)[0]:
            raise PydanticCustomError("in_the_future", "This instant is in the future")
        return at


def _context(info: ValidationInfo) -> tuple[datetime, bool]:
    assert info.context is not None, "parse() gives it"
    return info.context  # type: ignore[no-any-return]


def parse(values: dict[str, Any], now: datetime, *, major: bool) -> PaymentRow:
    """A row as a payment; `major` says that amounts are decimals such as 29.33. Raises RowRefused."""
    given = {name: value for name, value in values.items() if value is not None}
    row = validated(PaymentRow, given, (now, major))
    if faults := _contradictions(row):
        raise RowRefused(*faults)
    if row.status == "refunded":
        row.amount_refunded = row.amount
    return row


def _contradictions(row: PaymentRow) -> list[Fault]:
    """What is wrong between the fields of a row that are each right."""
    faults = []
    if row.customer_id is not None and row.external_customer_id is not None:
        faults.append(Fault("customer_id", "repeated", "Name the customer once, by either of its ids"))
    if row.status in CAPTURED and row.occurred_at is None:
        faults.append(Fault("occurred_at", "required", "A payment that came in needs its date"))
    if row.fee_amount is not None and row.fee_amount > row.amount:
        faults.append(Fault("fee_amount", "too_large", "The fee is more than the amount"))
    refunded, given = row.amount_refunded, "amount_refunded" in row.model_fields_set
    if row.status in ("succeeded", "failed") and refunded:
        reason = f"A payment that is {row.status} has no refunds; say refunded or partially_refunded"
        faults.append(Fault("amount_refunded", "wrong_status", reason))
    elif row.status == "refunded" and row.amount == 0:
        faults.append(
            Fault("status", "refund_too_large", "There is nothing to refund: the payment was for 0")
        )
    elif row.status == "refunded" and given and refunded != row.amount:
        reason = "What is refunded whole has amount_refunded equal to amount; else say partially_refunded"
        faults.append(Fault("amount_refunded", "wrong_status", reason))
    elif row.status == "partially_refunded" and not 0 < refunded < row.amount:
        reason = "What is refunded in part has amount_refunded between 0 and amount"
        faults.append(Fault("amount_refunded", "required" if not given else "wrong_status", reason))
    return faults


def _minor_amount(value: Any) -> Any:
    """Integers stay what they are, for the type to check."""
    if type(value) is int:
        return value
    text = str(value).strip()
    if isinstance(value, str) and _MINOR.fullmatch(text):
        return int(text)
    reason = "{text} is no integer of minor units; for decimals such as 29.33 use --amounts major"
    raise PydanticCustomError("not_an_amount", reason, {"text": repr(text)})


def _major_amount(value: Any, currency: str) -> int:
    text = str(value).strip()
    try:
        if type(value) not in (str, int, Decimal):
            raise NotDecimal
        return to_minor_units(text, currency)
    except NotDecimal:
        reason = "{text} is no amount; write it with digits and a decimal point only, such as 1234.50"
        raise PydanticCustomError("not_an_amount", reason, {"text": repr(text)}) from None
    except ValueError as error:
        raise PydanticCustomError("too_many_decimals", "{reason}", {"reason": str(error)}) from None


def _instant(value: Any) -> datetime:
    """A date is its 00:00 UTC, and an instant without an offset is in UTC too."""
    text = str(value).strip()
    if type(value) in (str, int) and _WHEN.fullmatch(text):
        try:
            at = datetime.fromisoformat(text.upper())
        except ValueError:
            pass  # such as the 30th of February
        else:
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at
    reason = "{text} is no date; write 20260131, 2026-01-31 or 2026-01-31T09:30:00Z"
    raise PydanticCustomError("not_a_date", reason, {"text": repr(text)})
