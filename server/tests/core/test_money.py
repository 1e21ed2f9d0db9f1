"""Amounts are whole minor units, and no currency's exponent is taken for another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reevit_server.core.money import (
    EXPONENTS,
    MAX_AMOUNT,
    Amount,
    Currency,
    NotDecimal,
    to_major_units,
    to_minor_units,
)

_CURRENCIES = st.sampled_from(sorted(EXPONENTS))
_AMOUNT = TypeAdapter(Amount)
_CURRENCY = TypeAdapter(Currency)


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [
        *(("GHS", 2), ("NGN", 2), ("KES", 2), ("ZAR", 2), ("USD", 2), ("EUR", 2)),
        *(("XOF", 0), ("XAF", 0), ("RWF", 0), ("UGX", 0), ("JPY", 0)),
        *(("TND", 3), ("KWD", 3), ("BHD", 3)),
    ],
)
def test_exponents_are_those_of_iso_4217(currency: str, exponent: int):
    assert EXPONENTS[currency] == exponent


@pytest.mark.parametrize("code", ["XAU", "XTS", "XXX", "XBA"])
def test_metals_and_test_codes_are_no_money(code: str):
    with pytest.raises(ValidationError, match="is not a currency of ISO 4217"):
        _CURRENCY.validate_python(code)


@given(_CURRENCIES, st.integers(0, MAX_AMOUNT))
def test_minor_units_come_back_exactly_from_major_ones(currency: str, amount: int):
    assert to_minor_units(to_major_units(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        *(("29.33", "GHS", 2933), ("29.3", "GHS", 2930), ("29", "GHS", 2900), ("0.29", "GHS", 29)),
        *(("1000", "XOF", 1000), ("1000.0", "XOF", 1000), ("1.234", "KWD", 1234)),
        ("9999999999.99", "GHS", MAX_AMOUNT),
    ],
)
def test_a_major_amount_is_read_exactly(text: str, currency: str, minor: int):
    assert to_minor_units(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"), [("29.333", "GHS"), ("0.5", "XOF"), ("1.2345", "KWD"), ("0.001", "GHS")]
)
def test_an_amount_that_would_need_rounding_is_refused(text: str, currency: str):
    with pytest.raises(ValueError, match=f"more decimals than {currency}"):
        to_minor_units(text, currency)


@pytest.mark.parametrize(
    "text", ["", ".", "5.", "-5.00", "+5", "abc", "1,000.00", "NaN", "Infinity", "sNaN", "1" * 13]
)
def test_what_is_no_plain_number_is_refused(text: str):
    with pytest.raises(NotDecimal):
        to_minor_units(text, "GHS")


@pytest.mark.parametrize("value", [1.0, True, "1", None, 0, -1, MAX_AMOUNT + 1])
def test_only_integers_from_1_to_the_limit_are_amounts(value: object):
    with pytest.raises(ValidationError):
        _AMOUNT.validate_python(value)


def test_both_edges_are_amounts():
    assert [_AMOUNT.validate_python(value) for value in (1, MAX_AMOUNT)] == [1, 10**12 - 1]


@pytest.mark.parametrize("value", ["ghs", "Ghs", "GH", "GHSX", " GHS", "GHS\n", "", "\u0393HS", 936, None])
def test_only_three_upper_case_letters_are_a_currency(value: object):
    with pytest.raises(ValidationError):
        _CURRENCY.validate_python(value)
