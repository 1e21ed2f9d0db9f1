"""However many events were answered, a page of executions is read from indexes; and who has no rules pays nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from reevit_server import events, organizations, workflows
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection, Database
from reevit_server.core.jobs import Tools
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.workflows import executions, rules_store
from reevit_server.workflows.execution_schemas import ExecutionQuery
from tests.analytics.test_plans import check, explained
from tests.makers import MASTER_KEY
from tests.webhooks.clockwork import Outside

_EXECUTIONS, _RULES = 5_000, 100
_LIMIT = 20
_WORLD = (
    """
    INSERT INTO customers (org_id, mode, id, external_id, created_at, updated_at)
    SELECT $1, 'test', 'cus_' || n, 'usr_' || n, now(), now()
    FROM generate_series(1, 100) AS n
    """,
    f"""
    INSERT INTO events (org_id, mode, id, type, subject_id, customer_id, data, created_at)
    SELECT $1, 'test', 'evt_' || lpad(n::text, 5, '0'),
           CASE WHEN n <= 20 THEN 'invoice.failed' ELSE 'payment.succeeded' END, 'pay_' || n, 'cus_' || 1 + n % 100,
           '{{}}', now()
    FROM generate_series(1, {_EXECUTIONS}) AS n
    """,
    f"""
    INSERT INTO executions (org_id, mode, id, workflow_id, workflow_name, event_id, event_type, customer_id, status,
                            reason, chain, created_at, finished_at, root_event_id)
    SELECT $1, 'test', 'exe_' || lpad(n::text, 5, '0'), 'wfr_' || CASE WHEN n <= 20 THEN 0 ELSE 1 + n % 2 END, 'Rule',
           'evt_' || lpad(n::text, 5, '0'), 'payment.succeeded', 'cus_' || 1 + n % 100,
           CASE WHEN n <= 5 THEN 'skipped' WHEN n <= 10 THEN 'failed' ELSE 'done' END,
           CASE WHEN n <= 5 THEN 'loop' END, '{{}}', now() - ({_EXECUTIONS} - n) * interval '1 hour', now(),
           'evt_' || lpad(n::text, 5, '0')
    FROM generate_series(1, {_EXECUTIONS}) AS n
    """,
    """
    INSERT INTO execution_actions (org_id, mode, execution_id, position, action, status, finished_at)
    SELECT org_id, mode, id, 0, '{}', 'done', now()
    FROM executions
    WHERE org_id = $1
    """,
    f"""
    INSERT INTO rules (org_id, mode, id, name, enabled, trigger, conditions, actions, priority, created_at,
                       updated_at)
    SELECT $1, 'test', 'wfr_' || n, 'Rule', true,
           CASE WHEN n <= 3 THEN 'payment.succeeded' ELSE 'customer.updated' END, '{{}}', '[{{}}]', 0, now(), now()
    FROM generate_series(1, {_RULES}) AS n
    """,
)


@pytest.fixture(scope="module")
async def world(dsn_of_file: str) -> AsyncIterator[tuple[Connection, list[Scope]]]:
    """Two organizations with a long past, in tables whose statistics PostgreSQL knows, and a new one."""
    scopes = []
    async with await Database.open(dsn_of_file, connections_max=1) as db:
        async with db.transaction() as conn:
            for name in ("Shop", "Stand", "New"):
                org = await organizations.create(conn, name=name, currency="GHS", now=utc_now())
                scopes.append(Scope(org["id"], "test"))
                for statement in _WORLD if name != "New" else ():
                    await conn.execute(statement, org["id"])
            await conn.execute("ANALYZE")
        async with db.read() as conn:
            yield conn, scopes


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({}, _LIMIT + 1),
        ({"workflow_id": "wfr_1"}, _LIMIT + 1),
        ({"workflow_id": "wfr_0"}, 20),
        ({"status": "done"}, _LIMIT + 1),
        ({"status": "failed"}, 5),
        ({"status": "queued"}, 0),
        ({"event_id": "evt_00100"}, 1),
        ({"customer_id": "cus_1"}, _LIMIT + 1),
    ],
    ids=str,
)
async def test_a_page_of_executions_reads_what_is_on_it(
    world: tuple[Connection, list[Scope]], query: dict[str, Any], rows: int
):
    conn, (scope, *_) = world
    asked = ExecutionQuery(limit=_LIMIT, **query)
    for _ in range(6):  # from then on there may be one plan for all values
        page = await executions.select(conn, scope, asked, after=None)
        assert len(page) == rows
    afters = [None, *((row["created_at"], row["id"]) for row in page[_LIMIT:])]
    for after in afters:
        plans = await explained(conn, lambda after=after: executions.select(conn, scope, asked, after=after))
        check(plans, statements=1, rows_max=_LIMIT + 1)


async def test_a_worker_finds_the_rules_of_an_event_and_what_is_to_be_done_without_looking_around(
    world: tuple[Connection, list[Scope]],
):
    conn, (scope, *_) = world
    for read, rows_max in (
        (lambda: rules_store.select_for(conn, scope, ["payment.succeeded"], limit=_RULES), 6),
        (lambda: rules_store.find_notices(conn, scope), 0),
        (lambda: executions.select_causes(conn, scope, ["exe_00001", "exe_05000"]), 4),
        (lambda: executions.find_for_update(conn, scope, id="exe_00100"), 1),
        (lambda: executions.find_next_action(conn, scope, execution_id="exe_00100"), 1),
        (lambda: executions.select_actions(conn, scope, execution_id="exe_00100"), 1),
        (lambda: events.select_latest(conn, scope, type="invoice.failed", limit=200), 20),
    ):
        check(await explained(conn, read), statements=1, rows_max=rows_max)


class _ReadOnly:
    """A way to the database on one connection, and to no transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        yield self._conn


async def test_an_event_that_no_rule_waits_for_costs_two_small_reads_and_no_transaction(
    world: tuple[Connection, list[Scope]],
):
    conn, (shop, _, new) = world
    told = await events.select(conn, shop, ["evt_00001", "evt_00002"])
    assert [event["type"] for event in told] == ["invoice.failed"] * 2
    tools = Tools(cast(Database, _ReadOnly(conn)), utc_now, Sealer(MASTER_KEY), Outside())
    for scope in (new, shop):
        plans = await explained(conn, lambda scope=scope: workflows.on_event(tools, scope, told))
        check(plans, statements=2, rows_max=1)
