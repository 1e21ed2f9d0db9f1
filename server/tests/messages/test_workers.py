"""Workers that do the same at once, die in the middle or are late: one attempt at a time, and no message is lost."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from reevit_server.core.database import Database
from reevit_server.core.egress import Reply
from reevit_server.core.jobs import NotYet, scope_and_ids
from reevit_server.messages import models, sending
from reevit_server.messages.models import SENDING_SECONDS
from reevit_server.providers.sending import Sent
from tests.makers import ok
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.workers import PATIENCE_SECONDS, Slow, WorkerDied, begin, dies
from tests.messages.writing import found, later, sender, statuses, suppressions, write
from tests.providers.mailserver import Postbox, breaks, hangs, mail_server
from tests.webhooks.clockwork import FINE, Queued

TAKEN = Reply(9, 201, body="{}")
GOOD, BUSY = Sent("sent", provider_ref="re_1", latency_ms=9), Sent("later", code="http_503", message="Down.")
GONE = Sent("never", code="550", message="5.1.1 User unknown")


async def only_job(shop: Office) -> Queued:
    (job,) = await shop.work.queued()
    return job


async def die_at(shop: Office, box: Postbox) -> None:
    """A worker hands the only letter over, and dies."""
    task = asyncio.create_task(shop.work.do(await only_job(shop)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not box.received and not task.done():  # noqa: ASYNC110 - it is another thread that fills it
            await asyncio.sleep(0.005)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def settle(shop: Office, prepared: sending.Prepared, sent: Sent) -> dict[str, Any]:
    """A worker's last step, and all that is known then."""
    tools = shop.work.tools
    async with tools.db.transaction() as conn:
        await sending._settle(
            conn, shop.merchant.scope, prepared, sent, sealer=tools.sealer, now=tools.clock()
        )
    return {
        **await found(shop, prepared.message["id"]),
        "jobs": await shop.work.queued(),
        "suppressions": await suppressions(shop),
    }


async def test_of_many_workers_with_one_message_one_sends_and_the_others_come_back(shop: Office):
    await sender(shop, "resend")
    slow = Slow()
    shop.outside.answer(slow)
    id = await write(shop)
    job = await only_job(shop)
    tasks = [asyncio.create_task(shop.work.do(job)) for _ in range(6)]
    pending = set(tasks)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(pending) > 1:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        await slow.reached.wait()
    assert len(slow.held) == 1
    slow.answer()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["NoneType", *["NotYet"] * 5]
    message = await found(shop, id)
    assert (message["status"], message["attempt_count"], len(message["attempts"])) == ("sent", 1, 1)
    await shop.work.do(job)
    assert slow.held == []


async def test_the_letter_of_a_dead_worker_comes_back_as_the_same_letter(shop: Office):
    fates = [hangs]

    async def on_data(server: Any) -> str:
        return await fates.pop()(server) if fates else "250 OK"

    with mail_server(on_data=on_data) as box:
        await shop.mail_by(box)
        id = await write(shop)
        await die_at(shop, box)
        assert (await found(shop, id))["status"] == "sending"
        with pytest.raises(NotYet) as wait:
            await shop.work.do(await only_job(shop))
        assert wait.value.seconds == SENDING_SECONDS
        shop.work.clock.advance(seconds=SENDING_SECONDS - 1)
        with pytest.raises(NotYet) as wait:
            await shop.work.do(await only_job(shop))
        assert wait.value.seconds == 1
        await shop.work.run_for(seconds=1)
        first, second = box.received
    message = await found(shop, id)
    assert (message["status"], message["attempt_count"]) == ("sent", 2)
    interrupted, done = message["attempts"]
    assert (interrupted["outcome"], interrupted["code"], interrupted["latency_ms"]) == (
        "interrupted",
        None,
        None,
    )
    assert interrupted["ended_at"] == done["started_at"]
    assert (done["number"], done["outcome"]) == (2, "sent")
    assert first.content == second.content
    assert first.letter["Message-ID"] == f"<{id}@example.com>"


async def test_an_interrupted_attempt_is_none_of_those_after_which_it_is_given_up(shop: Office):
    await sender(shop, "resend")
    shop.outside.answer(dies, Reply(9, 503, body=""))
    id = await write(shop)
    with pytest.raises(WorkerDied):
        await shop.work.run()
    await shop.work.run_for(days=3)
    message = await found(shop, id)
    assert (message["status"], message["attempt_count"]) == ("failed", 8)
    outcomes = [attempt["outcome"] for attempt in message["attempts"]]
    assert outcomes == ["interrupted", *["later"] * 7]


