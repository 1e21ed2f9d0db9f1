"""The SQL of deliveries as merchants read them, each with its attempts."""

from collections.abc import Sequence

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.webhooks.schemas import DeliveryQuery

_COLUMNS = """
    d.id, d.org_id, d.mode, d.event_id, d.endpoint_id, d.status, d.attempt_count, d.next_attempt_at, d.created_at,
    d.finished_at,
    (
        SELECT e.type FROM events AS e WHERE e.org_id = d.org_id AND e.mode = d.mode AND e.id = d.event_id
    ) AS event_type,
    (
        SELECT w.url
        FROM webhook_endpoints AS w
        WHERE w.org_id = d.org_id AND w.mode = d.mode AND w.id = d.endpoint_id
    ) AS url,
    (
        SELECT coalesce(
            json_agg(
                json_build_object(
                    'number', a.number, 'started_at', a.started_at, 'latency_ms', a.latency_ms,
                    'status_code', a.status_code, 'error', a.error, 'error_message', a.error_message,
                    'response_body', a.response_body
                )
                ORDER BY a.number
            ),
            '[]'
        )
        FROM webhook_attempts AS a
        WHERE a.org_id = d.org_id AND a.mode = d.mode AND a.delivery_id = d.id
    ) AS attempts
"""


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM webhook_deliveries AS d WHERE d.org_id = $1 AND d.mode = $2 AND d.id = $3",
        scope.org_id,
        scope.mode,
        id,
    )


async def select(
    conn: Connection, scope: Scope, query: DeliveryQuery, *, after: str | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    where.add_if("d.id < {}", after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM webhook_deliveries AS d
            WHERE {where}
            ORDER BY d.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


async def select_of_event(
    conn: Connection, scope: Scope, *, event_id: str, endpoint_ids: Sequence[str]
) -> list[asyncpg.Record]:
    """The tellings of one event to some endpoints."""
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM webhook_deliveries AS d
            WHERE d.org_id = $1 AND d.mode = $2 AND d.event_id = $3 AND d.endpoint_id = ANY($4)
            ORDER BY d.id
            {page(len(endpoint_ids))}
            """,
            scope.org_id,
            scope.mode,
            event_id,
            endpoint_ids,
        )
    )


async def count(conn: Connection, scope: Scope, query: DeliveryQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(
        f"SELECT count(*) FROM webhook_deliveries AS d WHERE {where}", *where.values
    )
    return total


def _where(scope: Scope, query: DeliveryQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("d.org_id = $1 AND d.mode = $2")
    where.add_if("d.endpoint_id = {}", query.endpoint_id)
    where.add_if("d.event_id = {}", query.event_id)
    if query.status is not None:
        where.add(
            f"d.status = '{query.status}'"
        )  # one of ours; a parameter would keep a partial index out of a plan
    where.add_if("d.created_at >= {}", query.created_after)
    where.add_if("d.created_at < {}", query.created_before)
    return where
