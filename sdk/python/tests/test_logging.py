"""What is told of every try, to `on_attempt` and in logs, and what is not."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from reevit import AsyncReevit, Attempt, Reevit, UnavailableError
from tests.answers import KEY, Answers, refusal, without_waiting


def attempts_of(*answers: Any) -> tuple[list[Attempt], Answers]:
    """What `on_attempt` is told of one call that holds secrets."""
    told: list[Attempt] = []
    wire = Answers(*answers)
    client = Reevit(KEY, transport=wire, on_attempt=told.append)
    with without_waiting():
        client.payments.confirm_intent("pay_1", "the-client-secret", idempotency_key="order-1")
    return told, wire


def test_on_attempt_is_told_of_every_try():
    busy = httpx.Response(503, headers={"X-Request-Id": "req_1", "Retry-After": "2"})
    done = httpx.Response(200, json={"id": "pay_1"}, headers={"X-Request-Id": "req_3"})
    told, _ = attempts_of(busy, httpx.ReadError("broken"), done)
    assert [(one.number, one.status_code, one.error, one.request_id) for one in told] == [
        (1, 503, None, "req_1"),
        (2, None, "ReadError", None),
        (3, 200, None, "req_3"),
    ]
    assert {(one.method, one.path) for one in told} == {("POST", "/v1/payments/pay_1/confirm-intent")}
    assert {one.idempotency_key for one in told} == {"order-1"}
    assert all(one.latency_seconds >= 0 for one in told)
    first, second, third = (one.wait_seconds for one in told)
    assert first is not None
    assert second is not None
    assert 2 <= first <= 2.5
    assert 0 <= second <= 1
    assert third is None


def test_on_attempt_is_told_no_secret():
    told, wire = attempts_of({"id": "pay_1", "client_secret": "the-client-secret"})
    assert wire.requests[0].url.params["client_secret"] == "the-client-secret"
    assert "secret" not in repr(told)


def test_the_query_of_a_path_is_not_told_either():
    told: list[Attempt] = []
    client = Reevit(KEY, transport=Answers({}), on_attempt=told.append)
    client.request("GET", "/v1/customers?email=ada%40example.com")
    assert told[0].path == "/v1/customers"


def test_tries_are_logged_at_debug_without_secrets(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, logger="reevit")
    wire = Answers(httpx.ReadError("broken"), refusal(404, "payment_not_found"))
    with without_waiting(), pytest.raises(Exception, match="It cannot be"):
        Reevit(KEY, transport=wire).payments.confirm_intent("pay_1", "the-client-secret")
    first, second = [record.getMessage() for record in caplog.records if record.name == "reevit"]
    assert first.startswith("POST /v1/payments/pay_1/confirm-intent: ReadError in ")
    assert "try 1, again in 0." in first
    assert second.startswith("POST /v1/payments/pay_1/confirm-intent: 404 in ")
    assert second.endswith("(try 2, request_id=req_1)")
    assert "secret" not in first + second


def test_nothing_is_logged_above_debug(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    with pytest.raises(UnavailableError):
        Reevit(KEY, transport=Answers(refusal(503, "busy")), max_retries=0).customers.get("cus_1")
    assert [record for record in caplog.records if record.name == "reevit"] == []


def broken_metric(attempt: Attempt) -> None:
    raise LookupError("no such metric")


def check_that_it_was_logged(caplog: pytest.LogCaptureFixture, times: int) -> None:
    records = [record for record in caplog.records if record.name == "reevit"]
    assert [record.levelname for record in records] == ["WARNING"] * times
    assert all(record.exc_info and record.exc_info[0] is LookupError for record in records)
    assert caplog.text.count("LookupError: no such metric") == times


def test_an_on_attempt_that_raises_does_not_take_the_answer_of_a_payment_away(
    caplog: pytest.LogCaptureFixture,
):
    wire = Answers(httpx.ReadError("broken"), {"id": "pay_1"})
    client = Reevit(KEY, transport=wire, on_attempt=broken_metric)
    with without_waiting():
        assert client.payments.create(amount=1, currency="GHS").id == "pay_1"
    check_that_it_was_logged(caplog, 2)


async def test_nor_does_it_when_awaited(caplog: pytest.LogCaptureFixture):
    async with AsyncReevit(KEY, transport=Answers({"id": "pay_1"}), on_attempt=broken_metric) as client:
        assert (await client.payments.create(amount=1, currency="GHS")).id == "pay_1"
    check_that_it_was_logged(caplog, 1)


def test_what_stops_the_program_stops_it():
    def stop(attempt: Attempt) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Reevit(KEY, transport=Answers({"id": "pay_1"}), on_attempt=stop).payments.get("pay_1")


def test_the_client_secret_is_not_in_what_httpx_logs(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    Reevit(KEY, transport=Answers({"id": "pay_1"})).payments.confirm_intent("pay_1", "the secret&more")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert "/v1/payments/pay_1/confirm-intent?client_secret=… " in line
    assert all(word not in caplog.text for word in ("secret&", "the+secret", "the%20secret", "more"))


def test_nothing_else_of_what_httpx_logs_is_changed(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    Reevit(KEY, transport=Answers({})).request("GET", "/v1/x?client_secret=abc&tag=b")
    Reevit(KEY, transport=Answers({})).request("GET", "/v1/x?tag=b")
    addresses = [record.getMessage().split()[3] for record in caplog.records if record.name == "httpx"]
    assert addresses == [
        "http://localhost:8000/v1/x?client_secret=…&tag=b",
        "http://localhost:8000/v1/x?tag=b",
    ]
