"""The SQL of executions: what followed from which event."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.workflows.execution_schemas import ExecutionQuery

_COLUMNS = """
    x.id, x.org_id, x.mode, x.workflow_id, x.workflow_name, x.event_id, x.event_type, x.customer_id, x.status,
    x.reason, x.reason_message, x.created_at, x.finished_at
"""
_THIS = "x.org_id = $1 AND x.mode = $2 AND x.id = $3"


class NewExecution(NamedTuple):
    """A workflow's answer to an event; one that is skipped has a reason, and no actions."""

    id: str
    workflow_id: str
    workflow_name: str
    event: asyncpg.Record
    root_event_id: str
    chain: list[str]
    actions: list[dict[str, Any]]
    skipped: tuple[str, str] | None  # a code, and a sentence


async def insert(conn: Connection, scope: Scope, new: Sequence[NewExecution], *, now: datetime) -> set[str]:
    """Those that were not there yet, with their actions; their ids."""
    rows = await conn.fetch(
        """
        INSERT INTO executions
               (org_id, mode, id, workflow_id, workflow_name, event_id, event_type, customer_id, status, reason,
                reason_message, chain, created_at, finished_at, root_event_id)
        SELECT $1, $2, id, workflow_id, workflow_name, event_id, event_type, customer_id,
               CASE WHEN reason IS NULL THEN 'queued' ELSE 'skipped' END, reason, reason_message,
               string_to_array(chain, ' '), $11, CASE WHEN reason IS NOT NULL THEN $11::timestamptz END,
               root_event_id
        FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                    $12::text[], $13::text[])
          AS new (id, workflow_id, workflow_name, event_id, event_type, customer_id, reason, reason_message, chain,
                  root_event_id)
        ON CONFLICT ON CONSTRAINT executions_once DO NOTHING
        RETURNING id
        """,
        scope.org_id,
        scope.mode,
        [each.id for each in new],
        [each.workflow_id for each in new],
        [each.workflow_name for each in new],
        [each.event["id"] for each in new],
        [each.event["type"] for each in new],
        [each.event["customer_id"] for each in new],
        [each.skipped and each.skipped[0] for each in new],
        [each.skipped and each.skipped[1] for each in new],
        now,
        [" ".join(each.chain) for each in new],
        [each.root_event_id for each in new],
    )
    created = {row["id"] for row in rows}
    actions = [
        (each.id, position, action)
        for each in new
        if each.id in created
        for position, action in enumerate(each.actions)
    ]
    await conn.execute(
        """
        INSERT INTO execution_actions (org_id, mode, execution_id, position, action, status)
        SELECT $1, $2, execution_id, position, action, 'queued'
        FROM unnest($3::text[], $4::smallint[], $5::jsonb[]) AS new (execution_id, position, action)
        """,
        scope.org_id,
        scope.mode,
        [execution_id for execution_id, _, _ in actions],
        [position for _, position, _ in actions],
        [action for _, _, action in actions],
    )
    return created


async def select_causes(conn: Connection, scope: Scope, ids: Sequence[str]) -> dict[str, asyncpg.Record]:
    """Of these executions, by id: which workflows led to them, themselves last; what began it; how much followed."""
    rows = await conn.fetch(
        """
        SELECT x.id, x.chain, x.root_event_id, (
            SELECT count(*)
            FROM executions AS followed
            WHERE followed.org_id = $1 AND followed.mode = $2 AND followed.root_event_id = x.root_event_id
        ) AS followed
        FROM executions AS x
        WHERE x.org_id = $1 AND x.mode = $2 AND x.id = ANY($3)
        """,
        scope.org_id,
        scope.mode,
        ids,
    )
    return {row["id"]: row for row in rows}


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM executions AS x WHERE {_THIS}", scope.org_id, scope.mode, id
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """Locked until the transaction ends: of two workers one does its next action."""
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM executions AS x WHERE {_THIS} FOR NO KEY UPDATE",
        scope.org_id,
        scope.mode,
        id,
    )


async def find_next_action(conn: Connection, scope: Scope, *, execution_id: str) -> asyncpg.Record | None:
    """The first one that is still to be done."""
    return await conn.fetchrow(
        """
        SELECT position, action
        FROM execution_actions
        WHERE org_id = $1 AND mode = $2 AND execution_id = $3 AND status = 'queued'
        ORDER BY position
        LIMIT 1
        """,
        scope.org_id,
        scope.mode,
        execution_id,
    )


async def conclude_action(
    conn: Connection,
    scope: Scope,
    *,
    execution_id: str,
    position: int,
    outcome: Mapping[str, Any],
    now: datetime,
) -> None:
    """Writes what became of an action, and with the last one what became of the execution."""
    await conn.execute(
        """
        UPDATE execution_actions
        SET status = $5, reason = $6, reason_message = $7, message_id = $8, finished_at = $9
        WHERE org_id = $1 AND mode = $2 AND execution_id = $3 AND position = $4
        """,
        scope.org_id,
        scope.mode,
        execution_id,
        position,
        outcome["status"],
        outcome["reason"],
        outcome["reason_message"],
        outcome["message_id"],
        now,
    )
    await conn.execute(
        """
        UPDATE executions AS x
        SET finished_at = $4,
            status = CASE WHEN EXISTS (
                SELECT FROM execution_actions AS a
                WHERE a.org_id = $1 AND a.mode = $2 AND a.execution_id = $3 AND a.status = 'failed'
            ) THEN 'failed' ELSE 'done' END
        WHERE x.org_id = $1 AND x.mode = $2 AND x.id = $3 AND NOT EXISTS (
            SELECT FROM execution_actions AS a
            WHERE a.org_id = $1 AND a.mode = $2 AND a.execution_id = $3 AND a.status = 'queued'
        )
        """,
        scope.org_id,
        scope.mode,
        execution_id,
        now,
    )


async def select_actions(conn: Connection, scope: Scope, *, execution_id: str) -> list[asyncpg.Record]:
    """All of them, in order."""
    return list(
        await conn.fetch(
            """
            SELECT position, action, status, reason, reason_message, message_id, finished_at
            FROM execution_actions
            WHERE org_id = $1 AND mode = $2 AND execution_id = $3
            ORDER BY position
            LIMIT 100
            """,
            scope.org_id,
            scope.mode,
            execution_id,
        )
    )


async def select(
    conn: Connection, scope: Scope, query: ExecutionQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    if after is not None:
        where.add("(x.created_at, x.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM executions AS x
            WHERE {where}
            ORDER BY x.created_at DESC, x.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


async def count(conn: Connection, scope: Scope, query: ExecutionQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM executions AS x WHERE {where}", *where.values)
    return total


def _where(scope: Scope, query: ExecutionQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("x.org_id = $1 AND x.mode = $2")
    where.add_if("x.workflow_id = {}", query.workflow_id)
    where.add_if("x.status = {}", query.status)
    where.add_if("x.event_id = {}", query.event_id)
    where.add_if("x.customer_id = {}", query.customer_id)
    where.add_if("x.created_at >= {}", query.created_after)
    where.add_if("x.created_at < {}", query.created_before)
    return where
