"""Holds any answer against the document: its status, its headers, its code, the shape of its body."""

import functools
from typing import Any

import httpx
import jsonschema_rs

from reevit_server.app import describe
from reevit_server.core.routing import Routes


class Contract:
    """The OpenAPI document, as a judge of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def check(self, method: str, template: str, response: httpx.Response) -> None:
        """Raises AssertionError that says what the document does not."""
        operation = self._document["paths"][template][method.lower()]
        where = f"{operation['operationId']} {response.status_code}"
        told = operation["responses"].get(str(response.status_code))
        assert told is not None, f"{where} is not documented: {response.text}"
        told = self._seen(told)
        for name, header in told.get("headers", {}).items():
            assert name in response.headers or not self._seen(header)["required"], f"{where} lacks {name}"
        content = told.get("content", {})
        media_type = response.headers.get("content-type", "").partition(";")[0]
        assert media_type in content or not (content or response.content), f"{where} is {media_type}"
        if media_type == "application/json":
            schema = {**content[media_type]["schema"], "components": self._document["components"]}
            fault = next(_validator(str(sorted(schema["components"])), repr(content), self).iter_errors(response.json()), None)
            assert fault is None, f"{where}: {fault}"

    def _seen(self, found: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in found:
            return found
        _, _, kind, name = found["$ref"].split("/")
        target: dict[str, Any] = self._document["components"][kind][name]
        return target
