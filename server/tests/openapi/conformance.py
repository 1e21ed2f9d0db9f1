"""Holds any answer against the OpenAPI document: its status, its headers, its code, the shape of its body."""

import functools
from typing import Any

import httpx
import jsonschema_rs

from reevit_server.app import ROUTERS, describe
from reevit_server.core.errors import AppError
from reevit_server.core.routing import Routes

DOCUMENT = describe()
_ROUTES = Routes(route for router in ROUTERS for route in router.routes)


def check(response: httpx.Response) -> None:
    """Raises AssertionError for an answer that the document does not tell of. The body must have been read."""
    request = response.request
    try:
        door, _ = _ROUTES.match(request.method, request.url.raw_path.partition(b"?")[0])
    except AppError:
        return  # no operation of the document: an address or a method that there is not
    if door.template not in DOCUMENT["paths"]:
        return  # a page for people
    method = "get" if request.method == "HEAD" else request.method.lower()
    operation = DOCUMENT["paths"][door.template][method]
    where = f"{operation['operationId']}: {response.status_code}"
    assert str(response.status_code) in operation["responses"], f"{where} is not documented: {response.text}"
    told = seen(operation["responses"][str(response.status_code)])
    for name, header in told.get("headers", {}).items():
        assert name in response.headers or not seen(header)["required"], f"{where} lacks the header {name}"
    media_type = response.headers.get("content-type", "").partition(";")[0]
    assert media_type in told.get("content", {"": None}), f"{where} has the media type {media_type!r}"
    if media_type == "application/json" and request.method != "HEAD":
        validator = _validator(door.template, method, response.status_code)
        fault = next(iter(validator.iter_errors(response.json())), None)
        assert fault is None, f"{where}: {fault}"


def read_and_check(response: httpx.Response) -> None:
    """The same, as a hook of an `httpx.Client`, which calls it before the body was read."""
    response.read()
    check(response)


async def aread_and_check(response: httpx.Response) -> None:
    """The same, as a hook of an `httpx.AsyncClient`."""
    await response.aread()
    check(response)


def seen(found: dict[str, Any]) -> dict[str, Any]:
    """What a reference points to; anything else as it is."""
    if "$ref" not in found:
        return found
    _, _, kind, name = found["$ref"].split("/")
    target: dict[str, Any] = DOCUMENT["components"][kind][name]
    return target


@functools.cache
def _validator(template: str, method: str, status: int) -> jsonschema_rs.Draft202012Validator:
    told = seen(DOCUMENT["paths"][template][method]["responses"][str(status)])
    schema = told["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
