"""What a client may be set to. Each check says what is wrong before anything is sent, and repeats no secret."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import httpx

from reevit.errors import ConfigurationError

DEFAULT_BASE_URL = "http://localhost:8000"

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLIENT_SECRET = re.compile(r"(?<=client_secret=)[^&\s\"'#]+")


def checked_key(api_key: Any) -> str:
    """The API key."""
    if not api_key:
        raise ConfigurationError("There is no API key: give api_key, or set REEVIT_API_KEY.")
    if not isinstance(api_key, str):
        raise ConfigurationError(f"The API key must be text, not {type(api_key).__name__}.")
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ConfigurationError(
            "The API key holds a space, a line's end or another character that no key has. "
            "It looks like pfk_test_….…; was it copied whole, and alone?"
        )
    return api_key


def checked_org(org_id: Any) -> str | None:
    """The organization, or None."""
    if org_id is not None and not isinstance(org_id, str):
        raise ConfigurationError(f"org_id must be text, not {type(org_id).__name__}.")
    return org_id


def checked_url(base_url: Any) -> str:
    """The address of a server, without a slash at its end."""
    if not isinstance(base_url, str):
        raise ConfigurationError(f"base_url must be text, not {type(base_url).__name__}.")
    if found := [mark for mark in "@?#" if mark in base_url]:  # not repeated: there may be a password in it
        raise ConfigurationError(
            f"base_url has {found[0]!r} in it. It is a server's address, such as https://reevit.example, without "
            "a user, a password, a query or a fragment; the key is given as api_key."
        )
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"base_url {base_url!r} is no address: {error}.") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(
            f"base_url {base_url!r} is no address of a server: it looks like https://reevit.example, "
            f"or {DEFAULT_BASE_URL}."
        )
    return base_url.rstrip("/")


def checked_timeout(timeout: Any) -> float | httpx.Timeout | None:
    """Seconds, an `httpx.Timeout`, or None for no end."""
    if timeout is None or isinstance(timeout, httpx.Timeout):
        return timeout
    if (
        isinstance(timeout, bool)
        or not isinstance(timeout, int | float)
        or not (timeout > 0 and math.isfinite(timeout))
    ):
        raise ConfigurationError(
            f"timeout cannot be {timeout!r}: it is a number of seconds above 0, an httpx.Timeout, or None to wait "
            "without end."
        )
    return timeout


def checked_retries(max_retries: Any) -> int:
    """How often a call is sent again."""
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise ConfigurationError(f"max_retries cannot be {max_retries!r}: it is a whole number from 0.")
    return max_retries


def checked_headers(headers: Mapping[str, str]) -> httpx.Headers:
    """As UTF-8, which the server reads: a reason may be given in any language.

    Raises TypeError for a value that is no text, ValueError for one that no header can have.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"A header cannot be called {name!r}.")
        if not isinstance(value, str):
            raise TypeError(f"{name} must be text, not {type(value).__name__}.")
        if not value.isprintable():
            raise ValueError(f"{name} cannot be {value!r}: a header is one line of printable characters.")
    return httpx.Headers(headers, encoding="utf-8")


def checked_idempotency_key(key: Any) -> str:
    """Raises TypeError or ValueError; an empty one would make of two calls two payments, and nobody would know."""
    if not isinstance(key, str):
        raise TypeError(f"An idempotency key must be text, not {type(key).__name__}.")
    if not key.strip():
        raise ValueError("An idempotency key cannot be empty. Is the variable set? Without one, one is made.")
    return key


def checked_path(path: str) -> str:
    """Of `request`. Raises ValueError for one that would lead elsewhere than it reads."""
    if not path.startswith("/"):  # it would go on with the host's name, and the key to another host
        raise ValueError(f"A path starts with a slash, as /v1/customers does; this is {path!r}.")
    if "#" in path:
        raise ValueError(f"A path has no #, after which nothing is sent; this is {path!r}. Is it %23?")
    if {".", ".."} & {unquote(part) for part in path.partition("?")[0].split("/")}:
        raise ValueError(f"A path goes straight on, without . and ..; this is {path!r}. Is an id in it one?")
    return path


class WithoutClientSecret(logging.Filter):
    """Takes the secret of a payment, which stands in the address, out of what `httpx` logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_secret(each) for each in record.args)
        return True


def _without_secret(logged: object) -> object:
    """Only an address or a text that has one in it is touched."""
    if isinstance(logged, httpx.URL | str) and "client_secret=" in (text := str(logged)):
        return _CLIENT_SECRET.sub("…", text)
    return logged
