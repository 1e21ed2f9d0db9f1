"""Erasing a customer reaches what was written to them: what it said, and what the other side said of them."""

import asyncio
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from reevit_server.core.database import Database
from reevit_server.core.egress import Reply
from tests.makers import ok, refused
from tests.messages.kept import everything_kept
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.workers import WorkerDied, dies
from tests.messages.writing import ADA, PHONE, erase, found, later, sender, sent, suppressions, write
from tests.providers.mailserver import mail_server
from tests.webhooks.clockwork import Sent

WHO = {"external_id": "usr_ada", "name": "Ada Lovelace", "email": ADA, "phone": PHONE}
SAID = "Dear Ada Lovelace, you bought a divorce lawyer's handbook."
WORDS = ("Lovelace", ADA, PHONE, "handbook")
ECHO = f"5.1.1 <{ADA}>: Ada Lovelace is unknown here"


async def ada(shop: Office) -> dict[str, Any]:
    return await shop.merchant.customer(**WHO)


async def to_ada(shop: Office, customer: dict[str, Any], **fields: Any) -> str:
    letter = {"subject": SAID, "html": f"<p>{SAID}</p>"} if "channel" not in fields else {}
    return await write(shop, **{"customer_id": customer["id"], "text": SAID, **letter, **fields})


async def is_forgotten(shop: Office, db: Database, *ids: str) -> None:
    for id in ids:
        message = await found(shop, id)
        assert {message[name] for name in ("to", "subject", "text", "html", "reason_message")} == {None}
        assert {attempt["message"] for attempt in message["attempts"]} <= {None}
    kept = await everything_kept(db, shop.merchant.org_id)
    assert [word for word in WORDS if word in kept] == []


async def test_what_was_sent_failed_or_held_back_is_kept_without_its_words(shop: Office, db: Database):
    customer = await ada(shop)
    answers: dict[str, str] = {}
    with mail_server(answers=answers) as box:
        await shop.mail_by(box)
        ids = [await to_ada(shop, customer)]
        await shop.work.run()
        answers["RCPT"] = f"550 {ECHO}"
        ids.append(await to_ada(shop, customer))
        await shop.work.run()
        ids += [await to_ada(shop, customer), await to_ada(shop, customer, channel="sms", recipient=PHONE)]
        await shop.work.run()
    reasons = [(message["status"], message["reason"]) for message in await shop.messages()]
    told = [("sent", None), ("failed", "550"), ("suppressed", "bounced"), ("outbox", "no_integration")]
    assert reasons == told
    assert ADA in (await found(shop, ids[1]))["reason_message"]
    await erase(shop, customer)
    await is_forgotten(shop, db, *ids)
    assert [(message["status"], message["reason"]) for message in await shop.messages()] == told
    for id in ids:
        refused(await shop.merchant.test.post(f"/v1/messages/{id}/resend"), 409, "message_not_resendable")


async def test_what_was_written_to_others_is_kept(shop: Office):
    await sender(shop, "resend")
    customer, other = await ada(shop), await shop.merchant.customer(name="Zoe", email="zoe@example.com")
    ids = [
        await write(shop, customer_id=other["id"], recipient="zoe@example.com"),
        await write(shop, recipient="nobody@example.com"),
    ]
    before = [await found(shop, id) for id in ids]
    await erase(shop, customer)
    assert [await found(shop, id) for id in ids] == before
    await shop.work.run()
    assert {(await found(shop, id))["status"] for id in ids} == {"sent"}


async def test_what_waits_is_not_sent(shop: Office, db: Database):
    integration = await sender(shop, "resend")
    customer = await ada(shop)
    ids = [await to_ada(shop, customer) for _ in range(12)]
    await erase(shop, customer)
    await shop.work.run_for(days=2)
    assert shop.outside.take() == []
    await is_forgotten(shop, db, *ids)
    assert {(message["status"], message["reason"]) for message in await shop.messages()} == {
        ("suppressed", "customer_deleted")
    }
    # Nor what waited for its integration, and had its place taken from it.
    ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{integration['id']}", json={"name": "Still the same"}))
    await later(shop, days=2)
    assert shop.outside.take() == []


async def test_what_was_to_be_tried_again_is_not(shop: Office, db: Database):
    await sender(shop, "resend")
    customer = await ada(shop)
    shop.outside.answer(Reply(9, 503, body=f'{{"message":"{ECHO}"}}'))
    id = await to_ada(shop, customer)
    await shop.work.run_for(minutes=10)
    message = await found(shop, id)
    assert (message["status"], message["attempt_count"]) == ("scheduled", 3)
    await erase(shop, customer)
    await shop.work.run_for(days=2)
    message = await found(shop, id)
    assert (message["status"], message["reason"]) == ("suppressed", "customer_deleted")
    assert [attempt["code"] for attempt in message["attempts"]] == ["http_503"] * 3
    assert len(shop.outside.take()) == 3
    await is_forgotten(shop, db, id)


