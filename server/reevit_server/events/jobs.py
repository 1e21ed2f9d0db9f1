"""Telling of events: each is shown to every listener once the change that it tells of is committed."""

from collections.abc import Sequence
from typing import Protocol

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.jobs import Tools
from reevit_server.core.scope import Scope
from reevit_server.events import actions


class Listener(Protocol):
    """Is told of events, possibly twice; writes down what follows, in the transaction that it is given."""

    async def __call__(
        self, conn: Connection, scope: Scope, events: Sequence[asyncpg.Record], /, *, tools: Tools
    ) -> None: ...


async def fan_out(tools: Tools, scope: Scope, *ids: str, listeners: Sequence[Listener]) -> None:
    """Shows the events of one change to all listeners; what they write is there for each of them, or for none."""
    async with tools.db.transaction(repeatable=True) as conn:
        events = await actions.select(conn, scope, ids)
        if events:  # not purged meanwhile
            for listener in listeners:
                await listener(conn, scope, events, tools=tools)
