"""The SQL of messages and of the attempts to send them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.messages import models
from reevit_server.messages.models import Standing
from reevit_server.messages.schemas import MessageQuery
from reevit_server.providers.sending import Sent

_COLUMNS = """
    m.id, m.org_id, m.mode, m.channel, m.purpose, m.status, m.reason, m.reason_message, m.integration_id,
    m.customer_id, m.event_id, m.execution_id, m.position, m.recipient, m.subject, m.receipt_of, m.attempt_count,
    m.failure_count, m.next_attempt_at, m.sending_until, m.provider_ref, m.forgotten, m.created_at, m.finished_at
"""
_WHOLE = f"{_COLUMNS}, m.text, m.html"
_THIS = "m.org_id = $1 AND m.mode = $2 AND m.id = $3"


async def insert(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record | None:
    """None when this action of this execution has its message."""
    return await conn.fetchrow(
        f"""
        INSERT INTO messages AS m
               (org_id, mode, id, channel, purpose, status, reason, reason_message, integration_id, customer_id,
                event_id, execution_id, position, recipient, subject, text, html, receipt_of, next_attempt_at,
                finished_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                CASE WHEN $6 = 'scheduled' THEN $19::timestamptz END,
                CASE WHEN $6 <> 'scheduled' THEN $19::timestamptz END, $19)
        ON CONFLICT ON CONSTRAINT messages_once DO NOTHING
        RETURNING {_WHOLE}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["channel"],
        fields["purpose"],
        fields["status"],
        fields["reason"],
        fields["reason_message"],
        fields["integration_id"],
        fields["customer_id"],
        fields["event_id"],
        fields["execution_id"],
        fields["position"],
        fields["recipient"],
        fields["subject"],
        fields["text"],
        fields["html"],
        fields["receipt_of"],
        now,
    )


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_WHOLE} FROM messages AS m WHERE {_THIS}", scope.org_id, scope.mode, id
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_WHOLE} FROM messages AS m WHERE {_THIS} FOR NO KEY UPDATE", scope.org_id, scope.mode, id
    )


async def take_due(conn: Connection, scope: Scope, *, integration_id: str, now: datetime) -> list[str]:
    """Gives the free places of an integration, which is locked, to those that have waited longest; their ids.

    All integrations of an organization together have no more than their share of the worker's; but one that sends
    nothing has a place in any case, or others that hang would hold it up.
    """
    rows = await conn.fetch(
        """
        WITH due AS MATERIALIZED (
            SELECT m.id
            FROM messages AS m
            WHERE m.org_id = $1 AND m.mode = $2 AND m.integration_id = $3
              AND m.status = 'scheduled' AND m.next_attempt_at <= $5
            ORDER BY m.next_attempt_at, m.id
            LIMIT (
                SELECT greatest(
                    least($4 - count(*) FILTER (WHERE taken.integration_id = $3), $6 - count(*)),
                    CASE WHEN count(*) FILTER (WHERE taken.integration_id = $3) = 0 THEN 1 ELSE 0 END
                )
                FROM messages AS taken
                WHERE taken.org_id = $1 AND taken.mode = $2 AND taken.status IN ('queued', 'sending')
            )
            FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE messages AS m
        SET status = 'queued', next_attempt_at = NULL
        FROM due
        WHERE m.org_id = $1 AND m.mode = $2 AND m.id = due.id
        RETURNING m.id
        """,
        scope.org_id,
        scope.mode,
        integration_id,
        models.AT_ONCE_MAX,
        now,
        models.AT_ONCE_OF_ALL_MAX,
    )
    return [row["id"] for row in rows]


async def begin_attempt(
    conn: Connection, scope: Scope, *, id: str, provider: str, until: datetime, now: datetime
) -> int:
    """The number of the attempt that begins."""
    number: int = await conn.fetchval(
        f"""
        WITH begun AS (
            UPDATE messages AS m
            SET status = 'sending', sending_until = $4, attempt_count = m.attempt_count + 1
            WHERE {_THIS}
            RETURNING m.org_id, m.mode, m.id, m.attempt_count, m.integration_id
        )
        INSERT INTO message_attempts (org_id, mode, message_id, number, integration_id, provider, started_at)
        SELECT begun.org_id, begun.mode, begun.id, begun.attempt_count, begun.integration_id, $5, $6
        FROM begun
        RETURNING number
        """,
        scope.org_id,
        scope.mode,
        id,
        until,
        provider,
        now,
    )
    return number