@pytest.mark.parametrize(
    ("reply", "status", "reason"),
    [
        (Reply(9, 200, body='{"id":"re_1"}'), "sent", None),
        (Reply(9, 422, body=f'{{"message":"{ECHO}"}}'), "failed", "http_422"),
        (Reply(9, 503, body=f'{{"message":"{ECHO}"}}'), "suppressed", "customer_deleted"),
    ],
)
async def test_an_answer_that_comes_after_the_erasure_is_not_kept(
    shop: Office, db: Database, reply: Reply, status: str, reason: str | None
):
    await sender(shop, "resend")
    customer = await ada(shop)

    async def answer(_: Sent) -> Reply:
        await erase(shop, customer)
        return reply

    shop.outside.answer(answer, Reply(9, 200, body="{}"))
    id = await to_ada(shop, customer)
    await shop.work.run()
    message = await found(shop, id)
    assert (message["status"], message["reason"], message["attempt_count"]) == (status, reason, 1)
    await shop.work.run_for(days=2)
    assert await found(shop, id) == message
    assert message["attempts"][0]["code"] == (None if status == "sent" else f"http_{reply.status_code}")
    assert len(shop.outside.take()) == 1
    await is_forgotten(shop, db, id)


@pytest.mark.parametrize("answer", ["250 OK", f"451 4.2.1 {ECHO}", f"550 {ECHO}"])
async def test_a_mail_servers_answer_that_comes_after_the_erasure_is_not_kept(
    shop: Office, db: Database, answer: str
):
    customer, loop = await ada(shop), asyncio.get_running_loop()

    async def on_data(_: SMTP) -> str:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(erase(shop, customer), loop))
        return answer

    with mail_server(on_data=on_data) as box:
        await shop.mail_by(box)
        id = await to_ada(shop, customer)
        await shop.work.run_for(days=2)
        assert len(box.received) == 1
    message = await found(shop, id)
    told = {"250": ("sent", None), "451": ("suppressed", "customer_deleted"), "550": ("failed", "550")}
    assert (message["status"], message["reason"]) == told[answer[:3]]
    await is_forgotten(shop, db, id)


async def test_the_letter_of_a_dead_worker_is_not_sent_again_once_its_person_is_erased(
    shop: Office, db: Database
):
    await sender(shop, "resend")
    customer = await ada(shop)

    shop.outside.answer(dies, Reply(9, 200, body="{}"))
    id = await to_ada(shop, customer)
    with pytest.raises(WorkerDied):
        await shop.work.run()
    await erase(shop, customer)
    await shop.work.run_for(minutes=5)
    message = await found(shop, id)
    assert (message["status"], message["reason"]) == ("suppressed", "customer_deleted")
    assert [attempt["outcome"] for attempt in message["attempts"]] == ["interrupted"]
    assert len(shop.outside.take()) == 1
    await is_forgotten(shop, db, id)


async def test_who_was_not_to_be_written_to_still_is_not_when_they_come_back(shop: Office, db: Database):
    """The address is known again by its fingerprint, and named nowhere."""
    customer = await ada(shop)
    answers = {"RCPT": f"550 {ECHO}"}
    with mail_server(answers=answers) as box:
        await shop.mail_by(box)
        await to_ada(shop, customer)
        await shop.work.run()
        before = await suppressions(shop)
        await erase(shop, customer)
        assert await suppressions(shop) == before != []
        kept = await everything_kept(db, shop.merchant.org_id)
        assert ADA not in kept
        answers.clear()
        message = await sent(shop, recipient=ADA)
        assert (message["status"], message["reason"]) == ("suppressed", "bounced")
        assert box.received == []


async def test_the_answer_to_sending_again_is_not_replayed_once_its_person_is_erased(
    shop: Office, db: Database
):
    customer = await ada(shop)
    id = await to_ada(shop, customer)
    await sender(shop, "resend")
    path, headers = f"/v1/messages/{id}/resend", {"Idempotency-Key": "again"}
    assert SAID in (await shop.merchant.test.post(path, headers=headers)).json()["text"]
    await erase(shop, customer)
    answer = await shop.merchant.test.post(path, headers=headers)
    refused(answer, 410, "idempotent_answer_erased")
    await is_forgotten(shop, db, id)


async def test_erasing_twice_is_as_erasing_once(shop: Office):
    await sender(shop, "resend")
    customer = await ada(shop)
    await to_ada(shop, customer)
    await shop.work.run()
    assert (await shop.merchant.test.delete(f"/v1/customers/{customer['id']}")).is_success
    (job,) = [job for job in await shop.work.queued() if job.name == "events.fan_out"]
    await shop.work.do(job)
    before = await shop.messages()
    shop.work.clock.advance(hours=1)
    await asyncio.gather(*(shop.work.do(job) for _ in range(3)))
    assert await shop.messages() == before
