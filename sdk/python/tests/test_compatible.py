"""Code that was written for `reevit` 0.11 runs: the names, the order of arguments, what comes back. What differs is
in the README's table.

Its programs run against the server in `server/tests/published_client`, by both clients.
"""

from __future__ import annotations

import inspect
import json
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

import reevit
import reevit.client
import reevit.webhooks
from reevit import (
    AsyncReevit,
    Reevit,
    ReevitAPIError,
    UnexpectedAnswer,
    WebhookVerificationError,
    construct_event,
    sign_webhook_payload,
    verify_webhook_signature,
    verify_webhook_signature_with_tolerance,
)
from tests.answers import KEY, Answers, refusal

PUBLISHED = Path(__file__).parents[3] / ".venv-published-client/bin/python"

NAMES = {
    "reevit": {
        "Reevit",
        "ReevitAPIError",
        "WebhookVerificationError",
        "__version__",
        "construct_event",
        "sign_webhook_payload",
        "verify_webhook_signature",
        "verify_webhook_signature_with_tolerance",
    },
    "reevit.client": {
        "DEFAULT_TIMEOUT",
        "LIVE_KEY_PREFIX",
        "TEST_KEY_PREFIX",
        "Reevit",
        "ReevitAPIError",
        "is_sandbox_key",
        "mode_from_api_key",
    },
    "reevit.webhooks": {
        "DEFAULT_TOLERANCE_SECONDS",
        "SIGNATURE_TIMESTAMP_FIELD",
        "WebhookVerificationError",
        "construct_event",
        "sign_webhook_payload",
        "verify_webhook_signature",
        "verify_webhook_signature_with_tolerance",
    },
}

# The address of somebody's hosted service, which this client is not for.
LEFT_OUT = {"reevit.client": {"API_BASE_URL_PRODUCTION"}}

# Nouns that this server does not have.
NOT_SERVED = {"checkout_sessions", "connections", "fraud", "payment_links", "payouts", "routing_rules"}

# Arguments by position; a question mark for those that may be left out, ** for filters of any name.
METHODS = {
    "customers.create": "data idempotency_key?",
    "customers.delete": "customer_id idempotency_key?",
    "customers.get": "customer_id",
    "customers.list": "**",
    "customers.lookup": "external_id",
    "customers.payment_history": "customer_id **",
    "customers.top": "**",
    "customers.update": "customer_id data idempotency_key?",
    "invoices.cancel": "invoice_id idempotency_key?",
    "invoices.get": "invoice_id",
    "invoices.list": "**",
    "invoices.retry": "invoice_id idempotency_key?",
    "invoices.update": "invoice_id data idempotency_key?",
    "payments.cancel": "payment_id idempotency_key?",
    "payments.confirm": "payment_id idempotency_key?",
    "payments.confirm_intent": "payment_id client_secret idempotency_key?",
    "payments.create_intent": "data idempotency_key?",
    "payments.get": "payment_id",
    "payments.list": "limit? offset?",
    "payments.refund": "payment_id amount? reason? idempotency_key?",
    "payments.retry": "payment_id idempotency_key?",
    "payments.stats": "**",
    "payments.update_intent": "payment_id data idempotency_key?",
    "subscriptions.cancel": "subscription_id idempotency_key?",
    "subscriptions.create": "data idempotency_key?",
    "subscriptions.get": "subscription_id",
    "subscriptions.list": "**",
    "subscriptions.resume": "subscription_id idempotency_key?",
    "subscriptions.update": "subscription_id data idempotency_key?",
    "webhooks.delete_config": "idempotency_key?",
    "webhooks.get_config": "",
    "webhooks.get_event": "event_id",
    "webhooks.get_outbound": "outbound_id",
    "webhooks.list_events": "**",
    "webhooks.list_outbound": "**",
    "webhooks.replay_event": "event_id idempotency_key?",
    "webhooks.send_test": "idempotency_key?",
    "webhooks.upsert_config": "data idempotency_key?",
}

