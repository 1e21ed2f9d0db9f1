"""The deeds on API keys."""

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

from reevit_server.api_keys import store
from reevit_server.api_keys.errors import ApiKeyNotFound
from reevit_server.api_keys.models import SCOPES, SecretKey
from reevit_server.core.database import Connection, Database
from reevit_server.core.errors import InsufficientScope
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope

_BATCH = 1000


async def create(
    conn: Connection,
    scope: Scope,
    *,
    name: str | None = None,
    scopes: list[str] | None = None,
    granted_by: frozenset[str] = frozenset(SCOPES),
    now: datetime,
) -> tuple[asyncpg.Record, str]:
    """A new key and its text, which is nowhere else.

    Raises InsufficientScope when it would be allowed more than `granted_by`: a key cannot make a mightier one.
    """
    scopes = scopes or [right for right in SCOPES if right in granted_by]
    if excess := [right for right in scopes if right not in granted_by]:
        raise InsufficientScope(
            f"A key can only grant what it has itself; yours lacks {', '.join(excess)}.",
            required_scope=excess[0],
        )
    secret = SecretKey.new(scope.mode)
    row = await store.insert(
        conn,
        scope,
        id=new_id("key"),
        public_id=secret.public_id,
        secret_sha256=secret.sha256,
        name=name,
        scopes=scopes,
        now=now,
    )
    return row, secret.text


async def select(
    conn: Connection,
    scope: Scope,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[asyncpg.Record]:
    """Keys, newest first."""
    return await store.select(conn, scope, after=after, limit=limit, offset=offset)


async def every(db: Database, scope: Scope) -> AsyncIterator[asyncpg.Record]:
    """All keys of this organization and mode, newest first."""
    after = None
    while True:
        async with db.read() as conn:
            rows = await store.select(conn, scope, after=after, limit=_BATCH, offset=0)
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        after = (rows[-1]["created_at"], rows[-1]["id"])


async def revoke(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """The key stops within a second, everywhere. Twice is the same as once. Raises ApiKeyNotFound."""
    if not await store.revoke(conn, scope, id=id, now=now):
        raise ApiKeyNotFound
