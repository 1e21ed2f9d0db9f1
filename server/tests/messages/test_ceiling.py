"""No integration sends more than ten at once, and one that does not answer holds up no other."""

import asyncio

from reevit_server.core.egress import Reply
from reevit_server.messages.models import AT_ONCE_MAX, AT_ONCE_OF_ALL_MAX, SENDING_SECONDS
from tests.makers import ok
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.workers import Crowd, Slow
from tests.messages.writing import ADA, found, later, sender, statuses, write
from tests.providers.mailserver import hangs, mail_server
from tests.webhooks.clockwork import FINE

BROKEN = Reply(9, 503, body="")
REFUSED = Reply(9, 400, body="no")


async def slow_chat(shop: Office) -> Slow:
    """A chat that answers when it is told to."""
    await sender(shop, "chat")
    slow = Slow()
    shop.outside.answer(slow)
    return slow


async def note(shop: Office, text: str) -> str:
    return await write(shop, channel="notification", text=text)


async def test_a_mail_server_that_hangs_holds_ten_places_and_nobody_else(shop: Office):
    with mail_server(on_data=hangs) as deaf, mail_server() as good:
        hanging, quick = await shop.mail_by(deaf), await shop.mail_by(good)
        for _ in range(50):
            await write(shop, integration_id=hanging["id"])
        for _ in range(15):
            await write(shop, integration_id=quick["id"])
        crowd = Crowd(shop)
        await crowd.until(
            lambda: len(deaf.received) == AT_ONCE_MAX == crowd.under_way and len(good.received) == 15
        )
        assert await statuses(shop) == {"sending": AT_ONCE_MAX, "scheduled": 40, "sent": 15}
        assert len(deaf.received) == deaf.connections == AT_ONCE_MAX
        await crowd.die()


async def test_the_places_go_to_those_that_have_waited_longest(shop: Office):
    slow = await slow_chat(shop)
    for number in range(25):
        await note(shop, f"No. {number}")
        shop.work.clock.advance(seconds=1)
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX)
    assert sorted(int(sent.json["text"][4:]) for sent, _ in slow.held) == list(range(10))
    for number in range(10, 25):
        slow.answer()
        await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX)
        assert slow.held[-1][0].json["text"] == f"No. {number}"
    for _ in range(AT_ONCE_MAX):
        slow.answer()
    await crowd.end()
    assert slow.most == AT_ONCE_MAX
    assert await statuses(shop) == {"sent": 25}
    assert await shop.work.queued() == []


async def test_failures_make_room_like_successes(shop: Office):
    slow = await slow_chat(shop)
    for _ in range(14):
        await note(shop, "Paid.")
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX)
    slow.answer(BROKEN)
    slow.answer(REFUSED)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX == crowd.under_way)
    assert await statuses(shop) == {"sending": 10, "scheduled": 3, "failed": 1}
    for _ in range(12):
        await crowd.until(lambda: len(slow.held) > 0)
        slow.answer(BROKEN)
    await crowd.end()
    assert slow.most == AT_ONCE_MAX
    assert await statuses(shop) == {"scheduled": 13, "failed": 1}


async def test_what_is_not_sent_after_all_makes_room_at_once(shop: Office):
    """Nobody answers for it, so that nobody would look who is next."""
    await sender(shop, "resend")
    for number in range(30):
        await write(shop, recipient=f"gone{number % 2}@example.com", purpose="marketing")
    for number in range(2):
        body = {"channel": "email", "address": f"gone{number}@example.com"}
        assert (await shop.merchant.test.post("/v1/messages/suppressions", json=body)).status_code == 201
    await shop.work.run()
    assert await statuses(shop) == {"suppressed": 30}
    assert shop.outside.take() == []


async def test_switching_off_and_on_again_gives_no_place_twice(shop: Office):
    slow = await slow_chat(shop)
    for _ in range(30):
        await note(shop, "Paid.")
    (integration,) = ok(await shop.merchant.test.get(INTEGRATIONS))["integrations"]
    path = f"{INTEGRATIONS}/{integration['id']}"
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX)
    for enabled in (False, True, False, True):
        ok(await shop.merchant.test.patch(path, json={"enabled": enabled}))
        await shop.work.fulfil("messages.queue_due")
        await crowd.until(lambda: True)
    for _ in range(30):
        await crowd.until(lambda: len(slow.held) > 0)
        slow.answer()
    await crowd.end()
    assert slow.most == AT_ONCE_MAX
    assert await statuses(shop) == {"sent": 30}