# Functions and classes; arguments by name only come after a bar.
CALLABLES = {
    "reevit.client.Reevit": "api_key org_id? base_url? timeout?",
    "reevit.client.ReevitAPIError": "status_code message code? details? request_id?",
    "reevit.client.is_sandbox_key": "api_key",
    "reevit.client.mode_from_api_key": "api_key",
    "reevit.webhooks.WebhookVerificationError": "message code",
    "reevit.webhooks.construct_event": "raw_body signature secret | tolerance_seconds? now?",
    "reevit.webhooks.sign_webhook_payload": "payload secret",
    "reevit.webhooks.verify_webhook_signature": "payload signature secret",
    "reevit.webhooks.verify_webhook_signature_with_tolerance": (
        "payload signature secret | tolerance_seconds? now?"
    ),
}

# Run by the Python of the published client: its own table.
TABLE = """
import importlib, inspect, json, types
from reevit import Reevit

def words(function):
    bar = False
    for each in inspect.signature(function).parameters.values():
        if each.kind is each.KEYWORD_ONLY and not bar:
            bar = True
            yield "|"
        yield "**" if each.kind is each.VAR_KEYWORD else each.name + "?" * (each.default is not each.empty)

def public(module):
    for name, value in vars(module).items():
        foreign = inspect.isclass(value) and value.__module__.startswith("reevit.services")
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and not foreign:
            if getattr(value, "__module__", module.__name__) != "typing":
                yield name, value

methods, names, callables = {}, {}, {}
client = Reevit("pfk_test_a.b", "org_1")
for noun, service in vars(client).items():
    if type(service).__module__.startswith("reevit.services"):
        for name, method in inspect.getmembers(service, inspect.ismethod):
            if not name.startswith("_"):
                methods[f"{noun}.{name}"] = " ".join(words(method))
for name in ("reevit.client", "reevit.webhooks"):
    module = importlib.import_module(name)
    names[name] = sorted(each for each, _ in public(module))
    for each, value in public(module):
        if callable(value) and value.__module__ == name:
            callables[f"{name}.{each}"] = " ".join(words(value))
names["reevit"] = sorted(importlib.import_module("reevit").__all__)
print(json.dumps([methods, names, callables]))
"""


@pytest.mark.skipif(
    not PUBLISHED.exists(), reason="the published client is not installed; `make test` does it"
)
def test_the_tables_here_are_those_of_the_published_client():
    done = subprocess.run(
        [PUBLISHED, "-c", TABLE], capture_output=True, text=True, timeout=60, check=True, cwd="/"
    )
    methods, names, callables = json.loads(done.stdout)
    assert {name: words for name, words in methods.items() if name.split(".")[0] not in NOT_SERVED} == METHODS
    assert {name.split(".")[0] for name in methods} >= NOT_SERVED
    others = {"datetime", "timedelta", "timezone"}  # imported there, and nobody's business
    found = {module: set(each) - others - LEFT_OUT.get(module, set()) for module, each in names.items()}
    assert found == NAMES
    assert callables == CALLABLES


@pytest.mark.parametrize(
    "module", [reevit, reevit.client, reevit.webhooks], ids=lambda module: module.__name__
)
def test_every_name_can_be_imported(module: Any):
    assert NAMES[module.__name__] - set(vars(module)) == set()
    assert NAMES["reevit"] <= set(reevit.__all__)


def _takes(function: Any, words: str) -> None:
    """Whether all that 0.11 took is taken, at its place and by its name."""
    by_place, _, by_name = words.partition(" |")
    parameters = list(inspect.signature(function).parameters.values())
    given = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    expected = [word for word in by_place.split() if word != "**"]
    assert [each.name for each in given][: len(expected)] == [word.rstrip("?") for word in expected]
    for each in parameters:
        needed = each.default is each.empty and each.kind is not each.VAR_KEYWORD
        assert not needed or each.name in expected, f"{each.name} is needed now"
    named = {each.name for each in parameters}
    assert {word.rstrip("?") for word in by_name.split()} <= named
    assert "**" not in words or any(each.kind is each.VAR_KEYWORD for each in parameters)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", [Reevit, AsyncReevit])
def test_every_method_takes_what_it_took(kind: Any, name: str):
    noun, _, method = name.partition(".")
    _takes(getattr(getattr(kind(KEY), noun), method), METHODS[name])


@pytest.mark.parametrize("name", CALLABLES)
def test_every_function_and_class_takes_what_it_took(name: str):
    module, _, of_module = name.rpartition(".")
    _takes(
        getattr({"reevit.client": reevit.client, "reevit.webhooks": reevit.webhooks}[module], of_module),
        CALLABLES[name],
    )


