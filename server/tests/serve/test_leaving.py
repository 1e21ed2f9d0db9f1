"""Told to stop, a server says so and serves on: whoever balances the load has time to send requests elsewhere."""

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.makers import ok, refused
from tests.running import Server, serving, wait_until

_DRAIN = 5


@pytest.fixture(params=[1, 2], ids=["1 worker", "2 workers"])
def server(empty_dsn: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """On a database of its own: its worker would take the jobs of other tests."""
    options = ("--database-url", empty_dsn, "--workers", str(request.param))
    with serving(*options, REEVIT_DRAIN_SECONDS=str(_DRAIN)) as started:
        yield started


def get(server: Server, path: str) -> httpx.Response:
    """Over a new connection, which reaches any of the API processes."""
    return httpx.get(f"{server.base_url}{path}")


def ready(server: Server) -> bool:
    return get(server, "/readyz").status_code == 200


def test_readyz_turns_503_and_requests_are_served_until_connections_are_refused(server: Server):
    with httpx.Client(base_url=server.base_url) as client:
        assert "connection" not in client.get("/readyz").headers
        told_at = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not any(ready(server) for _ in range(24)), 3)
        while time.monotonic() < told_at + _DRAIN - 0.5:
            refusal = get(server, "/readyz")
            assert "about to stop" in refused(refusal, 503, "unavailable")["message"]
            for answer in (refusal, get(server, "/healthz"), client.get("/healthz")):
                assert answer.headers["connection"] == "close"
            ok(get(server, "/healthz"))
            refused(get(server, "/v1/customers"), 401, "invalid_api_key")
            assert server.process.poll() is None
            time.sleep(0.1)
    assert server.process.wait(10) == 0
    assert _DRAIN <= time.monotonic() - told_at < _DRAIN + 5
    with pytest.raises(httpx.ConnectError):
        get(server, "/readyz")
    assert "Traceback" not in server.output


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_twice_or_by_hand_stops_at_once(dsn: str, again: signal.Signals):
    with serving("--database-url", dsn, REEVIT_DRAIN_SECONDS="60") as server:
        if again == signal.SIGTERM:
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not ready(server), 2)
        server.process.send_signal(again)
        assert server.process.wait(10) == 0


def test_an_api_process_that_is_started_meanwhile_says_so_too(dsn: str):
    with serving("--database-url", dsn, REEVIT_DRAIN_SECONDS="8") as server:
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not ready(server), 2)
        killed = server.api_process()
        os.kill(killed, signal.SIGKILL)
        server.wait_until_answering()
        wait_until(lambda: not ready(server), 1)
        assert server.api_process() != killed
