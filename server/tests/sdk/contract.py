"""What the contract and the Python SDK say of themselves, for the server's tests to hold against the server."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from reevit import Reevit
from reevit._resource import Resource, listing, operation

from reevit_server.app import ROUTERS
from reevit_server.core.routing import Routes
from tests.openapi.conformance import DOCUMENT, seen
from tests.openapi.test_document import objects

CONTRACT = Path(__file__).parents[3] / "sdk" / "contract"

Case = dict[str, Any]
Schema = dict[str, Any]

_ROUTES = Routes(route for router in ROUTERS for route in router.routes)


class Operation(NamedTuple):
    """One of the document's, by its address with names for what varies."""

    method: str
    template: str

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = DOCUMENT["paths"][self.template][self.method.lower()]
        return found

    @property
    def body_schema(self) -> Schema | None:
        """The name and nothing else of what is sent, or None when nothing is."""
        body = self.told.get("requestBody")
        return body and body["content"]["application/json"]["schema"]

    def parameters(self, place: str) -> dict[str, dict[str, Any]]:
        """Those in the `path` or the `query`, by name, in their order."""
        every = map(seen, self.told.get("parameters", ()))
        return {parameter["name"]: parameter for parameter in every if parameter["in"] == place}


class Exchange(NamedTuple):
    request: dict[str, Any]
    response: dict[str, Any]
    operation: Operation
    in_path: dict[str, str]


@cache
def answers() -> frozenset[str]:
    """The names of the schemas that operations answer with when they succeed, and of all that is within them."""
    found: set[str] = set()
    responses = (
        seen(response)
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status < "300"
    )
    left = [name for response in responses for name in _named_in(response.get("content", {}))]
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += _named_in(DOCUMENT["components"]["schemas"][name])
    return frozenset(found)


def _named_in(schema: Any) -> list[str]:
    return [item["$ref"].rpartition("/")[2] for item in objects(schema) if "$ref" in item]


def operation_of(request: dict[str, Any]) -> tuple[Operation, dict[str, str]]:
    """Which one the server takes a request for, and what stands in its address."""
    door, values = _ROUTES.match(request["method"], request["path"].encode())
    found = Operation(request["method"], door.template)
    return found, dict(zip(found.parameters("path"), values, strict=True))


def exchanges(case: Case) -> Iterator[Exchange]:
    for exchange in case["exchanges"]:
        yield Exchange(exchange["request"], exchange["response"], *operation_of(exchange["request"]))


def cases(path: Path) -> list[Case]:
    found: list[Case] = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def cases_of_nouns() -> dict[str, list[Case]]:
    """The cases that are about one noun each, and so tell of every operation; the other files are about manners."""
    nouns = [name for name, _ in _resources(_client())]
    return {noun: cases(path) for noun in nouns if (path := CONTRACT / "cases" / f"{noun}.json").exists()}


@cache
def methods() -> dict[str, Callable[..., Any]]:
    """The Python SDK's calls as the contract names them (`webhooks.endpoints.create`), and what defines them."""
    return dict(_methods(_client(), ""))


def _methods(owner: Any, path: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, resource in _resources(owner):
        for method, found in vars(type(resource)).items():
            if isinstance(found, operation | listing):
                yield f"{path}{name}.{method}", found._build
        yield from _methods(resource, f"{path}{name}.")


def _resources(owner: Any) -> Iterator[tuple[str, Any]]:
    yield from ((name, found) for name, found in vars(owner).items() if isinstance(found, Resource))


@cache
def _client() -> Reevit:
    with Reevit("pfk_test_nobody.nothing") as client:
        return client