async def interrupt_attempt(conn: Connection, scope: Scope, *, message_id: str, now: datetime) -> None:
    """The attempt that was under way is over, and nobody knows how it ended."""
    await conn.execute(
        """
        UPDATE message_attempts
        SET outcome = 'interrupted', ended_at = $4
        WHERE org_id = $1 AND mode = $2 AND message_id = $3 AND outcome IS NULL
        """,
        scope.org_id,
        scope.mode,
        message_id,
        now,
    )


async def end_attempt(
    conn: Connection, scope: Scope, *, message_id: str, number: int, sent: Sent, now: datetime
) -> None:
    """Writes down how an attempt went, also when somebody had thought that it was interrupted."""
    await conn.execute(
        """
        UPDATE message_attempts
        SET ended_at = $5, outcome = $6, code = $7, message = $8, latency_ms = $9
        WHERE org_id = $1 AND mode = $2 AND message_id = $3 AND number = $4
          AND (outcome IS NULL OR outcome = 'interrupted')
        """,
        scope.org_id,
        scope.mode,
        message_id,
        number,
        now,
        sent.outcome,
        sent.code,
        sent.message,
        sent.latency_ms,
    )


async def update_standing(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    standing: Standing,
    failures: int = 0,
    provider_ref: str | None = None,
    now: datetime,
) -> None:
    """Where a message stands now; `failures` more than before."""
    await conn.execute(
        f"""
        UPDATE messages AS m
        SET status = $4, reason = $5, reason_message = $6, next_attempt_at = $7, sending_until = NULL,
            failure_count = m.failure_count + $8, provider_ref = coalesce($9, m.provider_ref),
            finished_at = CASE WHEN $4 <> 'scheduled' THEN $10::timestamptz END
        WHERE {_THIS}
        """,
        scope.org_id,
        scope.mode,
        id,
        standing.status,
        standing.reason,
        standing.reason_message,
        standing.next_attempt_at,
        failures,
        provider_ref,
        now,
    )


async def update_integration(conn: Connection, scope: Scope, *, id: str, integration_id: str) -> None:
    """Who sends it from now on, with as many failures to go as a new message has."""
    await conn.execute(
        f"UPDATE messages AS m SET integration_id = $4, failure_count = 0 WHERE {_THIS}",
        scope.org_id,
        scope.mode,
        id,
        integration_id,
    )


async def put_into_outbox(
    conn: Connection,
    scope: Scope,
    *,
    integration_id: str,
    reason: str,
    message: str,
    created_before: datetime | None = None,
    now: datetime,
) -> None:
    """What an integration was still to send, all or what is older, and nobody will; it stays readable."""
    await conn.execute(
        """
        WITH waiting AS MATERIALIZED (
            SELECT m.id
            FROM messages AS m
            WHERE m.org_id = $1 AND m.mode = $2 AND m.integration_id = $3 AND m.status IN ('scheduled', 'queued')
              AND ($7::timestamptz IS NULL OR m.created_at < $7)
            ORDER BY m.id
            FOR NO KEY UPDATE
        )
        UPDATE messages AS m
        SET status = 'outbox', reason = $4, reason_message = $5, next_attempt_at = NULL, finished_at = $6
        FROM waiting
        WHERE m.org_id = $1 AND m.mode = $2 AND m.id = waiting.id
        """,
        scope.org_id,
        scope.mode,
        integration_id,
        reason,
        message,
        now,
        created_before,
    )


async def lock_of_customer(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Waits for whoever changes one of them, and keeps them as they are until this transaction ends."""
    await conn.execute(
        """
        SELECT
        FROM messages AS m
        WHERE m.org_id = $1 AND m.mode = $2 AND m.customer_id = $3
        ORDER BY m.id
        FOR NO KEY UPDATE
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )


