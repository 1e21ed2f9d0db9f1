"""`/v1/webhooks/config`: the one endpoint that the published clients know."""

import asyncio

import pytest

from tests.makers import Merchant, created, ok, refused
from tests.webhooks.clockwork import BROKEN, Clockwork, Outside
from tests.webhooks.test_endpoint_secrets import SECRET
from tests.webhooks.wire import HOOKS, delivery, do, endpoint, seen

PATH = "/v1/webhooks/config"


async def test_setting_it_up_again_changes_it_and_keeps_its_id_and_secret(merchant: Merchant):
    refused(await merchant.test.get(PATH), 404, "webhook_config_not_found")
    first = ok(await merchant.test.post(PATH, json={"url": HOOKS, "events": ["payment.*"], "enabled": True}))
    second = ok(await merchant.test.post(PATH, json={"url": "https://new.example/", "enabled": True}))
    assert second == {**first, "url": "https://new.example/"}
    third = ok(await merchant.test.post(PATH, json={"url": HOOKS, "events": ["customer.created"]}))
    assert (third["id"], third["events"]) == (first["id"], ["customer.created"])
    assert ok(await merchant.test.get(PATH)) == third
    assert ok(await merchant.test.get("/v1/webhooks/endpoints"))["endpoints"] == [third]


async def test_it_is_told_of_everything_unless_said_otherwise(merchant: Merchant):
    assert ok(await merchant.test.post(PATH, json={"url": HOOKS}))["events"] == ["*"]


async def test_a_secret_of_your_own_replaces_the_one_before_at_once(merchant: Merchant):
    first = ok(await merchant.test.post(PATH, json={"url": HOOKS}))
    ok(await do(merchant, first, "rotate-secret"))
    given = ok(await merchant.test.post(PATH, json={"url": HOOKS, "signing_secret": SECRET}))
    assert (given["signing_secret"], given["previous_secret_until"]) == (SECRET, None)
    assert ok(await merchant.test.post(PATH, json={"url": HOOKS}))["signing_secret"] == SECRET


async def test_disabled_it_is_told_nothing_and_enabled_it_goes_on(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    ok(await merchant.test.post(PATH, json={"url": HOOKS}))
    outside.answer(BROKEN)
    await merchant.customer(name="Ada")
    await clockwork.run()
    assert len(outside.take()) == 1
    off = ok(await merchant.test.post(PATH, json={"url": HOOKS, "enabled": False}))
    assert (off["enabled"], off["status"], off["disabled_reason"]) == (False, "disabled", "turned_off")
    assert (await delivery(merchant))["status"] == "disabled"
    refused(await merchant.test.post("/v1/webhooks/test", json={}), 409, "webhook_endpoint_disabled")
    await merchant.customer(name="Zoe")
    await clockwork.run_for(days=4)
    assert outside.take() == []
    on = ok(await merchant.test.post(PATH, json={"url": HOOKS, "enabled": True}))
    assert (on["enabled"], on["status"], on["failing_since"]) == (True, "active", None)
    await merchant.customer(name="Ama")
    await clockwork.run()
    assert [sent.json["data"]["name"] for sent in outside.take()] == ["Ama"]


async def test_turning_it_off_twice_is_the_same_as_once(merchant: Merchant):
    for _ in range(2):
        off = ok(await merchant.test.post(PATH, json={"url": HOOKS, "enabled": False}))
        assert (off["status"], off["disabled_reason"]) == ("disabled", "turned_off")


async def test_a_test_event_says_that_nothing_has_happened(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    refused(await merchant.test.post("/v1/webhooks/test", json={}), 404, "webhook_config_not_found")
    made = ok(await merchant.test.post(PATH, json={"url": HOOKS, "events": ["checkout.completed"]}))
    await endpoint(merchant, url="https://other.example/")
    answer = await merchant.test.post("/v1/webhooks/test", json={})
    assert answer.status_code == 202
    on_its_way = answer.json()
    assert (on_its_way["status"], on_its_way["event_type"]) == ("queued", "webhook.test")
    assert (on_its_way["endpoint_id"], on_its_way["url"]) == (made["id"], HOOKS)
    assert on_its_way["attempts"] == []
    await clockwork.run()
    (sent,) = outside.take()
    assert sent.url == HOOKS
    assert (sent.json["type"], sent.json["data"]["customer"]) == ("webhook.test", None)
    assert sent.json["data"]["message"] == "This is a test. Nothing has happened."
    assert (await delivery(merchant))["status"] == "delivered"


async def test_deleted_it_can_be_set_up_again_as_another(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    first = ok(await merchant.test.post(PATH, json={"url": HOOKS}))
    answer = await merchant.test.delete(PATH)
    assert (answer.status_code, answer.content) == (204, b"")
    refused(await merchant.test.get(PATH), 404, "webhook_config_not_found")
    refused(await merchant.test.delete(PATH), 404, "webhook_config_not_found")
    await merchant.customer(name="Ada")
    await clockwork.run()
    assert outside.take() == []
    second = ok(await merchant.test.post(PATH, json={"url": HOOKS}))
    assert second["id"] != first["id"]
    assert second["signing_secret"] != first["signing_secret"]
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert [sent.json["data"]["name"] for sent in outside.take()] == ["Zoe"]


async def test_it_is_an_endpoint_among_the_others(merchant: Merchant):
    made = ok(await merchant.test.post(PATH, json={"url": HOOKS}))
    assert await seen(merchant, made) == made
    assert ok(await do(merchant, made, "pause"))["status"] == "paused"
    assert (await merchant.test.delete(f"/v1/webhooks/endpoints/{made['id']}")).status_code == 204
    refused(await merchant.test.get(PATH), 404, "webhook_config_not_found")


async def test_of_many_who_set_it_up_at_once_all_speak_of_one(merchant: Merchant):
    answers = await asyncio.gather(
        *(merchant.test.post(PATH, json={"url": f"https://shop{number}.example/"}) for number in range(10))
    )
    made = [ok(answer) for answer in answers]
    assert len({(one["id"], one["signing_secret"]) for one in made}) == 1
    (kept,) = ok(await merchant.test.get("/v1/webhooks/endpoints"))["endpoints"]
    assert kept["url"] in {one["url"] for one in made}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": None},
        {"url": 7},
        {"url": HOOKS, "enabled": "yes"},
        {"url": HOOKS, "enabled": None},
        {"url": HOOKS, "events": "payment.*"},
        {"url": HOOKS, "event": ["payment.*"]},
        {"url": HOOKS, "id": "whk_01jd8w3v5qe2rvkz6n0c4m8x7a"},
    ],
)
async def test_what_is_not_understood_is_refused_and_changes_nothing(merchant: Merchant, body: dict):
    made = ok(await merchant.test.post(PATH, json={"url": HOOKS, "events": ["payment.*"]}))
    refused(await merchant.test.post(PATH, json=body), 400, "validation_error")
    assert ok(await merchant.test.get(PATH)) == made


async def test_each_mode_has_its_own(merchant: Merchant, clockwork: Clockwork, outside: Outside):
    ok(await merchant.test.post(PATH, json={"url": "https://test.example/"}))
    live = ok(await merchant.live.post(PATH, json={"url": "https://live.example/"}))
    assert (live["mode"], ok(await merchant.live.get(PATH))["url"]) == ("live", "https://live.example/")
    created(await merchant.live.post("/v1/customers", json={"name": "Ada"}))
    await clockwork.run()
    (sent,) = outside.take()
    assert (sent.url, sent.json["mode"], sent.json["data"]["mode"]) == (
        "https://live.example/",
        "live",
        "live",
    )
