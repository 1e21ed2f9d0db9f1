"""Reading JSON from strangers: what Postgres or a careless reader would trip over later is refused here."""

import json
from typing import Any, NoReturn

from reevit_server.core.errors import MalformedJson

MAX_DEPTH = 32
_INT64 = range(-(2**63), 2**63)


def loads(raw: bytes) -> Any:
    """The value that `raw` says.

    Raises MalformedJson for anything that is not strict JSON in UTF-8, and for what is but loses or breaks
    something further on: duplicate keys, NaN and Infinity, integers beyond 64 bits, NUL characters,
    lone surrogates, nesting deeper than 32.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise MalformedJson("The body is not valid UTF-8.") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_int64,
            parse_float=_finite,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    if "\\u" in text:  # only an escape can bring these in: raw ones failed above
        _check_characters(value)
    return value


def _check_depth(text: str) -> None:
    """Nesting is measured before the parser recurses; most bodies have too few brackets to need it."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedJson(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif character in "}]":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise MalformedJson(f"The key {twice!r} is given twice in one object.")
    return value


def _int64(digits: str) -> int:
    # Length first: int() of a very long digit string is slow, and refused by Python itself.
    if len(digits) > 20 or (number := int(digits)) not in _INT64:
        raise MalformedJson("An integer in the body is larger than 64 bits.")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise MalformedJson(f"The number {digits[:40]} is too large.")
    return number


def _no_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not JSON.")


def _check_characters(value: Any) -> None:
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key)
            _check_characters(item)
    elif isinstance(value, list):
        for item in value:
            _check_characters(item)


def check_text(text: str) -> None:
    """Raises MalformedJson for characters that UTF-8 or Postgres cannot hold."""
    if "\0" in text:
        raise MalformedJson("A NUL character cannot be stored; leave it out.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedJson("A lone surrogate is no character; send the text as UTF-8.") from None
