"""What a merchant's template can do to a value. Each is bounded by itself: no filter makes much of little."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation, Overflow
from typing import Any, Self
from urllib.parse import quote

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from liquid import RenderContext
from liquid.exceptions import FilterArgumentError, FilterValueError
from liquid.filter import with_context
from liquid.undefined import is_undefined
from markupsafe import Markup, escape

from reevit_server.core import locales
from reevit_server.core.money import EXPONENTS

LOCALE = "_locale"  # where a rendering keeps the reader's locale: a name that no template can say
_TEXT_MAX = 20_000
_NUMBER_MAX = 10**18
_ROWS_MAX = 1_000
Number = int | Decimal


class Amount(int):
    """An amount in minor units that knows its currency."""

    currency: str

    def __new__(cls, amount: int, currency: str) -> Self:
        made = super().__new__(cls, amount)
        made.currency = currency
        return made


@with_context
def money(value: Any, currency: str | None = None, *, context: RenderContext) -> str:
    """`{{ payment.amount | money }}`: 15000 GHS as `GH₵150.00`. Any other integer is given its currency."""
    currency = currency or getattr(value, "currency", None)
    if not isinstance(value, int) or isinstance(value, bool):
        raise FilterValueError("money is of an amount in minor units, an integer", token=None)
    if currency not in EXPONENTS:
        raise FilterArgumentError(
            f"money needs the currency of {int(value)}, such as money: 'GHS'", token=None
        )
    return locales.money(int(value), currency, _locale(context))


@with_context
def date(value: Any, style: str = "long", *, context: RenderContext) -> str:
    """`{{ payment.succeeded_at | date }}`: a day in the reader's language: short, medium, long or full.

    And `time`, `datetime`. In UTC, as everything here. What is not there is nothing.
    """
    if _is_nothing(value):
        return ""
    if not isinstance(value, datetime):
        raise FilterValueError("date is of an instant, such as payment.created_at", token=None)
    locale = _locale(context)
    if style == "time":
        return format_time(value, "short", locale=locale)
    if style == "datetime":
        return format_datetime(value, "medium", locale=locale)
    if style not in ("short", "medium", "long", "full"):
        raise FilterArgumentError(
            "date is short, medium, long, full, time or datetime, without a pattern", token=None
        )
    return format_date(value.date(), style, locale=locale)


def first_name(value: Any) -> str:
    """The first word of a name."""
    return next(iter(_text(value).split()), "")


def default(value: Any, other: Any = "") -> Any:
    """Something to say where there is nothing: `{{ customer.name | default: "there" }}`."""
    return other if _is_nothing(value) or value in ("", []) else value


def upcase(value: Any) -> str:
    return _text(value).upper()


def downcase(value: Any) -> str:
    return _text(value).lower()


def capitalize(value: Any) -> str:
    return _text(value)[:1].upper() + _text(value)[1:]


def strip(value: Any) -> str:
    return _text(value).strip()


def append(value: Any, other: Any) -> str:
    return _bounded(_text(value) + _text(other))


def prepend(value: Any, other: Any) -> str:
    return _bounded(_text(other) + _text(value))


def replace(value: Any, old: Any, new: Any = "") -> str:
    text, sought, put = _text(value), _text(old), _text(new)
    if not sought:
        return text
    if len(text) + text.count(sought) * len(put) > _TEXT_MAX:
        raise FilterValueError(f"replace makes a text longer than {_TEXT_MAX} characters", token=None)
    return text.replace(sought, put)


def truncate(value: Any, length: Any = 50, end: Any = "…") -> str:
    text, most = _text(value), int(_number(length))
    return text if len(text) <= most else text[: max(most - len(_text(end)), 0)] + _text(end)


def join(value: Any, separator: Any = ", ") -> str:
    if not isinstance(value, list | tuple) or len(value) > _ROWS_MAX:
        raise FilterValueError("join is of a list, such as customer.tags", token=None)
    return _bounded(_text(separator).join(_text(each) for each in value))


def size(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple | str) else 0


def first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else None


def last(value: Any) -> Any:
    return value[-1] if isinstance(value, list | tuple) and value else None


def plus(value: Any, other: Any) -> Any:
    return _bounded_number(_number(value) + _number(other))


def minus(value: Any, other: Any) -> Any:
    return _bounded_number(_number(value) - _number(other))


def times(value: Any, other: Any) -> Any:
    return _bounded_number(_number(value) * _number(other))


def divided_by(value: Any, other: Any) -> Any:
    """Of two integers, the whole times that the one goes into the other, as everywhere in Liquid."""
    by = _number(other)
    if by == 0:
        raise FilterArgumentError("nothing is divided by 0", token=None)
    one = _number(value)
    if isinstance(one, int) and isinstance(by, int):
        return one // by
    try:
        return _bounded_number(Decimal(one) / by)
    except Overflow:
        raise FilterValueError("a filter makes too large a number", token=None) from None


def escape_html(value: Any) -> Markup:
    return escape(_text(value))


def url_encode(value: Any) -> str:
    return quote(_text(value), safe="")


def newline_to_br(value: Any) -> Markup:
    """Lines of a text as lines of a page."""
    return Markup("<br>\n").join(escape(line) for line in _text(value).splitlines())


FILTERS: dict[str, Callable[..., Any]] = {
    **{
        each.__name__: each
        for each in (
            append,
            capitalize,
            date,
            default,
            divided_by,
            downcase,
            first,
            first_name,
            join,
            last,
            minus,
            money,
            newline_to_br,
            plus,
            prepend,
            replace,
            size,
            strip,
            times,
            truncate,
            upcase,
            url_encode,
        )
    },
    "escape": escape_html,
}


def _locale(context: RenderContext) -> Locale:
    found = context.globals[LOCALE]
    assert isinstance(found, Locale), "whoever renders says it"
    return found


def _is_nothing(value: Any) -> bool:
    return value is None or value is False or is_undefined(value)


def _text(value: Any) -> str:
    if _is_nothing(value):
        return ""
    if isinstance(value, Markup | str):
        return _bounded(value)
    if isinstance(value, int | Decimal | datetime | float):
        return str(value)
    raise FilterValueError("this filter is of a text", token=None)


def _bounded(text: str) -> str:
    if len(text) > _TEXT_MAX:
        raise FilterValueError(f"a filter makes a text longer than {_TEXT_MAX} characters", token=None)
    return text


def _number(value: Any) -> Number:
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded_number(int(value))
    try:
        return _bounded_number(Decimal(str(value)))
    except InvalidOperation:
        raise FilterValueError("this filter is of a number", token=None) from None


def _bounded_number(number: Number) -> Number:
    if not -_NUMBER_MAX < number < _NUMBER_MAX:
        raise FilterValueError("a filter makes too large a number", token=None)
    return number