def test_request_takes_what_programs_gave_it():
    wire = Answers({"ok": True})
    client = Reevit(KEY, "org_1", "https://shop.example/", 5, transport=wire)
    found = client.request(
        "POST", "/v1/x", params={"a": 1}, json={"b": 2}, headers={"X-Note": "c"}, timeout=9
    )
    (request,) = wire.requests
    assert found == {"ok": True}
    assert str(request.url) == "https://shop.example/v1/x?a=1"
    assert (request.content, request.headers["X-Note"]) == (b'{"b":2}', "c")
    assert request.extensions["timeout"]["read"] == 9


def test_the_client_has_the_attributes_it_had():
    client = Reevit(KEY, "org_1", "https://shop.example/", 5)
    assert (client.base_url, client.org_id, client.timeout, client.mode) == (
        "https://shop.example",
        "org_1",
        5,
        "test",
    )


def test_what_comes_back_is_a_dict_or_a_list_of_dicts():
    rows = [{"id": "cus_1", "rank": 1}, {"id": "cus_2", "rank": 2}]
    answer = {"customers": rows, "has_more": False, "next_cursor": None}
    client = Reevit(
        KEY, transport=Answers({"id": "cus_1", "name": None}, answer, answer, httpx.Response(204))
    )
    customer = client.customers.create({"name": "Ada"})
    assert isinstance(customer, dict)
    assert (customer["id"], customer.get("name", "x"), customer.get("nickname", "x")) == ("cus_1", None, "x")
    for found in (client.customers.list(), client.customers.top(limit=2)):
        assert isinstance(found, list)
        assert found == rows
        assert all(isinstance(row, dict) for row in found)
    assert client.customers.delete("cus_1") is None


def test_a_mapping_and_a_key_may_be_given_by_place_or_by_name():
    wire = Answers({}, {}, {})
    client = Reevit(KEY, transport=wire)
    client.payments.create_intent({"amount": 1}, "order-1")
    client.payments.create_intent(data={"amount": 1}, idempotency_key="order-1")
    client.payments.create_intent({"amount": 1}, idempotency_key=None)
    assert [request.content for request in wire.requests] == [b'{"amount":1}'] * 3
    keys = [request.headers["Idempotency-Key"] for request in wire.requests]
    assert keys[:2] == ["order-1", "order-1"]
    assert len(keys[2]) == 36


def test_a_page_that_was_asked_for_by_its_place_is_all_that_a_loop_sees():
    answer = {"payments": [{"id": "pay_3"}, {"id": "pay_2"}], "has_more": True, "next_cursor": "2"}
    wire = Answers(answer)
    assert [row["id"] for row in Reevit(KEY, transport=wire).payments.list(2, 0)] == ["pay_3", "pay_2"]
    assert dict(wire.requests[0].url.params) == {"limit": "2", "offset": "0"}


def test_a_page_of_payments_has_as_many_as_the_server_says_which_is_not_as_before():
    """It was 50. A loop makes no difference any more: it goes on to the end."""
    wire = Answers({"payments": [{"id": "pay_1"}], "has_more": False, "next_cursor": None})
    assert len(Reevit(KEY, transport=wire).payments.list()) == 1
    assert dict(wire.requests[0].url.params) == {}


def test_an_error_is_made_and_read_as_before():
    error = ReevitAPIError(422, "Too much.", "refund_too_large", {"refundable": 5}, "req_1")
    assert (error.status_code, error.message, error.code) == (422, "Too much.", "refund_too_large")
    assert (error.details, error.request_id) == ({"refundable": 5}, "req_1")
    assert (str(error), error.args) == ("Too much. (request_id=req_1)", ("Too much.",))
    bare = ReevitAPIError(500, "It broke.")
    assert (bare.code, bare.details, bare.request_id, str(bare)) == ("api_error", {}, None, "It broke.")


def test_every_refusal_is_caught_as_before():
    with pytest.raises(ReevitAPIError) as raised:
        Reevit(KEY, transport=Answers(refusal(404, "customer_not_found", id="cus_1"))).customers.get("cus_1")
    error = raised.value
    assert (error.status_code, error.code, error.request_id) == (404, "customer_not_found", "req_1")
    assert error.details == {"id": "cus_1"}