async def test_what_many_release_at_the_same_moment_is_released_once(shop: Office):
    slow = await slow_chat(shop)
    (integration,) = ok(await shop.merchant.test.get(INTEGRATIONS))["integrations"]
    path = f"{INTEGRATIONS}/{integration['id']}"
    ok(await shop.merchant.test.patch(path, json={"enabled": False}))
    for _ in range(40):
        await write(shop, channel="notification", integration_id=integration["id"])
    ok(await shop.merchant.test.patch(path, json={"enabled": True}))
    await asyncio.gather(
        *(shop.work.fulfil("messages.queue_due") for _ in range(4)),
        *(shop.merchant.test.patch(path, json={"name": f"Chat {number}"}) for number in range(4)),
        *(write(shop, channel="notification", integration_id=integration["id"]) for _ in range(4)),
    )
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX == crowd.under_way)
    assert await statuses(shop) == {"sending": AT_ONCE_MAX, "scheduled": 34}
    await crowd.die()


async def test_what_dead_workers_were_sending_takes_no_place_for_ever(shop: Office):
    """Ten workers die with ten notes; the place of each is free when its time is over."""
    slow = await slow_chat(shop)
    for _ in range(15):
        await note(shop, "Paid.")
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX)
    await crowd.die()
    slow.held.clear()
    assert await statuses(shop) == {"sending": AT_ONCE_MAX, "scheduled": 5}
    shop.work.clock.advance(seconds=SENDING_SECONDS)
    crowd = Crowd(shop)
    for _ in range(15):
        await crowd.until(lambda: len(slow.held) > 0)
        slow.answer()
    await crowd.end()
    assert slow.most == AT_ONCE_MAX
    assert await statuses(shop) == {"sent": 15}


async def test_what_was_written_while_all_places_were_taken_is_found_though_nobody_settles(shop: Office):
    """The worker that held the places died; the clock looks for what is due."""
    slow = await slow_chat(shop)
    for _ in range(AT_ONCE_MAX):
        await note(shop, "Paid.")
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX)
    await crowd.die()
    id = await note(shop, "Paid too.")
    await shop.work.fulfil("messages.queue_due")
    assert (await found(shop, id))["status"] == "scheduled", "there is no place"
    shop.outside.answer(FINE)
    await later(shop, seconds=SENDING_SECONDS)
    assert (await found(shop, id))["status"] == "sent"
    assert await statuses(shop) == {"sent": AT_ONCE_MAX + 1}


async def test_a_message_to_somebody_else_does_not_wait_for_one_that_hangs_in_the_same_channel(shop: Office):
    await sender(shop, "resend")
    other = await sender(shop, "sendgrid")
    slow = Slow()
    shop.outside.answer(slow, url="https://api.resend.com/emails")
    for _ in range(20):
        await write(shop)
    id = await write(shop, integration_id=other["id"], recipient=ADA)
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_MAX == crowd.under_way)
    assert (await found(shop, id))["status"] == "sent"
    await crowd.die()


async def test_all_of_an_organization_hold_no_more_than_its_share(shop: Office):
    """Its servers hang, and other organizations' money waits for the same workers."""
    slow = Slow()
    shop.outside.answer(slow)
    hanging = [await sender(shop, "chat") for _ in range(6)]
    for _ in range(12):
        for each in hanging:
            await write(shop, channel="notification", integration_id=each["id"])
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) >= AT_ONCE_OF_ALL_MAX)
    assert len(slow.held) == AT_ONCE_OF_ALL_MAX == crowd.under_way
    assert await statuses(shop) == {"sending": AT_ONCE_OF_ALL_MAX, "scheduled": 32}
    await crowd.die()


async def test_one_that_has_nothing_under_way_has_a_place_whatever_all_others_hold(shop: Office):
    slow = Slow()
    shop.outside.answer(slow, url="https://api.resend.com/emails")
    hanging = [await sender(shop, "resend") for _ in range(AT_ONCE_OF_ALL_MAX // AT_ONCE_MAX)]
    quick = await sender(shop, "sendgrid")
    for each in hanging:
        for _ in range(AT_ONCE_MAX + 2):
            await write(shop, integration_id=each["id"])
    crowd = Crowd(shop)
    await crowd.until(lambda: len(slow.held) == AT_ONCE_OF_ALL_MAX)
    ids = [await write(shop, integration_id=quick["id"]) for _ in range(3)]
    left = AT_ONCE_OF_ALL_MAX + len(ids)
    await crowd.until(lambda: len(shop.outside.sent) == left and crowd.under_way == AT_ONCE_OF_ALL_MAX)
    assert [(await found(shop, id))["status"] for id in ids] == ["sent"] * 3
    assert len(slow.held) == AT_ONCE_OF_ALL_MAX
    await crowd.die()
