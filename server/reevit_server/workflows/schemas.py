"""Workflows on the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from reevit_server.core.json_schema import never_null
from reevit_server.core.liquid import SOURCE_CHARACTERS_MAX
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import ShortName

Channel = Literal["email", "sms", "notification"]

Subject = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=1000),
    Field(
        description="Liquid. One line; line ends that a value brings are dropped.", examples=["Your receipt"]
    ),
]
Source = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=SOURCE_CHARACTERS_MAX),
    Field(description="Liquid.", examples=["Hi {{ customer.name | default: 'there' }}"]),
]


class TemplateCreate(BaseModel):
    """An e-mail has a subject, and text or HTML or both; an SMS and a notification have text."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Receipt by SMS",
                    "channel": "sms",
                    "text": "Thank you! We received {{ payment.amount | money }}.",
                }
            ]
        },
    )

    name: ShortName
    channel: Channel
    subject: Subject | None = None
    text: Source | None = None
    html: Source | None = None

    @model_validator(mode="after")
    def _parts_of_its_channel(self) -> Self:
        check_parts(self.channel, self.subject, self.text, self.html)
        return self


class TemplatePatch(BaseModel):
    """Fields left out stay as they are; null takes `text` or `html` away, if the other is there."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"subject": "Your receipt"}]})

    name: Annotated[ShortName | None, Field(json_schema_extra=never_null)] = None
    subject: Subject | None = None
    text: Source | None = None
    html: Source | None = None

    @field_validator("name")
    @classmethod
    def _not_cleared(cls, name: str | None) -> str | None:
        if name is None:
            raise ValueError("This can be changed, but not cleared")
        return name


class TemplateOut(BaseModel):
    """What is written to customers."""

    id: str
    org_id: str
    mode: Mode
    name: str
    channel: Channel
    subject: str | None
    text: str | None
    html: str | None
    created_at: datetime
    updated_at: datetime


class TemplatePage(Page):
    templates: list[TemplateOut]


class TemplateQuery(PageQuery):
    channel: Channel | None = None


class Preview(BaseModel):
    """With one of your events."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"event_id": "evt_01jd8w3v5qe2rvkz6n0c4m8x7a"}]}
    )

    event_id: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255)]


class PreviewOut(BaseModel):
    """What would be sent. Nothing was."""

    to: Annotated[str | None, Field(description="The customer's e-mail or phone; null: there is none.")]
    subject: str | None
    text: str | None
    html: str | None
    characters: Annotated[int | None, Field(description="Of an SMS: how long it is.")]
    segments: Annotated[int | None, Field(description="Of an SMS: as how many messages it is paid.")]


def check_parts(channel: str, subject: str | None, text: str | None, html: str | None) -> None:
    """Raises ValueError unless a message of this channel has what it needs, and no more."""
    if channel == "email":
        if subject is None:
            raise ValueError("An e-mail has a `subject`")
        if text is None and html is None:
            raise ValueError("An e-mail has `text`, `html` or both")
    elif subject is not None or html is not None:
        raise ValueError(f"A template for {channel} has `text` and nothing else")
    elif text is None:
        raise ValueError(f"A template for {channel} has `text`")
