"""`reevit listen`: what happens in test mode reaches a server on the developer's machine, signed as in production."""

import base64
import hashlib
import hmac
import json
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import standardwebhooks

from tests.faults.receiver import Receiver, receiving
from tests.makers import ok, refused
from tests.running import REEVIT, Server, environment, free_port, reevit, serving, start, wait_until

_SECONDS = 60
_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def server(dsn_of_file: str) -> Iterator[Server]:
    with serving("--database-url", dsn_of_file) as started:
        yield started


@pytest.fixture(scope="module")
def org(server: Server, dsn_of_file: str) -> dict[str, str]:
    return _org(dsn_of_file)


def _org(dsn: str) -> dict[str, str]:
    made = reevit("orgs", "create", "Developer", "--json", "--database-url", dsn)
    assert made.returncode == 0, made.stderr
    answer: dict[str, str] = json.loads(made.stdout)
    return answer


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Receiver]:
    """The developer's own server."""
    with receiving(tmp_path) as listening:
        yield listening


@pytest.fixture
def client(server: Server, org: dict[str, str]) -> Iterator[httpx.Client]:
    with _client(server, org) as opened:
        yield opened


def _client(server: Server, org: dict[str, str]) -> httpx.Client:
    return httpx.Client(base_url=server.base_url, headers={"X-Reevit-Key": org["test_key"]}, timeout=10)


def settings(server: Server, org: dict[str, str]) -> dict[str, str]:
    """What a developer has in the environment."""
    return {"REEVIT_API_KEY": org["test_key"], "REEVIT_BASE_URL": server.base_url}


@contextmanager
def listening(forward_to: str, *options: str, **environ: str) -> Iterator[Server]:
    """`reevit listen`, listening; Ctrl-C at the end, if it still runs, and then all is well."""
    with tempfile.TemporaryFile() as output:
        command = [REEVIT, "listen", "--forward-to", forward_to, *options]
        process = start(command, stdout=output, stderr=output, env=environment(**environ))
        listener = Server("", process, output)
        try:
            wait_until(lambda: "Signing secret" in listener.output or process.poll() is not None, _SECONDS)
            yield listener
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                assert process.wait(_SECONDS) == 0, listener.output
            assert "Traceback" not in listener.output
        finally:
            process.kill()
            process.wait()


def trigger(event: str, **environ: str) -> str:
    """`reevit trigger` in another terminal; the id of what it is about."""
    done = reevit("trigger", event, **environ)
    assert done.returncode == 0, done.stderr
    said, id = done.stdout.split()
    assert said == event
    return id


