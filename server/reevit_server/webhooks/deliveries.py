"""The SQL of deliveries on their way, and of the attempts at them. How they are read is in `outbound.py`."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.egress import Reply
from reevit_server.core.scope import Scope
from reevit_server.core.where import page


async def insert(
    conn: Connection,
    scope: Scope,
    *,
    ids: Sequence[str],
    event_ids: Sequence[str],
    endpoint_ids: Sequence[str],
    statuses: Sequence[str],
    now: datetime,
) -> list[asyncpg.Record]:
    """New deliveries; of an event that an endpoint is told of already there is none."""
    return list(
        await conn.fetch(
            """
            INSERT INTO webhook_deliveries (org_id, mode, id, event_id, endpoint_id, status, created_at)
            SELECT $1, $2, id, event_id, endpoint_id, status, $7
            FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS new (id, event_id, endpoint_id, status)
            ON CONFLICT ON CONSTRAINT webhook_deliveries_one_per_event DO NOTHING
            RETURNING id, event_id, status
            """,
            scope.org_id,
            scope.mode,
            ids,
            event_ids,
            endpoint_ids,
            statuses,
            now,
        )
    )


async def insert_again(
    conn: Connection,
    scope: Scope,
    *,
    ids: Sequence[str],
    event_ids: Sequence[str],
    endpoint_id: str,
    undelivered_only: bool,
    now: datetime,
) -> list[str]:
    """Has an endpoint told of events, as if they had just happened; those on their way now are left alone.

    They wait for a place, so that the caller gives out as many as there are. The event ids that it concerned.
    """
    rows = await conn.fetch(
        """
        INSERT INTO webhook_deliveries AS d (org_id, mode, id, event_id, endpoint_id, status, created_at)
        SELECT $1, $2, id, event_id, $5, 'waiting', $7
        FROM unnest($3::text[], $4::text[]) AS new (id, event_id)
        ON CONFLICT ON CONSTRAINT webhook_deliveries_one_per_event DO UPDATE
        SET status = 'waiting', failure_count = 0, next_attempt_at = NULL, finished_at = NULL
        WHERE d.status IN ('scheduled', 'exhausted', 'disabled') OR (d.status = 'delivered' AND NOT $6)
        RETURNING event_id
        """,
        scope.org_id,
        scope.mode,
        ids,
        event_ids,
        endpoint_id,
        undelivered_only,
        now,
    )
    return [row["event_id"] for row in rows]


async def find_endpoint_id(conn: Connection, scope: Scope, *, id: str) -> str | None:
    endpoint_id: str | None = await conn.fetchval(
        "SELECT endpoint_id FROM webhook_deliveries WHERE org_id = $1 AND mode = $2 AND id = $3",
        scope.org_id,
        scope.mode,
        id,
    )
    return endpoint_id


async def find_with_event(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """How a delivery stands, and the event it tells of, its data as the text of JSON.

    `forgotten` is whether its customer was erased.
    """
    return await conn.fetchrow(
        """
        SELECT d.id, d.status, d.attempt_count, d.failure_count, d.sending_until, d.endpoint_id,
               e.id AS event_id, e.org_id, e.mode, e.type, e.created_at AS event_created_at, e.data::text AS data,
               EXISTS (
                   SELECT 1
                   FROM customers AS c
                   WHERE c.org_id = e.org_id AND c.mode = e.mode AND c.id = e.customer_id AND c.deleted_at IS NOT NULL
               ) AS forgotten
        FROM webhook_deliveries AS d
        JOIN events AS e ON e.org_id = d.org_id AND e.mode = d.mode AND e.id = d.event_id
        WHERE d.org_id = $1 AND d.mode = $2 AND d.id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
    )


async def count_sending(conn: Connection, scope: Scope, *, endpoint_id: str, now: datetime) -> int:
    """What an endpoint is being sent; not what a worker that died was sending."""
    total: int = await conn.fetchval(
        """
        SELECT count(*)
        FROM webhook_deliveries
        WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3 AND status = 'sending' AND sending_until > $4
        """,
        scope.org_id,
        scope.mode,
        endpoint_id,
        now,
    )
    return total


async def begin(conn: Connection, scope: Scope, *, id: str, until: datetime, now: datetime) -> int:
    """Begins the next attempt; its number. One that never ended is noted as interrupted."""
    row = await fetch_one(
        conn,
        """
        WITH interrupted AS (
            UPDATE webhook_attempts
            SET error = 'interrupted',
                error_message = 'The worker ended before it knew the answer; this attempt may have arrived.'
            WHERE org_id = $1 AND mode = $2 AND delivery_id = $3 AND latency_ms IS NULL AND error IS NULL
        ),
        begun AS (
            UPDATE webhook_deliveries
            SET status = 'sending', sending_until = $4, attempt_count = attempt_count + 1
            WHERE org_id = $1 AND mode = $2 AND id = $3
            RETURNING attempt_count
        )
        INSERT INTO webhook_attempts (org_id, mode, delivery_id, number, started_at)
        SELECT $1, $2, $3, attempt_count, $5
        FROM begun
        RETURNING number
        """,
        scope.org_id,
        scope.mode,
        id,
        until,
        now,
    )
    number: int = row["number"]
    return number


