"""Deeds that meet in the database: the second one sees what the first one did, and nothing is left with nobody."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import cycle

import asyncpg
import pytest

from reevit_server.core.database import Database
from reevit_server.core.egress import Reply
from reevit_server.messages import Draft, actions, connecting, sending, store
from reevit_server.messages.models import SENDING_SECONDS
from reevit_server.providers.sending import Outcome, Sent
from tests import locks
from tests.makers import ok
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.workers import Crowd, begin
from tests.messages.writing import ADA, erase, found, later, sender, sent, statuses, write
from tests.webhooks.clockwork import FINE

LETTER = Draft(channel="email", purpose="transactional", recipient=ADA, subject="Hi", text="Hi.")


@pytest.fixture
async def outsider(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks on."""
    conn = await asyncpg.connect(dsn)
    yield conn
    await conn.close()


async def delete(shop: Office, integration_id: str) -> None:
    assert (await shop.merchant.test.delete(f"{INTEGRATIONS}/{integration_id}")).status_code == 204


@pytest.mark.parametrize("named", [True, False])
async def test_a_message_that_is_being_written_when_its_integration_is_deleted_is_not_left_with_it(
    shop: Office, outsider: asyncpg.Connection, named: bool
):
    made = await sender(shop, "resend")
    tools, scope = shop.work.tools, shop.merchant.scope
    draft = replace(LETTER, integration_id=made["id"] if named else None)
    async with tools.db.transaction() as conn:
        written = await actions.create(conn, scope, tools.sealer, draft, now=tools.clock())
        assert written is not None
        assert written["status"] == "scheduled"
        deleting = asyncio.create_task(delete(shop, made["id"]))
        await locks.until_waiting(outsider, 1)  # for this transaction: else it would not see what was written
    await deleting
    message = await found(shop, written["id"])
    assert (message["status"], message["reason"]) == ("outbox", "no_integration")


@pytest.mark.parametrize(
    ("others", "named", "leaves"),
    [(0, False, False), (1, False, True), (0, True, False), (1, True, False)],
)
async def test_who_writes_while_an_integration_is_being_deleted_takes_another_one_or_none(
    shop: Office, outsider: asyncpg.Connection, others: int, named: bool, leaves: bool
):
    made = await sender(shop, "resend")
    next_ones = [await sender(shop, "sendgrid") for _ in range(others)]
    tools, scope = shop.work.tools, shop.merchant.scope
    draft = replace(LETTER, integration_id=made["id"] if named else None)

    async def create() -> asyncpg.Record:
        async with tools.db.transaction() as own:
            written = await actions.create(own, scope, tools.sealer, draft, now=tools.clock())
        assert written is not None
        return written

    async with tools.db.transaction() as conn:
        await connecting.delete(conn, scope, id=made["id"], now=tools.clock())
        creating = asyncio.create_task(create())
        await locks.until_waiting(outsider, 1)
    written = await creating
    assert written["status"] == ("scheduled" if leaves else "outbox")
    assert written["integration_id"] == (next_ones[0]["id"] if leaves else None)
    await later(shop, minutes=1)
    assert len(shop.outside.take()) == leaves


async def test_what_is_sent_again_while_its_integration_is_deleted_is_not_left_with_it(
    shop: Office, outsider: asyncpg.Connection
):
    made = await sender(shop, "resend")
    shop.outside.answer(Reply(9, 422, body="{}"))
    message = await sent(shop)
    assert message["status"] == "failed"
    tools = shop.work.tools
    async with tools.db.transaction() as conn:
        again = await actions.resend(conn, shop.merchant.scope, id=message["id"], now=tools.clock())
        assert again["status"] == "scheduled"
        deleting = asyncio.create_task(delete(shop, made["id"]))
        await locks.until_waiting(outsider, 1)
    await deleting
    message = await found(shop, message["id"])
    assert (message["status"], message["reason"]) == ("outbox", "no_integration")


async def test_what_is_sent_again_while_its_person_is_erased_is_not_sent(
    shop: Office, outsider: asyncpg.Connection
):
    await sender(shop, "resend")
    customer = await shop.merchant.customer(name="Ada", email=ADA)
    shop.outside.answer(Reply(9, 422, body="{}"), FINE)
    message = await sent(shop, customer_id=customer["id"])
    tools = shop.work.tools
    async with tools.db.transaction() as conn:
        await actions.resend(conn, shop.merchant.scope, id=message["id"], now=tools.clock())
        erasing = asyncio.create_task(erase(shop, customer))
        await locks.until_waiting(outsider, 1)
    await erasing
    await later(shop, days=1)
    message = await found(shop, message["id"])
    assert (message["status"], message["reason"], message["to"]) == ("suppressed", "customer_deleted", None)
    assert len(shop.outside.take()) == 1


