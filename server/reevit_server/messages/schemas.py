"""Messages, and those who send them, on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from reevit_server.core.database import Row
from reevit_server.core.json_schema import never_null
from reevit_server.core.openapi import example_id
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import Bound, ShortName
from reevit_server.customers import Email, checked_email, checked_phone
from reevit_server.messages.models import Channel, Covers, Purpose
from reevit_server.providers import senders

MessageStatus = Literal["scheduled", "queued", "sending", "sent", "outbox", "suppressed", "failed"]

_SMTP: dict[str, JsonValue] = {
    "name": "Our mail server",
    "provider": "smtp",
    "credentials": {
        "host": "smtp.example.com",
        "username": "shop",
        "password": "correct horse",
    },
    "from_address": "receipts@example.com",
    "from_name": "Ama's Shop",
}

Provider = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=64),
    Field(description="Who sends.", json_schema_extra={"enum": list(senders.SENDERS)}),
]
# What each of them must be, its provider says; so every fault is told at once, by the field's own name.
_Credential = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]})
]
Credentials = Annotated[
    dict[str, _Credential],
    Field(
        description="What the provider needs to know you; docs/messages.md lists it for each. Never returned.",
        max_length=20,
    ),
]


class IntegrationCreate(BaseModel):
    """An account with somebody who sends. `from_address` is needed for e-mail, and only there."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SMTP]})

    name: ShortName
    provider: Provider
    credentials: Credentials
    from_address: Annotated[Email | None, Field(description="Whom an e-mail is from.")] = None
    from_name: Annotated[ShortName | None, Field(description="Default: your organization's name.")] = None
    reply_to: Annotated[Email | None, Field(description="Where an answer goes. Default: `from_address`.")] = (
        None
    )
    enabled: StrictBool = True


class IntegrationPatch(BaseModel):
    """Fields left out stay as they are. Credentials are replaced as a whole."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"enabled": False}]})

    name: Annotated[ShortName | None, Field(json_schema_extra=never_null)] = None
    credentials: Annotated[Credentials | None, Field(json_schema_extra=never_null)] = None
    from_address: Annotated[Email | None, Field(json_schema_extra=never_null)] = None
    from_name: ShortName | None = None
    reply_to: Email | None = None
    enabled: Annotated[StrictBool | None, Field(json_schema_extra=never_null)] = None

    @field_validator("name", "credentials", "from_address", "enabled")
    @classmethod
    def _not_cleared(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("This can be changed, but not cleared")
        return value


class IntegrationOut(BaseModel):
    """Who sends. Its credentials are sealed, and never shown."""

    id: Annotated[str, Field(examples=[example_id("itg")])]
    org_id: str
    mode: Mode
    name: str
    channel: Channel
    provider: str
    from_address: str | None
    from_name: str | None
    reply_to: str | None
    enabled: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row) -> "IntegrationOut":
        return cls.model_validate({name: row[name] for name in cls.model_fields})


class IntegrationPage(Page):
    integrations: list[IntegrationOut]


class IntegrationQuery(PageQuery):
    channel: Channel | None = None


class IntegrationTest(BaseModel):
    """Whom to send a test to: an e-mail address or a phone number; nobody for a chat and a webhook."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "you@example.com"}]})

    to: Annotated[str, StringConstraints(strict=True, max_length=254)] | None = None


class MessageAttemptOut(BaseModel):
    """One attempt to send a message."""

    number: int
    integration_id: str
    provider: str
    outcome: Annotated[
        Literal["sent", "later", "never", "interrupted"] | None,
        Field(
            description="null while it is under way; `later`: it may yet get through, `never`: it will not."
        ),
    ]
    code: Annotated[str | None, Field(description="For programs: `550`, `http_429`, `connect_timeout` …")]
    message: Annotated[str | None, Field(description="What the other side said.")]
    latency_ms: int | None
    started_at: datetime
    ended_at: datetime | None


class MessageListed(BaseModel):
    """A message without its text."""

    id: Annotated[str, Field(examples=[example_id("msg")])]
    org_id: str
    mode: Mode
    channel: Channel
    purpose: Purpose
    status: MessageStatus
    reason: Annotated[str | None, Field(description="Why it is in the outbox, suppressed or failed.")]
    reason_message: str | None
    to: Annotated[str | None, Field(description="null: a chat's or webhook's own, or its person was erased.")]
    subject: str | None
    integration_id: str | None
    customer_id: str | None
    event_id: str | None
    execution_id: str | None
    receipt_of: Annotated[str | None, Field(description="The payment whose receipt goes along, as a PDF.")]
    attempt_count: int
    next_attempt_at: datetime | None
    provider_ref: Annotated[str | None, Field(description="What the provider calls it.")]
    created_at: datetime
    sent_at: datetime | None

    @classmethod
    def fields_of(cls, row: Row) -> dict[str, Any]:
        derived = {
            "to": row["recipient"],
            "sent_at": row["finished_at"] if row["status"] == "sent" else None,
        }
        return {name: derived[name] if name in derived else row[name] for name in MessageListed.model_fields}


class MessageOut(MessageListed):
    """What was written to somebody, or is to be, and how it went."""

    text: str | None
    html: str | None
    attempts: list[MessageAttemptOut]

    @classmethod
    def of(cls, row: Row, attempts: list[Any]) -> "MessageOut":
        told = [MessageAttemptOut.model_validate(dict(attempt)) for attempt in attempts]
        return cls.model_validate(
            {**cls.fields_of(row), "text": row["text"], "html": row["html"], "attempts": told}
        )


class MessagePage(Page):
    messages: list[MessageListed]


class MessageQuery(PageQuery):
    channel: Channel | None = None
    status: MessageStatus | None = None
    customer_id: Annotated[str | None, Field(max_length=255)] = None
    external_customer_id: Annotated[str | None, Field(max_length=255)] = None
    execution_id: Annotated[str | None, Field(max_length=255)] = None
    created_after: Bound | None = None
    created_before: Bound | None = None


class SuppressionCreate(BaseModel):
    """Who is not to be written to any more: by an e-mail address or a phone number."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"channel": "email", "address": "ada@example.com"}]}
    )

    channel: Literal["email", "sms"]
    address: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=254)]
    covers: Covers = "everything"

    @field_validator("address")
    @classmethod
    def _of_its_channel(cls, address: str, info: ValidationInfo) -> str:
        return checked_recipient(info.data["channel"], address) if "channel" in info.data else address


class SuppressionOut(BaseModel):
    """Somebody who is not written to. The address itself is not kept, only what it is known again by."""

    id: Annotated[str, Field(examples=[example_id("sup")])]
    org_id: str
    mode: Mode
    channel: Literal["email", "sms"]
    hint: Annotated[str, Field(examples=["a***@example.com"])]
    covers: Covers
    reason: Literal["unsubscribed", "opted_out", "bounced", "manual"]
    created_at: datetime


class SuppressionPage(Page):
    suppressions: list[SuppressionOut]


class SuppressionQuery(PageQuery):
    channel: Literal["email", "sms"] | None = None
    address: Annotated[str | None, Field(max_length=254, description="An address, to see if it is one.")] = (
        None
    )


def checked_recipient(channel: str, address: str) -> str:
    """The address, if it is one of this channel, and one alone. Raises ValueError."""
    return checked_email(address) if channel == "email" else checked_phone(address)
