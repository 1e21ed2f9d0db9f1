"""The SQL of rules, and of the switches of what is built in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server.core.database import Connection, fetch_one
from reevit_server.core.scope import Scope
from reevit_server.core.where import Where, page
from reevit_server.workflows.rule_schemas import RuleQuery

_COLUMNS = """
    r.id, r.org_id, r.mode, r.name, r.enabled, r.trigger, r.conditions, r.actions, r.priority, r.created_at,
    r.updated_at
"""
_THIS = "r.org_id = $1 AND r.mode = $2 AND r.id = $3"


async def lock_all(conn: Connection, scope: Scope) -> None:
    """Makes who adds rules wait for each other until this transaction ends, so that they can be counted."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('rules/' || $1 || '/' || $2, 0))",
        scope.org_id,
        scope.mode,
    )


async def insert(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        INSERT INTO rules AS r
               (org_id, mode, id, name, enabled, trigger, conditions, actions, priority, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["name"],
        fields["enabled"],
        fields["trigger"],
        fields["conditions"],
        fields["actions"],
        fields["priority"],
        now,
    )


async def find(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM rules AS r WHERE {_THIS}", scope.org_id, scope.mode, id
    )


async def find_for_update(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    return await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM rules AS r WHERE {_THIS} FOR UPDATE", scope.org_id, scope.mode, id
    )


async def update(
    conn: Connection, scope: Scope, *, id: str, fields: Mapping[str, Any], now: datetime
) -> asyncpg.Record:
    return await fetch_one(
        conn,
        f"""
        UPDATE rules AS r
        SET name = $4, enabled = $5, trigger = $6, conditions = $7, actions = $8, priority = $9, updated_at = $10
        WHERE {_THIS}
        RETURNING {_COLUMNS}
        """,
        scope.org_id,
        scope.mode,
        id,
        fields["name"],
        fields["enabled"],
        fields["trigger"],
        fields["conditions"],
        fields["actions"],
        fields["priority"],
        now,
    )


async def delete(conn: Connection, scope: Scope, *, id: str) -> bool:
    """Whether it was there."""
    gone = await conn.fetchval(
        "DELETE FROM rules WHERE org_id = $1 AND mode = $2 AND id = $3 RETURNING true",
        scope.org_id,
        scope.mode,
        id,
    )
    return bool(gone)


async def select_for(
    conn: Connection, scope: Scope, types: Sequence[str], *, limit: int
) -> list[asyncpg.Record]:
    """The rules that wait for events of these types, in the order in which they are done."""
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM rules AS r
            WHERE r.org_id = $1 AND r.mode = $2 AND r.trigger = ANY($3) AND r.enabled
            ORDER BY r.priority DESC, r.created_at, r.id
            {page(limit)}
            """,
            scope.org_id,
            scope.mode,
            types,
        )
    )


async def find_with_template(conn: Connection, scope: Scope, *, template_id: str) -> str | None:
    """The id of a rule that says what this template says."""
    id: str | None = await conn.fetchval(
        """
        SELECT r.id
        FROM rules AS r
        WHERE r.org_id = $1 AND r.mode = $2
          AND r.actions @> jsonb_build_array(jsonb_build_object('template_id', $3::text))
        ORDER BY r.id
        LIMIT 1
        """,
        scope.org_id,
        scope.mode,
        template_id,
    )
    return id


async def select(
    conn: Connection, scope: Scope, query: RuleQuery, *, after: tuple[datetime, str] | None
) -> list[asyncpg.Record]:
    """Newest first; one row more than the page."""
    where = _where(scope, query)
    if after is not None:
        where.add("(r.created_at, r.id) < ({}, {})", *after)
    return list(
        await conn.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM rules AS r
            WHERE {where}
            ORDER BY r.created_at DESC, r.id DESC
            {page(query.limit + 1, offset=query.offset)}
            """,
            *where.values,
        )
    )


async def count(conn: Connection, scope: Scope, query: RuleQuery) -> int:
    where = _where(scope, query)
    total: int = await conn.fetchval(f"SELECT count(*) FROM rules AS r WHERE {where}", *where.values)
    return total


def _where(scope: Scope, query: RuleQuery) -> Where:
    where = Where(scope.org_id, scope.mode)
    where.add("r.org_id = $1 AND r.mode = $2")
    where.add_if("r.trigger = {}", query.trigger)
    where.add_if("r.enabled = {}", query.enabled)
    return where


async def find_notices(conn: Connection, scope: Scope) -> asyncpg.Record | None:
    """Which notices are on; none, if nobody has ever said."""
    return await conn.fetchrow(
        """
        SELECT receipt_email, receipt_sms, payment_failed, renewal_upcoming
        FROM notice_switches
        WHERE org_id = $1 AND mode = $2
        """,
        scope.org_id,
        scope.mode,
    )


async def upsert_notices(
    conn: Connection, scope: Scope, switches: Mapping[str, bool | None], *, now: datetime
) -> asyncpg.Record:
    """Turns notices on and off; null leaves one as it is."""
    return await fetch_one(
        conn,
        """
        INSERT INTO notice_switches AS n
               (org_id, mode, receipt_email, receipt_sms, payment_failed, renewal_upcoming, updated_at)
        VALUES ($1, $2, coalesce($3, false), coalesce($4, false), coalesce($5, false), coalesce($6, false), $7)
        ON CONFLICT (org_id, mode) DO UPDATE
        SET receipt_email = coalesce($3, n.receipt_email),
            receipt_sms = coalesce($4, n.receipt_sms),
            payment_failed = coalesce($5, n.payment_failed),
            renewal_upcoming = coalesce($6, n.renewal_upcoming),
            updated_at = excluded.updated_at
        RETURNING receipt_email, receipt_sms, payment_failed, renewal_upcoming
        """,
        scope.org_id,
        scope.mode,
        switches["receipt_email"],
        switches["receipt_sms"],
        switches["payment_failed"],
        switches["renewal_upcoming"],
        now,
    )
