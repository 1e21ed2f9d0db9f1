"""The headers of a delivery, in whatever shape a web framework hands them over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class HasItems(Protocol):
    """Werkzeug's headers, say, which are no Mapping."""

    def items(self) -> Iterable[tuple[Any, Any]]: ...


Headers = Mapping[Any, Any] | HasItems | Iterable[tuple[Any, Any]]
"""A dict, the headers of a request in any framework, Django's ``request.META``, or pairs, as those of an ASGI scope.
Names and values may be bytes, and a value a list of several.
"""


def named(headers: object) -> dict[str, list[str]]:
    """Every value by its name, in small letters with hyphens. Raises TypeError for what are no headers."""
    try:
        pairs = headers.items() if isinstance(headers, HasItems) else headers
        found: dict[str, list[str]] = {}
        for name, value in pairs:  # type: ignore[attr-defined]  # if it cannot be gone over, that is the error
            several = value if isinstance(value, list | tuple) else [value]
            found.setdefault(_name(name), []).extend(text_of(each) for each in several)
    except (TypeError, ValueError) as error:  # no pairs: a number, a list of texts
        raise TypeError(
            f"The headers must be those of the request (a mapping, or pairs of name and value), or the text of "
            f"X-Reevit-Signature; not {type(headers).__name__}."
        ) from error
    return found


def text_of(value: object) -> str:
    """Bytes as they are on the wire."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _name(name: object) -> str:
    """WSGI and Django's META say ``HTTP_X_REEVIT_SIGNATURE``."""
    return text_of(name).lower().replace("_", "-").removeprefix("http-")
