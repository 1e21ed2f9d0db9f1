"""Pure rules of reckoning: where a window ends, and which part of it is whole days."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

PERIOD_DAYS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365}


class Window(NamedTuple):
    """Instants from `start` up to, but not including, `end`."""

    start: datetime
    end: datetime

    def whole_days(self) -> tuple[date, date] | None:
        """The UTC days wholly inside, as a half-open range; None when there is none."""
        first = self.start.date() if self.start == _midnight(self.start.date()) else _next(self.start.date())
        last = self.end.date()
        return (first, last) if first < last else None

    def edges(self) -> Iterator["Window"]:
        """What is left of the window at both ends of its whole days."""
        days = self.whole_days()
        if days is None:
            yield self
            return
        for edge in (Window(self.start, _midnight(days[0])), Window(_midnight(days[1]), self.end)):
            if edge.start < edge.end:
                yield edge


def _next(day: date) -> date:
    return day + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def window_of(period: str, now: datetime) -> Window:
    """The last so many days, to the instant."""
    return Window(now - timedelta(days=PERIOD_DAYS[period]), just_after(now))


def just_after(now: datetime) -> datetime:
    """Where a window ends that holds all up to now, and what happens now too: a test clock stands still at it."""
    return now + timedelta.resolution
