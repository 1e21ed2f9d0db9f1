"""The OpenAPI document: what FastAPI reads off the doors, made exact by the rules that hold for all of them.

What an operation may refuse follows from its method, its address and its parameters; only what a noun alone can
know is said at the door, with `responses=refusals(ExternalIdTaken)`. Tests hold every answer against it.
"""

import copy
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import pydantic
from fastapi import params
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from reevit_server.core import errors, json_schema
from reevit_server.core.errors import AppError
from reevit_server.core.idempotency import AnswerErased, KeyInUse, KeyReused
from reevit_server.core.ids import id_pattern
from reevit_server.core.paging import InvalidCursor
from reevit_server.core.routing import permission_of

TITLE = "Reevit Customers"
VERSION = "1"

_READS = ("GET", "HEAD")
_CODES = "x-codes"
# Of a route that is a POST only because it takes a body: asked twice, it answers twice, and keeps neither answer.
CHANGES_NOTHING = {"x-changes-nothing": True}
_SUCCESSES = {
    "200": "Done.",
    "201": "Created.",
    "202": "Accepted: it is done in the background.",
    "204": "Done; there is nothing more to say.",
}
_LIMITED = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_MORE_HEADERS = {
    "401": ("WWW-Authenticate",),
    "409": ("Retry-After",),
    "429": ("Retry-After", *_LIMITED),
    "503": ("Retry-After",),
}

Codes = dict[str, str]  # a refusal's code: what it means


def id_in_path(prefix: str) -> Any:
    """A path parameter that holds one of our ids. The pattern is told, not checked: no other id exists."""
    return params.Path(pattern=id_pattern(prefix), examples=[example_id(prefix)])


def example_id(prefix: str) -> str:
    """An id with this prefix that nothing has."""
    return f"{prefix}_01jd8w3v5qe2rvkz6n0c4m8x7a"


