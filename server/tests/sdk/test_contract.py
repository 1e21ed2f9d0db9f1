"""What the SDKs' contract tells of the server is true: what it sends can be read, what it is told is given."""

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any

import jsonschema_rs
import phonenumbers
import pytest

from reevit_server.core.countries import COUNTRIES
from reevit_server.core.errors import AppError
from reevit_server.core.money import EXPONENTS
from reevit_server.webhooks.signature import letter
from tests.openapi.conformance import DOCUMENT, seen
from tests.openapi.formats import is_secret, is_told
from tests.openapi.test_document import kinds
from tests.sdk.contract import (
    CONTRACT,
    Case,
    Operation,
    Schema,
    answers,
    cases,
    cases_of_nouns,
    exchanges,
    methods,
)

CASES = [case for found in cases_of_nouns().values() for case in found]
FILES = sorted((CONTRACT / "cases").glob("*.json"))
# What no SDK asks: machines that watch this one do, and `reevit listen`, the server's own program ...
_NOT_OF_SDKS = ("/healthz", "/readyz", "/metrics", "/v1/webhooks/listeners")
# ... and by another address, what they ask by the one of rules.
_ALIAS = "_as_workflow"

of_each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['call']}: {case['name']}")


def test_every_noun_has_a_file():
    assert set(cases_of_nouns()) == {call.partition(".")[0] for call in methods()}


def test_every_operation_has_a_case_in_which_it_succeeds():
    told = {
        (method.upper(), template)
        for template, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if not template.startswith(_NOT_OF_SDKS) and not operation["operationId"].endswith(_ALIAS)
    }
    shown = {
        tuple(exchange.operation)
        for case in CASES
        for exchange in exchanges(case)
        if exchange.response["status"] < 300
    }
    assert told == shown


def test_every_method_of_the_python_sdk_has_a_case():
    assert set(methods()) == {case["call"] for case in CASES}


def test_a_case_is_in_the_file_of_its_noun():
    for noun, found in cases_of_nouns().items():
        assert {case["call"].partition(".")[0] for case in found} == {noun}


def test_no_two_cases_have_the_same_name():
    names = sorted(case["name"] for path in FILES for case in cases(path))
    assert [name for name, same in groupby(names) if len(list(same)) > 1] == []


@of_each_case
def test_a_request_is_one_that_the_server_reads(case: Case):
    """And one that it is told to refuse as not valid is one that its schema refuses, too."""
    for request, response, operation, in_path in exchanges(case):
        faults = [
            *_faults_in_path(operation, in_path),
            *_faults_in_query(operation, request.get("query", [])),
            *_faults_in_body(operation, request.get("body")),
        ]
        assert bool(faults) == (response["status"] == 400), faults


@of_each_case
def test_an_answer_is_one_that_the_server_gives(case: Case):
    for _, response, operation, _ in exchanges(case):
        status = str(response["status"])
        assert status in operation.told["responses"], (
            f"{operation.told['operationId']} never answers {status}"
        )
        told = seen(operation.told["responses"][status])
        for name, value in response.get("headers", {}).items():
            assert name in told["headers"], f"{operation.told['operationId']} has no {name} in {status}"
            assert (
                _faults(seen(told["headers"][name])["schema"], _said(seen(told["headers"][name]), value))
                == []
            )
        content = told.get("content", {})
        assert ("body" in response) == ("application/json" in content)
        assert ("text" in response) == (bool(content) and "application/json" not in content)
        if "body" in response:
            assert _faults(content["application/json"]["schema"], response["body"], closed=True) == []


def test_every_refusal_in_any_case_is_one_of_the_server():
    ours = {(kind.status, kind.error, kind.code) for kind in kinds(AppError)}
    told = {
        (answer["status"], answer["body"]["error"], answer["body"]["code"])
        for path in FILES
        for case in cases(path)
        for answer in (exchange["response"] for exchange in case["exchanges"])
        if "error" in answer.get("body", {})
    }
    assert told - ours == set()


