"""Texts that a schema can name but not describe: what `format` means, in values that are really valid."""

import base64

import email_validator
import phonenumbers
import schemathesis
from hypothesis import strategies as st

from reevit_server.core.addresses import checked_url
from reevit_server.core.countries import COUNTRIES
from reevit_server.core.money import EXPONENTS
from reevit_server.webhooks.models import checked_secret
from reevit_server.workflows.rendering import faults

_NUMBERS = sorted(
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for number in map(phonenumbers.example_number, phonenumbers.SUPPORTED_REGIONS)
    if number is not None and phonenumbers.is_valid_number(number)
)
# Hosts that nobody has, by RFC 6761.
_URLS = (
    "https://shop.invalid",
    "HTTPS://Shop.Invalid:8443/hooks?via=reevit",
    "https://bücher.invalid/häuser/%7Eada?q=ä",
    "https://xn--bcher-kva.invalid/a//b/../c;d=1",
)


def register() -> None:
    schemathesis.openapi.format("e164", st.sampled_from(_NUMBERS))
    schemathesis.openapi.format("iso-4217", st.sampled_from(sorted(EXPONENTS)))
    schemathesis.openapi.format("iso-3166-1-alpha-2", st.sampled_from(sorted(COUNTRIES)))
    schemathesis.openapi.format("webhook-url", st.sampled_from(_URLS))
    schemathesis.openapi.format("webhook-secret", st.binary(min_size=24, max_size=64).map(_secret))
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


def is_told(text: str) -> bool:
    """Whether deliveries may be sent there. To a schema, any text is a `webhook-url`."""
    try:
        checked_url(text, private=False)
    except ValueError:
        return False
    return True


def is_secret(text: str) -> bool:
    """Whether deliveries may be signed with it. To a schema, any text is a `webhook-secret`."""
    try:
        checked_secret(text)
    except ValueError:
        return False
    return True


def is_liquid(text: str) -> bool:
    """Whether a template may say this in any of its parts. To a schema, any text is Liquid."""
    return not faults({"text": text})


def _secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()
