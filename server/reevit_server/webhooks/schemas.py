"""Webhooks on the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from reevit_server import events
from reevit_server.core.addresses import URL_LENGTH_MAX
from reevit_server.core.database import Row
from reevit_server.core.json_schema import never_null
from reevit_server.core.openapi import example_id
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import Bound, Instant, ShortName
from reevit_server.webhooks.models import checked_secret

EndpointStatus = Literal["active", "paused", "disabled"]
DeliveryStatus = Literal["queued", "waiting", "scheduled", "sending", "delivered", "exhausted", "disabled"]

_URL = "https://shop.example.com/webhooks"
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - an example


def _known(choices: list[str]) -> list[str]:
    for choice in choices:
        if choice not in events.CHOICES:
            raise ValueError(
                f"{choice!r} is no type of event; "
                f"write *, a kind such as payment.*, or one of {', '.join(events.TYPES)}"
            )
    return list(dict.fromkeys(choices))


# Whether an address may be told is the operator's to say, and so is checked by the deed.
Url = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=URL_LENGTH_MAX),
    Field(
        description="Where to send events: https, a host by name, no user or password.",
        examples=[_URL],
        json_schema_extra={"format": "webhook-url"},
    ),
]
Choices = Annotated[
    list[Annotated[str, StringConstraints(strict=True)]],
    AfterValidator(_known),
    Field(
        min_length=1,
        max_length=50,
        description="Types of events; `payment.*` is all of a kind, `*` is everything.",
        examples=[["payment.succeeded", "customer.*"]],
        json_schema_extra={"items": {"type": "string", "enum": list(events.CHOICES)}},
    ),
]
Secret = Annotated[
    str,
    StringConstraints(strict=True, max_length=100),
    AfterValidator(checked_secret),
    Field(
        description="`whsec_` and 24 to 64 bytes in base64.",
        examples=[_SECRET],
        json_schema_extra={"format": "webhook-secret"},
    ),
]


class EndpointCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": _URL, "events": ["payment.*"]}]}
    )

    url: Url
    events: Choices = [events.CHOICES[0]]
    description: ShortName | None = None
    enabled: StrictBool = True
    signing_secret: Annotated[Secret | None, Field(description="Default: one is made.")] = None


class ConfigUpsert(BaseModel):
    """The one endpoint that the published clients know."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": _URL, "events": ["*"], "enabled": True}]}
    )

    url: Url
    events: Annotated[Choices | None, Field(description="Default: as it is, or everything.")] = None
    enabled: Annotated[
        StrictBool | None,
        Field(
            description="Whether it is told of anything. Default: as it is, or true.",
            json_schema_extra=never_null,
        ),
    ] = None
    signing_secret: Annotated[Secret | None, Field(description="Default: as it is, or one is made.")] = None

    @model_validator(mode="after")
    def _on_or_off(self) -> Self:
        if "enabled" in self.model_fields_set and self.enabled is None:
            raise ValueError("enabled is true or false; leave it out to keep it as it is")
        return self


