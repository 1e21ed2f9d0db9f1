"""The migrated queue is what PgQueuer wants: a new version of it that needs a migration fails here."""

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries

from reevit_server.core.queue import NAMES


async def test_the_migrated_schema_is_pgqueuers_but_for_its_trigger(empty_dsn: str):
    conn = await asyncpg.connect(empty_dsn)
    plan = await _queries(conn).plan_upgrade()
    await conn.close()
    assert plan.notes == ()
    # The bell rings instead: core/bell.py says why.
    function, trigger = plan.statements
    assert function.startswith("CREATE FUNCTION fn_pgqueuer_changed()")
    assert trigger.startswith("CREATE TRIGGER tg_pgqueuer_changed")


async def test_pgqueuers_planner_sees_what_is_missing(empty_dsn: str):
    """Or the test above would prove nothing."""
    conn = await asyncpg.connect(empty_dsn)
    await conn.execute("ALTER TABLE pgqueuer DROP COLUMN headers")
    await conn.execute("DROP INDEX pgqueuer_ep_ea_idx")
    plan = await _queries(conn).plan_upgrade()
    await conn.close()
    assert any("ADD COLUMN headers" in statement for statement in plan.statements)
    assert any("pgqueuer_ep_ea_idx" in statement for statement in plan.statements)


def _queries(conn: asyncpg.Connection) -> Queries:
    return Queries(
        AsyncpgDriver(conn),
        qbe=QueryBuilderEnvironment(NAMES),
        qbq=QueryQueueBuilder(NAMES),
        qbs=QuerySchedulerBuilder(NAMES),
    )
