"""Mail servers that refuse, hang and break off: what passes is tried again and arrives once; the rest is said."""

import asyncio
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from reevit_server.core.database import Database
from reevit_server.messages import models
from tests.makers import Api, ok
from tests.messages import office
from tests.messages.office import FROM, INTEGRATIONS, Office
from tests.messages.writing import ADA, at, found, sent, suppressions, write
from tests.providers.mailserver import breaks, hangs, mail_server
from tests.running import free_port

_HANGS_SECONDS = {"connect_seconds": 0.5, "total_seconds": 0.5}
LATER = ["421 4.3.2 Service shutting down", "451 4.7.1 Try again later", "452 4.3.1 Out of room"]


def waits(message: dict[str, Any]) -> list[float]:
    """Seconds between its attempts."""
    started = [at(attempt["started_at"]) for attempt in message["attempts"]]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(started)]


def as_the_table_says(seconds: list[float]) -> bool:
    table = [delay.total_seconds() for delay in models.DELAYS][: len(seconds)]
    return all(0.8 * most <= waited <= 1.2 * most for waited, most in zip(seconds, table, strict=True))


@pytest.mark.parametrize("answer", LATER)
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_what_passes_is_tried_again_and_arrives_once(shop: Office, answer: str, command: str):
    answers = {command: answer}
    with mail_server(answers=answers) as box:
        await shop.mail_by(box)
        message = await sent(shop)
        assert (message["status"], message["reason"]) == ("scheduled", None)
        (attempt,) = message["attempts"]
        assert (attempt["outcome"], attempt["code"]) == ("later", answer[:3])
        assert attempt["message"] == answer[4:]
        del answers[command]
        box.received.clear()  # a server that refuses after DATA had the letter
        await shop.work.run_for(hours=1)
        message = await found(shop, message["id"])
        assert (message["status"], message["attempt_count"]) == ("sent", 2)
        assert as_the_table_says(waits(message))
        (received,) = box.received
        assert received.recipients == [ADA]


async def test_it_is_given_up_after_the_last_delay_with_the_last_reason(shop: Office):
    answers = {"RCPT": LATER[0]}
    with mail_server(answers=answers) as box:
        await shop.mail_by(box)
        id = await write(shop)
        await shop.work.run_for(hours=3)
        answers["RCPT"] = LATER[1]
        await shop.work.run_for(days=3)
        message = await found(shop, id)
    assert (message["status"], message["reason"]) == ("failed", "451")
    assert message["reason_message"] == "4.7.1 Try again later"
    assert (message["next_attempt_at"], message["sent_at"]) == (None, None)
    assert len(message["attempts"]) == message["attempt_count"] == len(models.DELAYS) + 1
    assert as_the_table_says(waits(message))
    assert box.received == []
    assert await suppressions(shop) == []


async def test_what_failed_together_does_not_come_back_together(shop: Office):
    with mail_server(answers={"MAIL": LATER[0]}) as box:
        await shop.mail_by(box)
        messages = [await sent(shop) for _ in range(5)]
    nexts = [at(message["next_attempt_at"]) for message in messages]
    assert len(set(nexts)) == 5
    assert all(24 <= (next - shop.work.clock()).total_seconds() <= 36 for next in nexts)


async def test_a_mailbox_that_is_not_there_is_not_tried_again_and_never_written_to_again(shop: Office):
    with mail_server(answers={"RCPT": "550 5.1.1 <ada@example.com> User unknown"}) as box:
        await shop.mail_by(box)
        message = await sent(shop)
        assert (message["status"], message["reason"]) == ("failed", "550")
        assert message["reason_message"] == "5.1.1 <ada@example.com> User unknown"
        assert await shop.work.run_for(days=3) == 0
        assert (await found(shop, message["id"]))["attempt_count"] == 1
        (suppression,) = await suppressions(shop)
        assert (suppression["reason"], suppression["covers"]) == ("bounced", "everything")
        assert (suppression["channel"], suppression["hint"]) == ("email", "a***@example.com")
        connections = box.connections
        next_one = await sent(shop, recipient="Ada@Example.com")
        assert (next_one["status"], next_one["reason"]) == ("suppressed", "bounced")
        assert box.connections == connections


async def test_what_waits_for_a_mailbox_that_is_found_not_to_be_there_is_not_sent(shop: Office):
    """Both had a place already."""
    with mail_server(answers={"RCPT": "550 5.1.1 User unknown"}) as box:
        await shop.mail_by(box)
        first, second = [await write(shop) for _ in range(2)]
        await shop.work.run()
        assert (await found(shop, first))["status"] == "failed"
        message = await found(shop, second)
        assert (message["status"], message["reason"], message["attempts"]) == ("suppressed", "bounced", [])
        assert box.commands.count("RCPT") == 1


@pytest.mark.parametrize(
    "answer", ["550 5.7.1 Message rejected as spam", "552 5.2.2 Mailbox full", "554 5.7.1 Denied"]
)
async def test_what_the_letter_is_refused_for_is_no_reason_to_write_no_other(shop: Office, answer: str):
    answers = {"DATA": answer}
    with mail_server(answers=answers) as box:
        await shop.mail_by(box)
        message = await sent(shop)
        assert (message["status"], message["reason"]) == ("failed", answer[:3])
        assert await shop.work.run_for(days=3) == 0
        assert await suppressions(shop) == []
        answers.clear()
        assert (await sent(shop))["status"] == "sent"
        assert len(box.received) == 2


