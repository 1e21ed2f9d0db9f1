"""The programs that docs/webhooks.md prints do what it says: they take what is ours, once, and nothing else."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

import httpx
import pytest
from standardwebhooks import Webhook

from reevit_server.webhooks.models import new_secret
from tests.docs.pages import blocks
from tests.makers import created
from tests.running import environment, free_port, start, wait_until

_PAGE = Path(__file__).parents[3] / "docs/webhooks.md"
_NODE_MODULES = Path(__file__).parent / "receivers/node_modules"
_SECONDS = 60
# The first two lines of a program: its name, and how it is run.
_HEAD = re.compile(r"(?:#|//) (shop_\w+\.\w+), with: .+\n(?:#|//) (.+ 3000)\n")


class Printed(NamedTuple):
    """A program of the page."""

    name: str
    command: str
    text: str


class Receiver(NamedTuple):
    """A program that runs, and what it prints."""

    url: str
    secret: str
    output: IO[bytes]

    def said(self) -> list[str]:
        """What it did, a line each: it tells of payments by its own users."""
        self.output.seek(0)
        return [line for line in self.output.read().decode().splitlines() if "has paid" in line]

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """The status that it answers with."""
        return httpx.post(self.url, content=body, headers=headers, timeout=_SECONDS).status_code


def programs() -> dict[str, Printed]:
    found = [
        Printed(head[1], head[2], block.text)
        for block in blocks(_PAGE.read_text(encoding="utf-8"))
        if block.language in ("python", "javascript") and (head := _HEAD.match(block.text))
    ]
    return {program.name: program for program in found}


def test_the_page_prints_a_program_for_each_framework():
    assert set(programs()) == {"shop_flask.py", "shop_fastapi.py", "shop_express.mjs"}


@pytest.fixture(scope="module", params=["shop_flask.py", "shop_fastapi.py", "shop_express.mjs"])
def receiver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A program of the page, as printed and started as it says, but on a port of its own."""
    program = programs()[request.param]
    folder = tmp_path_factory.mktemp("receiver")
    (folder / program.name).write_text(program.text, encoding="utf-8")
    if program.name.endswith(".mjs"):
        _skip_without_node()
        (folder / "node_modules").symlink_to(_NODE_MODULES)
    port, secret = free_port(), new_secret()
    name, *arguments = program.command.replace("3000", str(port)).split()
    command = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert command is not None, name
    with (folder / "output").open("w+b") as output:
        settings = environment(PYTHONUNBUFFERED="1", REEVIT_WEBHOOK_SECRET=secret)
        process = start([command, *arguments], cwd=folder, env=settings, stdout=output, stderr=output)
        try:
            _wait_until_listening(process, port, output)
            yield Receiver(f"http://127.0.0.1:{port}/webhooks", secret, output)
        finally:
            process.terminate()
            process.wait(_SECONDS)


@pytest.fixture
def reevit(server: str, organization: dict[str, str]) -> Iterator[httpx.Client]:
    key = {"X-Reevit-Key": organization["test_key"]}
    with httpx.Client(base_url=server, headers=key, timeout=_SECONDS) as client:
        yield client


def test_a_delivery_is_taken_and_finds_the_merchants_own_user(receiver: Receiver, reevit: httpx.Client):
    paid_before = receiver.said()
    endpoint = {"url": receiver.url, "signing_secret": receiver.secret}
    created(reevit.post("/v1/webhooks/endpoints", json=endpoint))
    created(reevit.post("/v1/payments", json=_payment(reference="order_1")))
    deliveries = _settled(reevit, count=3)
    assert {(delivery["status"], delivery["attempt_count"]) for delivery in deliveries} == {("delivered", 1)}
    assert {delivery["attempts"][0]["status_code"] for delivery in deliveries} == {204}
    assert receiver.said() == [*paid_before, "usr_1234 has paid order_1"]