def test_an_answer_without_the_list_has_the_code_it_had():
    with pytest.raises(ReevitAPIError) as raised:
        Reevit(KEY, transport=Answers({"status": "ok"})).payments.list()
    assert raised.value.code == "unexpected_response_shape"
    assert isinstance(raised.value, UnexpectedAnswer)


SECRET = "whsec_c2VjcmV0"
SIGNED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
EVENT = {"id": "evt_1", "event": "payment.succeeded", "signature_timestamp": "2026-03-01T12:00:00Z"}


def delivery(body: Any = EVENT, secret: str = SECRET) -> tuple[str, str]:
    raw = body if isinstance(body, str) else json.dumps(body)
    return raw, sign_webhook_payload(raw, secret)


@pytest.mark.parametrize("seconds", [-300, -1, 0, 300])
def test_a_delivery_that_is_genuine_and_fresh_is_a_dict(seconds: int):
    body, signature = delivery()
    now = SIGNED_AT + timedelta(seconds=seconds)
    for event in (
        construct_event(body, signature, SECRET, now=now),
        construct_event(
            raw_body=body.encode(), signature=signature, secret=SECRET, now=now.replace(tzinfo=None)
        ),
    ):
        assert isinstance(event, dict)
        assert event == EVENT
    assert verify_webhook_signature_with_tolerance(body, signature, SECRET, now=now) is True
    assert verify_webhook_signature(payload=body, signature=signature, secret=SECRET) is True


REFUSED: dict[str, tuple[str, Any, Any]] = {
    "changed on the way": ("invalid_signature", delivery()[0].replace("evt_1", "evt_2"), delivery()[1]),
    "of another secret": ("invalid_signature", *delivery(secret="whsec_b3RoZXI=")),
    "without a signature": ("invalid_signature", delivery()[0], None),
    "with an empty signature": ("invalid_signature", delivery()[0], ""),
    "with a signature in other letters": ("invalid_signature", delivery()[0], "sha256=é"),
    "that is no JSON": ("invalid_payload", *delivery("{")),
    "that is no object": ("invalid_payload", *delivery("[]")),
    "that says not when": ("missing_signature_timestamp", *delivery({"id": "evt_1"})),
    "without a zone": (
        "missing_signature_timestamp",
        *delivery({**EVENT, "signature_timestamp": "2026-03-01T12:00:00"}),
    ),
    "of no day": (
        "missing_signature_timestamp",
        *delivery({**EVENT, "signature_timestamp": "2026-02-30T12:00:00Z"}),
    ),
    "of six minutes ago": (
        "timestamp_out_of_tolerance",
        *delivery({**EVENT, "signature_timestamp": "2026-03-01T11:54:00Z"}),
    ),
    "of six minutes ahead": (
        "timestamp_out_of_tolerance",
        *delivery({**EVENT, "signature_timestamp": "2026-03-01T12:06:00Z"}),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_delivery_is_refused_with_the_code_it_was(name: str):
    code, body, signature = REFUSED[name]
    with pytest.raises(WebhookVerificationError) as raised:
        construct_event(body, signature, SECRET, now=SIGNED_AT)
    assert raised.value.code == code
    assert isinstance(raised.value, ValueError)
    assert verify_webhook_signature_with_tolerance(body, signature, SECRET, now=SIGNED_AT) is False
    assert verify_webhook_signature(body, signature, SECRET) is (code != "invalid_signature")


def test_the_tolerance_can_be_widened():
    body, signature = delivery()
    later = SIGNED_AT + timedelta(hours=1)
    assert construct_event(body, signature, SECRET, tolerance_seconds=3600, now=later) == EVENT
    assert (
        verify_webhook_signature_with_tolerance(body, signature, SECRET, tolerance_seconds=3599, now=later)
        is False
    )


def test_the_signature_is_the_one_that_it_was():
    assert sign_webhook_payload("{}", "whsec_c2VjcmV0") == sign_webhook_payload(b"{}", "whsec_c2VjcmV0")
    assert sign_webhook_payload(b"{}", "key") == (
        "sha256=a777724d943eb48dc69bca8a4a6d57a04db3f9ec7e1de4e581e860265bdf3032"
    )
