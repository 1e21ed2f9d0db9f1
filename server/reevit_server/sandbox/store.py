"""The SQL of test clocks."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.subscriptions import NOTICE_DAYS, UPCOMING


async def hold(
    conn: Connection, scope: Scope, *, holder: str, now: datetime, until: datetime
) -> asyncpg.Record | None:
    """Where the clock stands, for the holder who moves it from now on, and where to it was being moved by whom; None
    while somebody else does.

    One that was never moved stands at `now`.
    """
    return await conn.fetchrow(
        """
        INSERT INTO sandbox_clocks AS c (org_id, mode, holder, held_until)
        VALUES ($1, $2, $3, $5)
        ON CONFLICT (org_id, mode) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
        WHERE c.held_until IS NULL OR c.held_until <= $4
        RETURNING coalesce(c.now, $4) AS stands_at, c.moving_to, c.moving_key
        """,
        scope.org_id,
        scope.mode,
        holder,
        now,
        until,
    )


async def find_moving_key(conn: Connection, scope: Scope) -> str | None:
    """The Idempotency-Key of whoever moves the clock, or was broken off moving it."""
    key: str | None = await conn.fetchval(
        "SELECT moving_key FROM sandbox_clocks WHERE org_id = $1 AND mode = $2", scope.org_id, scope.mode
    )
    return key


async def aim(conn: Connection, scope: Scope, *, holder: str, to: datetime, key: str | None) -> bool:
    """Where to the clock is being moved, and by whose request; False when another holds it now."""
    aimed = await conn.fetchval(
        """
        UPDATE sandbox_clocks
        SET moving_to = $4, moving_key = $5
        WHERE org_id = $1 AND mode = $2 AND holder = $3
        RETURNING true
        """,
        scope.org_id,
        scope.mode,
        holder,
        to,
        key,
    )
    return bool(aimed)


async def move(conn: Connection, scope: Scope, *, holder: str, to: datetime, held_until: datetime) -> bool:
    """The clock stands at `to`, and who moves it has been heard of; False when another holds it now."""
    moved = await conn.fetchval(
        """
        UPDATE sandbox_clocks
        SET now = greatest(now, $4), held_until = $5
        WHERE org_id = $1 AND mode = $2 AND holder = $3
        RETURNING true
        """,
        scope.org_id,
        scope.mode,
        holder,
        to,
        held_until,
    )
    return bool(moved)


async def arrive(conn: Connection, scope: Scope, *, holder: str, to: datetime) -> bool:
    """The clock stands at `to`, and nobody moves it any more; False when another holds it now."""
    arrived = await conn.fetchval(
        """
        UPDATE sandbox_clocks
        SET now = greatest(now, $4), holder = NULL, held_until = NULL, moving_to = NULL, moving_key = NULL
        WHERE org_id = $1 AND mode = $2 AND holder = $3
        RETURNING true
        """,
        scope.org_id,
        scope.mode,
        holder,
        to,
    )
    return bool(arrived)


async def release(conn: Connection, scope: Scope, *, holder: str) -> None:
    """This one does not move the clock any more; another may. One that was not moved at all goes with the world."""
    await conn.execute(
        """
        WITH never_moved AS (
            DELETE FROM sandbox_clocks
            WHERE org_id = $1 AND mode = $2 AND holder = $3 AND now IS NULL
        )
        UPDATE sandbox_clocks
        SET holder = NULL, held_until = NULL
        WHERE org_id = $1 AND mode = $2 AND holder = $3 AND now IS NOT NULL
        """,
        scope.org_id,
        scope.mode,
        holder,
    )


async def find_next(
    conn: Connection, scope: Scope, *, since: datetime, to: datetime
) -> asyncpg.Record | None:
    """What is due next, up to an instant: the earliest. The clock stands at `since`.

    Of one instant, providers are asked first how a payment ended, then invoices are charged again, then new periods
    begin: what was begun earlier is ended before something new begins. Last, renewals that are near are told of, as
    things stand then; not those whose instant has passed.
    """
    return await conn.fetchrow(
        f"""
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
            UNION ALL
            (
                SELECT current_period_end - interval '{NOTICE_DAYS} days', 'tell', 4, id
                FROM subscriptions
                WHERE org_id = $1 AND mode = $2 AND {UPCOMING}
                  AND current_period_end > $4
                  AND current_period_end <= $3::timestamptz + interval '{NOTICE_DAYS} days'
                ORDER BY current_period_end, id
                LIMIT 1
            )
        ) AS due
        ORDER BY at, place
        LIMIT 1
        """,
        scope.org_id,
        scope.mode,
        to,
        since,
    )


async def exists(conn: Connection, scope: Scope) -> bool:
    """Whether the clock was ever moved."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM sandbox_clocks WHERE org_id = $1 AND mode = $2 AND now IS NOT NULL)",
        scope.org_id,
        scope.mode,
    )
    return found
