"""Holding back what an endpoint is told, and going on."""

from tests.makers import Merchant, ok, refused
from tests.webhooks.clockwork import BROKEN, FINE, Clock, Clockwork, Outside
from tests.webhooks.wire import customers, deliveries, delivery, do, endpoint, names, patch


async def test_paused_it_is_told_nothing_and_nothing_is_lost(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    paused = ok(await do(merchant, made, "pause"))
    assert (paused["status"], paused["enabled"], paused["disabled_reason"]) == ("paused", True, None)
    await customers(merchant, clock, "Ada", "Zoe", "Ama")
    await clockwork.run_for(days=7)
    assert outside.take() == []
    assert [told["status"] for told in await deliveries(merchant)] == ["waiting"] * 3
    resumed = ok(await do(merchant, made, "resume"))
    assert resumed["status"] == "active"
    await clockwork.run()
    assert names(outside) == ["Ada", "Zoe", "Ama"]
    assert {told["status"] for told in await deliveries(merchant)} == {"delivered"}
    await merchant.customer(name="Kofi")
    await clockwork.run()
    assert names(outside) == ["Kofi"]


async def test_what_was_held_back_is_sent_oldest_first_however_much_it_is(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    expected = [f"No. {number:02}" for number in range(45)]
    await customers(merchant, clock, *expected)
    await clockwork.run()
    ok(await do(merchant, made, "resume"))
    await merchant.customer(name="Latest")
    await clockwork.run()
    told = names(outside)
    assert sorted(told) == sorted([*expected, "Latest"])
    assert [name for name in told if name != "Latest"] == expected
    assert told.index("Latest") >= 10, "it does not push in before those that were given a place"


async def test_a_pause_holds_what_is_to_be_tried_again_too(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(BROKEN, FINE)
    await merchant.customer(name="Ada")
    await clockwork.run()
    ok(await do(merchant, made, "pause"))
    await clockwork.run_for(days=2)
    assert names(outside) == ["Ada"]
    assert (await delivery(merchant))["status"] == "waiting"
    ok(await do(merchant, made, "resume"))
    await clockwork.run()
    assert names(outside) == ["Ada"]
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"]) == ("delivered", 2)


async def test_pausing_and_resuming_twice_is_the_same_as_once(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    for _ in range(2):
        assert ok(await do(merchant, made, "pause"))["status"] == "paused"
    await merchant.customer(name="Ada")
    await clockwork.run()
    for _ in range(2):
        assert ok(await do(merchant, made, "resume"))["status"] == "active"
    await clockwork.run()
    assert names(outside) == ["Ada"]


async def test_a_paused_endpoint_that_is_turned_off_forgets_what_waited(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    await merchant.customer(name="Ada")
    await clockwork.run()
    await patch(merchant, made, enabled=False)
    assert (await delivery(merchant))["status"] == "disabled"
    refused(await do(merchant, made, "resume"), 409, "webhook_endpoint_disabled")
    assert (await patch(merchant, made, enabled=True))["status"] == "active"
    await clockwork.run()
    assert outside.take() == []


async def test_enabling_what_is_paused_does_not_resume_it(merchant: Merchant):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    assert (await patch(merchant, made, enabled=True))["status"] == "paused"


async def test_a_test_event_waits_for_the_end_of_a_pause(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    assert (await do(merchant, made, "test")).status_code == 202
    await clockwork.run()
    assert outside.take() == []
    ok(await do(merchant, made, "resume"))
    await clockwork.run()
    assert [sent.json["type"] for sent in outside.take()] == ["webhook.test"]