def test_every_status_of_a_refusal_has_a_case():
    told = {
        exchange["response"]["status"]
        for case in cases(CONTRACT / "cases" / "errors.json")
        for exchange in case["exchanges"]
    }
    assert {kind.status for kind in kinds(AppError)} - told == set()


def test_the_first_delivery_is_to_the_byte_what_the_server_sends():
    delivery = json.loads((CONTRACT / "webhooks.json").read_text(encoding="utf-8"))[0]
    event = delivery["event"]
    row: Any = {
        **event,
        "event_id": event["id"],
        "event_created_at": datetime.fromisoformat(event["created_at"]),
        "data": json.dumps(event["data"], separators=(",", ":")),
    }
    sent = letter(
        row,
        delivery_id=event["delivery_id"],
        attempt=event["attempt"],
        url="https://shop.example.com",
        secrets=[delivery["secret"]],
        now=datetime.fromisoformat(event["signature_timestamp"]),
    )
    assert sent.body.decode() == delivery["body"]
    assert sent.headers == delivery["headers"]


def test_every_step_of_a_story_is_a_method():
    stories = json.loads((CONTRACT / "live.json").read_text(encoding="utf-8"))
    assert {step["call"] for story in stories for step in story["steps"]} - set(methods()) == set()


def _faults_in_path(operation: Operation, in_path: dict[str, str]) -> Iterator[str]:
    for name, parameter in operation.parameters("path").items():
        yield from _faults(parameter["schema"], in_path[name])


def _faults_in_query(operation: Operation, query: list[list[str]]) -> Iterator[str]:
    """`query` is as on the wire: all of it text, a list said more than once, a mapping as `name[key]`."""
    parameters = operation.parameters("query")
    names = {name.partition("[")[0] for name, _ in query}
    yield from (f"there is no {name}" for name in names - parameters.keys())
    for name, parameter in parameters.items():
        said = [[key, value] for key, value in query if key.partition("[")[0] == name]
        kind = parameter["schema"].get("type")
        if not said:
            if parameter["required"]:
                yield f"{name} is missing"
        elif kind == "array":
            yield from _faults(parameter["schema"], [value for _, value in said])
        elif kind == "object":
            yield from _faults(parameter["schema"], {key[len(name) + 1 : -1]: value for key, value in said})
        elif len(said) > 1:
            yield f"{name} is said twice"
        else:
            yield from _faults(parameter["schema"], _said(parameter, said[0][1]))


def _faults_in_body(operation: Operation, body: Any) -> Iterator[str]:
    if operation.body_schema is None:
        if body is not None:
            yield f"{operation.told['operationId']} reads no body"
    elif body is not None:
        yield from _faults(operation.body_schema, body)
    elif operation.told["requestBody"]["required"]:
        yield "the body is missing"


def _said(told: dict[str, Any], text: str) -> Any:
    """What text on the wire stands for."""
    kind = told["schema"].get("type")
    if kind == "integer":
        return int(text)
    return {"true": True, "false": False}[text] if kind == "boolean" else text


def _faults(schema: Schema, value: Any, *, closed: bool = False) -> list[str]:
    return [str(fault) for fault in _validator(json.dumps(schema), closed=closed).iter_errors(value)]


@cache
def _validator(schema: str, *, closed: bool) -> jsonschema_rs.Draft202012Validator:
    """`closed` holds an answer to what is documented: a field that is not told of is not given."""
    components = copy.deepcopy(DOCUMENT["components"])
    for name, component in components["schemas"].items():
        if closed and (name == "Error" or name in answers()):
            component["additionalProperties"] = False
    return jsonschema_rs.Draft202012Validator(
        {**json.loads(schema), "components": components},
        formats=_FORMATS,
        validate_formats=True,
        ignore_unknown_formats=False,
    )


def _is_number(text: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


# Texts that only the server can judge. A cursor is of one list; what is in it is nobody's business.
_FORMATS = {
    "cursor": bool,
    "e164": _is_number,
    "iso-3166-1-alpha-2": COUNTRIES.__contains__,
    "iso-4217": EXPONENTS.__contains__,
    "webhook-secret": is_secret,
    "webhook-url": is_told,
}
