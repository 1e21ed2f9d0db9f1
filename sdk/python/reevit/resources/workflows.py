"""Workflows: what is written to customers, when and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, nothing, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, Sender, listing, operation
from reevit.resources._shared import Paging
from reevit.resources.executions import Executions
from reevit.resources.integrations import Integrations
from reevit.resources.notices import Notices
from reevit.resources.rules import Rules

Channel = Literal["email", "sms", "notification"]


class Template(Model):
    """What is written to customers. `subject`, `text` and `html` are Liquid: ``Hi {{ customer.name }}``."""

    id: str
    org_id: str
    mode: str
    name: str
    channel: Channel | str
    subject: str | None
    text: str | None
    html: str | None
    created_at: datetime
    updated_at: datetime


class Preview(Model):
    """What would be sent. `to` is the customer's e-mail or phone, None if there is none; `characters` and `segments`
    (as how many messages it is paid) are of an SMS.
    """

    to: str | None
    subject: str | None
    text: str | None
    html: str | None
    characters: int | None
    segments: int | None


class TemplateFields(TypedDict, total=False):
    """`name` and `channel` are needed. An e-mail has a `subject`, and `text`, `html` or both; an SMS and a
    notification have `text`.
    """

    name: str
    channel: Channel
    subject: str | None
    text: str | None
    html: str | None


class TemplateChanges(TypedDict, total=False):
    """What is left out stays; None takes `text` or `html` away, if the other is there."""

    name: str
    subject: str | None
    text: str | None
    html: str | None


class TemplateFilters(Paging, total=False):
    """Those of one channel."""

    channel: Channel


class Templates(Resource[Kind]):
    """``reevit.workflows.templates``."""

    @operation
    def create(
        self,
        data: TemplateFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[TemplateFields],
    ) -> Call[Template]:
        """A new template. What it cannot say is refused, with the place. Raises ConflictError for a name that is
        taken.
        """
        path, body = path_of("workflows", "templates"), body_of(data, fields)
        return Call("POST", path, Template, body=body, idempotency_key=idempotency_key)

    @listing
    def list(self, **filters: Unpack[TemplateFilters]) -> ListCall[Template]:
        """Templates, newest first."""
        return ListCall(path_of("workflows", "templates"), "templates", Template, filters)

    @operation
    def get(self, template_id: str) -> Call[Template]:
        """Raises NotFoundError."""
        return Call("GET", path_of("workflows", "templates", template_id), Template)

    @operation
    def update(
        self,
        template_id: str,
        data: TemplateChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[TemplateChanges],
    ) -> Call[Template]:
        """Changes what is given. What is sent from then on says what it says then."""
        path, body = path_of("workflows", "templates", template_id), body_of(data, fields)
        return Call("PATCH", path, Template, body=body, idempotency_key=idempotency_key)

    @operation
    def delete(self, template_id: str, idempotency_key: str | None = None) -> Call[None]:
        """It is gone for good."""
        path = path_of("workflows", "templates", template_id)
        return Call("DELETE", path, nothing, idempotency_key=idempotency_key)

    @operation
    def preview(self, template_id: str, event_id: str, idempotency_key: str | None = None) -> Call[Preview]:
        """What it says of an event that happened. Nothing is sent."""
        path = path_of("workflows", "templates", template_id, "preview")
        return Call("POST", path, Preview, body={"event_id": event_id}, idempotency_key=idempotency_key)


class Workflows(Resource[Kind]):
    """``reevit.workflows``."""

    def __init__(self, client: Sender) -> None:
        super().__init__(client)
        self.rules: Rules[Kind] = Rules(client)
        self.templates: Templates[Kind] = Templates(client)
        self.integrations: Integrations[Kind] = Integrations(client)
        self.executions: Executions[Kind] = Executions(client)
        self.notices: Notices[Kind] = Notices(client)
