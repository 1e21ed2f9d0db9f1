"""Pure rules about test clocks."""

import re
from datetime import UTC, datetime, timedelta

SPAN = re.compile(r"([1-9][0-9]{0,7})([smhdw])")
_UNIT = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_FARTHEST = timedelta(days=5 * 366)
# Periods and trials that begin then still end within the calendar, whose last year is 9999.
_LAST = datetime(9900, 1, 1, tzinfo=UTC)


def span(text: str) -> timedelta:
    """`30d` as a span. The text has this form: whoever lets it in sees to that."""
    match = SPAN.fullmatch(text)
    assert match is not None, text
    return int(match[1]) * _UNIT[match[2]]


def target(stands_at: datetime, *, to: datetime | None, by: timedelta | None) -> datetime | None:
    """Where a clock is to stand; None for too far at once, for backwards, and for out of the calendar."""
    span = to - stands_at if to is not None else by or timedelta()
    if not timedelta() <= span <= min(_FARTHEST, _LAST - stands_at):
        return None
    return stands_at + span
