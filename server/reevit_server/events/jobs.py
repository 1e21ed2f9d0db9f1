"""Telling of events: each is shown to every listener once the change that it tells of is committed."""

from collections.abc import Sequence
from typing import Protocol

import asyncpg

from reevit_server.core.jobs import Tools
from reevit_server.core.scope import Scope
from reevit_server.events import actions


class Listener(Protocol):
    """Is told of events, possibly twice; writes down what follows in a transaction of its own, if anything does."""

    async def __call__(self, tools: Tools, scope: Scope, events: Sequence[asyncpg.Record], /) -> None: ...


async def fan_out(tools: Tools, scope: Scope, *ids: str, listeners: Sequence[Listener]) -> None:
    """Shows the events of one change to all listeners."""
    async with tools.db.read() as conn:
        events = await actions.select(conn, scope, ids)
    if events:  # not purged meanwhile
        for listener in listeners:
            await listener(tools, scope, events)
