"""`request`: the way to whatever of the API has no method here."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from reevit import AsyncReevit, NotFoundError, Reevit
from tests.answers import KEY, Answers, refusal, without_waiting


def test_it_sends_what_it_is_given_and_returns_the_json():
    wire = Answers({"rules": [1, 2]})
    found = Reevit(KEY, "org_1", transport=wire).request(
        "POST",
        "/v1/workflows/rules",
        params={"dry_run": True, "since": datetime(2026, 1, 1, tzinfo=timezone.utc), "none": None},
        json={"name": "Grüße"},
        headers={"X-Reason": "x"},
        timeout=5,
    )
    (request,) = wire.requests
    assert found == {"rules": [1, 2]}
    assert type(found) is dict
    assert (request.method, request.url.path) == ("POST", "/v1/workflows/rules")
    assert dict(request.url.params) == {"dry_run": "true", "since": "2026-01-01T00:00:00Z"}
    assert json.loads(request.content) == {"name": "Grüße"}
    assert request.headers["Content-Type"] == "application/json"
    assert (request.headers["X-Reason"], request.headers["X-Org-Id"]) == ("x", "org_1")
    assert request.extensions["timeout"]["read"] == 5


def test_nothing_of_it_is_left_for_the_next_call():
    wire = Answers({}, {})
    client = Reevit(KEY, transport=wire)
    client.request("GET", "/v1/customers", headers={"X-Reason": "x"}, timeout=5)
    client.customers.get("cus_1")
    assert "X-Reason" not in wire.requests[1].headers
    assert wire.requests[1].extensions["timeout"]["read"] == 30


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY"])
def test_your_own_idempotency_key_is_the_one_that_is_sent(name: str):
    wire = Answers(httpx.ReadError("broken"), {})
    with without_waiting():
        Reevit(KEY, transport=wire).request("POST", "/v1/x", json={}, headers={name: "mine"})
    assert [request.headers.get_list("Idempotency-Key") for request in wire.requests] == [["mine"]] * 2


def test_none_for_an_idempotency_key_makes_one():
    wire = Answers({})
    Reevit(KEY, transport=wire).request("POST", "/v1/x", headers={"Idempotency-Key": None})  # type: ignore[dict-item]
    assert len(wire.requests[0].headers["Idempotency-Key"]) == 36


@pytest.mark.parametrize("key", ["", " "])
def test_an_idempotency_key_that_is_empty_is_refused(key: str):
    wire = Answers()
    client = Reevit(KEY, transport=wire)
    with pytest.raises(ValueError, match="cannot be empty"):
        client.request("POST", "/v1/x", json={}, headers={"Idempotency-Key": key})
    with pytest.raises(ValueError, match="cannot be empty"):
        client.payments.create(amount=1, currency="GHS", idempotency_key=key)
    assert wire.requests == []


@pytest.mark.parametrize("method", ["POST", "put", "PATCH", "delete"])
def test_a_write_gets_an_idempotency_key_of_its_own_that_is_kept_when_it_is_sent_again(method: str):
    wire = Answers(httpx.Response(503), httpx.Response(204))
    with without_waiting():
        assert Reevit(KEY, transport=wire).request(method, "/v1/x") is None
    first, second = (request.headers["Idempotency-Key"] for request in wire.requests)
    assert first == second
    assert len(first) == 36


@pytest.mark.parametrize("method", ["GET", "get"])
def test_a_read_has_none(method: str):
    wire = Answers([])
    assert Reevit(KEY, transport=wire).request(method, "/v1/x", headers={"Idempotency-Key": "mine"}) == []
    assert "Idempotency-Key" not in wire.requests[0].headers
    assert wire.requests[0].content == b""


def test_what_the_path_asks_is_kept_beside_the_parameters():
    wire = Answers({})
    Reevit(KEY, transport=wire).request("GET", "/v1/customers?tag=a&tag=b%20c&limit=", params={"search": "é"})
    assert list(wire.requests[0].url.params.multi_items()) == [
        ("tag", "a"),
        ("tag", "b c"),
        ("limit", ""),
        ("search", "é"),
    ]


@pytest.mark.parametrize("path", ["v1/customers", ".evil.example/", "@evil.example/", ""])
def test_a_path_cannot_go_on_with_the_name_of_the_host(path: str):
    wire = Answers()
    with pytest.raises(ValueError, match="starts with a slash"):
        Reevit(KEY, base_url="https://shop.example", transport=wire).request("GET", path)
    assert wire.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers/../api-keys",
        "/v1/./customers",
        "/v1/customers/..",
        "/v1/customers/.?limit=1",
        "/v1/customers/%2e%2E/api-keys",
        "/v1/customers#top",
        "/v1/customers?tag=#1",
    ],
)
def test_a_path_leads_where_it_reads(path: str):
    wire = Answers()
    with pytest.raises(ValueError, match="A path"):
        Reevit(KEY, transport=wire).request("GET", path)
    assert wire.requests == []


@pytest.mark.parametrize("path", ["/v1/customers/a..b", "/v1/customers/...", "/v1/customers?search=a/../b"])
def test_dots_that_are_no_steps_are_sent(path: str):
    wire = Answers({})
    Reevit(KEY, transport=wire).request("GET", path)
    assert wire.requests[0].url.path == path.partition("?")[0]


def test_only_from_loses_its_underscore():
    wire = Answers({}, {})
    client = Reevit(KEY, transport=wire)
    client.request("GET", "/v1/x", params={"from_": "a", "class_": "b", "x__": "c"})
    client.payments.create({"from_": "a", "class_": "b"})  # type: ignore[typeddict-unknown-key]
    assert dict(wire.requests[0].url.params) == {"from": "a", "class_": "b", "x__": "c"}
    assert json.loads(wire.requests[1].content) == {"from": "a", "class_": "b"}


def test_an_argument_that_it_does_not_know_is_an_error_and_not_left_out():
    with pytest.raises(TypeError, match="data"):
        Reevit(KEY, transport=Answers()).request("POST", "/v1/customers", data={"name": "Ada"})  # type: ignore[call-arg]


def test_it_raises_what_every_call_raises():
    with pytest.raises(NotFoundError) as raised:
        Reevit(KEY, transport=Answers(refusal(404, "route_not_found"))).request("GET", "/v1/x")
    assert raised.value.code == "route_not_found"


async def test_an_async_one_is_awaited():
    wire = Answers({"ok": True})
    async with AsyncReevit(KEY, transport=wire) as reevit:
        found: Any = await reevit.request("PATCH", "/v1/x", json={"a": 1}, headers={"X-Reason": "x"})
    assert found == {"ok": True}
    assert (wire.requests[0].method, wire.requests[0].headers["X-Reason"]) == ("PATCH", "x")
