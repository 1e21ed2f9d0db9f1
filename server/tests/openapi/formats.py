"""Texts that a schema can name but not describe: what `format` means, in values that are really valid.

Lists rather than patterns: a search for the one of a certain length ends quickly.
"""

import email_validator
import phonenumbers
import schemathesis
from hypothesis import strategies as st

from reevit_server.core.money import EXPONENTS

_LONGEST_EMAIL = 254


def _emails() -> list[str]:
    names = ("ada", "Ama.Mensah", "k+shop", "o'brien", "x", "a_b-c", "7", "δοκιμή")
    domains = ("example.com", "mail.example.org", "example.com.gh", "bücher.example.net", "xn--bcher-kva.example")
    long_domain = ".".join(("d" * 62, "d" * 62, "d" * 58, "com"))
    longest = f"{'l' * (_LONGEST_EMAIL - 1 - len(long_domain))}@{long_domain}"
    found = [f"{name}@{domain}" for name in names for domain in domains] + [longest, longest[1:]]
    for address in found:
        email_validator.validate_email(address, check_deliverability=False, globally_deliverable=False)
    return found


def _numbers() -> list[str]:
    examples = (phonenumbers.example_number(region) for region in phonenumbers.SUPPORTED_REGIONS)
    return sorted(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for number in examples
        if number is not None and phonenumbers.is_valid_number(number)
    )


def register() -> None:
    schemathesis.openapi.format("email", st.sampled_from(_emails()))
    schemathesis.openapi.format("e164", st.sampled_from(_numbers()))
    schemathesis.openapi.format("iso-4217", st.sampled_from(sorted(EXPONENTS)))
    # A cursor is of one list in one order: `fit` puts a real one in the place of this.
    schemathesis.openapi.format("cursor", st.just("WyJjdXJzb3IiXQ"))
