"""`GET /v1/messages`: what was written, the newest first, cut to what is looked for, and for how long it is kept."""

from datetime import timedelta
from typing import Any

import pytest

from reevit_server import messages
from reevit_server.core.database import Database
from reevit_server.core.egress import Reply
from tests.makers import ok, refused
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.writing import ADA, PHONE, found, later, sender, sent, statuses, write

PATH = "/v1/messages"
KEPT_DAYS = 30


async def listed(shop: Office, **query: Any) -> list[dict[str, Any]]:
    page: list[dict[str, Any]] = ok(await shop.merchant.test.get(PATH, params=query))["messages"]
    return page


async def purge(db: Database, shop: Office, *, limit: int = 1000) -> list[int]:
    """By the worker's clock, of all organizations, until nothing is left; how many in each batch."""
    batches = []
    while not batches or batches[-1] == limit:
        async with db.transaction() as conn:
            done = await messages.purge(conn, kept_days=KEPT_DAYS, now=shop.work.clock(), limit=limit)
        batches.append(done)
    return batches


async def test_a_message_says_all_of_itself_and_of_its_attempts(shop: Office):
    made = await sender(shop, "resend")
    customer = await shop.merchant.customer(email=ADA)
    shop.outside.answer(Reply(42, 503, body='{"message":"Down"}'), Reply(7, 200, body='{"id":"re_9"}'))
    begun = shop.work.clock()
    message = await sent(shop, customer_id=customer["id"], html="<p>On its way.</p>")
    await shop.work.run_for(minutes=1)
    message = await found(shop, message["id"])
    first, second = message.pop("attempts")
    assert message == {
        "id": message["id"],
        "org_id": shop.merchant.org_id,
        "mode": "test",
        "channel": "email",
        "purpose": "transactional",
        "status": "sent",
        "reason": None,
        "reason_message": None,
        "to": ADA,
        "subject": "Your order",
        "text": "It is on its way.\n",
        "html": "<p>On its way.</p>",
        "integration_id": made["id"],
        "customer_id": customer["id"],
        "event_id": None,
        "execution_id": None,
        "receipt_of": None,
        "attempt_count": 2,
        "next_attempt_at": None,
        "provider_ref": "re_9",
        "created_at": begun.isoformat().replace("+00:00", "Z"),
        "sent_at": second["ended_at"],
    }
    assert first == {
        "number": 1,
        "integration_id": made["id"],
        "provider": "resend",
        "outcome": "later",
        "code": "http_503",
        "message": "Down",
        "latency_ms": 42,
        "started_at": message["created_at"],
        "ended_at": message["created_at"],
    }
    assert (second["number"], second["outcome"], second["code"], second["latency_ms"]) == (2, "sent", None, 7)
    (short,) = await listed(shop)
    assert short == {name: value for name, value in message.items() if name not in ("text", "html")}


async def test_the_list_can_be_cut_to_what_is_looked_for(shop: Office):
    await sender(shop, "resend")
    customer = await shop.merchant.customer(external_id="usr/ä 1", email=ADA)
    await sent(shop, customer_id=customer["id"])
    await sent(shop, channel="sms", recipient=PHONE, execution_id="exe_1", position=0)
    shop.work.clock.advance(hours=1)
    bound = shop.work.clock().isoformat()
    shop.outside.answer(Reply(9, 422, body="{}"))
    await sent(shop)
    everything = await listed(shop, limit=100)
    assert [message["status"] for message in everything] == ["failed", "outbox", "sent"]
    for query, expected in (
        ({"channel": "email"}, [0, 2]),
        ({"channel": "sms"}, [1]),
        ({"channel": "webhook"}, []),
        ({"status": "outbox"}, [1]),
        ({"status": "failed", "channel": "sms"}, []),
        ({"customer_id": customer["id"]}, [2]),
        ({"external_customer_id": "usr/ä 1"}, [2]),
        ({"customer_id": "cus_nobody"}, []),
        ({"external_customer_id": "nobody"}, []),
        ({"execution_id": "exe_1"}, [1]),
        ({"created_after": bound}, [0]),
        ({"created_before": bound}, [1, 2]),
    ):
        assert await listed(shop, **query) == [everything[place] for place in expected], query
        counted = ok(await shop.merchant.test.get(PATH, params={**query, "include_total": True, "limit": 1}))
        assert counted["total"] == len(expected)


