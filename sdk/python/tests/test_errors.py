"""What is raised: which class, what it says, and that it survives a journey to another process."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import httpx
import pytest

import reevit
from reevit import (
    AsyncReevit,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    Reevit,
    ReevitAPIError,
    ReevitConnectionError,
    ReevitError,
    ReevitTimeoutError,
    UnexpectedAnswer,
    WebhookVerificationError,
)
from tests.answers import KEY, Answers, refusal, without_waiting


def raised_by(*answers: Any, method: str = "GET") -> ReevitError:
    """What a call raises that is answered so."""
    client = Reevit(KEY, transport=Answers(*answers), max_retries=len(answers) - 1)
    with without_waiting(), pytest.raises(ReevitError) as raised:
        client.request(method, "/v1/x")
    return raised.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "InvalidRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (405, "InvalidRequestError"),
        (409, "ConflictError"),
        (410, "NotFoundError"),
        (413, "InvalidRequestError"),
        (415, "InvalidRequestError"),
        (418, "InvalidRequestError"),
        (422, "UnprocessableError"),
        (429, "RateLimitError"),
        (500, "ServerError"),
        (502, "ProviderError"),
        (503, "UnavailableError"),
        (504, "UnavailableError"),
        (599, "ServerError"),
    ],
)
def test_each_status_has_its_class(status: int, kind: str):
    error = raised_by(refusal(status, "some_code", limit=5))
    assert type(error) is getattr(reevit, kind)
    assert isinstance(error, ReevitAPIError)
    assert (error.status_code, error.code, error.message) == (status, "some_code", "It cannot be.")
    assert (error.details, error.request_id, error.fields) == ({"limit": 5}, "req_1", [])


def test_it_reads_as_what_to_do_and_where_to_find_it():
    assert str(raised_by(refusal(404, "x"))) == "It cannot be. (request_id=req_1)"
    assert str(NotFoundError(404, "It cannot be.")) == "It cannot be."
    assert repr(NotFoundError(404, "It cannot be.")) == "NotFoundError('It cannot be.')"


def test_faults_of_fields_are_at_hand():
    faults = [{"field": "email", "code": "invalid", "message": "It has no @."}]
    error = raised_by(refusal(400, "validation_error", fields=faults))
    assert isinstance(error, InvalidRequestError)
    assert error.fields == faults


@pytest.mark.parametrize(
    "told",
    [
        httpx.Response(404, text="<h1>Not here</h1>"),
        httpx.Response(404, json=["Not here"]),
        httpx.Response(404, json={"message": "Not here"}),
        httpx.Response(404, content=b"\xff\xfe Not here"),
    ],
    ids=["page", "list", "no code", "no text"],
)
def test_a_refusal_that_is_not_reevits_has_its_class_and_says_so(told: httpx.Response):
    error = raised_by(told)
    assert type(error) is NotFoundError
    assert error.code == "api_error"
    assert "is not Reevit's" in error.message
    assert "Not here" in error.message


def test_details_that_are_no_object_are_none():
    body = {"code": "x", "message": None, "details": ["a"]}
    error = raised_by(httpx.Response(400, json=body))
    assert isinstance(error, InvalidRequestError)
    assert (error.details, error.message, error.request_id) == ({}, "The request failed.", None)


def test_a_redirect_is_not_followed_with_the_key():
    error = raised_by(httpx.Response(301, headers={"Location": "https://elsewhere.example/v1/x"}))
    assert isinstance(error, UnexpectedAnswer)
    assert error.status_code == 301
    assert "elsewhere.example" in str(error)


@pytest.mark.parametrize("told", ["cus_1", "", 5, [1], [], [["id", "cus_1"]], True], ids=repr)
def test_json_that_is_no_object_is_not_a_customer(told: Any):
    wire = Answers(httpx.Response(200, json=told))
    with pytest.raises(UnexpectedAnswer) as raised:
        Reevit(KEY, transport=wire).customers.get("cus_1")
    assert (raised.value.status_code, raised.value.code) == (200, "unexpected_response_shape")


DEEP = 100_000
NO_JSON = {
    "no number": b'{"id": "cus_1", "total_spent": NaN}',
    "endless": b'{"id": "cus_1", "total_spent": -Infinity}',
    "too deep": b'{"id":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "cut": b'{"id": "cus_',
    "no text": b"\xff\xfe\xff",
}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_an_unexpected_answer_with_the_key_of_the_write(content: bytes):
    error = raised_by(httpx.Response(200, content=content), method="POST")
    assert isinstance(error, UnexpectedAnswer)
    assert error.idempotency_key


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_a_refusal_that_is_no_json_keeps_its_class(content: bytes):
    assert type(raised_by(httpx.Response(404, content=content))) is NotFoundError


ENDS = {
    "a fault of the server": [httpx.Response(500)] * 2,
    "busy": [refusal(503, "unavailable")] * 2,
    "a page of a proxy": [httpx.Response(200, text="<html>")],
    "a redirect": [httpx.Response(302)],
    "still running": [refusal(409, "idempotency_key_in_use")] * 2,
    "a refusal": [refusal(422, "refund_too_large")],
    "a fault in the request": [httpx.Response(400, text="Bad Request")],
}


@pytest.mark.parametrize("answers", ENDS.values(), ids=ENDS)
def test_every_error_of_a_write_has_the_key_that_was_sent_and_of_a_read_none(answers: list[httpx.Response]):
    wire = Answers(*answers)
    client = Reevit(KEY, transport=wire, max_retries=len(answers) - 1)
    with without_waiting(), pytest.raises(ReevitAPIError) as raised:
        client.payments.create(amount=1, currency="GHS")
    assert {request.headers["Idempotency-Key"] for request in wire.requests} == {raised.value.idempotency_key}
    read = raised_by(*answers)
    assert isinstance(read, ReevitAPIError)
    assert read.idempotency_key is None


def test_a_list_of_something_else_has_no_key():
    with pytest.raises(UnexpectedAnswer) as raised:
        Reevit(KEY, transport=Answers({"status": "ok"})).payments.list()
    assert raised.value.idempotency_key is None


def test_an_empty_answer_is_not_a_customer():
    with pytest.raises(UnexpectedAnswer):
        Reevit(KEY, transport=Answers(httpx.Response(200))).customers.get("cus_1")


@pytest.mark.parametrize(
    ("broken", "kind", "says"),
    [
        (httpx.ConnectError("refused"), ReevitConnectionError, "Cannot connect to http://localhost:8000"),
        (httpx.ConnectTimeout("slow"), ReevitTimeoutError, "Cannot connect to http://localhost:8000"),
        (httpx.ReadTimeout("slow"), ReevitTimeoutError, "did not answer in time; `timeout`"),
        (httpx.PoolTimeout("slow"), ReevitTimeoutError, "did not answer in time"),
        (httpx.ReadError("reset"), ReevitConnectionError, "broke before its answer"),
        (httpx.RemoteProtocolError("cut"), ReevitConnectionError, "broke before its answer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_no_answer_is_an_error_that_says_what_happened(broken: Exception, kind: type, says: str):
    error = raised_by(broken, method="POST")
    assert type(error) is kind
    assert says in str(error)
    assert isinstance(error, ReevitConnectionError)
    assert error.idempotency_key is not None
    assert error.__cause__ is broken
    may_have_happened = not isinstance(broken, httpx.ConnectError | httpx.ConnectTimeout)
    assert ("It may have happened" in str(error)) == may_have_happened


def test_a_read_without_an_answer_has_no_key_and_no_warning():
    error = raised_by(httpx.ReadError("reset"))
    assert isinstance(error, ReevitConnectionError)
    assert error.idempotency_key is None
    assert "It may have happened" not in str(error)


def test_an_answer_that_cannot_be_unpacked_is_a_connection_that_broke():
    """Cut on the way, say, by a proxy that compresses."""
    wire = Answers(
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8bcut")),
        {"id": "pay_1"},
    )
    with without_waiting() as waits:
        assert Reevit(KEY, transport=wire).payments.create(amount=1, currency="GHS").id == "pay_1"
    assert len(waits) == 1
    first, second = (request.headers["Idempotency-Key"] for request in wire.requests)
    assert first == second


async def test_it_is_one_for_the_async_client_too():
    told = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8bcut"))
    async with AsyncReevit(KEY, transport=Answers(told), max_retries=0) as client:
        with pytest.raises(ReevitConnectionError):
            await client.customers.get("cus_1")


def test_what_cannot_be_sent_is_tried_once_only():
    error = raised_by(httpx.UnsupportedProtocol("no"), {"never": "asked"})
    assert isinstance(error, ReevitConnectionError)


EVERY_ERROR = [
    *(
        kind(429, "Wait.", "rate_limited", {"limit": 5}, "req_1", 3.5, "order-1")
        for name in reevit.__all__
        if isinstance(kind := getattr(reevit, name), type)
        and issubclass(kind, ReevitAPIError)
        and kind is not UnexpectedAnswer
    ),
    UnexpectedAnswer(200, b"<html>"),
    ReevitConnectionError("It broke.", "order-1"),
    ReevitTimeoutError("It was late.", "order-2"),
    ConfigurationError("No key."),
    WebhookVerificationError("Not ours.", "invalid_signature"),
]


@pytest.mark.parametrize(
    "moved",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deep"],
)
@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_it_survives_a_journey_to_another_process(error: ReevitError, moved: Any):
    """As multiprocessing and task queues send them."""
    found = moved(error)
    assert (type(found), str(found), found.args, vars(found)) == (
        type(error),
        str(error),
        error.args,
        vars(error),
    )


def test_every_error_is_a_reevit_error_and_exported():
    names = {name for name in vars(reevit.errors) if isinstance(getattr(reevit.errors, name), type)}
    errors = {name for name in names if issubclass(getattr(reevit.errors, name), Exception)}
    assert errors <= set(reevit.__all__)
    assert all(issubclass(getattr(reevit, name), ReevitError) for name in errors)
    assert {type(error).__name__ for error in EVERY_ERROR} == errors - {"ReevitError"}


@pytest.mark.parametrize("status", [200, 404, 502])
def test_an_answer_that_repeats_the_request_does_not_bring_the_key_into_an_error(status: int):
    echo = httpx.Response(status, text=f"GET / HTTP/1.1\r\nX-Reevit-Key: {KEY}\r\n")
    error = raised_by(echo, echo, echo) if status > 499 else raised_by(echo)
    assert KEY not in str(error)
    assert "X-Reevit-Key: pfk_…" in str(error)
