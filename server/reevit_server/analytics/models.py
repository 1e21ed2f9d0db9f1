"""Pure rules of reckoning: which part of a window is whole days, how an entry is told in a sentence."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from reevit_server.core.money import to_major_units

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
    return Window(now - timedelta(days=PERIOD_DAYS[period]), now)


def summary(kind: str, amount: int, currency: str, status: str) -> str:
    """A history entry in a few words: `Payment of 150.00 GHS succeeded`."""
    money = f"{to_major_units(amount, currency)} {currency}"
    return f"{kind.capitalize()} of {money} {status.replace('_', ' ')}"
