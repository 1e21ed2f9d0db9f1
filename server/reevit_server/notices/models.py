"""What a notice has to say, and what a letter consists of."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from reevit_server.organizations import Seller

Kind = Literal["receipt", "payment_failed", "renewal_upcoming"]
Interval = Literal["daily", "weekly", "monthly", "yearly"]

_MORE = "…"
_RIGHTWARD = "\u200e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What happened, or is about to: to whom, with whom and when. The amount is in minor units of `currency`."""

    kind: Kind
    seller: Seller
    test_mode: bool
    amount: int
    currency: str
    at: datetime  # when it was paid, when it failed, when it will be charged
    customer_name: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    customer_external_id: str | None = None
    description: str | None = None
    payment_method: str | None = None
    payment_reference: str | None = None
    receipt_number: str | None = None
    failure_message: str | None = None
    next_retry_at: datetime | None = None
    plan: str | None = None
    interval: Interval | None = None
    interval_count: int = 1
    pay_url: str | None = None  # where the customer can pay what failed, or will be charged


class Letter(NamedTuple):
    """An e-mail. Where there is a logo, the HTML shows it as `cid:logo`."""

    subject: str
    text: str
    html: str
    logo: bytes | None


def shortened(text: str, length: int, *, more: str = _MORE) -> str:
    """The text with `more` at its end where it is longer than that; a letter keeps all of its marks, or goes."""
    if len(text) <= length:
        return text
    end = max(length - len(more), 0)
    while end > 0 and unicodedata.category(text[end])[0] == "M":
        end -= 1
    return text[:end].rstrip() + more


def on_one_line(text: str) -> str:
    """The text with one ordinary space wherever it had any white space."""
    return " ".join(text.split())


def in_order(text: str) -> str:
    """The text for a sentence of ours, which goes rightward: one of the other direction then turns nothing beside it.

    By marks that every phone knows; isolates are younger, and old ones show them as boxes.
    """
    leftward = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)
    return f"{_RIGHTWARD}{text}{_RIGHTWARD}" if leftward else text
