"""Texts that a schema can name but not describe: what `format` means, in values that are really valid."""

import phonenumbers
import schemathesis
from hypothesis import strategies as st

from reevit_server.core.money import EXPONENTS

_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,20}([._+-][a-z0-9]{1,10})?", fullmatch=True)
_DOMAINS = st.sampled_from(("example.com", "mail.example.org", "example.com.gh", "xn--bcher-kva.example.net"))


def _example_numbers() -> list[str]:
    examples = (phonenumbers.example_number(region) for region in phonenumbers.SUPPORTED_REGIONS)
    return sorted(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for number in examples
        if number is not None and phonenumbers.is_valid_number(number)
    )


def register() -> None:
    schemathesis.openapi.format("email", st.builds("{}@{}".format, _NAMES, _DOMAINS))
    schemathesis.openapi.format("e164", st.sampled_from(_example_numbers()))
    schemathesis.openapi.format("iso-4217", st.sampled_from(sorted(EXPONENTS)))
    # A cursor is of one list in one order: `Shop.fit` puts a real one in the place of these.
    schemathesis.openapi.format("cursor", st.just("WyJjdXJzb3IiXQ"))
