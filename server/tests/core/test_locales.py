"""How money and days are written where the reader lives, with ISO 4217's decimals and to the last unit."""

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.locales import UnknownLocale, day, days, locale_of, money, name_of
from reevit_server.core.money import EXPONENTS, MAX_AMOUNT

_NAMES = sorted(name for name in locale_identifiers() if name != "root")


@pytest.mark.parametrize(
    ("locale", "currency", "amount", "written"),
    [
        ("en-GH", "GHS", 15000, "GH₵150.00"),
        ("en-NG", "NGN", MAX_AMOUNT, "₦9,999,999,999.99"),
        ("en-KE", "KES", 5, "Ksh 0.05"),
        ("sw-KE", "KES", 123_456, "Ksh 1,234.56"),
        ("en", "GHS", 15000, "GHS 150.00"),
        ("en-UG", "UGX", 1, "USh 1"),
        ("en", "XOF", 25_000, "F CFA 25,000"),
        ("fr-SN", "XOF", MAX_AMOUNT, "999 999 999 999 F CFA"),
        ("fr-SN", "KWD", MAX_AMOUNT, "999 999 999,999 KWD"),
        ("en-GH", "KWD", 5, "KWD 0.005"),
        # CLDR writes these without decimals; ISO 4217 has 2, 2 and 3.
        ("en", "ALL", 12_345, "ALL 123.45"),
        ("en", "RSD", 100, "RSD 1.00"),
        ("en", "IQD", 1, "IQD 0.001"),
        ("de-CH", "CHF", -500, "CHF-5.00"),
    ],
)
def test_an_amount_is_written_as_people_there_do(locale: str, currency: str, amount: int, written: str):
    assert _with_spaces(money(amount, currency, locale_of(locale))) == written


@given(
    amount=st.integers(0, MAX_AMOUNT),
    currency=st.sampled_from(sorted(EXPONENTS)),
    name=st.sampled_from(_NAMES),
)
def test_no_amount_loses_a_unit_in_any_currency_and_any_locale(amount: int, currency: str, name: str):
    try:
        locale = locale_of(name)
    except UnknownLocale:  # a variant
        return
    exponent = EXPONENTS[currency]
    written = money(amount, currency, locale)
    digits = "".join(letter for letter in written if letter.isdecimal())
    assert digits == str(amount).zfill(exponent + 1)


def test_an_amount_stays_on_one_line():
    assert " " not in money(10**9, "XOF", locale_of("fr-SN")) + money(10**9, "GHS", locale_of("en"))


@pytest.mark.parametrize(
    ("locale", "written"),
    [("en-GH", "25 November 2026"), ("fr-SN", "25 novembre 2026"), ("sw-KE", "25 Novemba 2026")],
)
def test_a_day_is_written_as_people_there_do(locale: str, written: str):
    assert day(datetime(2026, 11, 25, tzinfo=UTC), locale_of(locale)) == written


def test_a_day_is_the_day_in_utc():
    late = datetime(2026, 11, 25, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert day(late, locale_of("en-GH")) == "26 November 2026"


@pytest.mark.parametrize(
    ("start", "end", "written"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), "1–31 Jan 2026"),
        (datetime(2026, 1, 31, 9, tzinfo=UTC), datetime(2026, 2, 28, 9, tzinfo=UTC), "31 Jan – 28 Feb 2026"),
        (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC), "1 Dec 2026 – 30 Nov 2027"),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), "1 Jan 2026"),
    ],
)
def test_a_period_ends_with_the_last_day_that_is_in_it(start: datetime, end: datetime, written: str):
    assert _with_spaces(days(start, end, locale_of("en-GH"))) == written


@pytest.mark.parametrize(
    ("given_name", "name"),
    [("en-GH", "en-GH"), ("en_GH", "en-GH"), ("EN-gh", "en-GH"), ("fr", "fr"), ("zh-Hans-CN", "zh-Hans-CN")],
)
def test_a_locale_has_one_name(given_name: str, name: str):
    assert name_of(locale_of(given_name)) == name


@pytest.mark.parametrize(
    "name", ["", "xx", "root", "en-XX", "en-US-POSIX", "english", "en-GH-x", "🙂", "x" * 999]
)
def test_what_is_no_locale_is_refused(name: str):
    with pytest.raises(UnknownLocale, match="en-GH") as refused:
        locale_of(name)
    assert len(str(refused.value)) < 120


async def test_the_database_takes_every_locale_there_is(dsn: str):
    names = []
    for name in _NAMES:
        try:
            names.append(name_of(locale_of(name)))
        except UnknownLocale:
            continue
    assert len(names) > 500
    conn = await asyncpg.connect(dsn)
    try:
        (check,) = await conn.fetch(
            """
            SELECT pg_get_constraintdef(oid) AS rule
            FROM pg_constraint
            WHERE conname = 'organizations_locale_check'
            """
        )
        rule = check["rule"].removeprefix("CHECK ")
        refused = await conn.fetch(f"SELECT locale FROM unnest($1::text[]) AS locale WHERE NOT {rule}", names)
    finally:
        await conn.close()
    assert [row["locale"] for row in refused] == []


def _with_spaces(text: str) -> str:
    """Every kind of space as the one of the keyboard."""
    return "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in text)