@pytest.mark.parametrize(
    "query",
    [{"status": "lost"}, {"channel": "fax"}, {"created_after": "yesterday"}, {"limit": 101}, {"to": ADA}],
)
async def test_a_query_that_is_not_understood_is_refused(shop: Office, query: dict[str, Any]):
    refused(await shop.merchant.test.get(PATH, params=query), 400, "validation_error")


async def test_pages_neither_skip_nor_repeat_while_more_is_written(shop: Office):
    ids = [await write(shop) for _ in range(10)]
    seen, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = ok(await shop.merchant.test.get(PATH, params=query))
        seen += [message["id"] for message in page["messages"]]
        if (cursor := page["next_cursor"]) is None:
            break
        shop.work.clock.advance(seconds=1)
        await write(shop)
    assert seen == ids[::-1]


async def test_others_see_nothing_of_it(shop: Office, other):
    message = await sent(shop)
    for client in (other.test, shop.merchant.live):
        refused(await client.get(f"{PATH}/{message['id']}"), 404, "message_not_found")
        assert ok(await client.get(PATH))["messages"] == []


async def test_what_is_old_is_deleted_whether_it_was_dealt_with_or_still_waits(shop: Office, db: Database):
    await sender(shop, "resend")
    off = await sender(shop, "sendgrid", enabled=False)
    await write(shop, integration_id=off["id"])
    done = [await sent(shop), await sent(shop, channel="sms")]
    shop.outside.answer(Reply(9, 422, body="{}"))
    done.append(await sent(shop))
    assert await statuses(shop) == {"scheduled": 1, "sent": 1, "outbox": 1, "failed": 1}
    shop.work.clock.advance(days=KEPT_DAYS)
    young = await sent(shop)
    await purge(db, shop)
    assert len(await shop.messages()) == 5, "not before its time"
    shop.work.clock.advance(seconds=1)
    await purge(db, shop)
    assert [message["id"] for message in await shop.messages()] == [young["id"]]
    async with db.read() as conn:
        left = await conn.fetch(
            "SELECT message_id FROM message_attempts WHERE org_id = $1", shop.merchant.org_id
        )
    assert {row["message_id"] for row in left} == {young["id"]}


async def test_what_waited_for_days_for_its_integration_is_not_sent_out_of_the_blue(shop: Office):
    off = await sender(shop, "sendgrid", enabled=False)
    old = await write(shop, integration_id=off["id"])
    young = await write(shop, integration_id=off["id"])
    async with shop.work.tools.db.transaction() as conn:
        await conn.execute(
            "UPDATE messages SET created_at = created_at - interval '73 hours' WHERE id = $1", old
        )
    ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{off['id']}", json={"enabled": True}))
    shop.outside.answer(Reply(9, 202, body=""))
    await later(shop, minutes=1)
    assert (await found(shop, old))["reason"] == "waited_too_long"
    assert (await found(shop, young))["status"] == "sent"


async def test_it_is_deleted_in_batches(empty_dsn: str, shop: Office):
    """In a database of its own: the clock's duties are for all organizations."""
    async with await Database.open(empty_dsn, connections_max=2) as db:
        async with db.transaction() as conn:
            await conn.execute(
                """
                INSERT INTO organizations (id, name, currency, created_at) VALUES ('org_1', 'Shop', 'GHS', now())
                """
            )
            await conn.execute(
                """
                INSERT INTO messages (org_id, mode, id, channel, purpose, status, reason, text, created_at,
                                      finished_at)
                SELECT 'org_1', 'test', 'msg_' || n, 'sms', 'transactional', 'outbox', 'no_integration', 'Hi.', at, at
                FROM generate_series(1, 25) AS n,
                     LATERAL (SELECT $1::timestamptz - n * interval '1 day' AS at) AS dated
                """,
                shop.work.clock() - timedelta(days=KEPT_DAYS - 5),
            )
        assert await purge(db, shop, limit=9) == [9, 9, 2]
        assert await purge(db, shop) == [0]
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM messages") == 5