async def erase(conn: Connection, scope: Scope, *, customer_id: str, now: datetime) -> None:
    """Forgets what was written to a customer; what was still to be sent is not.

    They are locked already: a statement that waits for them itself would put together how one stands and how it stood
    before, and the table's rules would refuse that.
    """
    await conn.execute(
        """
        UPDATE messages AS m
        SET recipient = NULL, subject = NULL, text = NULL, html = NULL, forgotten = true,
            status = CASE WHEN m.status IN ('scheduled', 'queued') THEN 'suppressed' ELSE m.status END,
            reason = CASE WHEN m.status IN ('scheduled', 'queued') THEN 'customer_deleted' ELSE m.reason END,
            reason_message = NULL, next_attempt_at = NULL,
            finished_at = CASE WHEN m.status IN ('scheduled', 'queued') THEN $4 ELSE m.finished_at END
        WHERE m.org_id = $1 AND m.mode = $2 AND m.customer_id = $3
        """,
        scope.org_id,
        scope.mode,
        customer_id,
        now,
    )
    await conn.execute(
        """
        UPDATE message_attempts AS a
        SET message = NULL
        FROM messages AS m
        WHERE m.org_id = $1 AND m.mode = $2 AND m.customer_id = $3
          AND a.org_id = m.org_id AND a.mode = m.mode AND a.message_id = m.id AND a.message IS NOT NULL
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )


async def select_attempts(conn: Connection, scope: Scope, *, message_id: str) -> list[asyncpg.Record]:
    """All of them, the first one first."""
    return list(
        await conn.fetch(
            """
            SELECT number, integration_id, provider, outcome, code, message, latency_ms, started_at, ended_at
            FROM message_attempts
            WHERE org_id = $1 AND mode = $2 AND message_id = $3
            ORDER BY number
            LIMIT 100
            """,
            scope.org_id,
            scope.mode,
            message_id,
        )
    )


async def select(
    conn: Connection, scope: Scope, query: MessageQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first, without their texts; one row more than the page."""
    where = _where(scope, query)
    if after is not None:
        where.add("(m.created_at, m.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM messages AS m
            WHERE {where}
            ORDER BY m.created_at DESC, m.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


async def count(conn: Connection, scope: Scope, query: MessageQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM messages AS m WHERE {where}", *where.values)
    return total


async def select_statuses(conn: Connection, scope: Scope, ids: Sequence[str]) -> dict[str, asyncpg.Record]:
    """How these messages stand, by id, as far as they are still there."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM messages AS m WHERE m.org_id = $1 AND m.mode = $2 AND m.id = ANY($3)",
        scope.org_id,
        scope.mode,
        ids,
    )
    return {row["id"]: row for row in rows}


async def purge(conn: Connection, *, before: datetime, limit: int) -> int:
    """Deletes messages that were dealt with before that instant, or wait since before it, with their attempts; how
    many.
    """
    status = await conn.execute(
        """
        DELETE FROM messages
        WHERE (org_id, mode, id) IN (
            (SELECT org_id, mode, id FROM messages WHERE finished_at < $1 LIMIT $2)
            UNION ALL
            (SELECT org_id, mode, id FROM messages WHERE finished_at IS NULL AND created_at < $1 LIMIT $2)
            LIMIT $2
        )
        """,
        before,
        limit,
    )
    return int(status.rsplit(" ", 1)[1])


def _where(scope: Scope, query: MessageQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("m.org_id = $1 AND m.mode = $2")
    where.add_if("m.channel = {}", query.channel)
    where.add_if("m.status = {}", query.status)
    where.add_if("m.customer_id = {}", query.customer_id)
    where.add_if(
        "m.customer_id = (SELECT id FROM customers WHERE org_id = $1 AND mode = $2 AND external_id = {})",
        query.external_customer_id,
    )
    where.add_if("m.execution_id = {}", query.execution_id)
    where.add_if("m.created_at >= {}", query.created_after)
    where.add_if("m.created_at < {}", query.created_before)
    return where
