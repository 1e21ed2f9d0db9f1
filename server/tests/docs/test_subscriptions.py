"""What docs/subscriptions.md and docs/invoices.md say where no command shows it: figures, days, states and events."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from reevit_server import events
from reevit_server.invoices.models import CANCELABLE, RETRYABLE
from reevit_server.invoices.schemas import InvoiceStatus
from reevit_server.providers.base import HARD_DECLINES
from reevit_server.subscriptions import models
from reevit_server.subscriptions.schemas import Status
from tests.docs.pages import rows, section

DOCS = Path(__file__).parents[3] / "docs"
SUBSCRIPTIONS = (DOCS / "subscriptions.md").read_text(encoding="utf-8")
INVOICES = (DOCS / "invoices.md").read_text(encoding="utf-8")
_MONTHS = {name: number for number, name in enumerate(calendar.month_name) if name}
_DAY = re.compile(rf"(\d+) ({'|'.join(_MONTHS)})")
_LEAP = 2028


def test_the_hard_declines_on_the_page_are_those_that_are_not_tried_again():
    paragraph = section(SUBSCRIPTIONS, "When a charge fails").partition("**Hard declines")[2]
    told = re.findall(r"`([a-z]+(?:_[a-z]+)+|fraudulent)`", paragraph.partition("\n\n")[0])
    assert set(told) - {"failure_code"} == HARD_DECLINES


def test_the_attempts_on_the_page_are_those_of_the_default_policy():
    waits = {"15 minutes": "15m", "1 hour": "1h", "24 hours": "24h"}
    first, *later = rows(section(SUBSCRIPTIONS, "When a charge fails"))[1:]
    told = [waits[when.removesuffix(" later")] for _, when, _ in later]
    assert told == list(models.DEFAULT_POLICY.delays)
    assert len(later) == models.DEFAULT_POLICY.max_retries
    for (_, _, outcome), delay in zip([first, *later], told, strict=False):
        assert waits[outcome.rpartition(" in ")[2]] == delay
    assert "subscription.past_due" in later[-1][2]
    assert models.DEFAULT_POLICY.on_exhausted == "past_due"


def test_the_days_on_the_page_before_a_renewal_are_those_that_are_kept():
    told = section(SUBSCRIPTIONS, "Before a renewal")
    assert told.startswith("\nThree days before")
    assert "longer than six days" in told
    assert models.NOTICE_DAYS == 3


def test_the_limits_on_the_page_are_those_that_are_kept():
    assert "At most 1095 days, 156 weeks, 36 months or 3 years." in SUBSCRIPTIONS
    assert models.INTERVAL_COUNT_MAX == {"daily": 1095, "weekly": 156, "monthly": 36, "yearly": 3}
    assert f"0 to {models.TRIAL_DAYS_MAX}; default 0" in SUBSCRIPTIONS
    policies = section(SUBSCRIPTIONS, "Retry policies")
    assert f"At most {models.RETRIES_MAX}, each of minutes" in policies
    assert f"How often to try again, 0 to {models.RETRIES_MAX}" in policies
    assert timedelta(seconds=models.DELAY_SECONDS_MAX) == timedelta(days=30)
    assert "at most 30 days. The last one repeats" in policies


@pytest.mark.parametrize("year", [_LEAP - 1, _LEAP])
def test_what_a_months_end_becomes_is_what_the_page_says(year: int):
    table = rows(section(SUBSCRIPTIONS, "Periods"))[1:]
    assert len(table) == 3
    for begun, renewals in table:
        count = int(begun.rpartition(" ")[2]) if "interval_count" in begun else 1
        anchor = _day(begun, year)
        told = [_day(text, year) for text in _told(renewals, leap=year == _LEAP)]
        assert len(told) >= 3
        for number, day in enumerate(told, 1):
            assert models.boundary(anchor, "monthly", count, number) == day


def test_a_leap_day_comes_back_as_the_page_says():
    assert "What began on 29 February, `yearly`, renews on 28 February, and on the 29th in leap years" in (
        " ".join(SUBSCRIPTIONS.split())
    )
    anchor = datetime(_LEAP, 2, 29, tzinfo=UTC)
    days = [models.boundary(anchor, "yearly", 1, number).day for number in range(1, 9)]
    assert days == [28, 28, 28, 29, 28, 28, 28, 29]


def test_every_status_is_on_the_page_with_the_deeds_that_it_allows():
    told = {row[0].strip("`"): row[2] for row in rows(section(SUBSCRIPTIONS, "Statuses"))[1:]}
    assert list(told) == list(get_args(Status))
    for status, deeds in told.items():
        assert ("cancel" in deeds) == ("change" in deeds) == (status in models.LIVING)
        assert ("pause" in deeds) == (status in models.RUNNING)
    told = {row[0].strip("`"): row[2] for row in rows(section(INVOICES, "Statuses"))[1:]}
    assert list(told) == list(get_args(InvoiceStatus))
    for status, deeds in told.items():
        assert ("retry" in deeds) == (status in RETRYABLE)
        assert ("cancel" in deeds) == (status in CANCELABLE)


@pytest.mark.parametrize(("page", "noun"), [(SUBSCRIPTIONS, "subscription"), (INVOICES, "invoice")])
def test_every_event_of_a_noun_is_on_its_page(page: str, noun: str):
    told = {type for row in rows(section(page, "Events"))[1:] for type in re.findall(r"`(\w+\.\w+)`", row[0])}
    assert told == {type for type in events.TYPES if type.startswith(f"{noun}.")}


def _told(renewals: str, *, leap: bool) -> list[str]:
    """The days of a row as they are in a leap year, or in another one."""
    days = renewals.replace("28 February (29 in a leap year)", "29 February" if leap else "28 February")
    return [day for day in days.split(",") if _DAY.search(day)]


def _day(text: str, year: int) -> datetime:
    found = _DAY.search(text)
    assert found is not None, text
    return datetime(year, _MONTHS[found[2]], int(found[1]), tzinfo=UTC)
