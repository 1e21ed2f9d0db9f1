"""The SQL of forgetting a person in what receivers were told, and in what they answered."""

from collections.abc import Sequence

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope


async def lock_receivers(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Waits for whoever is writing what a receiver answered about a customer, and lets nobody begin to.

    Who writes holds this lock from when it looked whether the person is known.
    """
    await conn.execute(
        """
        SELECT
        FROM webhook_endpoints AS w
        WHERE w.org_id = $1 AND w.mode = $2 AND w.id IN (
            SELECT d.endpoint_id
            FROM webhook_deliveries AS d
            JOIN events AS e ON e.org_id = d.org_id AND e.mode = d.mode AND e.id = d.event_id
            WHERE e.org_id = $1 AND e.mode = $2 AND e.customer_id = $3
        )
        ORDER BY w.id
        FOR NO KEY UPDATE OF w
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )


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


async def lock_deletions(conn: Connection, scope: Scope, event_ids: Sequence[str]) -> list[str]:
    """Which of these events tell of a customer's deletion.

    Of two receivers that are done with one at the same moment, the second waits here, and then sees the first.
    """
    rows = await conn.fetch(
        """
        SELECT e.id
        FROM events AS e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.id = ANY($3) AND e.type = 'customer.deleted'
        ORDER BY e.id
        FOR NO KEY UPDATE OF e
        """,
        scope.org_id,
        scope.mode,
        event_ids,
    )
    return [row["id"] for row in rows]


async def select_told(conn: Connection, scope: Scope, event_ids: Sequence[str]) -> list[str]:
    """Which of these events have been told to everybody."""
    rows = await conn.fetch(
        """
        SELECT told.id
        FROM unnest($3::text[]) AS told (id)
        WHERE NOT EXISTS (
            SELECT 1
            FROM webhook_deliveries AS d
            WHERE d.org_id = $1 AND d.mode = $2 AND d.event_id = told.id AND d.finished_at IS NULL
        )
        """,
        scope.org_id,
        scope.mode,
        event_ids,
    )
    return [row["id"] for row in rows]
