"""Messages: what was written to whom, how it went, and who is not written to any more."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, nothing, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, Sender, listing, operation
from reevit.resources._shared import OfCustomer, Paging

MessageChannel = Literal["email", "sms", "notification", "webhook"]
MessageStatus = Literal["scheduled", "queued", "sending", "sent", "outbox", "suppressed", "failed"]
Covers = Literal["marketing", "everything"]


class MessageAttempt(Model):
    """One attempt to send a message; after the outcome ``later`` it may yet get through. None: it is under way."""

    number: int
    integration_id: str
    provider: str
    outcome: Literal["sent", "later", "never", "interrupted"] | str | None
    code: str | None
    message: str | None
    latency_ms: int | None
    started_at: datetime
    ended_at: datetime | None


class ListedMessage(Model):
    """A message without its text. `reason` is why it is in the outbox, suppressed or failed."""

    id: str
    org_id: str
    mode: str
    channel: MessageChannel | str
    purpose: Literal["transactional", "marketing", "test"] | str
    status: MessageStatus | str
    reason: str | None
    reason_message: str | None
    to: str | None
    subject: str | None
    integration_id: str | None
    customer_id: str | None
    event_id: str | None
    execution_id: str | None
    receipt_of: str | None
    attempt_count: int
    next_attempt_at: datetime | None
    provider_ref: str | None
    created_at: datetime
    sent_at: datetime | None


class Message(ListedMessage):
    """What was written to somebody, or is to be, and every attempt to send it."""

    text: str | None
    html: str | None
    attempts: list[MessageAttempt]


class Suppression(Model):
    """An address that is not written to. Of the address itself only `hint` is kept: ``a***@example.com``."""

    id: str
    org_id: str
    mode: str
    channel: Literal["email", "sms"] | str
    hint: str
    covers: Covers | str
    reason: Literal["unsubscribed", "opted_out", "bounced", "manual"] | str
    created_at: datetime


class MessageFilters(OfCustomer, total=False):
    """Every one narrows."""

    channel: MessageChannel
    status: MessageStatus
    execution_id: str


class SuppressionFields(TypedDict, total=False):
    """`channel` and `address` are needed. It covers everything unless said."""

    channel: Literal["email", "sms"]
    address: str
    covers: Covers


class SuppressionFilters(Paging, total=False):
    """Those of one channel; `address` asks whether one is there."""

    channel: Literal["email", "sms"]
    address: str


class Suppressions(Resource[Kind]):
    """``reevit.messages.suppressions``: who is not written to any more."""

    @operation
    def create(
        self,
        data: SuppressionFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[SuppressionFields],
    ) -> Call[Suppression]:
        """Writes no more to an address, or no more marketing. Again, it is the same one."""
        path, body = path_of("messages", "suppressions"), body_of(data, fields)
        return Call("POST", path, Suppression, body=body, idempotency_key=idempotency_key)

    @listing
    def list(self, **filters: Unpack[SuppressionFilters]) -> ListCall[Suppression]:
        """Suppressions, newest first."""
        return ListCall(path_of("messages", "suppressions"), "suppressions", Suppression, filters)

    @operation
    def delete(self, suppression_id: str, idempotency_key: str | None = None) -> Call[None]:
        """Writes to that address again."""
        path = path_of("messages", "suppressions", suppression_id)
        return Call("DELETE", path, nothing, idempotency_key=idempotency_key)


class Messages(Resource[Kind]):
    """``reevit.messages``, kept as long as events."""

    def __init__(self, client: Sender) -> None:
        super().__init__(client)
        self.suppressions: Suppressions[Kind] = Suppressions(client)

    @listing
    def list(self, **filters: Unpack[MessageFilters]) -> ListCall[ListedMessage]:
        """Messages, newest first, without their texts."""
        return ListCall(path_of("messages"), "messages", ListedMessage, filters)

    @operation
    def get(self, message_id: str) -> Call[Message]:
        """A message with its text and every attempt. Raises NotFoundError."""
        return Call("GET", path_of("messages", message_id), Message)

    @operation
    def resend(self, message_id: str, idempotency_key: str | None = None) -> Call[Message]:
        """Sends again what failed or stayed in the outbox. Raises ConflictError for anything else."""
        path = path_of("messages", message_id, "resend")
        return Call("POST", path, Message, body={}, idempotency_key=idempotency_key)
