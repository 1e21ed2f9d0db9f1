"""Pure rules about subscriptions: when periods begin and end, when a failed charge is tried again."""

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

TRIAL_DAYS_MAX = 730
# About three years, of each interval; the limit that merchants know from elsewhere (Stripe, `interval_count`).
INTERVAL_COUNT_MAX = {"daily": 1095, "weekly": 156, "monthly": 36, "yearly": 3}
# So many days before a charge it is told of; not in periods that are no longer than twice that.
NOTICE_DAYS = 3
BY_MONTHS = {"monthly": 1, "yearly": 12}
_DAYS = {"daily": 1, "weekly": 7}

# Which states a deed may start from; every other one is refused.
LIVING = ("trialing", "active", "past_due", "paused")
RUNNING = ("trialing", "active", "past_due")

# Card networks let a declined charge be tried 15 times within 30 days (Visa; Mastercard counts alike).
RETRIES_MAX = 15
DELAY_SECONDS_MAX = 30 * 24 * 3600
DELAY = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNIT = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def boundary(anchor: datetime, interval: str, count: int, number: int) -> datetime:
    """When period `number` ends, which is when the next one begins; period 1 begins at the anchor.

    Always counted from the anchor: a subscription begun on 31 January renews on 28 February and then on 31 March,
    one begun on 29 February on the 28th, and in leap years on the 29th again. In UTC, at the anchor's time of day.
    """
    if interval in _DAYS:
        return anchor + timedelta(days=_DAYS[interval] * count * number)
    months = anchor.month - 1 + BY_MONTHS[interval] * count * number
    year, month = anchor.year + months // 12, months % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def recounted(start: datetime, day: int, interval: str, count: int) -> tuple[datetime, int]:
    """From which anchor periods of another length are counted, and which number the one that begins at `start` has.

    From where it begins, unless that is a month's end which stands for a later `day` (28 February for the 31st): then
    from so many periods earlier that the day is there, and comes back.
    """
    if interval in BY_MONTHS and day > start.day:
        for periods in range(1, 13):
            months = start.year * 12 + start.month - 1 - BY_MONTHS[interval] * count * periods
            year, month = months // 12, months % 12 + 1
            if monthrange(year, month)[1] >= day:
                return start.replace(year=year, month=month, day=day), periods + 1
    return start, 1


class RetryPolicy(NamedTuple):
    """When a charge that failed is tried again, and what becomes of the subscription once that is over."""

    delays: Sequence[str]
    max_retries: int
    on_exhausted: str

    def next_attempt(self, attempt: int, now: datetime) -> datetime | None:
        """When to try again after an attempt (counted from 1) failed now; None: never. The last delay repeats."""
        return None if self.is_last(attempt) else self.patience(attempt, now)

    def is_last(self, attempt: int) -> bool:
        """Whether an attempt, counted from 1, is not followed by another."""
        return attempt > self.max_retries

    def patience(self, attempt: int, now: datetime) -> datetime:
        """Until when the customer may approve an attempt that waits for that; then it counts as failed."""
        delays = self.delays or _LONGEST_PATIENCE
        return now + span(delays[min(attempt, len(delays)) - 1])


_LONGEST_PATIENCE = ("24h",)
DEFAULT_POLICY = RetryPolicy(("15m", "1h", "24h"), 3, "past_due")


def span(text: str) -> timedelta:
    """`15m`, `1h` or `24h` as a span. The text has this form: whoever stored it has seen to that."""
    match = DELAY.fullmatch(text)
    assert match is not None, text
    return int(match[1]) * _UNIT[match[2]]
