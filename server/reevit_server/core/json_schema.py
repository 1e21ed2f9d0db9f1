"""JSON schemas for the OpenAPI document: what pydantic writes, said as a person would, and exactly."""

from typing import Any

Schema = dict[str, Any]

# Every text in a request may hold any character but this one, which Postgres cannot (`core/json.py`).
_NO_NUL = r"^[^\u0000]*$"
_DATA = ("examples", "default", "enum", "const", "required")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def never_null(schema: Schema) -> None:
    """Of a field that may be left out, but not cleared: `Field(json_schema_extra=never_null)`."""
    branch, _ = schema.pop("anyOf")
    schema.update(branch)


def plain(schema: Any) -> Any:
    """The schema without generated titles, with nullable said once."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: Schema = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            found[key] = {name: plain(inner) for name, inner in value.items()}
        elif key in _BOUNDS:
            found[key] = int(value) if float(value).is_integer() else value
        elif key != "title":
            found[key] = value if key in _DATA else plain(value)
    return _nullable(_keyed(found))


def of_request(schema: Schema) -> Schema:
    """The schema of something that is sent to us."""
    found: Schema = {
        key: {name: of_request(inner) for name, inner in value.items()}
        if key == "properties"
        else [of_request(item) for item in value]
        if key in ("anyOf", "allOf")
        else of_request(value)
        if isinstance(value, dict) and key not in _DATA
        else value
        for key, value in schema.items()
    }
    if "string" in found.get("type", ()) and not found.keys() & {"pattern", "enum", "const", "format"}:
        found["pattern"] = _NO_NUL
    if isinstance(found.get("additionalProperties"), dict):
        found["propertyNames"] = {"pattern": _NO_NUL, **found.get("propertyNames", {})}
    return found


def _keyed(schema: Schema) -> Schema:
    """Pydantic hangs the values of a map on its keys' pattern, which leaves keys that do not match it free."""
    if "propertyNames" not in schema or "patternProperties" not in schema:
        return schema
    ((pattern, values),) = schema.pop("patternProperties").items()
    schema["propertyNames"] = {"type": "string", **schema["propertyNames"], "pattern": pattern}
    schema["additionalProperties"] = values
    return schema


def _nullable(schema: Schema) -> Schema:
    """`anyOf` a type and null is a type that may be null."""
    branches = schema.get("anyOf", ())
    if len(branches) != 2 or branches[1] != {"type": "null"} or not isinstance(branches[0].get("type"), str):
        return schema
    branch = schema["anyOf"][0]
    if "const" in branch:
        branch = {**branch, "enum": [branch["const"]]}
        del branch["const"]
    if "enum" in branch:
        branch["enum"] = [*branch["enum"], None]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**branch, **rest, "type": [branch["type"], "null"]}
