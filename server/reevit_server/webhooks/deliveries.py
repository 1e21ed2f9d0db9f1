"""The SQL of deliveries on their way, and of the attempts at them. How they are read is in `outbound.py`."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.egress import Reply
from reevit_server.core.scope import Scope
from reevit_server.core.where import page
from reevit_server.webhooks.models import AT_ONCE_MAX, FINISHED, Standing


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


async def find_with_event(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record | None:
    """How a delivery stands, and the event it tells of, its data as the text of JSON.

    `sending` is how many its endpoint is being sent, but for those of workers that died; `under_way` how many have a
    place, those of the dead and of jobs to come too, as far as it matters; `others_wait` whether more wait for one;
    `forgotten` whether the event's customer was erased.
    """
    return await conn.fetchrow(
        f"""
        SELECT d.id, d.status, d.attempt_count, d.failure_count, d.sending_until, d.endpoint_id,
               e.id AS event_id, e.org_id, e.mode, e.type, e.created_at AS event_created_at, e.data::text AS data,
               (
                   SELECT count(*)
                   FROM webhook_deliveries AS s
                   WHERE s.org_id = d.org_id AND s.mode = d.mode AND s.endpoint_id = d.endpoint_id
                     AND s.status = 'sending' AND s.sending_until > $4
               ) AS sending,
               (
                   SELECT count(*)
                   FROM (
                       SELECT 1
                       FROM webhook_deliveries AS s
                       WHERE s.org_id = d.org_id AND s.mode = d.mode AND s.endpoint_id = d.endpoint_id
                         AND s.status IN ('queued', 'sending')
                       LIMIT 1 + {AT_ONCE_MAX}
                   ) AS placed
               ) AS under_way,
               EXISTS (
                   SELECT 1
                   FROM webhook_deliveries AS s
                   WHERE s.org_id = d.org_id AND s.mode = d.mode AND s.endpoint_id = d.endpoint_id
                     AND s.status = 'waiting'
               ) AS others_wait,
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
        now,
    )


# An attempt of which nothing was heard, because who made it was ended.
_INTERRUPT = """
    UPDATE webhook_attempts
    SET error = 'interrupted',
        error_message = 'Whoever sent this ended before the answer was known; it may have arrived.'
    WHERE org_id = $1 AND mode = $2 AND latency_ms IS NULL AND error IS NULL
"""


async def begin(conn: Connection, scope: Scope, *, id: str, until: datetime, now: datetime) -> int:
    """Begins the next attempt; its number. One that never ended is noted as interrupted."""
    row = await fetch_one(
        conn,
        f"""
        WITH interrupted AS (
            {_INTERRUPT} AND delivery_id = $3
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


async def interrupt(conn: Connection, scope: Scope, *, ids: Sequence[str]) -> None:
    """Notes of attempts that never ended, and that nothing follows, that they were interrupted."""
    await conn.execute(f"{_INTERRUPT} AND delivery_id = ANY($3)", scope.org_id, scope.mode, ids)


async def end_attempt(conn: Connection, scope: Scope, *, delivery_id: str, number: int, reply: Reply) -> None:
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
        *_values(reply),
    )


async def update_status(
    conn: Connection, scope: Scope, *, id: str, status: str, finished_at: datetime | None = None
) -> None:
    """Where a delivery goes without an attempt."""
    await conn.execute(
        """
        UPDATE webhook_deliveries
        SET status = $4, finished_at = $5, sending_until = NULL
        WHERE org_id = $1 AND mode = $2 AND id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
        status,
        finished_at,
    )


async def conclude(
    conn: Connection, scope: Scope, *, id: str, number: int, reply: Reply, standing: Standing, now: datetime
) -> None:
    """Writes what came of an attempt, and where its delivery goes from there."""
    await conn.execute(
        """
        WITH ended AS (
            UPDATE webhook_attempts
            SET latency_ms = $5, status_code = $6, error = $7, error_message = $8, response_body = $9
            WHERE org_id = $1 AND mode = $2 AND delivery_id = $3 AND number = $4
        )
        UPDATE webhook_deliveries
        SET status = $10, failure_count = failure_count + $11, next_attempt_at = $12, finished_at = $13,
            sending_until = NULL
        WHERE org_id = $1 AND mode = $2 AND id = $3
        """,
        scope.org_id,
        scope.mode,
        id,
        number,
        *_values(reply),
        standing.status,
        standing.failures,
        standing.next_attempt_at,
        now if standing.status in FINISHED else None,
    )


