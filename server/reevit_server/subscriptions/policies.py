"""Retry policies: when a failed charge is tried again. A plan's own, else the organization's, else the default."""

from datetime import datetime

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import page
from reevit_server.subscriptions.errors import RetryPolicyNotFound
from reevit_server.subscriptions.models import DEFAULT_POLICY, RetryPolicy
from reevit_server.subscriptions.schemas import RetryPolicyUpsert

_COLUMNS = "plan_id, delays, max_retries, on_exhausted, created_at, updated_at"
_ALL_PLANS = ""


async def find(conn: Connection, scope: Scope, *, plan_id: str | None) -> RetryPolicy:
    """The policy that holds for a plan now."""
    row = await conn.fetchrow(
        """
        SELECT delays, max_retries, on_exhausted
        FROM retry_policies
        WHERE org_id = $1 AND mode = $2 AND plan_id IN ($3, '')
        ORDER BY plan_id DESC
        LIMIT 1
        """,
        scope.org_id,
        scope.mode,
        plan_id or _ALL_PLANS,
    )
    return DEFAULT_POLICY if row is None else RetryPolicy(**row)


async def upsert(
    conn: Connection, scope: Scope, given: RetryPolicyUpsert, *, now: datetime
) -> asyncpg.Record:
    """Sets the policy of a plan, or of the organization. It holds from the next failure on."""
    return await fetch_one(
        conn,
        f"""
        INSERT INTO retry_policies AS p
               (org_id, mode, plan_id, delays, max_retries, on_exhausted, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
        ON CONFLICT (org_id, mode, plan_id) DO UPDATE
        SET delays = excluded.delays, max_retries = excluded.max_retries, on_exhausted = excluded.on_exhausted,
            updated_at = excluded.updated_at
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        given.plan_id or _ALL_PLANS,
        given.delays,
        len(given.delays) if given.max_retries is None else given.max_retries,
        given.on_exhausted,
        now,
    )


async def select(
    conn: Connection, scope: Scope, *, after: str | None, limit: int, offset: int
) -> list[asyncpg.Record]:
    """By plan; the organization's own first."""
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM retry_policies
            WHERE org_id = $1 AND mode = $2 AND ($3::text IS NULL OR plan_id > $3)
            ORDER BY plan_id
            {page(limit, offset=offset)}
            """,
            scope.org_id,
            scope.mode,
            after,
        )
    )


async def count(conn: Connection, scope: Scope) -> int:
    total: int = await conn.fetchval(
        "SELECT count(*) FROM retry_policies WHERE org_id = $1 AND mode = $2", scope.org_id, scope.mode
    )
    return total


async def delete(conn: Connection, scope: Scope, *, plan_id: str | None) -> None:
    """From the next failure on, what is more general holds. Raises RetryPolicyNotFound."""
    gone = await conn.fetchval(
        "DELETE FROM retry_policies WHERE org_id = $1 AND mode = $2 AND plan_id = $3 RETURNING true",
        scope.org_id,
        scope.mode,
        plan_id or _ALL_PLANS,
    )
    if gone is None:
        raise RetryPolicyNotFound
