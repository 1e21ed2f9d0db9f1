"""From an address to a door: routes are declared with FastAPI, which describes them, and matched here.

Why not FastAPI's own dispatch: an `external_id` may contain `/`, so that a path must be cut into segments
*before* it is percent-decoded; and a table walked by segment costs a third of a request's time less
(`docs/decisions/0003-fastapi-describes-a-table-dispatches.md`).
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote_to_bytes

import pydantic
from fastapi import params
from fastapi.routing import APIRoute

from reevit_server.core.answer import Answer
from reevit_server.core.errors import MethodNotAllowed, RouteNotFound, ValidationError
from reevit_server.core.http import Request
from reevit_server.core.validation import validated

_QUERY_PARAMETERS_MAX = 100
_LISTED_NOUNS = ("payments", "subscriptions", "invoices")
# What has no scope of its own: events tell of nothing that webhooks do not; policies and the clock are for billing;
# messages are what workflows write.
_BELONGS_TO = {
    "events": "webhooks",
    "policies": "subscriptions",
    "clock": "subscriptions",
    "messages": "workflows",
}


@dataclass(frozen=True, slots=True)
class Door:
    """One operation: the function behind it and how its arguments are read."""

    template: str
    function: Callable[..., Awaitable[Answer]]
    permission: str | None  # None: open to everyone
    path_names: tuple[str, ...]
    takes_call: bool
    query: tuple[str, type[pydantic.BaseModel]] | None
    body: tuple[str, type[pydantic.BaseModel]] | None
    lists: frozenset[str]  # query parameters that may be repeated
    maps: frozenset[str]  # query parameters written as name[key]

    async def __call__(
        self, call: Request, path: Sequence[str], query: Iterable[tuple[str, str]], body: Any
    ) -> Answer:
        arguments: dict[str, Any] = dict(zip(self.path_names, path, strict=True))
        if self.takes_call:
            arguments["call"] = call
        if self.query is not None:
            name, model = self.query
            arguments[name] = validated(model, self._collect(query))
        elif query:
            raise _unknown_parameter(next(iter(query))[0])
        if self.body is not None:
            name, model = self.body
            arguments[name] = validated(model, body)
        elif body:
            raise ValidationError("This operation takes no body; send none, or an empty object.")
        return await self.function(**arguments)

    def _collect(self, query: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Query pairs as the mapping its model expects: `tag=a&tag=b` is a list, `metadata[k]=v` a map."""
        values: dict[str, Any] = {}
        for name, value in query:
            if name in self.lists:
                values.setdefault(name, []).append(value)
                continue
            outer, bracket, inner = name.partition("[")
            if bracket and inner.endswith("]") and outer in self.maps:
                values.setdefault(outer, {})[inner[:-1]] = value
            elif name in values:
                raise ValidationError.of(name, "repeated", f"`{name}` is given twice; give it once.")
            elif name in self.maps:
                raise ValidationError.of(name, "malformed", f"Write `{name}[key]=value`.")
            else:
                values[name] = value
        return values


def _unknown_parameter(name: str) -> ValidationError:
    return ValidationError.of(name, "unknown_field", f"`{name}` is not a parameter of this operation.")


@dataclass(slots=True)
class _Node:
    static: dict[str, "_Node"] = field(default_factory=dict)
    variable: "_Node | None" = None
    doors: dict[str, Door] = field(default_factory=dict)


class Routes:
    """Every door of the API by its address."""

    def __init__(self, routes: Iterable[Any]) -> None:
        self._root = _Node()
        for route in routes:
            if isinstance(route, APIRoute):
                self._add(route)

    def _add(self, route: APIRoute) -> None:
        node = self._root
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.static.setdefault(segment, _Node())
        for method in route.methods or ():
            assert method not in node.doors, f"two doors at {method} {route.path}"
            node.doors[method] = _door(route, method)

    def match(self, method: str, raw_path: bytes) -> tuple[Door, list[str]]:
        """The door at an address, and its path parameters, percent-decoded.

        Raises RouteNotFound, MethodNotAllowed (with the Allow header).
        """
        segments = raw_path.decode("latin-1").strip("/").split("/")
        values: list[str] = []
        node = _walk(self._root, segments, 0, values)
        if node is None:
            raise RouteNotFound
        door = node.doors.get("GET" if method == "HEAD" else method)
        if door is None:
            refusal = MethodNotAllowed()
            allowed = ", ".join(sorted({*node.doors, *(("HEAD",) if "GET" in node.doors else ())}))
            refusal.headers = ((b"allow", allowed.encode()),)
            raise refusal
        return door, [_decoded(value) for value in values]


