"""The Node SDK's types are the server's: a program that compares them, which `tsc` passes or does not.

What each model and each call has is taken from the OpenAPI document, by the tables of `test_models.py`.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.contract import Schema, exchanges, methods
from tests.sdk.test_models import (
    _ENVELOPE,
    MODELS,
    SCHEMAS,
    _answers,
    _cases_of,
    _inputs_told,
    _model_of,
    _name,
)

NODE_SDK = Path(__file__).parents[3] / "sdk/node"
TSC = NODE_SDK / "node_modules/.bin/tsc"

_HEAD = """\
import type * as sdk from '@reevit/node';

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Taken<Call> = Call extends (...given: infer Given) => unknown ? Given : never;
type Keys<Fields> = keyof Exclude<Fields, undefined | string>;
declare const client: sdk.Reevit;
declare function is<Expected>(value: Expected): void;
"""
# `Attempt` is what `onAttempt` is told there.
_NODE_NAME = {"Attempt": "DeliveryAttempt"}
# Calls whose one field comes by position in Node, and what of the operation they leave to another call.
_BY_POSITION = {"customers.lookup", "retry_policies.delete", "payments.confirm_intent"}
_POSITIONAL = {
    "customers.add_tags": {"tags"},
    "sandbox.complete_payment": {"outcome"},
    "workflows.templates.preview": {"event_id"},
}
_OF_ANOTHER_CALL = {
    "customers.value": {"explain", "limit", "cursor", "offset", "include_total"},
    "customers.explain_value": {"explain"},
}


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the compiler has against the program."""
    if not TSC.exists():
        pytest.skip("there is no Node here, or the Node SDK is not installed; `make test` installs it")
    folder = tmp_path_factory.mktemp("types")
    program = folder / "types.ts"
    program.write_text("\n".join([_HEAD, *answers(), *inputs()]))
    settings = {
        "extends": str(NODE_SDK / "tsconfig.json"),
        "compilerOptions": {
            "paths": {"@reevit/node": [str(NODE_SDK / "src/index.ts")]},
            "typeRoots": [str(NODE_SDK / "node_modules/@types")],
        },
        "include": [str(program)],
    }
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    command = [str(TSC), "--project", str(folder), "--pretty", "false"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    lines = program.read_text().splitlines()
    told = [line for line in done.stdout.splitlines() if ": error TS" in line]
    assert done.returncode == 0 or told, done.stdout + done.stderr
    return [f"{line}\n  {lines[int(line.split('(')[1].split(',')[0]) - 1]}" for line in told]


def test_every_answer_and_every_input_is_as_the_server_has_it(faults: list[str]):
    assert not faults, "\n".join(faults)


def answers() -> Iterator[str]:
    """Each model has the fields of its answers, no more, and takes what the server says."""
    for name in sorted(MODELS):
        schemas = [SCHEMAS[answer] for answer in _answers() if _model_of(answer) == name]
        properties = {field: told for schema in schemas for field, told in schema["properties"].items()}
        always = set.intersection(*(set(schema["required"]) for schema in schemas))
        if name == "Event":
            properties |= _ENVELOPE
            always.remove("subject_id")
        model = _node_name(name)
        yield f"is<true>(null! as Same<keyof {model}, {_union(properties)}>);"
        for field, told in properties.items():
            optional = "" if field in always else " | undefined"
            yield f"is<{model}['{field}']>(null! as {_type(told)}{optional});"


def inputs() -> Iterator[str]:
    """Each call takes the fields of its operation, no others."""
    for name in sorted(set(methods()) - _BY_POSITION):
        for case in _cases_of(name):
            for exchange in exchanges(case):
                told = _inputs_told(exchange.operation)
                positions = [key for key in told if key in _positional(name)]
                names = told.keys() - _OF_ANOTHER_CALL.get(name, set()) - set(positions)
                at = len(exchange.operation.parameters("path")) + len(positions)
                method = f"client.{'.'.join(_camel(part) for part in name.split('.'))}"
                if names:
                    yield f"is<true>(null! as Same<Keys<Taken<typeof {method}>[{at}]>, {_union(names)}>);"


def _positional(name: str) -> set[str]:
    """Fields that are arguments of their own in both SDKs, where a call has so few."""
    return _POSITIONAL.get(name, set())


def _node_name(model: str) -> str:
    return f"sdk.{_NODE_NAME.get(model, model)}"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _node_name(_model_of(_name(schema)))
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(word) for word in schema.get("enum", [schema.get("const")]))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " | ".join(_type_of(kind, schema) for kind in kinds)


def _type_of(kind: str, schema: dict[str, Any]) -> str:
    if kind == "array":
        return f"({_type(schema['items'])})[]"
    if kind == "object":
        of = schema.get("additionalProperties")
        return f"Record<string, {_type(of)}>" if isinstance(of, dict) else "Record<string, unknown>"
    return {"integer": "number", "number": "number"}.get(kind, kind)


def _union(names: Any) -> str:
    return " | ".join(json.dumps(name) for name in sorted(names))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
