"""The bell that wakes the workers: rung after a transaction that left work, at most thirty times a second.

Not by NOTIFY inside that transaction, as PgQueuer's own trigger does it: PostgreSQL lets only one transaction that
notifies commit at a time, its wait for the disk included. Nothing depends on the bell but speed: the work is in the
queue, committed with what made it true, and the workers look there every few seconds by themselves.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import orjson

CHANNEL = "ch_pgqueuer"
RING = "SELECT pg_notify($1, $2)"
_GATHER_SECONDS = 0.03


class Bell:
    """One per pool. `ring` may be called at any time, and returns at once."""

    def __init__(self, send: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._ringing: asyncio.Task[None] | None = None
        self._last = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self) -> None:
        if self._ringing is None:
            self._ringing = asyncio.create_task(self._gather_and_send())
            self._tasks.add(self._ringing)
            self._ringing.add_done_callback(self._tasks.discard)

    async def _gather_and_send(self) -> None:
        await asyncio.sleep(self._last + _GATHER_SECONDS - time.monotonic())
        # From here on another ring is another message: what it tells of may come too late for this one.
        self._ringing, self._last = None, time.monotonic()
        await self._send()

    async def close(self) -> None:
        """Waits for what was rung."""
        await asyncio.gather(*self._tasks)


def message() -> str:
    """What PgQueuer listens for: that its table has changed."""
    return orjson.dumps(
        {
            "channel": CHANNEL,
            "operation": "insert",
            "sent_at": datetime.now(UTC),  # only ever logged
            "table": "pgqueuer",
            "type": "table_changed_event",
        }
    ).decode()