def deliveries(client: httpx.Client, event_id: str, *, finished: int = 1) -> list[dict[str, Any]]:
    """What the server knows of the tellings of an event, once so many are over."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = ok(client.get("/v1/webhooks/outbound", params={"event_id": event_id}))["outbound"]
        return sum(delivery["finished_at"] is not None for delivery in found) == finished

    wait_until(look, _SECONDS)
    return found


def lines(listener: Server) -> list[list[str]]:
    """What is said of events: time, type, event, answer, milliseconds."""
    return [re.split(r"\s{2,}", line) for line in listener.output.splitlines() if "evt_" in line]


def test_a_triggered_event_arrives_at_the_local_server_signed_as_in_production(
    server: Server, org: dict[str, str], client: httpx.Client, local: Receiver
):
    environ = settings(server, org)
    with listening(f"{local.base_url}/hook", **environ) as listener:
        secret = re.search(r"Signing secret: (whsec_\S+)", listener.output)[1]
        payment_id = trigger("payment.succeeded", **environ)
        wait_until(lambda: local.count() == 3, _SECONDS)
        wait_until(lambda: len(lines(listener)) == 3, _SECONDS)
        said = lines(listener)
    got = {request.json["type"]: request for request in local.got()}
    assert set(got) == {"customer.created", "payment.created", "payment.succeeded"}
    request = got["payment.succeeded"]
    body, headers = request.json, request.headers
    assert request.path == "/hook"
    assert (body["mode"], body["org_id"], body["attempt"]) == ("test", org["org_id"], 1)
    assert body["data"]["id"] == payment_id
    assert body["data"]["customer"]["external_id"].startswith("trigger_")

    # By the published package, which also looks at the clock, and by hand.
    standardwebhooks.Webhook(secret).verify(request.body, headers)
    digest = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    assert headers["X-Reevit-Signature"] == f"sha256={digest}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    standard = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{standard}"
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert datetime.fromisoformat(body["signature_timestamp"]) == at
    assert headers["webhook-id"] == body["id"]

    (line,) = [line for line in said if line[1] == "payment.succeeded"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d", line[0])
    assert line[2:4] == [body["id"], "200"]
    assert re.fullmatch(r"\d+ ms", line[4])
    (delivery,) = deliveries(client, body["id"])
    assert (delivery["id"], delivery["status"]) == (body["delivery_id"], "delivered")
    (attempt,) = delivery["attempts"]
    assert (attempt["status_code"], attempt["response_body"], attempt["error"]) == (200, "thank you", None)
    assert attempt["latency_ms"] == int(line[4].removesuffix(" ms"))


def test_only_what_is_asked_for_arrives_signed_with_a_secret_of_ones_own(
    server: Server, org: dict[str, str], local: Receiver
):
    environ = settings(server, org)
    address = local.base_url.removeprefix("http://")
    options = ("--events", "payment.failed,payment.refunded", "--events", "customer.*")
    with listening(address, *options, **environ, REEVIT_WEBHOOK_SECRET=_SECRET) as listener:
        assert "payment.failed, payment.refunded, customer.*" in listener.output
        assert _SECRET in listener.output
        trigger("payment.failed", **environ)
        trigger("payment.refunded", **environ)
        wait_until(lambda: local.count() == 4, _SECONDS)
    types = ["customer.created", "payment.failed", "customer.created", "payment.refunded"]
    assert sorted(request.json["type"] for request in local.got()) == sorted(types)
    for request in local.got():
        standardwebhooks.Webhook(_SECRET).verify(request.body, request.headers)


def test_a_local_server_that_is_down_or_answers_badly_is_told_of_and_recorded_and_listening_goes_on(
    server: Server, org: dict[str, str], client: httpx.Client, local: Receiver
):
    environ = settings(server, org)
    with listening(local.base_url, "--events", "payment.created", **environ) as listener:
        local.go_down()
        trigger("payment.created", **environ)
        wait_until(lambda: len(lines(listener)) == 1, _SECONDS)
        local.come_back()
        local.answer(500)
        trigger("payment.created", **environ)
        wait_until(lambda: len(lines(listener)) == 2, _SECONDS)
        local.answer(200)
        trigger("payment.created", **environ)
        wait_until(lambda: len(lines(listener)) == 3, _SECONDS)
        said = lines(listener)
        ended = [deliveries(client, line[2])[0] for line in said]
    assert [line[3] for line in said] == ["Connection refused", "500", "200"]
    assert [delivery["status"] for delivery in ended] == ["exhausted", "exhausted", "delivered"]
    down, bad, _ = [delivery["attempts"][0] for delivery in ended]
    assert (down["status_code"], down["error"]) == (None, "no_answer")
    assert down["error_message"] == "Connection refused"
    assert (bad["status_code"], bad["error"]) == (500, "http_status")


def test_a_local_server_that_is_held_in_a_debugger_holds_up_nothing_and_ctrl_c_ends_at_once(
    server: Server, org: dict[str, str], client: httpx.Client, local: Receiver
):
    environ = settings(server, org)
    with listening(local.base_url, **environ) as listener:
        local.hold()
        trigger("payment.succeeded", **environ)
        wait_until(lambda: local.count() == 3, _SECONDS)
        event_ids = [request.json["id"] for request in local.got()]
        listener.process.send_signal(signal.SIGINT)
        assert listener.process.wait(_SECONDS) == 0
        assert lines(listener) == []
    for event_id in event_ids:
        (delivery,) = deliveries(client, event_id)
        assert delivery["status"] == "disabled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_it_ends_the_listener_is_gone(
    server: Server, org: dict[str, str], client: httpx.Client, local: Receiver, number: signal.Signals
):
    environ = settings(server, org)
    with listening(local.base_url, "--events", "customer.created", **environ) as listener:
        trigger("customer.created", **environ)
        wait_until(lambda: len(lines(listener)) == 1, _SECONDS)
        (delivery,) = deliveries(client, lines(listener)[0][2])
        listener.process.send_signal(number)
        assert listener.process.wait(_SECONDS) == 0
    path = f"/v1/webhooks/listeners/{delivery['endpoint_id']}"
    refused(client.post(f"{path}/poll", json={}), 404, "webhook_listener_not_found")
    trigger("customer.created", **environ)
    assert local.count() == 1


def test_a_server_that_is_started_again_meanwhile_is_waited_for(local: Receiver, empty_dsn: str):
    port = free_port()
    with serving("--database-url", empty_dsn, port=port) as server:
        org = _org(empty_dsn)
        environ = settings(server, org)
        with listening(local.base_url, "--events", "payment.created", **environ) as listener:
            assert server.stop() == 0
            wait_until(lambda: "No answer from" in listener.output, _SECONDS)
            with serving("--database-url", empty_dsn, port=port) as again:
                payment_id = trigger("payment.created", **environ)
                wait_until(lambda: local.count() == 1, _SECONDS)
                assert local.got()[0].json["data"]["id"] == payment_id
                assert "answers again" in listener.output
                assert listener.output.count("No answer from") == 1
                again.stop()
            # Nobody is there to be told that it ends.
            listener.process.send_signal(signal.SIGINT)
            assert listener.process.wait(_SECONDS) == 0


def test_a_listener_that_was_given_up_is_made_anew_with_the_same_secret(
    server: Server, org: dict[str, str], client: httpx.Client, local: Receiver
):
    """As when the developer's machine has slept."""
    environ = settings(server, org)
    with listening(local.base_url, "--events", "customer.created", **environ) as listener:
        trigger("customer.created", **environ)
        wait_until(lambda: local.count() == 1, _SECONDS)
        (delivery,) = deliveries(client, local.got()[0].json["id"])
        ended = client.delete(f"/v1/webhooks/listeners/{delivery['endpoint_id']}")
        assert ended.status_code == 204
        wait_until(lambda: "listening anew" in listener.output, _SECONDS)
        secret = re.search(r"Signing secret: (whsec_\S+)", listener.output)[1]
        wait_until(lambda: _is_listened_to(client, local, environ), _SECONDS)
    request = local.got()[-1]
    standardwebhooks.Webhook(secret).verify(request.body, request.headers)


