"""The SQL of events."""

from collections.abc import Sequence
from datetime import datetime

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope


async def insert(
    conn: Connection,
    scope: Scope,
    *,
    ids: Sequence[str],
    types: Sequence[str],
    subject_ids: Sequence[str],
    customer_ids: Sequence[str | None],
    data: Sequence[bytes],
    now: datetime,
) -> None:
    """All events of a change in one statement."""
    await conn.execute(
        """
        INSERT INTO events (org_id, mode, id, type, subject_id, customer_id, data, actor_id, reason, created_at)
        SELECT $1, $2, id, type, subject_id, customer_id, data, $8, $9, $10
        FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
          AS change (id, type, subject_id, customer_id, data)
        """,
        scope.org_id,
        scope.mode,
        ids,
        types,
        subject_ids,
        customer_ids,
        data,
        scope.actor_id,
        scope.reason,
        now,
    )


async def erase(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Takes a person out of every event that told of it; ids, amounts, dates and who did it stay.

    A reason is free text, which may well name whom it was about.
    """
    await conn.execute(
        """
        UPDATE events
        SET reason = NULL,
            data = CASE
                WHEN subject_id = customer_id THEN jsonb_build_object('id', subject_id)
                ELSE data || jsonb_build_object('customer', jsonb_build_object('id', customer_id))
                          || jsonb_build_object('external_customer_id', NULL)
            END
        WHERE org_id = $1 AND mode = $2 AND customer_id = $3
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )
