"""The Python SDK's models and inputs are the server's, name by name and type by type.

Both are read as shapes: the set of what a value may be, such as `{"text", "null"}`.
"""

import inspect
import json
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from reevit import Model
from reevit._call import ListCall
from reevit.resources.customers import TopCustomers, Value
from reevit.resources.events import Event

from reevit_server.webhooks.signature import letter
from tests.openapi.conformance import DOCUMENT, seen
from tests.openapi.test_document import kinds
from tests.sdk.contract import Operation, Schema, answers, cases_of_nouns, exchanges, methods

Shape = set[Any]

SCHEMAS: dict[str, Schema] = DOCUMENT["components"]["schemas"]
PAGING = {"has_more", "next_cursor", "total"}
MODELS: dict[str, type[Model]] = {kind.__name__: kind for kind in kinds(Model) if kind is not Model}

# What an answer is in the SDK where that is not the schema's name without `Out`.
_MODEL_OF = {
    "ActionOut": "ExecutedAction",
    "MessageListed": "ListedMessage",
    "NewApiKeyOut": "ApiKey",  # a key's secret is in the answer that makes it, and never again
    "NoticesOut": "NoticeSwitches",
    "StateOut": "CustomerState",
    "StatsOut": "PaymentStats",
}
# What is no model there, and what instead.
_NO_MODEL = {
    "ActionList": "a page of ExecutedAction, which is all of them",
    "ExplainedValueOut": "a page of ValueEntry, with the Value in its `extra`",
    "Health": "nothing: machines ask for it",
    "TopOut": "TopCustomers, a list",
    "LetterOut": "nothing: it is of `reevit listen`",
    "ListenerOut": "nothing: it is of `reevit listen`",
    "ListenerPollOut": "nothing: it is of `reevit listen`",
}
# An Event is also made of a delivery, whose envelope has these, and no subject_id.
_ENVELOPE: dict[str, Schema] = {
    "delivery_id": {"type": "string"},
    "attempt": {"type": "integer"},
    "api_version": {"type": "string"},
    "signature_timestamp": {"type": "string", "format": "date-time"},
}
_ANY_STATUS = "one set of filters serves three lists, whose statuses differ"
_ANY_PROVIDER = "text: providers are added, and who runs the server knows which it has"
_ANY_TRIGGER = "text: types of events are added, and an older SDK can wait for them"
# Fields whose types differ, and why. One that does not differ any more is to be struck off.
_OTHER_FIELDS = {
    "HistoryEntry.data": "`type` says which model it is; any of them can be made of the dict",
    "Refund.status": "there is one, and there will be more",
    **{
        f"{name}.mode": "text: whoever reads it has the key that decides it"
        for name in MODELS
        if "mode" in get_type_hints(MODELS[name]) and name != Event.__name__
    },
}
# Inputs that differ, and why; the same holds for them.
_OTHER_INPUTS = {
    "customers.list.metadata": "numbers and truths too: in an address all of them are text",
    "customers.value.explain": "explain_value asks for it",
    **{
        f"customers.value.{name}": "of explain_value"
        for name in ("limit", "cursor", "offset", "include_total")
    },
    "customers.explain_value.explain": "it is what the call is for",
    "customers.get_payment_history.status": _ANY_STATUS,
    "customers.payment_history.status": _ANY_STATUS,
    "customers.subscriptions.status": _ANY_STATUS,
    "customers.invoices.status": _ANY_STATUS,
    "payments.create.provider": _ANY_PROVIDER,
    "payments.create_intent.provider": _ANY_PROVIDER,
    "workflows.rules.create.trigger": _ANY_TRIGGER,
    "workflows.rules.update.trigger": _ANY_TRIGGER,
}

of_each_call = pytest.mark.parametrize("name", sorted(methods()))


def test_every_answer_has_a_model_and_every_model_an_answer():
    assert {_model_of(name) for name in _answers()} == set(MODELS)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_has_the_fields_of_its_answers(name: str):
    told = _fields_told(name)
    found = {field: _shape_of_hint(hint) for field, hint in get_type_hints(MODELS[name]).items()}
    differing = _differing(name, told, found)
    assert differing.keys() == _meant(name, _OTHER_FIELDS), differing


def test_a_delivery_has_nothing_that_an_event_does_not_know():
    now = datetime(2027, 1, 5, tzinfo=UTC)
    row: Any = {
        **dict.fromkeys(("event_id", "type", "org_id", "mode"), ""),
        "event_created_at": now,
        "data": "{}",
    }
    secret = "whsec_" + "A" * 32
    sent = json.loads(letter(row, delivery_id="", attempt=1, url="", secrets=[secret], now=now).body)
    known = SCHEMAS["EventOut"]["properties"].keys()
    # `event` is `type` once more, for the clients that were published first.
    assert sent.keys() - known == {*_ENVELOPE, "event"}
    assert known - sent.keys() == {"subject_id", "actor_id", "reason"}


def test_a_ranking_says_all_that_its_answer_says():
    # `from` is a word of Python's.
    told = {"from_at" if name == "from" else name for name in SCHEMAS["TopOut"]["properties"]}
    assert vars(TopCustomers({"customers": []})).keys() | {"customers"} == told


def test_an_explained_value_is_the_value_and_a_page():
    told = SCHEMAS["ExplainedValueOut"]["properties"].keys()
    assert told == get_type_hints(Value).keys() | PAGING | {"entries"}


@of_each_call
def test_a_call_makes_of_an_answer_what_it_is(name: str):
    for case in _cases_of(name):
        fields = {
            ("from_" if field == "from" else field): value for field, value in case.get("fields", {}).items()
        }
        call = methods()[name](None, *case.get("args", []), **fields)
        told = {answer for exchange in exchanges(case) for answer in _answers_of(exchange.operation)}
        if isinstance(call, ListCall):
            (rows,) = (rows for answer in told if (rows := SCHEMAS[answer]["properties"].get(call.key)))
            assert _model_of(_name(rows["items"])) == call.row.__name__
        elif call.read is TopCustomers:
            assert told == {"TopOut"}
        elif call.read.__name__ in MODELS:
            assert call.read.__name__ in {_model_of(answer) for answer in told}
        else:
            assert told == set(), "it is bytes, or nothing"


@of_each_call
def test_a_call_takes_what_its_operation_takes(name: str):
    """What must be there is for the server to say."""
    for operation in {exchange.operation for case in _cases_of(name) for exchange in exchanges(case)}:
        found = _inputs(methods()[name], operation)
        differing = _differing(name, _inputs_told(operation), found)
        assert differing.keys() == _meant(name, _OTHER_INPUTS), differing


@of_each_call
def test_a_call_that_writes_takes_an_idempotency_key_and_no_other_does(name: str):
    reads = {exchange.operation.method == "GET" for case in _cases_of(name) for exchange in exchanges(case)}
    assert reads == {"idempotency_key" not in inspect.signature(methods()[name]).parameters}


def test_whatever_is_meant_to_differ_is_there():
    assert {place.rpartition(".")[0] for place in _OTHER_FIELDS} - MODELS.keys() == set()
    assert {place.rpartition(".")[0] for place in _OTHER_INPUTS} - methods().keys() == set()
    assert (_MODEL_OF.keys() | _NO_MODEL.keys()) - SCHEMAS.keys() == set()


def _differing(name: str, told: dict[str, Shape], found: dict[str, Shape]) -> dict[str, str]:
    """Where the server (on the left) and the SDK differ."""
    return {
        f"{name}.{field}": f"{told.get(field, 'is not there')} | {found.get(field, 'is not there')}"
        for field in told.keys() | found.keys()
        if told.get(field) != found.get(field)
    }


def _meant(name: str, table: dict[str, str]) -> set[str]:
    return {place for place in table if place.rpartition(".")[0] == name}


def _answers() -> Iterator[str]:
    return (name for name in answers() if not name.endswith("Page") and name not in _NO_MODEL)


def _model_of(answer: str) -> str:
    return _MODEL_OF.get(answer, answer.removesuffix("Out"))


def _answers_of(operation: Operation) -> Iterator[str]:
    """The names of the JSON that an operation answers with when it succeeds."""
    for status, response in operation.told["responses"].items():
        if status < "300":
            for kind, media in seen(response).get("content", {}).items():
                if kind == "application/json":
                    yield from map(_name, media["schema"].get("anyOf", [media["schema"]]))


def _cases_of(name: str) -> list[dict[str, Any]]:
    return [case for found in cases_of_nouns().values() for case in found if case["call"] == name]


def _fields_told(model: str) -> dict[str, Shape]:
    """The fields of the answers that become this model; null is also what only some of them have."""
    schemas = [SCHEMAS[answer] for answer in _answers() if _model_of(answer) == model]
    always = set.intersection(*(set(schema["required"]) for schema in schemas))
    properties = {name: found for schema in schemas for name, found in schema["properties"].items()}
    if model == Event.__name__:
        properties |= _ENVELOPE
        always.remove("subject_id")
    return {
        name: _shape(schema, of_answer=True) | (set() if name in always else {"null"})
        for name, schema in properties.items()
    }


