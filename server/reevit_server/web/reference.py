"""`/openapi.json` and `/docs`: the contract, for machines and for people; both written once, at the start."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import orjson
from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reevit_server.core.answer import Answer

Schema = dict[str, Any]

_EXAMPLE_ADDRESS = "http://localhost:8000"
_ONE_LINE = 60  # characters of a body that is not yet easier to read on several lines
_TWIN = "_by_external_id"  # the same operation, with the customer named by the merchant's own id
_REFUSAL = re.compile(r"^- `([a-z_]+)`: (.+)$", re.MULTILINE)
_HEADLINE = re.compile(r"((?:[^`:;]|`[^`]*`)*)[:;] (.+)")
_FORMATS = {
    "date-time": "time",
    "email": "e-mail address",
    "e164": "phone number",
    "iso-4217": "currency code",
    "cursor": "cursor",
}


class Field(NamedTuple):
    """One line of a table: a parameter, or a field of a body or of an answer."""

    name: str
    type: str
    limits: str
    description: str
    required: bool
    parent: str = ""  # of a nested field: what its name goes on from
    place: str = ""  # of a parameter: path or query


class Model(NamedTuple):
    """An object that is sent or answered."""

    description: str
    rules: list[str]
    fields: list[Field]


class Success(NamedTuple):
    """What an operation answers when it does what was asked."""

    status: str
    description: str
    media_type: str
    models: list[Model]


class Operation(NamedTuple):
    """One section of the page."""

    id: str
    label: str
    method: str
    path: str
    headline: str
    description: str
    scope: str
    twin: str
    parameters: list[Field]
    body: Model | None
    successes: list[Success]
    refusals: list[tuple[str, list[str]]]
    curl: str


class Section(NamedTuple):
    """A part of the introduction, or a tag with its operations."""

    id: str
    title: str
    text: str
    operations: list[Operation]


def router_of(document: dict[str, Any]) -> APIRouter:
    """The two doors to `document`."""
    router = APIRouter(include_in_schema=False)
    told = Answer(200, orjson.dumps(document))
    shown = page_of(document)

    @router.get("/openapi.json", response_model=None)
    async def get_openapi() -> Answer:
        return told

    @router.get("/docs", response_model=None)
    async def get_docs() -> Answer:
        return shown

    return router


def page_of(document: dict[str, Any]) -> Answer:
    """The page for people: whole in one request, and allowed to load nothing else."""
    style = files("reevit_server.web").joinpath("static/reference.css").read_text()
    html = _environment().get_template("reference.html").render(style=style, **_Reader(document).view())
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Answer(
        200,
        html.encode(),
        content_type=b"text/html; charset=utf-8",
        headers=((b"content-security-policy", policy.encode()), (b"x-content-type-options", b"nosniff")),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reevit_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"inline": inline, "prose": prose}
    return environment


def inline(text: str) -> Markup:
    """One line of text, with `code` between backticks; all else is escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner is only a backtick
        parts[-2:] = ["`".join(parts[-2:])]
    return Markup().join(
        Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts)
    )