async def test_a_letter_that_no_worker_survives_is_given_up(shop: Office):
    """Or it would hold its place, and kill a worker every minute, for ever."""
    await sender(shop, "resend")
    shop.outside.answer(dies)
    id = await write(shop)
    for _ in range(models.ATTEMPTS_MAX):
        with pytest.raises(WorkerDied):
            await shop.work.do(await only_job(shop))
        shop.work.clock.advance(seconds=SENDING_SECONDS)
    await shop.work.run()
    message = await found(shop, id)
    assert (message["status"], message["reason"]) == ("failed", "interrupted")
    outcomes = [attempt["outcome"] for attempt in message["attempts"]]
    assert outcomes == ["interrupted"] * models.ATTEMPTS_MAX
    shop.outside.answer(FINE)
    await write(shop)
    await shop.work.run()
    assert await statuses(shop) == {"failed": 1, "sent": 1}


@pytest.mark.parametrize("provider", ["twilio", "africas_talking", "hubtel"])
async def test_a_dead_workers_short_message_is_not_sent_again(shop: Office, provider: str):
    """It may have arrived, and a second one costs money and trust."""
    await sender(shop, provider)
    shop.outside.answer(dies, TAKEN)
    id = await write(shop, channel="sms")
    with pytest.raises(WorkerDied):
        await shop.work.run()
    await shop.work.run_for(days=3)
    message = await found(shop, id)
    assert (message["status"], message["reason"], message["attempt_count"]) == ("failed", "interrupted", 1)
    assert "nobody knows" in message["reason_message"]
    assert [attempt["outcome"] for attempt in message["attempts"]] == ["interrupted"]
    assert len(shop.outside.take()) == 1
    # Whoever knows better can send it.
    assert (await shop.merchant.test.post(f"/v1/messages/{id}/resend")).status_code == 202
    shop.outside.answer(Reply(9, 201, body='{"sid":"SM1"}'))
    await shop.work.run_for(minutes=1)
    assert (await found(shop, id))["attempt_count"] == 2


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [(GOOD, "sent", None), (BUSY, "scheduled", None), (GONE, "failed", "550")],
)
async def test_what_a_late_worker_knows_of_a_short_message_still_counts(
    shop: Office, sent: Sent, status: str, reason: str | None
):
    """Nobody followed it: it was given up as one of which nobody knows."""
    await sender(shop, "twilio")
    id = await write(shop, channel="sms")
    prepared = await begin(shop, id)
    await later(shop, seconds=SENDING_SECONDS)
    assert (await found(shop, id))["reason"] == "interrupted"
    message = await settle(shop, prepared, sent)
    assert (message["status"], message["reason"], message["attempt_count"]) == (status, reason, 1)
    assert [attempt["outcome"] for attempt in message["attempts"]] == [sent.outcome]
    assert await settle(shop, prepared, sent) == message


async def test_who_is_too_late_says_what_became_of_its_attempt_and_changes_nothing_else(shop: Office):
    await sender(shop, "resend")
    id = await write(shop)
    late = await begin(shop, id)
    await later(shop, seconds=SENDING_SECONDS)
    before = await found(shop, id)
    assert (before["status"], before["attempt_count"]) == ("sent", 2)
    after = await settle(shop, late, GONE)
    assert (after["attempts"][0]["outcome"], after["attempts"][0]["code"]) == ("never", "550")
    assert after["attempts"][1] == before["attempts"][1]
    assert {name: after[name] for name in before if name != "attempts"} == {
        name: value for name, value in before.items() if name != "attempts"
    }
    assert after["suppressions"] == []


@pytest.mark.parametrize("sent", [GOOD, BUSY, GONE], ids=["sent", "later", "never"])
async def test_an_attempt_that_is_settled_twice_is_settled_once(shop: Office, sent: Sent):
    """A worker that lost its connection while it committed does not know whether it did."""
    await sender(shop, "resend")
    id = await write(shop)
    prepared = await begin(shop, id)
    once = await settle(shop, prepared, sent)
    assert once["attempt_count"] == 1
    shop.work.clock.advance(seconds=5)
    assert await settle(shop, prepared, sent) == once


async def test_two_that_settle_at_once_are_as_one(shop: Office):
    await sender(shop, "resend")
    for _ in range(11):
        id = await write(shop)
    first = scope_and_ids((await shop.work.queued())[0].payload)[1][0]
    prepared = await begin(shop, first)
    await asyncio.gather(*(settle(shop, prepared, BUSY) for _ in range(4)))
    message = await found(shop, first)
    assert (message["status"], message["attempt_count"], len(message["attempts"])) == ("scheduled", 1, 1)
    assert (await found(shop, id))["status"] == "queued", "its place went to the next, once"
    assert len(await shop.work.queued()) == 11


async def test_a_clock_that_is_set_back_holds_up_no_message_for_longer_than_an_attempt(shop: Office):
    await sender(shop, "resend")
    shop.outside.answer(dies, FINE)
    id = await write(shop)
    with pytest.raises(WorkerDied):
        await shop.work.run()
    shop.work.clock.advance(days=-1)
    with pytest.raises(NotYet) as wait:
        await shop.work.do(await only_job(shop))
    assert wait.value.seconds == SENDING_SECONDS
    shop.work.clock.advance(days=1, seconds=SENDING_SECONDS)
    await shop.work.run()
    assert (await found(shop, id))["status"] == "sent"