async def test_a_login_that_is_refused_is_tried_again_and_its_password_is_nowhere(shop: Office):
    answers = {"AUTH": "535 5.7.8 Not with correct horse, Y29ycmVjdCBob3JzZQ=="}
    with mail_server(answers=answers, auth_required=True, auth_require_tls=False) as box:
        plain = {"host": "mail.test", "port": box.port, "security": "none"}
        login = {**plain, "username": "ama", "password": "correct horse"}
        integration = await shop.integration(provider="smtp", credentials=login, from_address=FROM)
        message = await sent(shop)
        assert message["status"] == "scheduled"
        (attempt,) = message["attempts"]
        assert (attempt["outcome"], attempt["code"]) == ("never", "535")
        assert attempt["message"] == "5.7.8 Not with ***, ***"
        with mail_server() as other:  # somebody mends it meanwhile
            mended = {"credentials": {**plain, "port": other.port}}
            ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{integration['id']}", json=mended))
            await shop.work.run_for(minutes=1)
            message = await found(shop, message["id"])
            assert (message["status"], message["attempt_count"], len(other.received)) == ("sent", 2, 1)


@pytest.mark.parametrize(
    ("fate", "code"), [(hangs, "timeout"), (breaks, "connection_lost")], ids=["hangs", "breaks off"]
)
async def test_a_letter_that_nobody_said_was_taken_is_repeated_as_the_same_letter(
    db: Database, local_api: Api, fate, code: str
):
    """A mailbox that has it already knows it again."""
    fates = [fate]

    async def on_data(server: SMTP) -> str:
        return await fates.pop()(server) if fates else "250 OK"

    async with office.opened(db, local_api, **_HANGS_SECONDS) as shop:
        with mail_server(on_data=on_data) as box:
            await shop.mail_by(box, from_name="Ama's Shop")
            message = await sent(shop, html="<p>It is on its way.</p>", purpose="marketing")
            (attempt,) = message["attempts"]
            assert (message["status"], attempt["outcome"], attempt["code"]) == ("scheduled", "later", code)
            await shop.work.run_for(minutes=5)
            message = await found(shop, message["id"])
            assert (message["status"], message["attempt_count"]) == ("sent", 2)
            first, second = box.received
    assert first.letter["Message-ID"] == second.letter["Message-ID"] == f"<{message['id']}@example.com>"
    written_at = at(message["created_at"]).replace(microsecond=0)
    assert first.letter["Date"].datetime == second.letter["Date"].datetime == written_at
    # All but the words that keep the parts of a letter apart, which are drawn anew.
    for name in ("From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert first.letter[name] == second.letter[name] is not None
    for kind in ("plain", "html"):
        parts = [received.letter.get_body((kind,)).get_content() for received in (first, second)]
        assert parts[0] == parts[1]


async def test_a_letter_is_the_same_letter_also_when_it_is_sent_again_by_hand(shop: Office):
    answers = {"DATA": "550 5.7.1 Spam"}
    with mail_server(answers=answers) as box:
        await shop.mail_by(box)
        message = await sent(shop)
        answers.clear()
        assert (await shop.merchant.test.post(f"/v1/messages/{message['id']}/resend")).status_code == 202
        await shop.work.run_for(minutes=1)
        first, second = box.received
    assert first.content == second.content


async def test_when_a_server_is_back_everything_arrives_once(shop: Office):
    nowhere = {"host": "mail.test", "port": free_port(), "security": "none"}
    integration = await shop.integration(provider="smtp", credentials=nowhere, from_address=FROM)
    ids = [await write(shop, recipient=f"customer{number}@example.com") for number in range(12)]
    await shop.work.run_for(hours=3)
    for id in ids:
        message = await found(shop, id)
        assert message["status"] == "scheduled"
        assert {attempt["code"] for attempt in message["attempts"]} == {"connection_failed"}
    with mail_server() as box:
        back = {**nowhere, "port": box.port}
        ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{integration['id']}", json={"credentials": back}))
        await shop.work.run_for(hours=13)
        assert sorted(received.recipients[0] for received in box.received) == sorted(
            f"customer{number}@example.com" for number in range(12)
        )
    assert {(await found(shop, id))["status"] for id in ids} == {"sent"}


async def test_the_api_is_not_slowed_by_a_server_that_hangs(shop: Office):
    loop, reached, taken = asyncio.get_running_loop(), asyncio.Event(), Future[None]()

    async def on_data(_: SMTP) -> str:
        loop.call_soon_threadsafe(reached.set)
        await asyncio.wrap_future(taken)
        return "250 OK"

    with mail_server(on_data=on_data) as box:
        await shop.mail_by(box)
        await write(shop)
        sending = asyncio.create_task(shop.work.run())
        await reached.wait()
        customer = await shop.merchant.customer(email=ADA)
        await shop.merchant.payment(customer_id=customer["id"])
        listed = ok(await shop.merchant.test.get("/v1/messages"))["messages"]
        assert [message["status"] for message in listed] == ["sending"]
        taken.set_result(None)
        await sending
        assert [message["status"] for message in await shop.messages()] == ["sent"]