def prose(text: str) -> Markup:
    """Paragraphs between blank lines, and lists whose lines begin with "- "."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if lines and all(line.startswith("- ") for line in lines):
            items = Markup().join(Markup("<li>{}</li>").format(inline(line[2:])) for line in lines)
            blocks.append(Markup("<ul>{}</ul>").format(items))
        elif lines:
            blocks.append(Markup("<p>{}</p>").format(inline(" ".join(lines))))
    return Markup("\n").join(blocks)


class _Reader:
    """Reads the document into what the page shows."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._paths = {
            operation["operationId"]: path
            for path, operations in document["paths"].items()
            for operation in operations.values()
        }

    def view(self) -> dict[str, Any]:
        """Everything that the template names."""
        info = self._document["info"]
        introduction, *parts = re.split(r"^## ", info["description"], flags=re.MULTILINE)
        titled = [part.partition("\n") for part in parts]
        components = self._document["components"]
        return {
            "info": info,
            "introduction": introduction,
            "chapters": [Section(_slug(title), title, text, []) for title, _, text in titled],
            "request_headers": [self._parameter(header) for header in components["parameters"].values()],
            "answer_headers": [
                self._field(name, header["schema"], header["description"], required=True)
                for name, header in components["headers"].items()
            ],
            "codes": self._codes(),
            "sections": [
                Section(_slug(tag["name"]), _label(tag["name"]), tag["description"], list(self._tagged(tag)))
                for tag in self._document["tags"]
            ],
        }

    def _tagged(self, tag: dict[str, str]) -> Iterator[Operation]:
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                name = operation["operationId"]
                is_twin = name.endswith(_TWIN) and name.removesuffix(_TWIN) in self._paths
                if tag["name"] in operation["tags"] and not is_twin:
                    yield self._operation(path, method, operation)

    def _operation(self, path: str, method: str, operation: dict[str, Any]) -> Operation:
        headline, description = operation["summary"], operation.get("description", "")
        if found := _HEADLINE.fullmatch(headline):
            headline, rest = found.groups()
            description = f"{rest[0].upper()}{rest[1:]}. {description}"
        name = operation["operationId"]
        scopes = [scope for needed in operation["security"] for scope in next(iter(needed.values()))]
        parameters = [
            one for one in map(self._seen, operation.get("parameters", ())) if one["in"] != "header"
        ]
        body = self._body(operation)
        return Operation(
            id=name,
            label=_label(name),
            method=method.upper(),
            path=path,
            headline=headline,
            description=description,
            scope=scopes[0] if scopes else "",
            twin=self._paths.get(name + _TWIN, ""),
            parameters=[self._parameter(one) for one in parameters],
            body=None if body is None else self._model(body),
            successes=list(self._successes(operation["responses"])),
            refusals=[
                (status, [code for code, _ in _REFUSAL.findall(response["description"])])
                for status, response in self._responses(operation)
                if status >= "400"
            ],
            curl=_curl(method.upper(), path, parameters, body, needs_key=bool(scopes)),
        )

    def _seen(self, found: Schema) -> Schema:
        """What a reference points to; anything else as it is."""
        if "$ref" not in found:
            return found
        _, _, kind, name = found["$ref"].split("/")
        target: Schema = self._document["components"][kind][name]
        return target

    def _responses(self, operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((status, self._seen(response)) for status, response in operation["responses"].items())

    def _codes(self) -> list[tuple[str, str, str]]:
        """Every refusal: its status, its code, and what it means."""
        found = {
            (status, code): meaning
            for operations in self._document["paths"].values()
            for operation in operations.values()
            for status, response in self._responses(operation)
            if status >= "400"
            for code, meaning in _REFUSAL.findall(response["description"])
        }
        return sorted((status, code, meaning) for (status, code), meaning in found.items())

    def _successes(self, responses: dict[str, Any]) -> Iterator[Success]:
        for status, response in responses.items():
            if status < "300":
                content = response.get("content", {})
                media_type = next(iter(content), "")
                schema = content[media_type]["schema"] if content else {}
                models = [self._model(self._seen(one)) for one in schema.get("anyOf", [schema])]
                shown = [model for model in models if model.fields]
                yield Success(status, response["description"], media_type, shown)

    def _body(self, operation: dict[str, Any]) -> Schema | None:
        if "requestBody" not in operation:
            return None
        return self._seen(operation["requestBody"]["content"]["application/json"]["schema"])

    def _parameter(self, found: dict[str, Any]) -> Field:
        field = self._field(
            found["name"], found["schema"], found.get("description", ""), required=found["required"]
        )
        return field._replace(place="" if found["in"] == "header" else found["in"])

    def _model(self, schema: Schema) -> Model:
        fields = []
        for field, inner, parent in self._properties(schema, ""):
            fields.append(field)
            fields += [nested for nested, _, _ in self._properties(inner, parent)]
        return Model(schema.get("description", ""), list(_rules(schema)), fields)

    def _properties(self, schema: Schema, parent: str) -> Iterator[tuple[Field, Schema, str]]:
        """Each field of an object, with the one kind of object it holds and how that one's fields are named."""
        required = schema.get("required", ())
        for name, value in schema.get("properties", {}).items():
            field = self._field(name, value, value.get("description", ""), required=name in required)
            held = [one for one in value.get("anyOf", [value]) if one.get("type") != "null"]
            inner = held[0].get("items", held[0]) if len(held) == 1 else {}
            suffix = "[]." if "items" in held[0] else "."
            yield field._replace(parent=parent), self._seen(inner), f"{parent}{name}{suffix}"

    def _field(self, name: str, schema: Schema, description: str, *, required: bool) -> Field:
        return Field(name, _words(schema), "; ".join(_limits(schema)), description, required)


def _words(schema: Schema) -> str:
    """The type, as one would say it."""
    if "$ref" in schema:
        return "object"
    if (choices := schema.get("anyOf") or schema.get("oneOf")) is not None:
        return " or ".join(dict.fromkeys(map(_words, choices)))
    if "const" in schema:
        return f"always `{schema['const']}`"
    if "enum" in schema:
        return "one of " + ", ".join("null" if one is None else f"`{one}`" for one in schema["enum"])
    if prefix := re.match(r"\^([a-z]+_)\[", schema.get("pattern", "")):
        return f"id, `{prefix[1]}…`"
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return " or ".join(_word(kind, schema) for kind in kinds)


def _word(kind: str, schema: Schema) -> str:
    if kind == "array":
        items = _words(schema.get("items", {"type": "value"}))
        return f"list, each {items}" if items.startswith("one of") else f"list of {items}s"
    return _FORMATS.get(schema.get("format", ""), kind) if kind == "string" else kind


def _limits(schema: Schema) -> Iterator[str]:
    """What a value must keep to, in words."""
    if "minimum" in schema and "maximum" in schema and schema["maximum"] < 2**63 - 1:
        yield f"{schema['minimum']:,} to {schema['maximum']:,}"
    elif "minimum" in schema:
        yield f"at least {schema['minimum']:,}"
    for noun, least, most in (
        ("characters", "minLength", "maxLength"),
        ("items", "minItems", "maxItems"),
        ("keys", "minProperties", "maxProperties"),
    ):
        if most in schema:
            yield (
                f"{schema[least]} to {schema[most]:,} {noun}"
                if least in schema
                else _at_most(schema[most], noun)
            )
    if "default" in schema and schema["default"] is not None:
        yield f"default `{json.dumps(schema['default']).strip(chr(34))}`"


def _at_most(most: int, noun: str) -> str:
    return f"at most {most:,} {noun}"


def _rules(schema: Schema) -> Iterator[str]:
    """What holds between the fields of a body."""
    for rule in (schema, *schema.get("allOf", ())):
        branches = rule.get("anyOf", ())
        names = _listed(name for branch in branches for name in branch.get("properties", ()))
        if branches and all("required" in branch for branch in branches):
            yield f"At least one of {names} is needed."
        elif branches and not any("required" in branch for branch in branches):
            yield f"At most one of {names} may be sent."


def _listed(names: Iterable[str]) -> str:
    *rest, last = dict.fromkeys(f"`{name}`" for name in names) or [""]
    return f"{', '.join(rest)} or {last}" if rest else last


def _curl(
    method: str, path: str, parameters: list[dict[str, Any]], body: Schema | None, *, needs_key: bool
) -> str:
    """The call as one would type it, with the key in $KEY."""
    required = {one["name"]: one for one in parameters if one["required"]}
    for name, parameter in required.items():
        path = path.replace(f"{{{name}}}", _example(parameter))
    query = "&".join(f"{name}={_example(one)}" for name, one in required.items() if one["in"] == "query")
    address = f"{_EXAMPLE_ADDRESS}{path}{'?' if query else ''}{query}"
    sent = (body or {}).get("examples", [{}])[0]
    verb = "" if method == "GET" or (method == "POST" and sent) else f"-X {method} "
    lines = [f'curl {verb}"{address}"' if "?" in address else f"curl {verb}{address}"]
    if needs_key:
        lines.append('-H "X-Reevit-Key: $KEY"')
    if sent:
        told = json.dumps(sent, ensure_ascii=False)
        if len(told) > _ONE_LINE:
            told = json.dumps(sent, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        told = told.replace("'", r"'\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{told}'"]
    return " \\\n  ".join(lines)


def _example(parameter: dict[str, Any]) -> str:
    """A value to show: whatever must be in an address has one in the document."""
    return str(parameter["schema"]["examples"][0])


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _label(name: str) -> str:
    words = name.replace("_", " ")
    return re.sub(r"\bApi\b", "API", (words[0].upper() + words[1:]).replace("api", "Api"))
