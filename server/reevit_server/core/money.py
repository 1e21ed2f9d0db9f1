"""Money: an integer of minor units beside an ISO 4217 currency, and never a float.

Exponents differ (XOF 0, GHS 2, KWD 3), so nothing here or elsewhere divides by 100.
Source of codes and exponents: the official ISO 4217 table, carried by the `iso4217` package.
"""

import re
from decimal import Decimal
from typing import Annotated

from iso4217 import Currency as Iso4217
from pydantic import AfterValidator, Field, StrictInt, StringConstraints

MAX_AMOUNT = 10**12 - 1
# As many digits as money can have.
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?|\.[0-9]{1,12}")

# The table also names what is no money of account: metals, test codes, bond units (exponent "N.A.").
EXPONENTS: dict[str, int] = {
    currency.code: currency.exponent for currency in Iso4217 if currency.exponent is not None
}


def _known_currency(code: str) -> str:
    if code not in EXPONENTS:
        raise ValueError(
            "This is not a currency of ISO 4217; write its code in upper case, such as GHS, NGN or KES"
        )
    return code


Amount = Annotated[
    StrictInt,
    Field(ge=1, le=MAX_AMOUNT, description="Integer in the currency's minor units.", examples=[15000]),
]
Currency = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_known_currency),
    Field(
        description="ISO 4217 code in upper case.",
        examples=["GHS"],
        json_schema_extra={"format": "iso-4217", "pattern": "^[A-Z]{3}$"},
    ),
]


class NotDecimal(ValueError):
    """A text that is no plain decimal number."""


def to_minor_units(text: str, currency: str) -> int:
    """An exact major amount such as `29.33` in minor units of `currency`.

    Raises NotDecimal when the text is no plain decimal number, and ValueError when it has more decimals than the
    currency; nothing is ever rounded.
    """
    # A form of its own: Decimal would take 1e3, 1_000 and other scripts' digits, and round what is very long.
    if _DECIMAL.fullmatch(text) is None:
        raise NotDecimal(f"{text[:40]!r} is not a decimal number such as 29.33")
    minor = Decimal(text).scaleb(EXPONENTS[currency])
    if minor != minor.to_integral_value():
        raise ValueError(f"{text!r} has more decimals than {currency} ({EXPONENTS[currency]})")
    return int(minor)


def to_major_units(amount: int, currency: str) -> str:
    """`2933` GHS as `29.33`: the exact decimal, with the currency's own number of decimals."""
    exponent = EXPONENTS[currency]
    return f"{Decimal(amount).scaleb(-exponent):.{exponent}f}"
