"""One call of the API as a value: what is sent, and how its answer is read. Nothing here talks to the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

from reevit.errors import UnexpectedAnswer

T = TypeVar("T")


_NO_ID = "Give the customer's id, customer.id, or {'external_id': …}; not the whole object."


class ByExternalId(TypedDict):
    """A customer named by your own id."""

    external_id: str


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and what makes an object of the answer's JSON (or of its bytes, when `read_bytes`)."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    read_bytes: bool = False


@dataclass(frozen=True, slots=True)
class ListCall(Generic[T]):
    """A request for a page of a list; `key` is where the rows are in the answer."""

    path: str
    key: str
    row: Callable[[Any], T]
    query: Mapping[str, Any]


def nothing(_: Any) -> None:
    """The answer of a call that has none."""


def path_of(*parts: str) -> str:
    """`/v1/…`, each part percent-encoded whole, so that an id is one segment whatever is in it.

    Raises ValueError for an id that is no string, is empty (``GET /v1/customers/`` would be the list) or that every
    URL parser takes for a step in the path.
    """
    for part in parts:
        if checked_id(part) in {".", ".."}:
            raise ValueError(f"An id cannot be {part!r}. Is the variable set?")
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def checked_id(id: str) -> str:
    """Raises ValueError for what is no text, or empty."""
    if not isinstance(id, str) or not id:
        raise ValueError(f"An id cannot be {id!r}. Is the variable set?")
    return id


def customer_path(customer: str | ByExternalId, *parts: str) -> str:
    """The address of a customer by Reevit's id, or by the merchant's own: ``{"external_id": "usr_1"}``.

    Raises ValueError for a whole customer: which of its two ids is meant would be a guess.
    """
    if isinstance(customer, Mapping):
        if set(customer) != {"external_id"}:
            raise ValueError(_NO_ID)
        return path_of("customers", "external", customer["external_id"], *parts)
    return path_of("customers", customer, *parts)


def body_of(data: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping, or keywords, or both. Python's keyword `from` is written `from_`."""
    return {_on_the_wire(name): value for name, value in {**(data or {}), **fields}.items()}


def encoded_body(body: Mapping[str, Any]) -> bytes:
    """Raises TypeError or ValueError for what JSON has no word for: NaN, a set, an instant without its zone."""
    return json.dumps(
        body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
    ).encode()


def encoded_query(query: Mapping[str, Any]) -> list[tuple[str, str | int | float | bool | None]]:
    """None is left out, wherever it stands, a list is repeated, a mapping becomes ``name[key]=value``."""
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in query.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}[{key}]", _text(each)) for key, each in value.items() if each is not None]
        elif isinstance(value, list | tuple | set | frozenset):
            pairs += [(name, _text(each)) for each in value if each is not None]
        elif value is not None:
            pairs.append((_on_the_wire(name), _text(value)))
    return pairs


def decoded(content: bytes, status: int) -> Any:
    """The JSON of an answer. Raises UnexpectedAnswer when it is none: some proxy spoke, or this is another server."""
    try:
        return parsed(content)
    except ValueError:
        raise UnexpectedAnswer(status, content) from None


def parsed(content: bytes) -> Any:
    """Raises ValueError for what is no JSON: Python alone would take NaN for a number, which nobody can send on."""
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("It is nested too deeply to be read.") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON.")


def _on_the_wire(name: str) -> str:
    """No other name loses its underscore: it may be how a newer server writes it."""
    return "from" if name == "from_" else name


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _plain(value) if isinstance(value, datetime) else str(value)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; say datetime(…, tzinfo=timezone.utc).")
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{value!r} cannot be sent as JSON.")
