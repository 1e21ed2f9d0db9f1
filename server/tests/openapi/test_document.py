"""The OpenAPI document says all of the API and nothing of what it is built with."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute

import reevit_server
from reevit_server.api_keys import SCOPES
from reevit_server.app import ROUTERS, describe
from reevit_server.core.errors import AppError
from tests.makers import Api
from tests.openapi.conformance import DOCUMENT, seen

ROUTES = [
    route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema  # the others are pages for people
]
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
# What may not be there though no address names it: it is named in the query, or there is but one.
_CHANGE_NOTHING = ("simulate_rule",)  # a POST because it takes a body
_MAY_BE_MISSING = {
    "lookup_customer",
    "get_webhook_config",
    "delete_webhook_config",
    "send_test_to_webhook_config",
    "delete_retry_policy",
}
# What no operation answers: it is about an address, said by the command line or to a page's form, a bug of ours, or
# has only children.
_ELSEWHERE = {
    "route_not_found",
    "method_not_allowed",
    "malformed_form",
    "organization_not_found",
    "not_durable",
    "server_error",
    "provider_error",
    "not_found",
    "gone",
    "forbidden",
    "conflict",
    "unprocessable",
}


async def test_anyone_may_read_the_document(api: Api):
    async with api.client() as client:
        response = await client.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == DOCUMENT


def test_the_document_is_the_same_whenever_it_is_asked_for():
    first = describe()
    first["components"]["parameters"].clear()
    assert describe() == DOCUMENT


def test_the_document_is_openapi_3_1():
    assert DOCUMENT["openapi"].startswith("3.1.")
    OpenAPI.model_validate(DOCUMENT)


def test_every_route_is_an_operation_named_as_its_function():
    told = {place: operation["operationId"] for place, operation in OPERATIONS.items()}
    assert told == {(method, route.path): route.name for route in ROUTES for method in route.methods or ()}
    assert len(set(told.values())) == len(told)


def test_every_operation_has_a_summary_and_a_tag_that_is_described():
    described = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    used = set()
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert "\n" not in operation["summary"] + operation.get("description", "")
        used.update(operation["tags"])
    assert used == set(described), "describe every tag in app.py: TAGS"
    assert all(described.values())


def test_only_what_machines_ask_needs_no_key():
    for (method, path), operation in OPERATIONS.items():
        if not path.startswith("/v1/"):
            assert operation["security"] == []
            assert not {"401", "403"} & operation["responses"].keys()
            continue
        scopes = [scope for way in operation["security"] for needed in way.values() for scope in needed]
        assert len(operation["security"]) == 2, "by X-Reevit-Key or as a bearer"
        assert len(set(scopes)) == 1
        assert scopes[0] in SCOPES
        assert scopes[0].endswith(":write" if method in _WRITES else ":read")
        assert {"400", "401", "403", "429", "503"} <= operation["responses"].keys()


def test_every_write_is_safe_to_repeat_and_says_who_did_it():
    for (method, _), operation in OPERATIONS.items():
        names = {seen(parameter)["name"] for parameter in operation.get("parameters", ())}
        writes = (
            method in _WRITES and operation["operationId"].removesuffix("_as_workflow") not in _CHANGE_NOTHING
        )
        expected = {"Idempotency-Key", "X-Actor-Id", "X-Reason"} if writes else set()
        assert names & {"Idempotency-Key", "X-Actor-Id", "X-Reason"} == expected
        if expected:
            assert {"idempotency_key_in_use"} <= codes(operation, "409")
            assert {"idempotency_key_reused"} <= codes(operation, "422")
            assert {"413", "415"} <= operation["responses"].keys()


def test_what_an_address_names_may_not_be_there():
    for (_, path), operation in OPERATIONS.items():
        named = "{" in path or operation["operationId"] in _MAY_BE_MISSING
        missing = named and operation["operationId"] != "upsert_customer"
        assert ("404" in operation["responses"]) == missing, f"{path}: say in responses= what is not found"


def test_every_answer_is_described_and_names_its_request():
    for operation in OPERATIONS.values():
        for status, found in operation["responses"].items():
            response = seen(found)
            assert response["description"]
            assert seen(response["headers"]["X-Request-Id"])["required"]
            assert (status == "204") == (not response.get("content"))


def test_every_refusal_of_ours_is_told_of_where_it_can_happen():
    for module in pkgutil.walk_packages(reevit_server.__path__, "reevit_server."):
        importlib.import_module(module.name)
    ours = {error.code for error in kinds(AppError)} - _ELSEWHERE
    told = {
        code
        for operation in OPERATIONS.values()
        for status in operation["responses"]
        if status >= "400"
        for code in codes(operation, status)
    }
    assert told == ours


def test_every_reference_leads_somewhere_and_every_component_is_used():
    used = {item["$ref"] for item in objects(DOCUMENT) if "$ref" in item}
    kinds_referred_to = ("schemas", "responses", "parameters", "headers")
    defined = {
        f"#/components/{kind}/{name}" for kind in kinds_referred_to for name in DOCUMENT["components"][kind]
    }
    assert used == defined


def test_every_example_is_valid():
    components = DOCUMENT["components"]
    found = [item for item in objects(DOCUMENT) if "examples" in item and ("type" in item or "anyOf" in item)]
    assert len(found) > 20
    for schema in found:
        validator = jsonschema_rs.Draft202012Validator({**schema, "components": components})
        for example in schema["examples"]:
            assert validator.is_valid(example), f"{example} is not valid by its own schema"


def test_every_request_forbids_what_it_does_not_know():
    for (method, path), operation in OPERATIONS.items():
        if "requestBody" in operation:
            schema = seen(operation["requestBody"]["content"]["application/json"]["schema"])
            assert schema["additionalProperties"] is False, f"{method} {path}"
            assert schema["examples"], f"{method} {path}: give its body an example"


def test_nothing_is_told_of_what_it_is_built_with():
    text = json.dumps(DOCUMENT).lower()
    for word in (
        "httpvalidationerror",
        "pydantic",
        "fastapi",
        "asyncpg",
        "reevit_server",
        "validation error",
        "successful response",
    ):
        assert word not in text
    assert "title" not in {key for item in objects(DOCUMENT["paths"]) for key in item}
    assert not {"Answer", "Request", "HTTPValidationError", "ValidationError"} & set(
        DOCUMENT["components"]["schemas"]
    )


def test_whatever_must_be_in_an_address_has_an_example():
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            for parameter in map(seen, operation.get("parameters", ())):
                if parameter["required"]:
                    where = f"{method} {path}: {parameter['name']}"
                    assert parameter["schema"].get("examples"), f"{where} needs an example"


def codes(operation: dict[str, Any], status: str) -> set[str]:
    """The refusals that an operation documents under a status."""
    schema = seen(operation["responses"][status])["content"]["application/json"]["schema"]
    return set(schema["properties"]["code"]["enum"])


def kinds(error: type[AppError]) -> Iterator[type[AppError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from kinds(kind)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)