def test_what_is_told_again_is_taken_once(receiver: Receiver, reevit: httpx.Client):
    paid_before = receiver.said()
    endpoint = {"url": receiver.url, "signing_secret": receiver.secret, "events": ["payment.succeeded"]}
    created(reevit.post("/v1/webhooks/endpoints", json=endpoint))
    created(reevit.post("/v1/payments", json=_payment(reference="order_2")))
    (delivery,) = _settled(reevit, count=1)
    again = reevit.post(f"/v1/webhooks/events/{delivery['event_id']}/replay")
    assert again.status_code == 202, again.text
    wait_until(lambda: _settled(reevit, count=1)[0]["attempt_count"] == 2, _SECONDS)
    assert receiver.said() == [*paid_before, "usr_1234 has paid order_2"]


def test_events_about_nobody_and_about_strangers_are_taken_too(receiver: Receiver):
    for customer in (None, {"id": "cus_1"}, {"id": "cus_1", "external_id": None}, {"external_id": "usr_9"}):
        body = _body(type="payment.succeeded", data={"reference": "order_3", "customer": customer})
        assert receiver.post(body, _signed(body, receiver.secret)) == 204
    body = _body(type="webhook_endpoint.disabled", data={"id": "whk_1"})
    assert receiver.post(body, _signed(body, receiver.secret)) == 204


@pytest.mark.parametrize(
    "change",
    [
        "nothing",
        "a tampered body",
        "another event's id",
        "another secret",
        "an old timestamp",
        "a timestamp to come",
        "a timestamp that is none",
        "no signature",
        "a signature that is none",
        "bytes that are no text",
        "no headers",
    ],
)
def test_what_is_not_ours_is_refused_and_changes_nothing(receiver: Receiver, change: str):
    paid_before = receiver.said()
    body = _body(
        type="payment.succeeded", data={"reference": "order_4", "customer": {"external_id": "usr_1234"}}
    )
    headers = _signed(body, receiver.secret)
    match change:
        case "a tampered body":
            body = body.replace(b"order_4", b"order_5")
        case "another event's id":
            headers["webhook-id"] = "evt_another"
        case "another secret":
            headers = _signed(body, new_secret())
        case "an old timestamp":
            headers = _signed(body, receiver.secret, at=datetime.now(UTC) - timedelta(minutes=10))
        case "a timestamp to come":
            headers = _signed(body, receiver.secret, at=datetime.now(UTC) + timedelta(minutes=10))
        case "a timestamp that is none":
            headers["webhook-timestamp"] = "now"
        case "no signature":
            del headers["webhook-signature"]
        case "a signature that is none":
            headers["webhook-signature"] = "v1"
        case "bytes that are no text":
            body = b"\xff\xfe"
        case "no headers":
            headers = {}
    status = receiver.post(body, headers)
    if change == "nothing":
        assert (status, receiver.said()) == (204, [*paid_before, "usr_1234 has paid order_4"])
    else:
        assert (status, receiver.said()) == (400, paid_before)


def _skip_without_node() -> None:
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed: the receiver in JavaScript cannot be run")
    if not (_NODE_MODULES / ".installed").exists():
        pytest.skip("its packages are not installed; `make test` installs them where npm is there")


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int, output: IO[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        output.seek(0)
        assert process.poll() is None, output.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _payment(*, reference: str) -> dict[str, Any]:
    return {
        "amount": 15000,
        "currency": "GHS",
        "reference": reference,
        "customer": {"external_id": "usr_1234"},
    }


def _settled(reevit: httpx.Client, *, count: int) -> list[dict[str, Any]]:
    """All deliveries of the organization, once there are so many and none is under way."""

    def found() -> list[dict[str, Any]]:
        deliveries: list[dict[str, Any]] = reevit.get("/v1/webhooks/outbound").json()["outbound"]
        return deliveries

    wait_until(
        lambda: len(found()) == count and all(delivery["finished_at"] for delivery in found()), _SECONDS
    )
    return found()


def _body(*, type: str, data: dict[str, Any]) -> bytes:
    """A delivery's, as far as receivers look at it."""
    return json.dumps({"id": f"evt_{time.monotonic_ns()}", "type": type, "data": data}).encode()


def _signed(body: bytes, secret: str, *, at: datetime | None = None) -> dict[str, str]:
    """The headers of a delivery, by somebody else's code than ours."""
    at = at or datetime.now(UTC)
    id = json.loads(body)["id"]
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, at, body.decode()),
    }
