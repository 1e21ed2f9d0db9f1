"""`reevit trigger`: the event really happens, by doing what it tells of."""

import json
from collections.abc import Iterator

import httpx
import pytest

from reevit_server import events
from reevit_server.cli.trigger import _DEEDS
from tests.makers import ok
from tests.running import Server, reevit, serving, wait_until

_WORKER_SECONDS = 20


@pytest.fixture(scope="module")
def server(dsn_of_file: str) -> Iterator[Server]:
    with serving("--database-url", dsn_of_file) as started:
        yield started


@pytest.fixture(scope="module")
def org(server: Server, dsn_of_file: str) -> dict[str, str]:
    made = reevit("orgs", "create", "Developer", "--json", "--database-url", dsn_of_file)
    assert made.returncode == 0, made.stderr
    answer: dict[str, str] = json.loads(made.stdout)
    return answer


@pytest.fixture
def environ(server: Server, org: dict[str, str]) -> dict[str, str]:
    return {"REEVIT_API_KEY": org["test_key"], "REEVIT_BASE_URL": server.base_url}


@pytest.fixture
def client(server: Server, org: dict[str, str]) -> Iterator[httpx.Client]:
    headers = {"X-Reevit-Key": org["test_key"]}
    with httpx.Client(base_url=server.base_url, headers=headers, timeout=10) as opened:
        yield opened


def subjects(client: httpx.Client, event: str) -> list[str]:
    """What this happened to."""
    happened = ok(client.get("/v1/events", params={"type": event}))["events"]
    assert {told["mode"] for told in happened} <= {"test"}
    return [told["subject_id"] for told in happened]


@pytest.mark.parametrize("event", _DEEDS)
def test_each_event_happens(client: httpx.Client, environ: dict[str, str], event: str):
    done = reevit("trigger", event, **environ)
    assert done.returncode == 0, done.stderr
    said, subject_id = done.stdout.split()
    assert said == event
    if event == "subscription.renewal_upcoming":  # the worker looks once a second
        wait_until(lambda: subject_id in subjects(client, event), _WORKER_SECONDS)
    assert subject_id in subjects(client, event)


def test_a_renewal_is_told_of_where_a_test_clock_stands_still_too(server: Server, dsn_of_file: str):
    made = reevit("orgs", "create", "Other developer", "--json", "--database-url", dsn_of_file)
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["test_key"]
    with httpx.Client(base_url=server.base_url, headers={"X-Reevit-Key": key}) as client:
        now = ok(client.post("/v1/sandbox/clock/advance", json={"by": "40d"}))["now"]
        event = "subscription.renewal_upcoming"
        done = reevit("trigger", event, REEVIT_API_KEY=key, REEVIT_BASE_URL=server.base_url)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [event, *subjects(client, event)]
        assert ok(client.get("/v1/sandbox/clock"))["now"] == now


def test_every_event_of_a_noun_can_be_triggered_but_one_for_which_time_has_to_pass():
    nouns = ("customer.", "payment.", "subscription.", "invoice.")
    assert set(_DEEDS) == {type for type in events.TYPES if type.startswith(nouns)} - {"subscription.renewed"}


def test_it_may_be_about_a_customer_of_ones_own(client: httpx.Client, environ: dict[str, str]):
    external_id = "usr 12/34 é"
    for event in ("customer.created", "payment.succeeded", "customer.updated", "customer.updated"):
        done = reevit("trigger", event, "--external-id", external_id, **environ)
        assert done.returncode == 0, done.stderr
    told = ok(client.get("/v1/events", params={"external_customer_id": external_id}))["events"]
    assert [event["type"] for event in told] == [
        "customer.updated",
        "customer.updated",
        "payment.succeeded",
        "payment.created",
        "customer.created",
    ]
    payment = told[2]["data"]
    assert (payment["customer"]["external_id"], payment["customer"]["name"]) == (external_id, "Ada Lovelace")
    done = reevit("trigger", "customer.created", "--external-id", external_id, **environ)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_customer_of_ones_own_that_is_not_there_yet_is_made(client: httpx.Client, environ: dict[str, str]):
    done = reevit("trigger", "payment.failed", "--external-id", "usr_new", **environ)
    assert done.returncode == 0, done.stderr
    told = ok(client.get("/v1/events", params={"external_customer_id": "usr_new"}))["events"]
    assert [event["type"] for event in told] == ["payment.failed", "payment.created", "customer.created"]


def test_an_unknown_event_is_answered_with_those_that_there_are(environ: dict[str, str]):
    done = reevit("trigger", "payment.won", **environ, COLUMNS="500")
    assert done.returncode == 2
    assert "payment.won cannot be triggered; there are customer.created, customer.updated" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_live_key_triggers_nothing(server: Server, org: dict[str, str]):
    done = reevit(
        "trigger", "customer.created", REEVIT_API_KEY=org["live_key"], REEVIT_BASE_URL=server.base_url
    )
    assert done.returncode == 1
    assert (
        done.stderr == "Error: This is done in test mode only. Use a test key, pfk_test_…, not a live one.\n"
    )
    with httpx.Client(base_url=server.base_url, headers={"X-Reevit-Key": org["live_key"]}) as live:
        assert ok(live.get("/v1/events"))["events"] == []


def test_a_key_without_the_scopes_is_told_which(
    environ: dict[str, str], org: dict[str, str], dsn_of_file: str
):
    made = reevit(
        *("keys", "create", "--org", org["org_id"], "--database-url", dsn_of_file),
        *("--scope", "payments:write", "--json"),
    )
    assert made.returncode == 0, made.stderr
    done = reevit(
        "trigger", "payment.created", **environ | {"REEVIT_API_KEY": json.loads(made.stdout)["key"]}
    )
    assert done.returncode == 1
    assert "customers:write" in done.stderr
