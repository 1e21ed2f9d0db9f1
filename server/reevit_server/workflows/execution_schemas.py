"""Executions, simulations and the switches of notices on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator

from reevit_server.core.database import Row
from reevit_server.core.json_schema import never_null
from reevit_server.core.openapi import example_id
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import Bound
from reevit_server.messages import MessageListed

ExecutionStatus = Literal["queued", "done", "failed", "skipped"]


class ExecutionOut(BaseModel):
    """What a workflow did because of an event."""

    id: Annotated[str, Field(examples=[example_id("exe")])]
    org_id: str
    mode: Mode
    workflow_id: Annotated[
        str, Field(description="A rule's id, or a notice's name, such as `receipt_email`.")
    ]
    workflow_name: str
    event_id: str
    event_type: str
    customer_id: str | None
    status: Annotated[
        ExecutionStatus,
        Field(
            description="`done`: every action is; what became of a message, the message says. "
            "`failed`: at least one action is not. `skipped`: it would have gone round in a circle."
        ),
    ]
    reason: str | None
    reason_message: str | None
    created_at: datetime
    finished_at: datetime | None


class ActionOut(BaseModel):
    """One action of an execution, and what became of it."""

    position: int
    type: str
    action: Annotated[dict[str, Any], Field(description="As the rule had it when the event happened.")]
    status: ExecutionStatus
    reason: Annotated[str | None, Field(description="Why it failed or was skipped.")]
    reason_message: str | None
    message: Annotated[
        MessageListed | None, Field(description="What it sent, or tries to; null: nothing, or purged.")
    ]
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Row, message: Row | None) -> "ActionOut":
        told = None if message is None else MessageListed.fields_of(message)
        fields = ("position", "action", "status", "reason", "reason_message", "finished_at")
        return cls.model_validate(
            {**{name: row[name] for name in fields}, "type": row["action"]["type"], "message": told}
        )


class ExecutionWithActionsOut(ExecutionOut):
    actions: list[ActionOut]


class ActionList(BaseModel):
    """All actions of an execution, in order."""

    actions: list[ActionOut]


class ExecutionPage(Page):
    executions: list[ExecutionOut]


class ExecutionQuery(PageQuery):
    workflow_id: Annotated[str | None, Field(max_length=255)] = None
    status: ExecutionStatus | None = None
    event_id: Annotated[str | None, Field(max_length=255)] = None
    customer_id: Annotated[str | None, Field(max_length=255)] = None
    created_after: Bound | None = None
    created_before: Bound | None = None


class SimulatedAction(BaseModel):
    """What an action would have done."""

    position: int
    type: str
    to: str | None
    subject: str | None
    text: str | None
    html: str | None
    segments: Annotated[int | None, Field(description="Of an SMS: as how many it is paid.")]
    integration_id: Annotated[
        str | None, Field(description="Who would send it; null: it stays in the outbox.")
    ]
    not_sent: Annotated[str | None, Field(description="Why nothing would be sent, if so.")]


class SimulatedEvent(BaseModel):
    """One past event, and what would have followed."""

    event_id: str
    event_type: str
    created_at: datetime
    customer_id: str | None
    matches: bool
    reason: Annotated[str | None, Field(description="Which condition is not met, and what there is instead.")]
    actions: list[SimulatedAction]


class Simulation(BaseModel):
    """What a rule would have done with the latest events of its type. Nothing was sent or changed."""

    rule_id: str
    events: Annotated[
        int, Field(description="How many were looked at: fewer, when what would be sent takes long to write.")
    ]
    matched: int
    results: list[SimulatedEvent]


class NoticesOut(BaseModel):
    """What is written to customers without a rule."""

    receipt_email: Annotated[bool, Field(description="A receipt with a PDF, after a payment.")]
    receipt_sms: Annotated[bool, Field(description="A receipt by SMS, where only a phone is known.")]
    payment_failed: Annotated[bool, Field(description="That a payment failed, by e-mail or else SMS.")]
    renewal_upcoming: Annotated[bool, Field(description="That a subscription is charged in three days.")]


class NoticesPatch(BaseModel):
    """Switches left out stay as they are."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"receipt_email": True}]})

    receipt_email: Annotated[StrictBool | None, Field(json_schema_extra=never_null)] = None
    receipt_sms: Annotated[StrictBool | None, Field(json_schema_extra=never_null)] = None
    payment_failed: Annotated[StrictBool | None, Field(json_schema_extra=never_null)] = None
    renewal_upcoming: Annotated[StrictBool | None, Field(json_schema_extra=never_null)] = None

    @field_validator("*")
    @classmethod
    def _on_or_off(cls, value: bool | None) -> bool | None:
        if value is None:
            raise ValueError("A switch is true or false; leave it out to keep it as it is")
        return value
