"""Pure rules about test clocks."""

import re
from datetime import timedelta

SPAN = re.compile(r"([1-9][0-9]{0,7})([smhdw])")
_UNIT = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_FARTHEST = timedelta(days=5 * 366)


def span(text: str) -> timedelta:
    """`30d` as a span. The text has this form: whoever lets it in sees to that."""
    match = SPAN.fullmatch(text)
    assert match is not None, text
    return int(match[1]) * _UNIT[match[2]]


def within_reach(span: timedelta) -> bool:
    """Whether a clock may be moved so far at once."""
    return timedelta() <= span <= _FARTHEST
