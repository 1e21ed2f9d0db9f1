"""Pure rules about invoices: which state may follow which, and how one is numbered."""

from datetime import datetime
from typing import NamedTuple

# Which states a deed may start from; every other one is refused.
RETRYABLE = ("due", "failed")
CANCELABLE = ("draft", "due", "failed")
COLLECTIBLE = ("draft", "due")

_PREFIX = "INV-"
_DIGITS = 6


class Period(NamedTuple):
    """What an invoice is for."""

    subscription_id: str
    plan_id: str | None
    amount: int
    currency: str
    method: str | None
    start: datetime
    end: datetime


def number_text(number: int) -> str:
    """The number as people read it: `INV-000042`."""
    return f"{_PREFIX}{number:0{_DIGITS}d}"