@pytest.mark.parametrize("answer", ["sent", "later", "never"])
async def test_who_is_erased_while_an_answer_is_written_down_is_forgotten_in_it(
    shop: Office, outsider: asyncpg.Connection, answer: Outcome
):
    """Whoever erases has looked already, and waits for who writes."""
    await sender(shop, "resend")
    customer = await shop.merchant.customer(name="Ada", email=ADA)
    id = await write(shop, customer_id=customer["id"])
    prepared = await begin(shop, id)
    tools, said = shop.work.tools, Sent(answer, code="said", message=f"To {ADA}: no.")
    async with tools.db.transaction() as conn:
        await sending._settle(
            conn, shop.merchant.scope, prepared, said, sealer=tools.sealer, now=tools.clock()
        )
        erasing = asyncio.create_task(erase(shop, customer))
        await locks.until_waiting(outsider, 1)
    await erasing
    message = await found(shop, id)
    standing = {
        "sent": ("sent", None),
        "later": ("suppressed", "customer_deleted"),
        "never": ("failed", "said"),
    }
    assert (message["status"], message["reason"]) == standing[answer]
    assert (message["to"], message["text"], message["reason_message"]) == (None, None, None)
    assert [attempt["message"] for attempt in message["attempts"]] == [None]


async def test_who_is_erased_while_a_letter_is_begun_is_forgotten_in_it(
    shop: Office, outsider: asyncpg.Connection
):
    await sender(shop, "resend")
    customer = await shop.merchant.customer(name="Ada", email=ADA)
    id = await write(shop, customer_id=customer["id"])
    tools, now = shop.work.tools, shop.work.clock()
    until = now + timedelta(seconds=SENDING_SECONDS)
    async with tools.db.transaction() as conn:
        await store.begin_attempt(conn, shop.merchant.scope, id=id, provider="resend", until=until, now=now)
        erasing = asyncio.create_task(erase(shop, customer))
        await locks.until_waiting(outsider, 1)
    await erasing
    message = await found(shop, id)
    assert (message["status"], message["to"], message["text"]) == ("sending", None, None)
    await later(shop, seconds=SENDING_SECONDS)
    assert (await found(shop, id))["reason"] == "customer_deleted"


async def test_an_action_that_is_done_by_two_at_once_writes_one_message(shop: Office):
    await sender(shop, "resend")
    tools, scope = shop.work.tools, shop.merchant.scope
    draft = replace(LETTER, execution_id="exe_1", position=0)

    async def create() -> asyncpg.Record | None:
        async with tools.db.transaction() as conn:
            return await actions.create(conn, scope, tools.sealer, draft, now=tools.clock())

    written = await asyncio.gather(*(create() for _ in range(5)))
    assert sum(one is not None for one in written) == 1
    assert len(await shop.messages()) == 1


async def test_in_a_crowd_of_everything_at_once_every_message_comes_to_an_end(shop: Office, db: Database):
    """Workers, switches, deletions, erasures and second tries, all at the same messages."""
    first, second = await sender(shop, "resend"), await sender(shop, "sendgrid")
    customers = [await shop.merchant.customer(name="Ada", email=ADA) for _ in range(3)]
    answers = cycle([FINE, Reply(9, 503, body=""), Reply(9, 422, body="{}"), FINE])

    async def answer(_: object) -> Reply:
        await asyncio.sleep(0)
        return next(answers)

    shop.outside.answer(answer)
    ids = [
        await write(shop, customer_id=customer["id"], integration_id=integration["id"])
        for _ in range(5)
        for customer in customers
        for integration in (first, second)
    ]

    async def switch() -> None:
        for enabled in (False, True, False, True):
            path = f"{INTEGRATIONS}/{second['id']}"
            ok(await shop.merchant.test.patch(path, json={"enabled": enabled}))

    async def again() -> None:
        for id in ids:
            answer = await shop.merchant.test.post(f"/v1/messages/{id}/resend")
            assert answer.status_code in (202, 409), answer.text

    async def due() -> None:
        for _ in range(10):
            await shop.work.fulfil("messages.queue_due")
            await crowd.begin()

    crowd = Crowd(shop)
    await crowd.begin()
    await asyncio.gather(
        switch(), again(), due(), delete(shop, first["id"]), erase(shop, customers[0]), crowd.begin()
    )
    await crowd.end()
    await shop.work.run()
    await shop.work.run_for(days=4)
    left = await statuses(shop)
    assert set(left) <= {"sent", "failed", "outbox", "suppressed"}
    assert sum(left.values()) == len(ids)
    assert await shop.work.queued() == []
    for message in await shop.messages(customer_id=customers[0]["id"]):
        assert message["text"] is None
    async with db.read() as conn:
        open_attempts = await conn.fetchval(
            "SELECT count(*) FROM message_attempts WHERE org_id = $1 AND outcome IS NULL",
            shop.merchant.org_id,
        )
    assert open_attempts == 0
