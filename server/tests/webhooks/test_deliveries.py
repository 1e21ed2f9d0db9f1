"""The telling of one event to one endpoint, and what is kept of it: `/v1/webhooks/outbound`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from reevit_server.app import create_app
from reevit_server.core import egress
from reevit_server.core.database import Database
from reevit_server.core.egress import Reply
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, Merchant, created, ok, refused
from tests.webhooks.clockwork import BROKEN, FINE, REFUSED, Clock, Clockwork, Outside
from tests.webhooks.wire import HOOKS, deliveries, delivery, do, endpoint

ADA = {"external_id": "usr/ä 1", "email": "ada@example.com", "name": "Ada", "phone": "+233501234567"}
PATH = "/v1/webhooks/outbound"


async def test_telling_of_an_event_twice_makes_one_delivery(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    """A worker died after it had told of the event, before it took out the job; or two took it at once."""
    for _ in range(2):
        await endpoint(merchant)
    await merchant.customer(**ADA)
    (job,) = await clockwork.queued()
    await asyncio.gather(*(clockwork.do(job) for _ in range(4)))
    await clockwork.do(job)
    await clockwork.run()
    assert len(await deliveries(merchant)) == 2
    assert len(outside.take()) == 2


async def test_sending_what_was_delivered_already_sends_nothing(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant)
    await merchant.customer(**ADA)
    fan_out = (await clockwork.queued())[0]
    await clockwork.do(fan_out)
    await clockwork.take_out(fan_out)
    (deliver,) = await clockwork.queued()
    await clockwork.run()
    assert len(outside.take()) == 1
    for _ in range(3):
        await clockwork.do(deliver)
    assert outside.take() == []
    assert (await delivery(merchant))["attempt_count"] == 1


async def test_every_attempt_is_kept_with_what_came_of_it(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    await endpoint(merchant)
    outside.answer(REFUSED, Reply(250, 503, body="<h1>Down</h1>"), Reply(31, 200, body="Zoë \ufffd"))
    await merchant.customer(**ADA)
    begun = clock()
    await clockwork.run()
    first = await delivery(merchant)
    assert (first["status"], first["attempt_count"], first["finished_at"]) == ("scheduled", 1, None)
    await clockwork.run_for(hours=1)
    told = ok(await merchant.test.get(f"{PATH}/{first['id']}"))
    attempts = told.pop("attempts")
    starts = [attempt.pop("started_at") for attempt in attempts]
    assert starts[0] == begun.isoformat().replace("+00:00", "Z")
    assert starts == sorted(starts)
    assert attempts == [
        {
            "number": 1,
            "latency_ms": 1,
            "status_code": None,
            "error": "connection_failed",
            "error_message": "No connection: Connection refused.",
            "response_body": None,
        },
        {
            "number": 2,
            "latency_ms": 250,
            "status_code": 503,
            "error": "http_status",
            "error_message": "The receiver answered 503, not 2xx.",
            "response_body": "<h1>Down</h1>",
        },
        {
            "number": 3,
            "latency_ms": 31,
            "status_code": 200,
            "error": None,
            "error_message": None,
            "response_body": "Zoë \ufffd",
        },
    ]
    assert told == {
        **{name: first[name] for name in ("id", "org_id", "mode", "event_id", "endpoint_id", "created_at")},
        "event_type": "customer.created",
        "url": HOOKS,
        "status": "delivered",
        "attempt_count": 3,
        "next_attempt_at": None,
        "finished_at": starts[2],
    }


@pytest.fixture
async def answering() -> AsyncIterator[Callable[[bytes], Awaitable[str]]]:
    """Starts receivers on loopback that answer 200 with these bytes; gives their addresses."""
    servers = []

    async def start(body: bytes) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b"", ""),
        (b"thank\0you\0", "thank\ufffdyou\ufffd"),
        (b"\0" * 2000, "\ufffd" * 1024),
        (b"x" * 100_000, "x" * 1024),
        (b"\xff\xfe" + "Zoë".encode(), "\ufffd\ufffdZoë"),
        (b"x" * 1023 + "ë".encode(), "x" * 1023 + "\ufffd"),
        ("😀".encode() * 1000, "😀" * 256),
    ],
)
async def test_of_an_answer_the_first_kilobyte_is_kept_as_text(
    dsn: str, merchant: Merchant, clockwork: Clockwork, clock: Clock, answering, said: bytes, kept: str
):
    settings = Settings(master_key=MASTER_KEY, rate_limit=0, allow_private_webhooks=True)
    async with (
        Api(create_app(settings, dsn, now=clock)) as local,
        egress.opened(private=True) as post,
        local.client(merchant.test_key) as client,
    ):
        created(await client.post("/v1/webhooks/endpoints", json={"url": await answering(said)}))
        clockwork.tools = clockwork.tools._replace(post=post)
        await merchant.customer(**ADA)
        await clockwork.run()
    told = await delivery(merchant)
    (attempt,) = told["attempts"]
    assert (told["status"], attempt["status_code"], attempt["error"]) == ("delivered", 200, None)
    assert attempt["response_body"] == kept
    assert attempt["latency_ms"] >= 0


async def test_the_list_can_be_cut_to_what_is_looked_for(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    first, second = await endpoint(merchant), await endpoint(merchant, url="https://other.example/")
    outside.answer(BROKEN, url=HOOKS)
    await merchant.customer(name="Ada")
    await clockwork.run()
    clock.advance(hours=1)
    await merchant.customer(name="Zoe")
    later = clock().isoformat()
    await clockwork.run()
    everything = await deliveries(merchant)
    assert len(everything) == 4
    assert everything == sorted(everything, key=lambda told: told["id"], reverse=True)
    newest, oldest = everything[0]["event_id"], everything[-1]["event_id"]
    for query in (
        {"endpoint_id": first["id"]},
        {"endpoint_id": "whk_unknown"},
        {"event_id": newest},
        {"status": "scheduled"},
        {"status": "delivered"},
        {"status": "exhausted"},
        {"status": "delivered", "event_id": oldest, "endpoint_id": second["id"]},
    ):
        expected = [told for told in everything if query.items() <= told.items()]
        assert await deliveries(merchant, **query) == expected, query
        counted = ok(await merchant.test.get(PATH, params={**query, "include_total": True, "limit": 1}))
        assert (counted["total"], counted["outbound"]) == (len(expected), expected[:1])
    assert await deliveries(merchant, created_after=later) == everything[:2]
    assert await deliveries(merchant, created_before=later) == everything[2:]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "sent"},
        {"status": ""},
        {"type": "payment.*"},
        {"created_after": "yesterday"},
        {"limit": 101},
    ],
)
async def test_a_query_that_is_not_understood_is_refused(merchant: Merchant, query: dict):
    refused(await merchant.test.get(PATH, params=query), 400, "validation_error")


async def test_pages_neither_skip_nor_repeat_while_more_is_told(merchant: Merchant, clockwork: Clockwork):
    for _ in range(2):
        await endpoint(merchant)
    for number in range(5):
        await merchant.customer(name=f"Ada {number}")
    await clockwork.run()
    expected = [told["id"] for told in await deliveries(merchant)]
    found, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = ok(await merchant.test.get(PATH, params=query))
        found += [told["id"] for told in page["outbound"]]
        if (cursor := page["next_cursor"]) is None:
            break
        await merchant.customer(name="Late")
        await clockwork.run()
    assert len(expected) == 10
    assert found == expected


async def test_an_unknown_delivery_is_not_found(merchant: Merchant, clockwork: Clockwork):
    await endpoint(merchant)
    await merchant.customer(**ADA)
    await clockwork.run()
    told = await delivery(merchant)
    for client, id in ((merchant.test, "dlv_01jd8w3v5qe2rvkz6n0c4m8x7a"), (merchant.live, told["id"])):
        refused(await client.get(f"{PATH}/{id}"), 404, "webhook_delivery_not_found")
    assert ok(await merchant.live.get(PATH))["outbound"] == []


async def test_a_delivery_whose_event_was_purged_is_gone_and_its_job_does_nothing(
    db: Database, merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "pause"))
    await merchant.customer(**ADA)
    await clockwork.run()
    ok(await do(merchant, made, "resume"))
    (deliver,) = await clockwork.queued()
    async with db.transaction() as conn:
        await conn.execute("DELETE FROM events WHERE org_id = $1", merchant.org_id)
    await clockwork.do(deliver)
    assert await deliveries(merchant) == []
    assert outside.take() == []
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert [sent.json["data"]["name"] for sent in outside.take()] == ["Zoe"]


async def test_an_event_that_is_purged_while_it_is_sent_leaves_nothing(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    await endpoint(merchant)
    await merchant.customer(**ADA)

    async def purge(_: object) -> Reply:
        async with db.transaction() as conn:
            await conn.execute("DELETE FROM events WHERE org_id = $1", merchant.org_id)
        return BROKEN

    outside.answer(purge, FINE)
    await clockwork.run_for(days=1)
    assert await deliveries(merchant) == []
    assert len(outside.take()) == 1


async def test_an_endpoint_that_is_deleted_while_it_is_told_is_told_no_more(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    await merchant.customer(**ADA)

    async def delete(_: object) -> Reply:
        answer = await merchant.test.delete(f"/v1/webhooks/endpoints/{made['id']}")
        assert answer.status_code == 204
        return BROKEN

    outside.answer(delete, FINE)
    await clockwork.run_for(days=1)
    told = await delivery(merchant)
    assert (told["status"], told["attempts"][0]["status_code"]) == ("disabled", 500)
    assert len(outside.take()) == 1


async def test_a_new_address_is_told_what_the_old_one_did_not_take(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(BROKEN, url=HOOKS)
    await merchant.customer(**ADA)
    await clockwork.run()
    new = {"url": "https://new.example/hooks", "events": ["payment.*"]}
    ok(await merchant.test.patch(f"/v1/webhooks/endpoints/{made['id']}", json=new))
    await clockwork.run_until(clock() + timedelta(minutes=1))
    assert [sent.url for sent in outside.take()] == [HOOKS, "https://new.example/hooks"]
    assert (await delivery(merchant))["status"] == "delivered"
