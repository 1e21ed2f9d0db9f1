"""The rules by themselves: when periods end, and when a charge is tried again; against slow definitions."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reevit_server.invoices.models import CANCELABLE, COLLECTIBLE, RETRYABLE, number_text
from reevit_server.providers.base import HARD_DECLINES
from reevit_server.subscriptions.models import (
    DEFAULT_POLICY,
    INTERVAL_COUNT_MAX,
    LIVING,
    RUNNING,
    RetryPolicy,
    boundary,
    recounted,
    span,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ANCHORS = st.datetimes(
    min_value=datetime(1999, 1, 1),  # noqa: DTZ001 - Hypothesis wants bounds without a zone
    max_value=datetime(2104, 12, 31, 23, 59, 59),  # noqa: DTZ001
    timezones=st.just(UTC),
)
# The days on which months go wrong, more often than chance has them.
ENDS = st.builds(
    lambda at, days: (at.replace(day=1) + 32 * DAY).replace(day=1) - days * DAY, ANCHORS, st.integers(1, 3)
)
BEGINNINGS = ANCHORS | ENDS
TERMS = st.sampled_from(sorted(INTERVAL_COUNT_MAX)).flatmap(
    lambda interval: st.tuples(
        st.just(interval),
        st.integers(1, INTERVAL_COUNT_MAX[interval]) | st.sampled_from([1, 2, INTERVAL_COUNT_MAX[interval]]),
    )
)
NUMBERS = st.integers(1, 8) | st.integers(1, 40)


def month_after(at: datetime, months: int) -> tuple[int, int]:
    """Year and month so many months later, one month after the other."""
    year, month = at.year, at.month
    for _ in range(months):
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return year, month


def last_day_not_after(year: int, month: int, day: int) -> datetime:
    """Day by day through that month, until it is over or the day has come."""
    at = datetime(year, month, 1, tzinfo=UTC)
    while at.day < day and (at + DAY).month == month:
        at += DAY
    return at


def slowly(anchor: datetime, interval: str, count: int, number: int) -> datetime:
    """When a period ends, counted out in days or months."""
    if interval in ("daily", "weekly"):
        at = anchor
        for _ in range(number * count * (7 if interval == "weekly" else 1)):
            at += DAY
        return at
    months = number * count * (12 if interval == "yearly" else 1)
    end = last_day_not_after(*month_after(anchor, months), anchor.day)
    return datetime.combine(end.date(), anchor.timetz())


@given(anchor=BEGINNINGS, terms=TERMS, number=NUMBERS)
@example(anchor=datetime(2028, 2, 29, tzinfo=UTC), terms=("yearly", 1), number=4)
@example(anchor=datetime(2096, 2, 29, tzinfo=UTC), terms=("yearly", 1), number=4)  # 2100 is no leap year
@example(anchor=datetime(2027, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), terms=("monthly", 1), number=2)
def test_a_period_ends_where_counting_day_by_day_comes_to(
    anchor: datetime, terms: tuple[str, int], number: int
):
    assert boundary(anchor, *terms, number) == slowly(anchor, *terms, number)


@given(anchor=BEGINNINGS, terms=TERMS, number=NUMBERS)
def test_periods_follow_each_other_and_keep_the_time_of_day(
    anchor: datetime, terms: tuple[str, int], number: int
):
    assert boundary(anchor, *terms, 0) == anchor
    earlier, later = boundary(anchor, *terms, number - 1), boundary(anchor, *terms, number)
    assert earlier < later
    assert later.timetz() == anchor.timetz()


@given(anchor=BEGINNINGS, number=st.integers(1, 60), count=st.integers(1, 36))
def test_a_months_end_comes_back_however_short_the_months_between(anchor: datetime, number: int, count: int):
    end = boundary(anchor, "monthly", count, number)
    assert end.day == anchor.day or (end + DAY).month != end.month
    assert end.day <= anchor.day
    assert (end.year - anchor.year) * 12 + end.month - anchor.month == count * number
    assert boundary(anchor, "monthly", 12, number) == boundary(anchor, "yearly", 1, number)
    assert boundary(anchor, "daily", 7 * count, number) == boundary(anchor, "weekly", count, number)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1m", timedelta(minutes=1)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("24h", DAY),
        ("3d", 3 * DAY),
        ("43200m", 30 * DAY),
    ],
)
def test_a_delay_is_minutes_hours_or_days(text: str, meant: timedelta):
    assert span(text) == meant


def test_without_a_policy_it_is_tried_again_after_a_quarter_an_hour_and_a_day():
    nexts = [DEFAULT_POLICY.next_attempt(attempt, NOW) for attempt in range(1, 6)]
    assert nexts == [
        NOW + timedelta(minutes=15),
        NOW + timedelta(hours=1),
        NOW + timedelta(hours=24),
        None,
        None,
    ]
    assert DEFAULT_POLICY.on_exhausted == "past_due"


POLICIES = st.lists(st.sampled_from(["1m", "15m", "1h", "36h", "3d"]), max_size=15).flatmap(
    lambda delays: st.builds(
        RetryPolicy,
        st.just(delays),
        st.integers(0, 15 if delays else 0),
        st.sampled_from(["past_due", "pause", "cancel"]),
    )
)


@given(policy=POLICIES, attempt=st.integers(1, 40))
def test_there_are_as_many_retries_as_the_policy_says_and_the_last_delay_repeats(
    policy: RetryPolicy, attempt: int
):
    at = policy.next_attempt(attempt, NOW)
    assert policy.is_last(attempt) == (at is None) == (attempt >= 1 + policy.max_retries)
    if at is not None:
        said = [*policy.delays, *[policy.delays[-1]] * 40]
        assert at == NOW + span(said[attempt - 1])
        assert policy.patience(attempt, NOW) == at, "an approval is waited for as long as a retry"
    assert policy.patience(attempt, NOW) > NOW, "somebody who has to approve has time to"


def test_with_no_delays_an_approval_is_waited_for_a_day():
    assert RetryPolicy([], 0, "past_due").patience(1, NOW) == NOW + DAY


def test_every_deed_begins_from_states_that_there_are():
    assert set(LIVING) - {"paused"} == set(RUNNING)
    assert "canceled" not in LIVING
    assert set(RETRYABLE) < set(CANCELABLE)
    assert "paid" not in {*CANCELABLE, *COLLECTIBLE}
    assert "insufficient_funds" not in HARD_DECLINES


@pytest.mark.parametrize(
    ("number", "shown"), [(1, "INV-000001"), (999_999, "INV-999999"), (1_000_000, "INV-1000000")]
)
def test_numbers_have_six_digits_until_they_need_more(number: int, shown: str):
    assert number_text(number) == shown


@given(
    ANCHORS,
    st.integers(1, 31),
    st.sampled_from([("monthly", count) for count in (1, 2, 3, 6, 12, 36)] + [("yearly", 1), ("yearly", 3)]),
)
def test_periods_of_another_length_begin_where_the_last_one_ended_and_on_no_later_day(
    start: datetime, day: int, length: tuple[str, int]
):
    """The last one ended on `day`, or on the end of a month that has no such day."""
    start = start.replace(day=min(day, monthrange(start.year, start.month)[1]))
    anchor, number = recounted(start, day, *length)
    assert (anchor if number == 1 else boundary(anchor, *length, number - 1)) == start
    assert all(boundary(anchor, *length, number + later).day <= day for later in range(30))


def test_the_thirty_first_comes_back_after_a_change_in_february():
    start = datetime(2027, 2, 28, tzinfo=UTC)
    anchor, number = recounted(start, 31, "monthly", 2)
    ends = [boundary(anchor, "monthly", 2, number + later) for later in range(4)]
    assert [(end.month, end.day) for end in ends] == [(4, 30), (6, 30), (8, 31), (10, 31)]
