"""How one definition of a resource serves both clients.

A resource's methods say what to send: each returns a `Call` or a `ListCall`. The decorators here make of it what the
client's kind makes of it: ``Reevit`` sends and returns the object, ``AsyncReevit`` returns something to await. Type
checkers see the one or the other by the client that the resource belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from reevit._call import Call, ListCall
from reevit._pages import AsyncPages, Page

P = ParamSpec("P")
T = TypeVar("T")

Awaited = Coroutine[object, None, T]
"""A coroutine, so that tasks are made of it and a forgotten ``await`` is found. There is no ``Any`` in it, which can
keep mypy from knowing what ``asyncio.gather`` returns.
"""


class Sync:
    """Calls return what they ask for."""


class Async:
    """Calls return something to await."""


Kind = TypeVar("Kind", Sync, Async)


class Sender(Protocol):
    """What a resource needs of its client."""

    def send(self, call: Call[Any]) -> Any: ...

    def send_list(self, call: ListCall[Any]) -> Any: ...


class Resource(Generic[Kind]):
    """What one noun of the API can do."""

    def __init__(self, client: Sender) -> None:
        self._client = client


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that sends one request."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self._build = build

    @overload
    def __get__(self, resource: Resource[Sync], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, resource: Resource[Async], owner: Any) -> Callable[P, Awaited[T]]: ...
    def __get__(self, resource: Any, owner: Any) -> Any:
        return self._build if resource is None else _bound(self._build, resource, resource._client.send)  # noqa: SLF001


class listing(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that asks for a list."""

    def __init__(self, build: Callable[Concatenate[Any, P], ListCall[T]]) -> None:
        self._build = build

    @overload
    def __get__(self, resource: Resource[Sync], owner: Any) -> Callable[P, Page[T]]: ...
    @overload
    def __get__(self, resource: Resource[Async], owner: Any) -> Callable[P, AsyncPages[T]]: ...
    def __get__(self, resource: Any, owner: Any) -> Any:
        return self._build if resource is None else _bound(self._build, resource, resource._client.send_list)  # noqa: SLF001


def _bound(build: Callable[..., Any], resource: Any, send: Callable[[Any], Any]) -> Callable[..., Any]:
    """A resource's method: builds what is asked, and sends it."""
    method = MethodType(build, resource)  # so that `help` and `inspect` do not ask for a `self`

    @wraps(method)
    def ask(*args: Any, **named: Any) -> Any:
        return send(method(*args, **named))

    return ask
