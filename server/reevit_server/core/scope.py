"""Whose data a piece of code may see: every action and every statement takes a scope."""

from typing import Literal, NamedTuple

Mode = Literal["test", "live"]


class Scope(NamedTuple):
    """One organization in one mode, and who acts in it. Test and live data never meet.

    `actor_id` and `reason` come from `X-Actor-Id` and `X-Reason` and are kept with every event.
    """

    org_id: str
    mode: Mode
    actor_id: str | None = None
    reason: str | None = None
