"""However much was written, a page of it is read from indexes; and who looks for what is due does not count it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from reevit_server import organizations
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from reevit_server.messages import actions, integrations, models, store, suppressions
from reevit_server.messages.schemas import MessageQuery
from tests.analytics.test_plans import check, explained

_MESSAGES, _SUPPRESSIONS, _INTEGRATIONS = 10_000, 3_000, 40
_LIMIT = 20
# Integration 1 is full and has most of what waits; 2 is off; 3 has one message to send and a place for it.
_WORLD = (
    """
    INSERT INTO customers (org_id, mode, id, external_id, created_at, updated_at)
    SELECT $1, 'test', 'cus_' || n, 'usr_' || n, now(), now()
    FROM generate_series(1, 100) AS n
    """,
    f"""
    INSERT INTO integrations (org_id, mode, id, name, channel, provider, credentials, enabled, created_at, updated_at)
    SELECT $1, 'test', 'itg_' || n, 'No. ' || n, 'sms', 'twilio', '\\x01', n <> 2, now(), now()
    FROM generate_series(1, {_INTEGRATIONS}) AS n
    """,
    f"""
    INSERT INTO messages (org_id, mode, id, channel, purpose, status, reason, integration_id, customer_id,
                          execution_id, position, recipient, text, attempt_count, next_attempt_at, created_at,
                          finished_at)
    SELECT $1, 'test', 'msg_' || lpad(n::text, 5, '0'), 'sms', 'transactional', status,
           CASE WHEN status = 'failed' THEN '550' END,
           CASE WHEN n = 777 THEN 'itg_3' WHEN n % 10 = 0 THEN 'itg_2' ELSE 'itg_1' END, 'cus_' || 1 + n % 100,
           'exe_' || n / 2, n % 2, '+233501234567', repeat('x', 300), 1,
           CASE WHEN status = 'scheduled' THEN at END, at, CASE WHEN status IN ('sent', 'failed') THEN at END
    FROM generate_series(1, {_MESSAGES}) AS n,
         LATERAL (
             SELECT now() - n * interval '1 minute' AS at,
                    CASE WHEN n <= {models.AT_ONCE_MAX + 1} AND n % 10 <> 0 THEN 'queued'
                         WHEN n % 500 = 0 THEN 'failed' WHEN n % 2 = 1 THEN 'scheduled' ELSE 'sent'
                    END AS status
         ) AS its
    """,
    """
    INSERT INTO message_attempts (org_id, mode, message_id, number, integration_id, provider, started_at, ended_at,
                                  outcome, message)
    SELECT org_id, mode, id, 1, integration_id, 'twilio', created_at, created_at, 'later', 'Down.'
    FROM messages
    WHERE org_id = $1
    """,
    f"""
    INSERT INTO suppressions (org_id, mode, id, channel, fingerprint, hint, covers, reason, created_at)
    SELECT $1, 'test', 'sup_' || n, 'email', sha256(n::text::bytea), 'a***@example.com', 'everything', 'manual',
           now() - n * interval '1 minute'
    FROM generate_series(1, {_SUPPRESSIONS}) AS n
    """,
    "ANALYZE",
)


@pytest.fixture
async def world(empty_dsn: str) -> AsyncIterator[tuple[Database, Scope]]:
    """A merchant who has written much, in tables whose statistics PostgreSQL knows."""
    async with await Database.open(empty_dsn, connections_max=1) as db, db.transaction() as conn:
        org = await organizations.create(conn, name="Shop", currency="GHS", now=utc_now())
        for statement in _WORLD:
            await conn.execute(statement, *([org["id"]] if "$1" in statement else []))
    async with await Database.open(empty_dsn, connections_max=1) as db:
        yield db, Scope(org["id"], "test")


async def test_a_page_of_messages_reads_what_is_on_it(world: tuple[Database, Scope]):
    db, scope = world
    queries: list[dict[str, Any]] = [
        {},
        {"customer_id": "cus_7"},
        {"external_customer_id": "usr_7"},
        {"execution_id": "exe_777"},
        {"status": "failed"},
        {"status": "outbox"},
        {"status": "scheduled"},
        {"created_before": utc_now() - timedelta(days=3)},
    ]
    halfway = (utc_now() - timedelta(minutes=_MESSAGES // 2), "msg_x")
    async with db.read() as conn:
        for fields in queries:
            for after in (None, halfway):
                query = MessageQuery(limit=_LIMIT, **fields)
                plans = await explained(
                    conn, lambda query=query, after=after: store.select(conn, scope, query, after=after)
                )
                check(plans, statements=1, rows_max=_LIMIT + 2)


async def test_who_looks_for_what_is_due_asks_each_integration_for_one(world: tuple[Database, Scope]):
    db, scope = world
    now = utc_now()
    async with db.transaction() as conn:
        (found,) = await integrations.take_with_due(conn, at_once_max=models.AT_ONCE_MAX, now=now, limit=100)
        assert found["id"] == "itg_3", "the others are full, off, or have nothing to send"
        plans = await explained(
            conn,
            lambda: integrations.take_with_due(conn, at_once_max=models.AT_ONCE_MAX, now=now, limit=100),
        )
        # Each integration, what it has under way, and one message that waits.
        check(plans, statements=1, rows_max=2 * _INTEGRATIONS + models.AT_ONCE_MAX + 1)
        plans = await explained(conn, lambda: store.take_due(conn, scope, integration_id="itg_1", now=now))
        check(plans, statements=1, rows_max=40)


async def test_what_is_asked_at_every_message_reads_one_row(world: tuple[Database, Scope]):
    db, scope = world
    async with db.read() as conn:
        for deed in (
            lambda: integrations.find_of_channel(conn, scope, channel="sms", keep=True),
            lambda: suppressions.select_of_address(conn, scope, channel="email", fingerprint=bytes(32)),
            lambda: suppressions.select(
                conn,
                scope,
                channel=None,
                fingerprints=[bytes(32), b"x" * 32],
                after=None,
                limit=_LIMIT + 1,
                offset=0,
            ),
            lambda: store.find(conn, scope, id="msg_00777"),
            lambda: store.select_attempts(conn, scope, message_id="msg_00777"),
        ):
            check(await explained(conn, deed), statements=1, rows_max=2)


async def test_to_forget_a_customer_or_what_is_old_reads_only_that(world: tuple[Database, Scope]):
    db, scope = world
    now = utc_now()
    async with db.transaction() as conn:
        plans = await explained(conn, lambda: actions.erase(conn, scope, customer_id="cus_9", now=now))
        # A hundred, locked, then changed, then each with its attempt.
        check(plans, statements=3, rows_max=3 * _MESSAGES // 100)
        before = now - timedelta(minutes=_MESSAGES // 2)
        plans = await explained(conn, lambda: store.purge(conn, before=before, limit=50))
        check(plans, statements=1, rows_max=3 * 50)
