"""The only place that asks what time it is. Doors call it and pass `now` down."""

from datetime import UTC, datetime

from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope


def utc_now() -> datetime:
    return datetime.now(UTC)


async def now_of(conn: Connection, scope: Scope, now: datetime) -> datetime:
    """What time it is for an organization: in its test mode, what its test clock says, if it has been moved.

    A clock that was moved stands still until it is moved again. Keys, webhooks and stored answers live in the
    world's time: the machines that they are for do.
    """
    if scope.mode == "live":
        return now
    stands_at: datetime | None = await conn.fetchval(
        "SELECT now FROM sandbox_clocks WHERE org_id = $1 AND mode = $2", scope.org_id, scope.mode
    )
    return now if stands_at is None else stands_at
