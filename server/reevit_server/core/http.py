"""A request on its way through the house: what a door is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict

from reevit_server.core import clock, idempotency
from reevit_server.core.answer import Answer
from reevit_server.core.database import Connection, Database
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer


@dataclass(slots=True)
class Request:
    """What a door knows about its request, after the front has checked the key."""

    db: Database
    now: datetime  # in the world
    request_id: str
    scope: Scope
    sealer: Sealer
    permissions: frozenset[str] = frozenset()
    idempotency_key: idempotency.Key | None = None
    leaving: bool = False  # whether this server is about to stop
    private_webhooks: bool = False  # whether addresses that are not on the public internet may be told

    async def time(self, conn: Connection) -> datetime:
        """What time it is for what this request does: in test mode, by the organization's test clock."""
        return await clock.now_of(conn, self.scope, self.now)

    async def once(self, deed: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """Runs a deed in one transaction, and at most once per `Idempotency-Key`.

        The answer is stored in the deed's own transaction, so that neither exists without the other.
        """
        return await idempotency.perform(self, deed)


def _given_by_the_router() -> Request:
    raise AssertionError("core/routing.py passes the call itself; FastAPI only describes the route")


Call = Annotated[Request, Depends(_given_by_the_router)]


class Nothing(BaseModel):
    """No body, or an empty object."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})
