"""The sandbox: a clock to move, and the customer's part to play. Test keys only."""

from __future__ import annotations

from datetime import datetime

from reevit._call import Call, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, operation
from reevit.resources._shared import Instant
from reevit.resources.payments import Payment


class Clock(Model):
    """Where the organization's test time stands. Until it is advanced for the first time, it is the world's."""

    now: datetime
    stands_still: bool


class ClockAdvanced(Clock):
    """What happened on the way."""

    renewals: int
    collections: int
    reconciliations: int


class Sandbox(Resource[Kind]):
    """``reevit.sandbox``."""

    @operation
    def clock(self) -> Call[Clock]:
        """What time it is in test mode."""
        return Call("GET", path_of("sandbox", "clock"), Clock)

    @operation
    def advance(
        self, *, to: Instant | None = None, by: str | None = None, idempotency_key: str | None = None
    ) -> Call[ClockAdvanced]:
        """Moves test time forward, `to` an instant or `by` a span (``"31d"``).

        All that is due by then happens, in order, before it returns. Years of many subscriptions take a while: give
        ``with_options(timeout=600)``.
        """
        body = {name: value for name, value in {"to": to, "by": by}.items() if value is not None}
        path = path_of("sandbox", "clock", "advance")
        return Call("POST", path, ClockAdvanced, body=body, idempotency_key=idempotency_key)

    @operation
    def complete_payment(
        self, payment_id: str, outcome: str, idempotency_key: str | None = None
    ) -> Call[Payment]:
        """Plays the customer's part: ``"succeed"``, ``"fail:insufficient_funds"`` …"""
        path = path_of("sandbox", "payments", payment_id, "complete")
        return Call("POST", path, Payment, body={"outcome": outcome}, idempotency_key=idempotency_key)
