"""Pure rules about customers."""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

import phonenumbers

from reevit_server.core.scope import Scope

TAGS_MAX = 50
_WORD = re.compile(r"[^\W_]+")
_WORD_LENGTH_MAX = 64
_ADDRESS_LENGTH_MAX = 255
_BETWEEN_ADDRESSES = re.compile(r"[\s<>()\[\]{},;:\"|/\\]+")
_AROUND_ADDRESSES = ".'`!?*"
_PHONE_AS_WRITTEN = re.compile(r"\+?[0-9][0-9 ()./-]*")


class CustomerId(str):
    """A customer by our id, `cus_…`."""

    __slots__ = ()


class ExternalId(str):
    """A customer by the merchant's own id."""

    __slots__ = ()


CustomerRef = CustomerId | ExternalId


class Payer(NamedTuple):
    """What a payment needs to know of its customer: enough for the event that tells the merchant who paid."""

    id: str
    external_id: str | None
    email: str | None
    name: str | None
    phone: str | None
    tags: list[str]


def words(text: str) -> list[str]:
    """The words of a text as a search sees them: lower-case, without accents or punctuation."""
    return [word[:_WORD_LENGTH_MAX] for word in _WORD.findall(_plain(text))]


def addresses(text: str) -> list[str]:
    """E-mail addresses in a text, or what may be the beginning of one, in lower case, without what is around them."""
    return [part[:_ADDRESS_LENGTH_MAX] for part in _pieces(text) if "@" in part[1:]]


def words_beside_addresses(text: str) -> list[str]:
    """The words of a text but for those of its addresses."""
    return [word for part in _pieces(text) if "@" not in part[1:] for word in words(part)]


def without_addresses(text: str) -> str:
    """The text with nothing left of an address but its words."""
    return text.replace("@", " ")


def _pieces(text: str) -> list[str]:
    return [part.strip(_AROUND_ADDRESSES) for part in _BETWEEN_ADDRESSES.split(_plain(text))]


def _plain(text: str) -> str:
    return "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    ).casefold()


def phone_digits(search: str) -> str | None:
    """The digits of a search that may be a phone number, however it is spaced; None if it cannot be one."""
    if _PHONE_AS_WRITTEN.fullmatch(search.strip()) is None:
        return None
    return "".join(character for character in search if character.isdecimal())


def search_terms(scope: Scope, *texts: str | None, phone: str | None) -> list[str]:
    """What a customer is found by. Each term begins with its scope, so that one index serves all and leaks none."""
    found = [word for text in texts if text for word in (*words(text), *addresses(text))]
    if phone:
        national = phonenumbers.parse(phone).national_number
        # People look for a number as they dial it at home, with or without the trunk zero.
        found += [phone.removeprefix("+"), f"0{national}", str(national)]
    return sorted({term(scope, word) for word in found})


def term(scope: Scope, word: str) -> str:
    """A search word within its scope."""
    return f"{scope.org_id}/{scope.mode}/{word}"


def without_repeats(tags: Iterable[str]) -> list[str]:
    """Tags in the order given, each once."""
    return list(dict.fromkeys(tags))
