"""Texts that a schema can name but not describe: what `format` means, in values that are really valid."""

import email_validator
import phonenumbers
import schemathesis
from hypothesis import strategies as st

from reevit_server.core.countries import COUNTRIES
from reevit_server.core.money import EXPONENTS

_NUMBERS = sorted(
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for number in map(phonenumbers.example_number, phonenumbers.SUPPORTED_REGIONS)
    if number is not None and phonenumbers.is_valid_number(number)
)


def register() -> None:
    schemathesis.openapi.format("e164", st.sampled_from(_NUMBERS))
    schemathesis.openapi.format("iso-4217", st.sampled_from(sorted(EXPONENTS)))
    schemathesis.openapi.format("iso-3166-1-alpha-2", st.sampled_from(sorted(COUNTRIES)))
    # A cursor is of one list in one order: `fit` puts a real one in the place of this.
    schemathesis.openapi.format("cursor", st.just("WyJjdXJzb3IiXQ"))


def is_address(text: str) -> bool:
    """`format: email` admits what nobody can have: quoted names, domains that are reserved."""
    try:
        email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailNotValidError:
        return False
    return True


def is_number(text: str) -> bool:
    """`format: e164` is known to no tool that makes boundary values: those fit the pattern and no numbering plan."""
    return text in _NUMBERS