def _walk(node: _Node, segments: list[str], depth: int, values: list[str]) -> _Node | None:
    """Fixed words win over variables; where they lead nowhere, the variable is tried."""
    if depth == len(segments):
        return node if node.doors else None
    segment = segments[depth]
    if (static := node.static.get(segment)) is not None and (
        found := _walk(static, segments, depth + 1, values)
    ) is not None:
        return found
    if node.variable is not None and segment:
        values.append(segment)
        if (found := _walk(node.variable, segments, depth + 1, values)) is not None:
            return found
        values.pop()
    return None


def _decoded(segment: str) -> str:
    if "%" not in segment and segment.isascii():
        return segment
    try:
        text = unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise ValidationError("The address is not valid UTF-8; percent-encode it as UTF-8.") from None
    if "\0" in text:
        raise ValidationError(
            "The address holds a NUL character (%00), which nothing is named by; leave it out."
        )
    return text


def parse_query(raw: bytes) -> list[tuple[str, str]]:
    """The pairs of a query string. Raises ValidationError for what is no UTF-8 or too much."""
    if not raw:
        return []
    try:
        pairs = parse_qsl(
            raw.decode("latin-1"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_QUERY_PARAMETERS_MAX,
        )
    except UnicodeDecodeError:
        raise ValidationError("The query string is not valid UTF-8; percent-encode it as UTF-8.") from None
    except ValueError:
        raise ValidationError(f"More than {_QUERY_PARAMETERS_MAX} query parameters; send fewer.") from None
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            message = "A NUL character (%00) cannot be stored; leave it out."
            raise ValidationError.of(name, "nul_character", message)
    return pairs


def _door(route: APIRoute, method: str) -> Door:
    """Reads a declared route's signature once, at start-up."""
    function = route.endpoint
    path_names = tuple(part[1:-1] for part in route.path.split("/") if part.startswith("{"))
    hints = get_type_hints(function, include_extras=True)
    query = body = None
    for name in inspect.signature(function).parameters:
        hint = hints[name]
        if name in path_names or name == "call":
            continue
        if get_origin(hint) is Annotated and any(
            isinstance(mark, params.Query) for mark in get_args(hint)[1:]
        ):
            query = (name, get_args(hint)[0])
        else:
            assert issubclass(hint, pydantic.BaseModel), f"{route.path}: what is {name}?"
            body = (name, hint)
    return Door(
        template=route.path,
        function=function,
        permission=permission_of(method, route.path),
        path_names=path_names,
        takes_call="call" in hints,
        query=query,
        body=body,
        lists=_fields_of(query, list),
        maps=_fields_of(query, dict),
    )


def _fields_of(query: tuple[str, type[pydantic.BaseModel]] | None, kind: type) -> frozenset[str]:
    if query is None:
        return frozenset()
    return frozenset(
        name
        for name, info in query[1].model_fields.items()
        if kind in {get_origin(part) or part for part in (info.annotation, *get_args(info.annotation))}
    )


def permission_of(method: str, template: str) -> str | None:
    """The scope that a key needs here: the noun of the address, `read` for GET and `write` for the rest.

    A rule instead of a mark on every route, so that no route can be left unguarded by forgetting it.
    """
    _, _, path = template.partition("/v1/")
    if not path:
        return None
    segments = path.removeprefix("sandbox/").replace("-", "_").split("/")
    # A customer's payments are payments: the last word that is a noun of its own decides.
    noun = segments[-1] if segments[-1] in _LISTED_NOUNS else segments[0]
    noun = _BELONGS_TO.get(noun, noun)
    return f"{noun}:{'read' if method in ('GET', 'HEAD') else 'write'}"