def refusals(*refused: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it refuses besides what every route may."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in refused:
        responses.setdefault(error.status, {_CODES: {}})[_CODES][error.code] = _meaning(error)
    return responses


def document(routes: Iterable[Any], *, tags: Mapping[str, str]) -> dict[str, Any]:
    """The document of all `routes`; `tags` tells what each of their tags is about."""
    declared = [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
    found = get_openapi(
        title=TITLE,
        version=VERSION,
        summary="Customers, their payments, and what they are worth.",
        description=files("reevit_server.core").joinpath("openapi.md").read_text(),
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": "/", "description": "This server."}],
        tags=[{"name": name, "description": text} for name, text in tags.items()],
        routes=declared,
    )
    for route in declared:
        operations = found["paths"][route.path_format]
        for method in route.methods or ():
            operations[method.lower()] = _operation(route, method, operations[method.lower()])
    schemas = found["components"]["schemas"]
    for leftover in ("HTTPValidationError", "ValidationError"):
        schemas.pop(leftover, None)
    found["components"] = {
        "schemas": {
            "Error": _error_schema(),
            **{name: _component(schema) for name, schema in schemas.items()},
        },
        "responses": {name: _refusal(status, codes) for name, (status, codes) in _SHARED.items()},
        "parameters": _PARAMETERS,
        "headers": _HEADERS,
        "securitySchemes": _SECURITY_SCHEMES,
    }
    return copy.deepcopy(found)


def _operation(route: APIRoute, method: str, found: dict[str, Any]) -> dict[str, Any]:
    """One operation, from what FastAPI found at its door."""
    permission = permission_of(method, route.path)
    summary, _, description = " ".join(route.description.split()).partition(". ")
    parameters = [_parameter(parameter) for parameter in found.get("parameters", ())]
    operation: dict[str, Any] = {
        "tags": found["tags"],
        "summary": summary.removesuffix("."),
        "description": description,
        "operationId": route.name,
        "security": [] if permission is None else [{"ReevitKey": [permission]}, {"Bearer": [permission]}],
        "parameters": parameters
        + [{"$ref": f"#/components/parameters/{name}"} for name in _headers(method, permission, route)],
        "requestBody": _request_body(route, found.get("requestBody")),
        "responses": _responses(
            method, permission, parameters, found["responses"], keeps=route.openapi_extra != CHANGES_NOTHING
        ),
    }
    return {
        key: value
        for key, value in operation.items()
        if value not in ("", None) and (value or key == "security")
    }


def _headers(method: str, permission: str | None, route: APIRoute) -> tuple[str, ...]:
    """Request headers that an operation listens to, besides its key."""
    if permission is None:
        return ()
    if route.openapi_extra == CHANGES_NOTHING:
        return ("OrgId",)
    return ("OrgId",) if method in _READS else ("OrgId", "IdempotencyKey", "ActorId", "Reason")


def _parameter(found: dict[str, Any]) -> dict[str, Any]:
    """A path or query parameter. It can be left out, if it is optional, but no address can say null."""
    schema = json_schema.plain(found["schema"])
    if "null" in (types := schema.get("type", ())):
        schema["type"] = next(kind for kind in types if kind != "null")
    elif "anyOf" in schema:
        (branch,) = (one for one in schema.pop("anyOf") if one != {"type": "null"})
        schema = {**branch, **schema}
    described = found.get("description") or schema.get("description")
    schema.pop("description", None)
    parameter = {"name": found["name"], "in": found["in"], "required": found["required"]}
    if described:
        parameter["description"] = described
    if schema.get("type") == "object":
        parameter |= {"style": "deepObject", "explode": True}
    return {**parameter, "schema": json_schema.of_request(schema)}


def _request_body(route: APIRoute, found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The body; no body is an empty object, so that it is required only where an empty object is refused."""
    if found is None:
        return None
    assert route.body_field is not None
    model: Any = route.body_field.field_info.annotation
    try:
        model.model_validate({})
    except pydantic.ValidationError:
        return {**found, "required": True}
    return {**found, "required": False}


def _responses(
    method: str,
    permission: str | None,
    parameters: list[dict[str, Any]],
    found: dict[str, Any],
    *,
    keeps: bool,
) -> dict[str, Any]:
    """Every status that the operation can answer, and for refusals every code."""
    successes = {status: response for status, response in found.items() if status < "300"}
    refused = _rules(method, permission, parameters, keeps=keeps, has_answer="204" not in successes)
    for status, response in found.items():
        if _CODES in response:  # without codes it is FastAPI's own, which nobody here ever gives
            refused.setdefault(status, {}).update(response[_CODES])
    return {
        **{
            status: _success(status, success, method, permission)
            for status, success in sorted(successes.items())
        },
        **{
            status: _shared(status, codes) or _refusal(status, codes)
            for status, codes in sorted(refused.items())
        },
    }


def _rules(
    method: str, permission: str | None, parameters: list[dict[str, Any]], *, keeps: bool, has_answer: bool
) -> dict[str, Codes]:
    """What the front of the house refuses on any door's behalf (`core/front.py`). `keeps`: answers, for replays."""
    rules: list[type[AppError]] = [errors.ValidationError]
    if any(parameter["name"] == "cursor" for parameter in parameters):
        rules.append(InvalidCursor)
    if method not in _READS:
        rules += [
            errors.MalformedJson,
            errors.RequestTimeout,
            errors.BodyTooLarge,
            errors.UnsupportedMediaType,
        ]
    if permission is not None:
        rules += [errors.Unauthorized, errors.InsufficientScope, errors.OrgMismatch, errors.RateLimited]
        rules.append(errors.Unavailable)
        if method not in _READS and keeps:
            rules += [KeyInUse, KeyReused]
            if has_answer:
                rules.append(AnswerErased)
    return _by_status(*rules)


def _by_status(*refused: type[AppError]) -> dict[str, Codes]:
    return {str(status): response[_CODES] for status, response in refusals(*refused).items()}


def _success(status: str, found: dict[str, Any], method: str, permission: str | None) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if permission is not None:
        names += _LIMITED
        if method not in _READS:
            names.append("Idempotent-Replayed")
    success = {"description": _SUCCESSES[status], "headers": _header_references(names)}
    if content := found.get("content"):
        success["content"] = {
            kind: {"schema": json_schema.plain(media["schema"])} for kind, media in content.items()
        }
    return success


def _shared(status: str, codes: Codes) -> dict[str, str] | None:
    """A reference to the component that says exactly this."""
    for name, component in _SHARED.items():
        if component == (status, codes):
            return {"$ref": f"#/components/responses/{name}"}
    return None


def _refusal(status: str, codes: Codes) -> dict[str, Any]:
    return {
        "description": "\n".join(f"- `{code}`: {meaning}" for code, meaning in codes.items()),
        "headers": _header_references(("X-Request-Id", *_MORE_HEADERS.get(status, ()))),
        "content": {
            "application/json": {
                "schema": {
                    "allOf": [{"$ref": "#/components/schemas/Error"}],
                    "properties": {"code": {"enum": list(codes)}},
                }
            }
        },
    }


def _component(schema: json_schema.Schema) -> json_schema.Schema:
    """A named schema. What is sent to us forbids unknown fields; what we send may grow."""
    found: json_schema.Schema = json_schema.plain(schema)
    return json_schema.of_request(found) if found.get("additionalProperties") is False else found


def _header_references(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _meaning(error: type[AppError]) -> str:
    return " ".join((error.__doc__ or "").split())


def _error_schema() -> json_schema.Schema:
    text = {"type": "string"}
    fault = {"type": "object", "properties": dict.fromkeys(("field", "code", "message"), text)}
    fault["required"] = list(fault["properties"])
    return {
        "type": "object",
        "description": "The one shape of every refusal.",
        "properties": {
            "error": {
                "enum": sorted({error.error for error in AppError.__subclasses__()}),
                "description": "The class of refusal.",
            },
            "code": {**text, "description": "Stable, for programs."},
            "message": {**text, "description": "One sentence that a person can act on."},
            "details": {
                "type": "object",
                "description": "What else there is to know, by code.",
                "properties": {
                    "fields": {"type": "array", "items": fault, "description": "Each fault in the request."}
                },
            },
            "request_id": {**text, "description": "The same as in `X-Request-Id`."},
        },
        "required": ["error", "code", "message", "details", "request_id"],
    }


_SHARED: dict[str, tuple[str, Codes]] = {
    name: next(iter(_by_status(*refused).items()))
    for name, refused in {
        "Invalid": (errors.ValidationError,),
        "InvalidBody": (errors.ValidationError, errors.MalformedJson),
        "Unauthorized": (errors.Unauthorized,),
        "Forbidden": (errors.InsufficientScope, errors.OrgMismatch),
        "RequestTimeout": (errors.RequestTimeout,),
        "KeyInUse": (KeyInUse,),
        "AnswerErased": (AnswerErased,),
        "BodyTooLarge": (errors.BodyTooLarge,),
        "UnsupportedMediaType": (errors.UnsupportedMediaType,),
        "KeyReused": (KeyReused,),
        "RateLimited": (errors.RateLimited,),
        "Unavailable": (errors.Unavailable,),
    }.items()
}

_SECURITY_SCHEMES = {
    "ReevitKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Reevit-Key",
        "description": "`pfk_test_…` or `pfk_live_…`",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key as `Authorization: Bearer`."},
}


def _header_parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **schema},
    }


# Printable as Python's str.isprintable has it, and nothing else: these go into logs and onto screens.
_PRINTABLE = r"^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$"

_PARAMETERS = {
    "OrgId": _header_parameter(
        "X-Org-Id",
        "Optional; must be the organization of the API key.",
        pattern=id_pattern("org"),
        examples=[example_id("org")],
    ),
    "IdempotencyKey": _header_parameter(
        "Idempotency-Key",
        "Makes the request safe to repeat: one key, one effect.",
        pattern="^[!-~]{1,255}$",
        examples=["order-5678"],
    ),
    "ActorId": _header_parameter(
        "X-Actor-Id",
        "Who did it, kept with the events of this request. Printable UTF-8.",
        maxLength=500,
        pattern=_PRINTABLE,
        examples=["ama@example.com"],
    ),
    "Reason": _header_parameter(
        "X-Reason",
        "Why, kept with the events of this request. Printable UTF-8.",
        maxLength=500,
        pattern=_PRINTABLE,
        examples=["asked for by the customer"],
    ),
}


def _header(description: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": schema}


_HEADERS = {
    "X-Request-Id": _header(
        "The name of this request in the server's log.",
        required=True,
        type="string",
        pattern="^req_[0-9a-f]{24}$",
    ),
    "X-RateLimit-Limit": _header("Requests in a burst.", type="integer", minimum=1),
    "X-RateLimit-Remaining": _header("Requests left now.", type="integer", minimum=0),
    "X-RateLimit-Reset": _header("Seconds until all are there again.", type="integer", minimum=0),
    "Retry-After": _header("Seconds to wait.", type="integer", minimum=1),
    "WWW-Authenticate": _header("How to authenticate.", required=True, type="string"),
    "Idempotent-Replayed": _header(
        "The answer was given before; nothing was done twice.", type="string", const="true"
    ),
}