async def take_waiting(conn: Connection, scope: Scope, *, endpoint_id: str, limit: int) -> list[str]:
    """The longest waiting deliveries of an endpoint, which are now queued; their ids, the oldest first."""
    rows = await conn.fetch(
        f"""
        UPDATE webhook_deliveries
        SET status = 'queued'
        WHERE org_id = $1 AND mode = $2 AND id = ANY (ARRAY(
            SELECT id
            FROM webhook_deliveries
            WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3 AND status = 'waiting'
            ORDER BY id
            {page(limit)}
        ))
        RETURNING id
        """,
        scope.org_id,
        scope.mode,
        endpoint_id,
    )
    return sorted(row["id"] for row in rows)


async def put_back(conn: Connection, scope: Scope, *, endpoint_id: str, now: datetime) -> None:
    """Has those wait again whose attempt should have ended by now."""
    await conn.execute(
        """
        UPDATE webhook_deliveries
        SET status = 'waiting', sending_until = NULL
        WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3 AND status = 'sending' AND sending_until < $4
        """,
        scope.org_id,
        scope.mode,
        endpoint_id,
        now,
    )


async def take_due(conn: Connection, *, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Deliveries of all organizations whose next attempt has come; those with status `queued` are to be given a job.

    Of one endpoint no more than it may be sent at once: else thousands that come due together would hold up all
    others. The rest waits, and gets its places from these.
    """
    return list(
        await conn.fetch(
            f"""
            WITH due AS MATERIALIZED (
                SELECT org_id, mode, id, endpoint_id
                FROM webhook_deliveries
                WHERE status = 'scheduled' AND next_attempt_at <= $1
                ORDER BY next_attempt_at
                {page(limit)}
                FOR UPDATE SKIP LOCKED
            ),
            numbered AS (
                SELECT org_id, mode, id,
                       row_number() OVER (PARTITION BY org_id, mode, endpoint_id ORDER BY id) AS number
                FROM due
            )
            UPDATE webhook_deliveries AS d
            SET status = CASE WHEN due.number <= {AT_ONCE_MAX} THEN 'queued' ELSE 'waiting' END,
                next_attempt_at = NULL
            FROM numbered AS due
            WHERE d.org_id = due.org_id AND d.mode = due.mode AND d.id = due.id
            RETURNING d.org_id, d.mode, d.id, d.status
            """,
            now,
        )
    )


async def select_under_way(conn: Connection, scope: Scope, *, endpoint_ids: Sequence[str]) -> set[str]:
    """Which of these endpoints have a delivery under way, that will give up its place when it is settled."""
    rows = await conn.fetch(
        """
        SELECT e.id
        FROM unnest($3::text[]) AS e (id)
        WHERE EXISTS (
            SELECT 1
            FROM webhook_deliveries AS d
            WHERE d.org_id = $1 AND d.mode = $2 AND d.endpoint_id = e.id AND d.status IN ('queued', 'sending')
        )
        """,
        scope.org_id,
        scope.mode,
        endpoint_ids,
    )
    return {row["id"] for row in rows}


async def disable(
    conn: Connection, scope: Scope, *, endpoint_id: str, sending_too: bool, now: datetime
) -> list[asyncpg.Record]:
    """Gives up what an endpoint was to be told, at most 5,000 deliveries; these and their events.

    What is being sent is settled by who sends it, unless `sending_too`.
    """
    return list(
        await conn.fetch(
            """
        UPDATE webhook_deliveries
        SET status = 'disabled', next_attempt_at = NULL, sending_until = NULL, finished_at = $4
        WHERE org_id = $1 AND mode = $2 AND id = ANY (ARRAY(
            SELECT id
            FROM webhook_deliveries
            WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3
              AND status IN ('queued', 'waiting', 'scheduled', 'sending') AND (status <> 'sending' OR $5)
            LIMIT 5000
        ))
        RETURNING id, event_id
        """,
            scope.org_id,
            scope.mode,
            endpoint_id,
            now,
            sending_too,
        )
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


def _values(reply: Reply) -> tuple[int, int | None, str | None, str | None, str | None]:
    return reply.latency_ms, reply.status_code, reply.error, reply.error_message, reply.body
