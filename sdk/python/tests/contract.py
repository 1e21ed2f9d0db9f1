"""Replays the cases of `sdk/contract`: a wire that answers as a case says, and looks at what is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

import anyio
import httpx

import reevit

CONTRACT = Path(__file__).parents[2] / "contract"
KEY = "pfk_test_abc.def"

Case = dict[str, Any]


def cases() -> list[Case]:
    return [
        case for path in sorted((CONTRACT / "cases").glob("*.json")) for case in json.loads(path.read_text())
    ]


@dataclass
class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The network, as a case tells it."""

    case: Case
    sent: int = 0
    keys: set[str] = field(default_factory=set)
    waits: list[float] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        assert self.sent < len(self.case["exchanges"]), (
            f"one request too many: {request.method} {request.url}"
        )
        exchange = self.case["exchanges"][self.sent]
        self.sent += 1
        self._look_at(exchange["request"], request, body)
        told = exchange["response"]
        if told.get("broken"):
            raise httpx.ReadError("the connection broke", request=request)
        content = (
            told["text"].encode()
            if "text" in told
            else json.dumps(told["body"]).encode()
            if "body" in told
            else b""
        )
        return httpx.Response(told["status"], headers=told.get("headers"), content=content)

    def _look_at(self, expected: dict[str, Any], request: httpx.Request, body: bytes) -> None:
        path, _, query = request.url.raw_path.decode().partition("?")
        assert (request.method, path) == (expected["method"], expected["path"])
        assert [list(pair) for pair in parse_qsl(query, keep_blank_values=True)] == expected.get("query", [])
        assert (json.loads(body) if body else None) == expected.get("body")
        assert (request.headers.get("Content-Type") == "application/json") == ("body" in expected)
        headers = {"X-Reevit-Key": KEY, **expected.get("headers", {})}
        assert {name: request.headers.get(name) for name in headers} == headers
        if request.method == "GET":
            assert "Idempotency-Key" not in request.headers
        else:
            self.keys.add(request.headers["Idempotency-Key"])

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """The pauses are written down, so that a test of an hour takes no time."""

        async def asleep(seconds: float) -> None:
            self.waits.append(seconds)

        with patch("time.sleep", self.waits.append), patch.object(anyio, "sleep", asleep):
            yield

    def look_back(self) -> None:
        assert self.sent == len(self.case["exchanges"]), "not everything was sent"
        assert len(self.keys) <= 1, "the key changed between tries"
        bounds = self.case.get("waits", [])
        assert len(self.waits) == len(bounds), self.waits
        assert all(least <= wait <= most for wait, (least, most) in zip(self.waits, bounds, strict=True)), (
            self.waits
        )


def method_of(client: Any, case: Case) -> Any:
    found = client
    for name in case["call"].split("."):
        found = getattr(found, name)
    return found


def arguments(case: Case) -> tuple[list[Any], dict[str, Any]]:
    named = dict(case.get("fields", {}))
    if "idempotency_key" in case:
        named["idempotency_key"] = case["idempotency_key"]
    return case.get("args", []), {
        f"{name}_" if name == "from" else name: value for name, value in named.items()
    }


def check_error(case: Case, error: Exception) -> None:
    expected = dict(case["error"])
    kind = expected.pop("class")
    assert isinstance(error, ValueError if kind == "ValueError" else getattr(reevit, kind)), repr(error)
    assert {name: getattr(error, name) for name in expected} == expected


def check_result(case: Case, found: Any) -> None:
    if "text" in case:
        assert (found.decode() if isinstance(found, bytes) else found) == case["text"]
    elif "page" in case:
        assert json.loads(json.dumps(found.data)) == case["page"]
    else:
        assert json.loads(json.dumps(found)) == case["result"]
