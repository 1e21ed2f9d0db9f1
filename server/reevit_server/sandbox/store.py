"""The SQL of test clocks."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope


async def hold(conn: Connection, scope: Scope, *, now: datetime, until: datetime) -> datetime | None:
    """Where the clock stands, for whoever moves it from now on; None while somebody else does.

    One that was never moved stands at `now`.
    """
    stands_at: datetime | None = await conn.fetchval(
        """
        INSERT INTO sandbox_clocks AS c (org_id, mode, held_until)
        VALUES ($1, $2, $4)
        ON CONFLICT (org_id, mode) DO UPDATE SET held_until = excluded.held_until
        WHERE c.held_until IS NULL OR c.held_until <= $3
        RETURNING coalesce(c.now, $3)
        """,
        scope.org_id,
        scope.mode,
        now,
        until,
    )
    return stands_at


async def move(conn: Connection, scope: Scope, *, to: datetime, held_until: datetime) -> None:
    """The clock stands at `to`, and who moves it has been heard of."""
    await conn.execute(
        "UPDATE sandbox_clocks SET now = greatest(now, $3), held_until = $4 WHERE org_id = $1 AND mode = $2",
        scope.org_id,
        scope.mode,
        to,
        held_until,
    )


async def release(conn: Connection, scope: Scope) -> None:
    """Nobody moves the clock any more. One that was not moved at all goes with the world."""
    await conn.execute(
        "DELETE FROM sandbox_clocks WHERE org_id = $1 AND mode = $2 AND now IS NULL", scope.org_id, scope.mode
    )
    await conn.execute(
        "UPDATE sandbox_clocks SET held_until = NULL WHERE org_id = $1 AND mode = $2",
        scope.org_id,
        scope.mode,
    )


async def find_next(conn: Connection, scope: Scope, *, to: datetime) -> asyncpg.Record | None:
    """What is due next, up to an instant: the earliest.

    Of one instant, providers are asked first how a payment ended, then invoices are charged again, then new periods
    begin: what was begun earlier is ended before something new begins.
    """
    return await conn.fetchrow(
        """
        SELECT at, step, id
        FROM (
            (
                SELECT reconcile_at AS at, 'reconcile' AS step, 1 AS place, id
                FROM payments
                WHERE org_id = $1 AND mode = $2 AND reconcile_at <= $3
                ORDER BY reconcile_at, id
                LIMIT 1
            )
            UNION ALL
            (
                SELECT queue_at, 'collect', 2, id
                FROM invoices
                WHERE org_id = $1 AND mode = $2 AND queue_at <= $3
                ORDER BY queue_at, id
                LIMIT 1
            )
            UNION ALL
            (
                SELECT queue_at, 'renew', 3, id
                FROM subscriptions
                WHERE org_id = $1 AND mode = $2 AND queue_at <= $3
                ORDER BY queue_at, id
                LIMIT 1
            )
        ) AS due
        ORDER BY at, place
        LIMIT 1
        """,
        scope.org_id,
        scope.mode,
        to,
    )


async def exists(conn: Connection, scope: Scope) -> bool:
    """Whether the clock was ever moved."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM sandbox_clocks WHERE org_id = $1 AND mode = $2 AND now IS NOT NULL)",
        scope.org_id,
        scope.mode,
    )
    return found