def _inputs(build: Callable[..., Any], operation: Operation) -> dict[str, Shape]:
    """What a call takes besides what stands in the address, which comes first."""
    hints = get_type_hints(build, include_extras=True)
    parameters = list(inspect.signature(build).parameters.values())[1:]
    found: dict[str, Shape] = {}
    for parameter in parameters[len(operation.parameters("path")) :]:
        hint = hints[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            (fields,) = get_args(hint)
            assert hints.get("data", fields | None) == fields | None
            found |= _shapes_of_fields(fields)
        elif parameter.name not in ("data", "idempotency_key"):
            found[parameter.name] = _shape_of_hint(hint)
    # What is None is not said in an address.
    in_query = operation.parameters("query")
    named = {name.rstrip("_"): shape for name, shape in found.items()}
    return {name: shape - {"null"} if name in in_query else shape for name, shape in named.items()}


def _inputs_told(operation: Operation) -> dict[str, Shape]:
    """What an operation takes in its query and in its body."""
    found = {}
    for name, parameter in operation.parameters("query").items():
        found[name] = _shape(parameter["schema"]) - {"null"}
        if parameter["schema"]["type"] == "array":
            found[name].add("text")  # a single one need not be made a list
    if operation.body_schema is not None:
        properties = SCHEMAS[_name(operation.body_schema)]["properties"]
        found |= {name: _shape(schema) for name, schema in properties.items()}
    return found


def _name(reference: Schema) -> str:
    found: str = reference["$ref"].rpartition("/")[2]
    return found


def _shape(schema: Schema, *, of_answer: bool = False) -> Shape:
    """What a value of this schema may be. A word of an answer may be one that the SDK does not know yet."""
    if "$ref" in schema:
        name = _name(schema)
        return {_model_of(name) if of_answer else _of_fields(SCHEMAS[name]["properties"])}
    if (some := schema.get("anyOf", schema.get("oneOf"))) is not None:
        return set().union(*(_shape(one, of_answer=of_answer) for one in some))
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        known = ("one of", frozenset(words) - {None})
        return {known} | ({"text"} if of_answer else set()) | ({"null"} if None in words else set())
    types_told = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return set().union(*(_shape_of_type(kind, schema, of_answer=of_answer) for kind in types_told))


def _shape_of_type(kind: str, schema: Schema, *, of_answer: bool) -> Shape:
    if kind == "string" and schema.get("format") == "date-time":
        return {"instant"} if of_answer else {"instant", "text"}
    if kind == "array":
        items = _shape(schema["items"], of_answer=of_answer)
        # Types of events and scopes of keys are added, and an older SDK can ask for them.
        words = not of_answer and "enum" in schema["items"]
        return {("list", frozenset({"text"} if words else items))}
    if kind == "object":
        values = schema.get("additionalProperties", True)
        # Metadata comes back as the merchant sent it, who knows what each key holds.
        if values is True or (of_answer and "anyOf" in values):
            return {("map", "anything")}
        return {("map", frozenset(_shape(values, of_answer=of_answer)))}
    return {{"string": "text"}.get(kind, kind)}


def _shape_of_hint(hint: Any) -> Shape:
    """The same of a type."""
    plain = {str: "text", int: "integer", float: "number", bool: "boolean", datetime: "instant"}
    if hint in (None, types.NoneType):
        return {"null"}
    if hint in plain:
        return {plain[hint]}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return set().union(*map(_shape_of_hint, arguments))
    if origin is Literal:
        return {("one of", frozenset(arguments))}
    if origin in (list, Sequence):
        return {("list", frozenset(_shape_of_hint(arguments[0])))}
    if origin in (dict, Mapping):
        values = arguments[1]
        return {("map", "anything" if values is Any else frozenset(_shape_of_hint(values)))}
    if is_typeddict(hint):
        return {_of_fields(_shapes_of_fields(hint))}
    assert issubclass(hint, Model)
    return {hint.__name__}


def _of_fields(fields: dict[str, Any]) -> tuple[str, frozenset[tuple[str, frozenset[Any]]]]:
    return "fields", frozenset(
        (name, frozenset(_shape(found) if isinstance(found, dict) else found))
        for name, found in fields.items()
    )


def _shapes_of_fields(fields: Any) -> dict[str, Shape]:
    return {name: _shape_of_hint(hint) for name, hint in get_type_hints(fields).items()}