def _is_listened_to(client: httpx.Client, local: Receiver, environ: dict[str, str]) -> bool:
    trigger("customer.created", **environ)
    return local.count() > 1


def sentence(*arguments: str, **environ: str) -> str:
    """What is said, in one sentence, by a command that cannot do its work."""
    done = reevit(*arguments, **environ)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (said,) = done.stderr.splitlines()
    return said


@pytest.mark.parametrize(
    "command", [["listen", "--forward-to", "localhost:1"], ["trigger", "payment.created"]]
)
def test_who_cannot_begin_is_told_why_in_one_sentence(
    server: Server, org: dict[str, str], local: Receiver, command: list[str]
):
    good = settings(server, org)
    assert sentence(*command, REEVIT_BASE_URL=server.base_url) == (
        "Error: No API key. Set REEVIT_API_KEY, or give --api-key: a test key, pfk_test_…."
    )
    assert sentence(*command, **good | {"REEVIT_API_KEY": org["live_key"]}) == (
        "Error: This is done in test mode only. Use a test key, pfk_test_…, not a live one."
    )
    assert "API key" in sentence(*command, **good | {"REEVIT_API_KEY": "pfk_test_wrong"})
    nobody = f"http://127.0.0.1:{free_port()}"
    advice = "Check --base-url (or REEVIT_BASE_URL) and that the server runs."
    assert sentence(*command, **good | {"REEVIT_BASE_URL": nobody}) == (
        f"Error: No answer from {nobody}: Connection refused. {advice}"
    )
    assert sentence(*command, **good | {"REEVIT_BASE_URL": local.base_url}) == (
        f"Error: What answers at {local.base_url} is no Reevit server (status 200). {advice}"
    )
    assert sentence(*command, **good | {"REEVIT_BASE_URL": "localhost:8000"}) == (
        "Error: localhost:8000 is no address. Write http:// or https:// before it."
    )
    assert "No answer from http://[x" in sentence(*command, **good | {"REEVIT_BASE_URL": "http://[x"})


@pytest.mark.parametrize("address", ["ftp://localhost/hook", "http://", "localhost:port/hook", "http://[x"])
def test_an_address_to_send_to_that_is_none_is_refused(address: str):
    done = reevit("listen", "--forward-to", address, REEVIT_API_KEY="pfk_test_1")
    assert done.returncode == 2
    assert "--forward-to" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_event_or_a_secret_that_is_none_is_refused(server: Server, org: dict[str, str]):
    command = ("listen", "--forward-to", "localhost:1")
    assert "payment.won" in sentence(*command, "--events", "payment.won", **settings(server, org))
    assert "whsec_" in sentence(*command, "--signing-secret", "secret", **settings(server, org))
