"""The clients: how they are set up, what they send with every call, and what they tell of it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import anyio
import httpx
import pytest

from reevit import (
    AsyncReevit,
    Attempt,
    ConfigurationError,
    Reevit,
    ReevitConnectionError,
    UnavailableError,
)
from reevit.client import is_sandbox_key, mode_from_api_key
from tests.answers import KEY, Answers, refusal, without_waiting

BOTH = pytest.mark.parametrize("kind", [Reevit, AsyncReevit])


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REEVIT_API_KEY", "REEVIT_BASE_URL", "REEVIT_ORG_ID"):
        monkeypatch.delenv(name, raising=False)


def asked(**settings: Any) -> httpx.Request:
    """The request of one call by a client with these settings."""
    wire = Answers({"id": "cus_1"})
    Reevit(**{"api_key": KEY, "transport": wire, **settings}).customers.get("cus_1")
    return wire.requests[0]


@BOTH
def test_what_is_not_given_comes_from_the_environment(kind: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REEVIT_API_KEY", "pfk_live_env.secret")
    monkeypatch.setenv("REEVIT_BASE_URL", "https://env.example/")
    client = kind()
    assert (client.mode, client.base_url) == ("live", "https://env.example")


@BOTH
def test_what_is_given_wins(kind: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REEVIT_API_KEY", "pfk_live_env.secret")
    monkeypatch.setenv("REEVIT_BASE_URL", "https://env.example")
    client = kind(KEY, base_url="https://shop.example")
    assert (client.mode, client.base_url) == ("test", "https://shop.example")
    assert asked().headers["X-Reevit-Key"] == KEY


def test_without_an_address_it_is_this_machine(monkeypatch: pytest.MonkeyPatch):
    assert str(asked().url) == "http://localhost:8000/v1/customers/cus_1"
    monkeypatch.setenv("REEVIT_BASE_URL", "")
    assert Reevit(KEY).base_url == "http://localhost:8000"


@BOTH
def test_without_a_key_there_is_no_client(kind: Any):
    with pytest.raises(ConfigurationError, match="REEVIT_API_KEY"):
        kind()


@BOTH
def test_an_empty_key_is_not_replaced_by_another(kind: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REEVIT_API_KEY", "pfk_live_env.secret")
    with pytest.raises(ConfigurationError, match="no API key"):
        kind("")


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}\u200b", "pfk_test_abc .secret", "\x00"])
def test_a_key_that_was_copied_with_something_else_is_told_and_not_shown(key: str):
    with pytest.raises(ConfigurationError, match="copied") as raised:
        Reevit(key)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("path", ["", "/", "/reevit", "/reevit/"])
def test_an_address_may_have_a_path_and_may_end_in_a_slash(path: str):
    url = asked(base_url=f"https://shop.example{path}").url
    assert str(url) == f"https://shop.example{path.rstrip('/')}/v1/customers/cus_1"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "localhost:8000",
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https://shop.example/?a=1",
        "https://shop.example:port",
    ],
)
def test_an_address_that_is_none_is_told_at_once(base_url: str):
    with pytest.raises(ConfigurationError, match="base_url"):
        Reevit(KEY, base_url=base_url)


@BOTH
def test_its_repr_shows_where_and_the_mode_but_no_key(kind: Any):
    client = kind(KEY)
    assert repr(client) == f"{kind.__name__}(base_url='http://localhost:8000', mode='test')"
    assert "secret" not in repr(client.with_options(reason="x"))


@pytest.mark.parametrize(
    ("key", "mode"), [("pfk_test_a.b", "test"), ("pfk_live_a.b", "live"), ("sk_test_a", None), ("x", None)]
)
def test_the_key_alone_decides_the_mode(key: str, mode: str | None):
    assert Reevit(key).mode == mode_from_api_key(key) == mode
    assert is_sandbox_key(key) == (mode == "test")


def test_every_request_says_who_asks():
    headers = asked(org_id="org_1").headers
    assert (headers["X-Reevit-Key"], headers["X-Org-Id"]) == (KEY, "org_1")
    assert headers["User-Agent"].startswith("reevit-python/")
    assert headers["X-Reevit-Client"] == "@reevit/python"
    assert "Authorization" not in headers
    assert "X-Org-Id" not in asked().headers


def test_other_options_are_of_the_other_client_only_and_its_connections_are_the_same():
    wire = Answers(*[{"id": "cus_1"}] * 2)
    client = Reevit(KEY, "org_1", transport=wire)
    other = client.with_options(timeout=5, actor_id="staff_7", reason="Demandé par la cliente")
    other.customers.get("cus_1")
    client.customers.get("cus_1")
    first, second = wire.requests
    assert (first.headers["X-Actor-Id"], first.headers["X-Org-Id"]) == ("staff_7", "org_1")
    assert (b"X-Reason", "Demandé par la cliente".encode()) in first.headers.raw
    assert first.extensions["timeout"]["read"] == 5
    assert second.extensions["timeout"]["read"] == 30
    assert not {"X-Actor-Id", "X-Reason"} & set(second.headers)
    assert type(other) is Reevit


def test_options_add_up():
    wire = Answers({"id": "cus_1"})
    client = Reevit(KEY, transport=wire).with_options(actor_id="staff_7", timeout=5).with_options(reason="x")
    client.customers.get("cus_1")
    assert (wire.requests[0].headers["X-Actor-Id"], wire.requests[0].headers["X-Reason"]) == ("staff_7", "x")
    assert wire.requests[0].extensions["timeout"]["read"] == 5


def test_the_timeout_is_what_the_client_says_it_is():
    wire = Answers(*[{"id": "cus_1"}] * 3)
    client = Reevit(KEY, transport=wire, timeout=httpx.Timeout(10, connect=2))
    client.customers.get("cus_1")
    client.timeout = 7
    client.customers.get("cus_1")
    client.timeout = None
    client.customers.get("cus_1")
    told = [
        (request.extensions["timeout"]["connect"], request.extensions["timeout"]["read"])
        for request in wire.requests
    ]
    assert told == [(2, 10), (7, 7), (None, None)]


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_it_is_tried_as_often_as_the_options_say(max_retries: int):
    wire = Answers(*[httpx.ConnectError("refused")] * (max_retries + 1))
    with without_waiting() as waits, pytest.raises(ReevitConnectionError, match="Cannot connect"):
        Reevit(KEY, transport=wire).with_options(max_retries=max_retries).customers.get("cus_1")
    assert (len(wire.requests), len(waits)) == (max_retries + 1, max_retries)


@pytest.mark.parametrize("value", ["one\ntwo", "one\rtwo", "nul\0", "escape\x1b[0m"])
def test_what_cannot_be_a_header_is_told_before_anything_is_sent(value: str):
    wire = Answers()
    client = Reevit(KEY, transport=wire)
    for call in (
        lambda: client.with_options(reason=value).customers.delete("cus_1"),
        lambda: client.customers.delete("cus_1", idempotency_key=value),
        lambda: client.request("GET", "/v1/customers", headers={"X-Note": value}),
    ):
        with pytest.raises(ValueError, match="one line of printable"):
            call()
    assert wire.requests == []


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


class Network(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """One that knows whether it was closed."""

    closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": "cus_1"})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": "cus_1"})

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def test_a_with_block_closes_the_connections():
    network = Network()
    with Reevit(KEY, transport=network) as client:
        assert client.customers.get("cus_1").id == "cus_1"
        assert not network.closed
    assert network.closed
    with pytest.raises(RuntimeError, match="closed"):
        client.customers.get("cus_1")


async def test_an_async_with_block_closes_the_connections():
    network = Network()
    async with AsyncReevit(KEY, transport=network) as client:
        assert (await client.customers.get("cus_1")).id == "cus_1"
        assert not network.closed
    assert network.closed


def test_twenty_threads_share_a_client_and_each_has_its_own_answers():
    seen: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["X-Actor-Id"], request.headers["Idempotency-Key"]))
        return httpx.Response(200, json={"id": request.url.path.rpartition("/")[2]})

    client = Reevit(KEY, transport=httpx.MockTransport(answer))

    def work(thread: int) -> list[str]:
        mine = client.with_options(actor_id=f"thread-{thread}")
        return [mine.customers.update(f"cus_{thread}_{one}", name="x").id for one in range(25)]

    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(work, range(20)))
    assert found == [[f"cus_{thread}_{one}" for one in range(25)] for thread in range(20)]
    assert sorted({actor for actor, _ in seen}) == sorted(f"thread-{thread}" for thread in range(20))
    assert len({key for _, key in seen}) == len(seen) == 500


@contextmanager
def pauses_of_nothing() -> Iterator[None]:
    """The pauses are made, in the way of the event loop, but none is long."""
    with patch("random.uniform", lambda least, most: 0.0):
        yield


@pytest.mark.parametrize("backend", anyio.get_available_backends())
def test_it_runs_on_every_event_loop_that_is_installed(backend: str):
    more = {"customers": [{"id": "cus_2"}], "has_more": True, "next_cursor": "2"}
    wire = Answers(httpx.ConnectError("refused"), {"id": "cus_1"}, more, more, {"customers": []})

    async def story() -> None:
        async with AsyncReevit(KEY, transport=wire) as reevit:
            assert (await reevit.customers.create(external_id="usr_1")).id == "cus_1"
            async for customer in reevit.customers.list():
                assert customer.id == "cus_2"
                break
            gc.collect()  # what a loop leaves half done is complained of here
            assert [row.id async for row in reevit.customers.list()] == ["cus_2"]

    with pauses_of_nothing():
        anyio.run(story, backend=backend)
    assert len(wire.requests) == 5
