"""The kinds of text that requests carry: how long, which characters, and what to say when they are not.

What people read must have something to see. What only names a thing for programs (an external_id, a reference) is
kept byte for byte, whatever it looks like; a description may say anything, or nothing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

# Category Cc. They have no place in a name or an id, and would travel on into headers and terminals.
_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
# White space, characters that only format, and letters that are blank.
_BLANKS = (
    r"\u0020\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
_CONTROL = re.compile(f"[{_CONTROLS}]")
_SEEN = re.compile(f"[^{_CONTROLS}{_BLANKS}]")
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
_NO_CONTROL = Field(json_schema_extra={"pattern": f"^[^{_CONTROLS}]*$"})
_VISIBLE = Field(json_schema_extra={"pattern": f"^[^{_CONTROLS}]*{_SEEN.pattern}[^{_CONTROLS}]*$"})

METADATA_KEYS_MAX = 50
_INTEGER = re.compile("-?[0-9]+")


def without_control(text: str) -> str:
    """The text, if it stays on its line and does nothing to the terminal that shows it."""
    if found := _CONTROL.search(text):
        raise ValueError(
            f"Control characters are not allowed (U+{ord(found[0]):04X} at position {found.start()})"
        )
    return text


def visible(text: str) -> str:
    """The text, if it stays on its line and there is anything to see in it."""
    without_control(text)
    if _SEEN.search(text) is None:
        raise ValueError("There is nothing to see in this; write at least one visible character")
    return text


def in_the_form(pattern: str, otherwise: str) -> AfterValidator:
    """Checks a text against a regular expression, and says what it should be in words instead."""
    form = re.compile(pattern)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(otherwise)
        return text

    return AfterValidator(check)


def _digits(value: Any) -> Any:
    """Pydantic alone would also read 1_0, 1.0 and a 1 with spaces around it."""
    if isinstance(value, str) and _INTEGER.fullmatch(value) is None:
        raise PydanticCustomError("int_parsing", "Write an integer in digits, such as 20")
    return value


# For an integer in an address, where everything is text. After its bounds, which a schema would not tell otherwise.
IN_DIGITS = BeforeValidator(_digits)

# Names that people read, of customers; of organizations and keys. Nobody sees white space around one: it is dropped.
Name = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=255),
    AfterValidator(visible),
    AfterValidator(str.strip),
    _VISIBLE,
]
ShortName = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=200),
    AfterValidator(visible),
    AfterValidator(str.strip),
    _VISIBLE,
]
# Strings on one line: tags and methods, which are compared as they are; ids of others and references.
Word = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=64),
    AfterValidator(visible),
    _VISIBLE,
]
Line = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=255),
    AfterValidator(without_control),
    _NO_CONTROL,
]
VisibleLine = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=255),
    AfterValidator(visible),
    _VISIBLE,
]
Text = Annotated[str, StringConstraints(strict=True, max_length=1000)]

_64_BITS = Field(ge=-(2**63), lt=2**63)
MetadataValue = (
    StrictBool
    | Annotated[StrictInt, _64_BITS]
    | Annotated[StrictFloat, _64_BITS]
    | Annotated[str, StringConstraints(strict=True, max_length=500)]
)
MetadataKey = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=40),
    AfterValidator(without_control),
    _NO_CONTROL,
]


def _scalar(value: Any) -> Any:
    """One sentence for all that a metadata value can be, instead of one complaint per kind."""
    if isinstance(value, str):
        fits = len(value) <= 500
    else:
        fits = isinstance(value, bool | int | float) and -(2**63) <= value < 2**63
    if not fits:
        raise ValueError("Write a string of at most 500 characters, a number within 64 bits, or a boolean")
    return value


Metadata = Annotated[
    dict[MetadataKey, Annotated[MetadataValue, BeforeValidator(_scalar)]],
    Field(
        max_length=METADATA_KEYS_MAX,
        description="Key-value pairs of your own: at most 50 keys of 40 characters; "
        "strings (up to 500 characters), numbers, booleans. An empty string unsets a key.",
        examples=[{"plan": "pro"}],
    ),
]


def _rfc3339(value: Any) -> Any:
    """Only the one format of RFC 3339: a bare number or date would be read in more than one way."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("Write an instant as RFC 3339, for example 2026-01-31T09:30:00Z")
    return value


def utc(value: datetime) -> datetime:
    """An aware instant in UTC. Raises ValueError outside the years 2 to 9998.

    What lies beyond would overflow on its way through time zones, or come to Postgres as an infinity.
    """
    if not 2 <= value.year <= 9998 or value.tzinfo is None:
        raise ValueError("This instant is out of range")
    return value.astimezone(UTC)


def rfc3339(value: datetime) -> str:
    """The instant as answers write it, with a `Z`."""
    return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


Instant = Annotated[datetime, BeforeValidator(_rfc3339), AfterValidator(utc)]
FIRST, LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def _within_reach(value: datetime) -> datetime:
    if value.tzinfo is None or 2 <= value.year <= 9998:
        return utc(value)
    return FIRST if value.year < 2 else LAST


# An instant to compare with: one beyond all that can be stored is as good as the last that can.
Bound = Annotated[datetime, BeforeValidator(_rfc3339), AfterValidator(_within_reach)]


def merged(stored: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata after an update: keys are added and replaced, an empty string unsets one, None clears all."""
    if given is None:
        return {}
    return {key: value for key, value in {**stored, **given}.items() if value != ""}


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: unlike Python's, its 1 is not true."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
