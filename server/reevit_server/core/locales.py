"""How people somewhere write money and days: after CLDR, which Babel carries."""

import copy
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_interval

from reevit_server.core.money import EXPONENTS

_LANGUAGE = re.compile(r"[a-z]{2,3}")
# CLDR puts a space between the letters of a currency and a digit (`GHS 5`, but `GH₵5`); Babel leaves that out.
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_NO_BREAK_SPACE = "\u00a0"
_AN_INSTANT = timedelta(microseconds=1)


class UnknownLocale(ValueError):
    """A text that names no locale of CLDR."""


def locale_of(name: str) -> Locale:
    """The locale that is called `en-GH`, or `en_GH`. Raises UnknownLocale."""
    try:
        locale = Locale.parse(name.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError):
        locale = None
    # CLDR's `root` is nobody's language, and of variants (POSIX, VALENCIA) other programs do not know.
    if locale is None or locale.variant is not None or _LANGUAGE.fullmatch(locale.language) is None:
        raise UnknownLocale(f"{name[:40]!r} is no locale; use one such as en-GH, fr-SN or sw-KE")
    return locale


def name_of(locale: Locale) -> str:
    """How it is called on the web and in our database: `en-GH`."""
    return str(locale).replace("_", "-")


def money(amount: int, currency: str, locale: Locale) -> str:
    """`15000` GHS as `GH₵150.00`: exact, and with the decimals of ISO 4217 wherever CLDR has others."""
    exponent = EXPONENTS[currency]
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (exponent, exponent)
    text = pattern.apply(Decimal(amount).scaleb(-exponent), locale, currency=currency, currency_digits=False)
    return _LETTER_BESIDE_DIGIT.sub(_NO_BREAK_SPACE, text)


def day(at: datetime, locale: Locale) -> str:
    """`25 November 2026`: the day it is then in UTC."""
    return format_date(at.astimezone(UTC).date(), "long", locale=locale)


def days(start: datetime, end: datetime, locale: Locale) -> str:
    """`1-31 Jan 2026`: the days from `start` to the last instant before `end`, in UTC."""
    first, last = (at.astimezone(UTC).date() for at in (start, end - _AN_INSTANT))
    return format_interval(first, last, "yMMMd", locale=locale)
