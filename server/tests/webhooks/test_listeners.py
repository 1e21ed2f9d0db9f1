"""`/v1/webhooks/listeners`: somebody who comes and asks, from behind any wall."""

import asyncio
import json
from typing import Any

import pytest

from reevit_server import events
from reevit_server.core.database import Database
from reevit_server.core.jobs import Tools, scope_and_ids
from reevit_server.webhooks import fan_out, store
from tests.makers import Merchant, created, ok, refused
from tests.webhooks.clockwork import Clock, Clockwork, Outside
from tests.webhooks.wire import deliveries, delivery, endpoint

PATH = "/v1/webhooks/listeners"


async def start(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    return created(await merchant.test.post(PATH, json=fields))


async def poll(
    merchant: Merchant, listener: dict[str, Any], *results: dict[str, Any]
) -> list[dict[str, Any]]:
    """Tells results, and fetches what has happened."""
    answer = await merchant.test.post(f"{PATH}/{listener['id']}/poll", json={"results": results})
    fetched: list[dict[str, Any]] = ok(answer)["deliveries"]
    return fetched


async def stop(merchant: Merchant, listener: dict[str, Any]) -> None:
    answer = await merchant.test.delete(f"{PATH}/{listener['id']}")
    assert (answer.status_code, answer.content) == (204, b"")


def result(letter: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"delivery_id": letter["delivery_id"], "latency_ms": 5, "status_code": 200, **fields}


async def test_what_happens_is_fetched_once_and_its_result_is_kept(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    listener = await start(merchant, events=["customer.*"])
    assert set(listener) == {"id", "events", "signing_secret", "created_at"}
    assert (listener["events"], listener["id"][:4]) == (["customer.*"], "whk_")
    await merchant.customer(name="Before")
    await merchant.payment()
    assert await poll(merchant, listener) == []
    await clockwork.run()
    (letter,) = await poll(merchant, listener)
    assert (letter["type"], letter["headers"]["X-Reevit-Event"]) == ("customer.created", "customer.created")
    assert await poll(merchant, listener) == []
    under_way = await delivery(merchant)
    assert (under_way["id"], under_way["status"]) == (letter["delivery_id"], "sending")
    assert (under_way["url"], under_way["endpoint_id"]) == (None, listener["id"])
    assert under_way["attempts"][0]["latency_ms"] is None
    await poll(merchant, listener, result(letter, response_body="thank you"))
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"]) == ("delivered", 1)
    (attempt,) = told["attempts"]
    assert (attempt["status_code"], attempt["latency_ms"], attempt["error"]) == (200, 5, None)
    assert attempt["response_body"] == "thank you"
    assert outside.take() == [], "a listener comes and asks; nothing is sent to it"


async def test_it_hears_what_happens_after_it_started_in_order_and_at_most_twenty_at_once(
    merchant: Merchant, clockwork: Clockwork
):
    await merchant.customer(name="Before")
    await clockwork.run()
    listener = await start(merchant)
    for number in range(25):
        await merchant.customer(name=f"No. {number}")
    await clockwork.run()
    first, second, third = [await poll(merchant, listener) for _ in range(3)]
    assert (len(first), len(second), third) == (20, 5, [])
    assert [name_in(letter) for letter in (*first, *second)] == [f"No. {number}" for number in range(25)]


@pytest.mark.parametrize(
    ("told", "status", "error"),
    [
        ({"status_code": 204}, "delivered", None),
        ({"status_code": 302}, "exhausted", "redirect"),
        ({"status_code": 500}, "exhausted", "http_status"),
        ({"status_code": 410}, "exhausted", "gone"),
        ({"status_code": None, "error": "connection_failed"}, "exhausted", "connection_failed"),
        ({"status_code": None}, "exhausted", "no_answer"),
        ({"status_code": 200, "error": "timeout"}, "exhausted", "timeout"),
    ],
)
async def test_it_is_tried_once_and_who_develops_asks_for_more(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, told: dict, status: str, error: str | None
):
    listener = await start(merchant)
    await merchant.customer(name="Ada")
    await clockwork.run()
    (letter,) = await poll(merchant, listener)
    await poll(merchant, listener, result(letter, **told))
    found = await delivery(merchant)
    assert (found["status"], found["next_attempt_at"]) == (status, None)
    assert found["attempts"][0]["error"] == error
    assert ok(await merchant.test.get("/v1/webhooks/endpoints"))["endpoints"] == [], "nor is it disabled"
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert [name_in(letter) for letter in await poll(merchant, listener)] == ["Zoe"]


async def test_a_result_told_twice_counts_once(merchant: Merchant, clockwork: Clockwork):
    listener = await start(merchant)
    await merchant.customer(name="Ada")
    await clockwork.run()
    (letter,) = await poll(merchant, listener)
    await poll(merchant, listener, result(letter), result(letter, status_code=500))
    await poll(merchant, listener, result(letter, status_code=500))
    told = await delivery(merchant)
    assert (told["status"], told["attempts"][0]["status_code"]) == ("delivered", 200)


async def test_results_of_anothers_deliveries_are_ignored(
    db: Database, merchant: Merchant, other: Merchant, clockwork: Clockwork, tools: Tools
):
    listener, second = await start(merchant), await start(merchant)
    foreign = await start(other)
    await endpoint(merchant)
    await merchant.customer(name="Ada")
    await other.customer(name="Zoe")
    await clockwork.run()
    await Clockwork(tools, clockwork.clock, other.org_id).run()
    (mine,), (seconds,) = await poll(merchant, listener), await poll(merchant, second)
    (foreigns,) = await poll(other, foreign)
    (sent,) = [told for told in await deliveries(merchant) if told["url"]]
    before = [await deliveries(merchant), await deliveries(other)]
    await poll(
        merchant,
        listener,
        result(seconds, status_code=500),
        result(foreigns, status_code=500),
        result({"delivery_id": sent["id"]}, status_code=500),
        result({"delivery_id": "dlv_01jd8w3v5qe2rvkz6n0c4m8x7a"}),
        result({"delivery_id": "nonsense"}),
    )
    assert [await deliveries(merchant), await deliveries(other)] == before
    await poll(merchant, listener, result(mine))
    await poll(merchant, second, result(seconds))
    assert {told["status"] for told in await deliveries(merchant)} == {"delivered"}


@pytest.mark.parametrize(
    "fault",
    [
        {"delivery_id": None},
        {"delivery_id": "x" * 65},
        {"latency_ms": -1},
        {"latency_ms": 1.5},
        {"latency_ms": 3_600_001},
        {"status_code": 99},
        {"status_code": 600},
        {"status_code": "200"},
        {"error": "Has Blanks"},
        {"error_message": "x" * 301},
        {"response_body": "x" * 1001},
        {"body": "x"},
    ],
)
async def test_a_result_that_is_none_is_refused(merchant: Merchant, clockwork: Clockwork, fault: dict):
    listener = await start(merchant)
    await merchant.customer(name="Ada")
    await clockwork.run()
    (letter,) = await poll(merchant, listener)
    answer = await merchant.test.post(
        f"{PATH}/{listener['id']}/poll", json={"results": [result(letter) | fault]}
    )
    refused(answer, 400, "validation_error")
    assert (await delivery(merchant))["status"] == "sending"


async def test_a_long_answer_in_letters_of_four_bytes_is_kept(merchant: Merchant, clockwork: Clockwork):
    listener = await start(merchant)
    await merchant.customer(name="Ada")
    await clockwork.run()
    (letter,) = await poll(merchant, listener)
    await poll(merchant, listener, result(letter, response_body="😀" * 1000))
    assert (await delivery(merchant))["attempts"][0]["response_body"] == "😀" * 1000


async def test_only_test_mode_can_be_listened_to(merchant: Merchant):
    refused(await merchant.live.post(PATH, json={}), 403, "test_mode_only")
    listener = await start(merchant)
    refused(
        await merchant.live.post(f"{PATH}/{listener['id']}/poll", json={}), 404, "webhook_listener_not_found"
    )


async def test_who_stops_is_gone_and_what_it_did_not_tell_of_is_given_up(
    merchant: Merchant, clockwork: Clockwork
):
    listener = await start(merchant)
    await merchant.customer(name="Fetched")
    await clockwork.run()
    assert len(await poll(merchant, listener)) == 1
    await merchant.customer(name="Waiting")
    await clockwork.run()
    await stop(merchant, listener)
    ended = await deliveries(merchant)
    assert [told["status"] for told in ended] == ["disabled", "disabled"]
    await merchant.customer(name="After")
    await clockwork.run()
    assert len(await deliveries(merchant)) == 2
    refused(
        await merchant.test.post(f"{PATH}/{listener['id']}/poll", json={}), 404, "webhook_listener_not_found"
    )
    refused(await merchant.test.delete(f"{PATH}/{listener['id']}"), 404, "webhook_listener_not_found")


async def test_who_does_not_ask_for_two_minutes_is_gone(
    merchant: Merchant, clockwork: Clockwork, clock: Clock
):
    listener, quiet = await start(merchant), await start(merchant)
    for _ in range(3):
        clock.advance(seconds=59)
        await poll(merchant, listener)
        await clockwork.fulfil("webhooks.stop_gone")
    await merchant.customer(name="Ada")
    await clockwork.run()
    assert len(await deliveries(merchant, endpoint_id=listener["id"])) == 1
    assert await deliveries(merchant, endpoint_id=quiet["id"]) == [], "it would not have fetched it"
    refused(
        await merchant.test.post(f"{PATH}/{quiet['id']}/poll", json={}), 404, "webhook_listener_not_found"
    )
    clock.advance(seconds=121)
    await clockwork.fulfil("webhooks.stop_gone")
    assert (await delivery(merchant))["status"] == "disabled"
    refused(
        await merchant.test.post(f"{PATH}/{listener['id']}/poll", json={}), 404, "webhook_listener_not_found"
    )


async def test_what_happens_while_it_stops_is_not_kept_for_it(
    db: Database, merchant: Merchant, clockwork: Clockwork, clock: Clock
):
    """The teller saw that it listens; it is gone when its delivery is written."""
    listener = await start(merchant)
    await merchant.customer(name="Ada")
    (job,) = await clockwork.queued()
    scope, ids = scope_and_ids(job.payload)
    async with db.read() as conn:
        told = await events.select(conn, scope, ids)
        (endpoint,) = await store.select_told(conn, scope, seen_after=clock.now.replace(year=2020), limit=50)
    await stop(merchant, listener)
    async with db.transaction() as conn:
        await fan_out._write(conn, scope, [(told[0]["id"], endpoint)], now=clock())
    await clockwork.run()
    assert (await delivery(merchant))["status"] == "disabled"


async def test_a_listener_is_no_endpoint(merchant: Merchant):
    listener, made = await start(merchant), await endpoint(merchant)
    path = f"/v1/webhooks/endpoints/{listener['id']}"
    for answer in (
        await merchant.test.get(path),
        await merchant.test.patch(path, json={"enabled": False}),
        await merchant.test.delete(path),
        await merchant.test.post(f"{path}/pause", json={}),
        await merchant.test.post(f"{path}/resume", json={}),
        await merchant.test.post(f"{path}/rotate-secret", json={}),
        await merchant.test.post(f"{path}/test", json={}),
        await merchant.test.post(f"{path}/replay", json={"from": "2020-01-01T00:00:00Z"}),
    ):
        refused(answer, 404, "webhook_endpoint_not_found")
    for answer in (
        await merchant.test.post(f"{PATH}/{made['id']}/poll", json={}),
        await merchant.test.delete(f"{PATH}/{made['id']}"),
    ):
        refused(answer, 404, "webhook_listener_not_found")
    listed = ok(await merchant.test.get("/v1/webhooks/endpoints?include_total=true"))
    assert (listed["endpoints"], listed["total"]) == ([made], 1)


async def test_of_two_that_ask_at_once_as_one_listener_each_gets_what_the_other_does_not(
    merchant: Merchant, clockwork: Clockwork
):
    listener = await start(merchant)
    for number in range(30):
        await merchant.customer(name=f"No. {number}")
    await clockwork.run()
    pages = await asyncio.gather(*(poll(merchant, listener) for _ in range(4)))
    names = [name_in(letter) for page in pages for letter in page]
    assert sorted(names) == sorted(f"No. {number}" for number in range(30))


async def test_a_repeated_request_does_not_fetch_what_was_fetched(merchant: Merchant, clockwork: Clockwork):
    """What a listener fetches lies in no table of answers: it is shown once."""
    listener = await start(merchant)
    await merchant.customer(name="Ada")
    await clockwork.run()
    send = {"json": {}, "headers": {"Idempotency-Key": "poll-1"}}
    assert len(ok(await merchant.test.post(f"{PATH}/{listener['id']}/poll", **send))["deliveries"]) == 1
    again = await merchant.test.post(f"{PATH}/{listener['id']}/poll", **send)
    refused(again, 410, "idempotent_answer_erased")


def name_in(letter: dict[str, Any]) -> str:
    """The customer's, of a letter about one."""
    return json.loads(letter["body"])["data"]["name"]
