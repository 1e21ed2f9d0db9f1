"""What a payment provider can say about a payment."""

from typing import Any, Literal, NamedTuple

OutcomeStatus = Literal["succeeded", "failed", "requires_action", "processing", "canceled"]


class Outcome(NamedTuple):
    """How an attempt to charge went. A provider that did not answer is `processing`, never `failed`."""

    status: OutcomeStatus
    failure_code: str | None = None
    failure_message: str | None = None
    next_action: dict[str, Any] | None = None
    provider_ref_id: str | None = None


SUCCEEDED = Outcome("succeeded")