async def test_a_clock_that_is_set_back_while_it_is_sent_loses_nothing(shop: Office):
    await sender(shop, "resend")

    def back(_: object) -> Reply:
        shop.work.clock.advance(hours=-1)
        return Reply(9, 503, body="")

    shop.outside.answer(back, FINE)
    id = await write(shop)
    await shop.work.run_for(hours=2)
    message = await found(shop, id)
    assert (message["status"], message["attempt_count"]) == ("sent", 2)
    assert message["attempts"][0]["ended_at"] < message["attempts"][0]["started_at"]


async def test_an_integration_that_is_deleted_or_off_when_a_dead_workers_letter_comes_back(shop: Office):
    for change, status, reason in (("off", "scheduled", None), ("deleted", "outbox", "no_integration")):
        made = await sender(shop, "resend")
        path = f"{INTEGRATIONS}/{made['id']}"
        shop.outside.answer(dies)
        id = await write(shop, integration_id=made["id"])
        with pytest.raises(WorkerDied):
            await shop.work.run()
        if change == "off":
            ok(await shop.merchant.test.patch(path, json={"enabled": False}))
        else:
            assert (await shop.merchant.test.delete(path)).status_code == 204
        assert (await found(shop, id))["status"] == "sending", "nobody knows yet whether it arrived"
        await later(shop, seconds=SENDING_SECONDS)
        message = await found(shop, id)
        assert (message["status"], message["reason"]) == (status, reason)
        assert [attempt["outcome"] for attempt in message["attempts"]] == ["interrupted"]


async def test_one_that_is_deleted_while_it_sends_leaves_what_failed_in_the_outbox(shop: Office):
    made = await sender(shop, "resend")

    async def delete(_: object) -> Reply:
        assert (await shop.merchant.test.delete(f"{INTEGRATIONS}/{made['id']}")).status_code == 204
        return Reply(9, 503, body="Down")

    shop.outside.answer(delete)
    id = await write(shop)
    await shop.work.run_for(days=1)
    message = await found(shop, id)
    assert (message["status"], message["reason"]) == ("outbox", "no_integration")
    assert [attempt["code"] for attempt in message["attempts"]] == ["http_503"]
    assert len(shop.outside.take()) == 1


async def test_one_that_is_switched_off_while_it_sends_goes_on_when_it_is_on(shop: Office):
    made = await sender(shop, "resend")
    path = f"{INTEGRATIONS}/{made['id']}"

    async def off(_: object) -> Reply:
        ok(await shop.merchant.test.patch(path, json={"enabled": False}))
        return Reply(9, 503, body="Down")

    shop.outside.answer(off, FINE)
    id = await write(shop)
    await shop.work.run()
    await later(shop, days=1)
    assert (await found(shop, id))["attempt_count"] == 1
    ok(await shop.merchant.test.patch(path, json={"enabled": True}))
    shop.work.clock.advance(minutes=1)
    await shop.work.fulfil("messages.queue_due")
    await shop.work.run()
    assert (await found(shop, id))["status"] == "sent"


async def test_a_job_for_a_message_that_was_purged_does_nothing(shop: Office, db: Database):
    await sender(shop, "resend")
    id = await write(shop)
    job = await only_job(shop)
    await shop.work.do(job)
    async with db.transaction() as conn:
        await conn.execute("DELETE FROM messages WHERE org_id = $1 AND id = $2", shop.merchant.org_id, id)
    await shop.work.do(job)
    assert len(shop.outside.take()) == 1


async def test_a_message_that_is_purged_while_it_is_sent_leaves_nothing(shop: Office, db: Database):
    await sender(shop, "resend")

    async def purge(_: object) -> Reply:
        async with db.transaction() as conn:
            await conn.execute("DELETE FROM messages WHERE org_id = $1", shop.merchant.org_id)
        return Reply(9, 503, body="")

    shop.outside.answer(purge)
    await write(shop)
    await shop.work.run_for(days=1)
    assert await shop.messages() == []
    assert len(shop.outside.take()) == 1


async def test_a_line_that_breaks_every_time_is_told_of_in_every_attempt(shop: Office):
    with mail_server(on_data=breaks) as box:
        await shop.mail_by(box)
        id = await write(shop)
        begun = shop.work.clock()
        await shop.work.run_for(days=3)
        assert len({received.letter["Message-ID"] for received in box.received}) == 1
    message = await found(shop, id)
    assert [attempt["code"] for attempt in message["attempts"]] == ["connection_lost"] * 7
    assert message["status"] == "failed"
    assert shop.work.clock() - begun == timedelta(days=3)