async def update_attempt(
    conn: Connection, scope: Scope, *, delivery_id: str, number: int, reply: Reply
) -> None:
    """Writes what came of an attempt."""
    await conn.execute(
        """
        UPDATE webhook_attempts
        SET latency_ms = $5, status_code = $6, error = $7, error_message = $8, response_body = $9
        WHERE org_id = $1 AND mode = $2 AND delivery_id = $3 AND number = $4
        """,
        scope.org_id,
        scope.mode,
        delivery_id,
        number,
        reply.latency_ms,
        reply.status_code,
        reply.error,
        reply.error_message,
        reply.body,
    )


async def update_status(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    status: str,
    failures: int = 0,
    next_attempt_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> None:
    """Where a delivery goes from here; `failures` are added to those it has."""
    await conn.execute(
        """
        UPDATE webhook_deliveries
        SET status = $4, failure_count = failure_count + $5, next_attempt_at = $6, finished_at = $7,
            sending_until = NULL
        WHERE org_id = $1 AND mode = $2 AND id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
        status,
        failures,
        next_attempt_at,
        finished_at,
    )


async def take_waiting(conn: Connection, scope: Scope, *, endpoint_id: str, limit: int) -> list[str]:
    """The longest waiting deliveries of an endpoint, which are now queued; their ids."""
    rows = await conn.fetch(
        f"""
        UPDATE webhook_deliveries
        SET status = 'queued'
        WHERE (org_id, mode, id) IN (
            SELECT org_id, mode, id
            FROM webhook_deliveries
            WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3 AND status = 'waiting'
            ORDER BY id
            {page(limit)}
        )
        RETURNING id
        """,
        scope.org_id,
        scope.mode,
        endpoint_id,
    )
    return [row["id"] for row in rows]


async def take_due(conn: Connection, *, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Deliveries of all organizations whose next attempt has come, and which are now queued."""
    return list(
        await conn.fetch(
            f"""
            UPDATE webhook_deliveries
            SET status = 'queued', next_attempt_at = NULL
            WHERE (org_id, mode, id) IN (
                SELECT org_id, mode, id
                FROM webhook_deliveries
                WHERE status = 'scheduled' AND next_attempt_at <= $1
                ORDER BY next_attempt_at
                {page(limit)}
                FOR UPDATE SKIP LOCKED
            )
            RETURNING org_id, mode, id
            """,
            now,
        )
    )


async def disable(
    conn: Connection, scope: Scope, *, endpoint_id: str, sending_too: bool, now: datetime
) -> list[str]:
    """Gives up what an endpoint was to be told; the events that it was about.

    What is being sent is settled by who sends it, unless `sending_too`.
    """
    rows = await conn.fetch(
        """
        UPDATE webhook_deliveries
        SET status = 'disabled', next_attempt_at = NULL, sending_until = NULL, finished_at = $4
        WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3
          AND (status IN ('queued', 'waiting', 'scheduled') OR ($5 AND status = 'sending'))
        RETURNING event_id
        """,
        scope.org_id,
        scope.mode,
        endpoint_id,
        now,
        sending_too,
    )
    return [row["event_id"] for row in rows]


async def select_told_deletions(conn: Connection, scope: Scope, event_ids: Sequence[str]) -> list[str]:
    """Which of these events tell of a customer's deletion, and have been told to everybody."""
    rows = await conn.fetch(
        """
        SELECT e.id
        FROM events AS e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.id = ANY($3) AND e.type = 'customer.deleted'
          AND NOT EXISTS (
              SELECT 1
              FROM webhook_deliveries AS d
              WHERE d.org_id = e.org_id AND d.mode = e.mode AND d.event_id = e.id AND d.finished_at IS NULL
          )
        """,
        scope.org_id,
        scope.mode,
        event_ids,
    )
    return [row["id"] for row in rows]


async def erase(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Forgets what receivers answered when they were told of a customer: it may well name the person."""
    await conn.execute(
        """
        UPDATE webhook_attempts AS a
        SET response_body = NULL
        FROM webhook_deliveries AS d
        JOIN events AS e ON e.org_id = d.org_id AND e.mode = d.mode AND e.id = d.event_id
        WHERE e.org_id = $1 AND e.mode = $2 AND e.customer_id = $3
          AND a.org_id = d.org_id AND a.mode = d.mode AND a.delivery_id = d.id AND a.response_body IS NOT NULL
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )


async def select_events(
    conn: Connection,
    scope: Scope,
    *,
    choices: Sequence[str],
    from_at: datetime,
    to_at: datetime,
    limit: int,
) -> list[asyncpg.Record]:
    """What an endpoint could be told of again, in the order in which it happened."""
    return list(
        await conn.fetch(
            f"""
            SELECT e.id, e.created_at
            FROM events AS e
            WHERE e.org_id = $1 AND e.mode = $2 AND e.created_at >= $4 AND e.created_at < $5
              AND e.type <> 'webhook.test' AND ARRAY['*', split_part(e.type, '.', 1) || '.*', e.type] && $3::text[]
            ORDER BY e.created_at, e.id
            {page(limit)}
            """,
            scope.org_id,
            scope.mode,
            choices,
            from_at,
            to_at,
        )
    )
