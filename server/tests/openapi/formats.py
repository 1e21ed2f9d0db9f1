"""Texts that a schema can name but not describe: what `format` means, in values that are really valid."""

import email_validator
import phonenumbers
import schemathesis
from hypothesis import strategies as st

from reevit_server.core.money import EXPONENTS


def _numbers() -> list[str]:
    examples = (phonenumbers.example_number(region) for region in phonenumbers.SUPPORTED_REGIONS)
    return sorted(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for number in examples
        if number is not None and phonenumbers.is_valid_number(number)
    )


def register() -> None:
    schemathesis.openapi.format("e164", st.sampled_from(_numbers()))
    schemathesis.openapi.format("iso-4217", st.sampled_from(sorted(EXPONENTS)))
    # A cursor is of one list in one order: `fit` puts a real one in the place of this.
    schemathesis.openapi.format("cursor", st.just("WyJjdXJzb3IiXQ"))


def is_address(text: str) -> bool:
    """`format: email` admits what nobody can have: quoted names, domains that are reserved."""
    try:
        email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailNotValidError:
        return False
    return True