class EndpointPatch(BaseModel):
    """Fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"events": ["*"]}]})

    url: Annotated[Url | None, Field(json_schema_extra=never_null)] = None
    events: Annotated[Choices | None, Field(json_schema_extra=never_null)] = None
    description: ShortName | None = None
    enabled: Annotated[
        StrictBool | None,
        Field(
            description="false: it is told nothing, and what waited for it is given up. true: it is told again.",
            json_schema_extra=never_null,
        ),
    ] = None

    @model_validator(mode="after")
    def _never_cleared(self) -> Self:
        for field in ("url", "events", "enabled"):
            if field in self.model_fields_set and getattr(self, field) is None:
                raise ValueError(f"{field} can be changed, but not cleared")
        return self


class EndpointOut(BaseModel):
    """Who is told, and of what."""

    id: Annotated[str, Field(examples=[example_id("whk")])]
    org_id: str
    mode: Mode
    url: str
    events: list[str]
    description: str | None
    enabled: Annotated[bool, Field(description="Whether its status is other than `disabled`.")]
    status: Annotated[
        EndpointStatus, Field(description="`paused`: what happens is kept for it. `disabled`: it is not.")
    ]
    disabled_reason: Annotated[
        Literal["turned_off", "gone", "failing"] | None,
        Field(description="By whom: you; its answer of 410; or nothing but failures for 5 days."),
    ]
    failing_since: Annotated[datetime | None, Field(description="Since when it has only failed.")]
    signing_secret: Annotated[
        str | None, Field(description="What deliveries are signed with; only for keys with `webhooks:write`.")
    ]
    previous_secret_until: Annotated[
        datetime | None, Field(description="Until when the secret before the last rotation signs too.")
    ]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row, *, signing_secret: str | None) -> Self:
        return cls.model_validate(
            {**row, "enabled": row["status"] != "disabled", "signing_secret": signing_secret}
        )


class EndpointPage(Page):
    endpoints: list[EndpointOut]


class AttemptOut(BaseModel):
    """One try, and what came of it."""

    number: int
    started_at: datetime
    latency_ms: int | None
    status_code: int | None
    error: Annotated[
        str | None,
        Field(description="Null while it runs, and when it succeeded.", examples=["timeout"]),
    ]
    error_message: str | None
    response_body: Annotated[str | None, Field(description="The first kilobyte of the answer.")]


class DeliveryOut(BaseModel):
    """The telling of one event to one endpoint."""

    id: Annotated[str, Field(examples=[example_id("dlv")])]
    org_id: str
    mode: Mode
    event_id: str
    event_type: Annotated[str, Field(examples=["payment.succeeded"])]
    endpoint_id: str
    url: Annotated[str | None, Field(description="The endpoint's; null for one that listens.")]
    status: Annotated[
        DeliveryStatus,
        Field(
            description="`queued`, `waiting` (for a free place), `scheduled` (for its next attempt) and `sending` "
            "are under way; `exhausted` (all attempts failed) and `disabled` (so is its endpoint) are given up."
        ),
    ]
    attempt_count: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    attempts: Annotated[list[AttemptOut], Field(description="The first one first.")]

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls.model_validate(dict(row))


class DeliveryPage(Page):
    outbound: list[DeliveryOut]


class DeliveryQuery(PageQuery):
    endpoint_id: Annotated[str | None, Field(max_length=255)] = None
    event_id: Annotated[str | None, Field(max_length=255)] = None
    status: DeliveryStatus | None = None
    created_after: Bound | None = None
    created_before: Bound | None = None


class ReplayOne(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    endpoint_id: Annotated[
        str | None, Field(max_length=255, description="Default: every endpoint that is told of such events.")
    ] = None


class ReplayedOut(BaseModel):
    """An event on its way again."""

    event_id: str
    deliveries: list[DeliveryOut]


class ReplayRange(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"}]},
    )

    from_: Annotated[Instant, Field(alias="from", description="Events from this instant ...")]
    to: Annotated[
        Instant | None, Field(description="... up to, but not including, this one; default: now.")
    ] = None
    events: Annotated[
        Choices | None, Field(description="Only these; default: what the endpoint is told of.")
    ] = None
    undelivered_only: Annotated[StrictBool, Field(description="Leave out what it was told already.")] = True


class RangeReplayedOut(BaseModel):
    """How many events are on their way again."""

    replayed: int
    next_from: Annotated[
        datetime | None,
        Field(
            description="Where the next request goes on when there were more than one takes; null: that was all."
        ),
    ]


class ListenerCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"events": ["payment.*"]}]})

    events: Choices = [events.CHOICES[0]]
    signing_secret: Annotated[Secret | None, Field(description="Default: one is made.")] = None


class ListenerOut(BaseModel):
    """Somebody who comes and asks, from behind any wall: `reevit listen`."""

    id: Annotated[str, Field(examples=[example_id("whk")])]
    events: list[str]
    signing_secret: str
    created_at: datetime


class ListenerResult(BaseModel):
    """What became of an event that was fetched before."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: Annotated[str, StringConstraints(strict=True, max_length=64)]
    latency_ms: Annotated[int, Field(strict=True, ge=0, le=3_600_000)]
    status_code: Annotated[int | None, Field(strict=True, ge=100, le=599)] = None
    error: Annotated[str | None, StringConstraints(strict=True, max_length=64, pattern="^[a-z_]+$")] = None
    error_message: Annotated[str | None, StringConstraints(strict=True, max_length=300)] = None
    response_body: Annotated[str | None, StringConstraints(strict=True, max_length=1000)] = None


class ListenerPoll(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    results: Annotated[list[ListenerResult], Field(max_length=100)] = []


class LetterOut(BaseModel):
    """A delivery as it would be sent: these headers, and the body's bytes as UTF-8."""

    delivery_id: str
    event_id: str
    type: str
    headers: dict[str, str]
    body: str


class ListenerPollOut(BaseModel):
    deliveries: list[LetterOut]
