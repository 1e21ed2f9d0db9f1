"""Integrations: who sends what is written, with the merchant's own account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, nothing, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import Paging
from reevit.resources.messages import Message, MessageChannel

Provider = Literal["smtp", "resend", "sendgrid", "twilio", "africas_talking", "hubtel", "chat", "webhook"]

Credentials = Mapping[str, str | int | None]
"""What the provider needs to know you: ``{"host": …, "username": …, "password": …}`` of a mail server."""


class Integration(Model):
    """Who sends. Its credentials are sealed, and in no answer."""

    id: str
    org_id: str
    mode: str
    name: str
    channel: MessageChannel | str
    provider: str
    from_address: str | None
    from_name: str | None
    reply_to: str | None
    enabled: bool
    created_at: datetime
    updated_at: datetime


class IntegrationFields(TypedDict, total=False):
    """`name`, `provider` and `credentials` are needed; for e-mail, and only there, `from_address` too."""

    name: str
    provider: Provider
    credentials: Credentials
    from_address: str | None
    from_name: str | None
    reply_to: str | None
    enabled: bool


class IntegrationChanges(TypedDict, total=False):
    """What is left out stays; `credentials` are replaced as a whole."""

    name: str
    credentials: Credentials
    from_address: str
    from_name: str | None
    reply_to: str | None
    enabled: bool


class IntegrationFilters(Paging, total=False):
    """Those of one channel."""

    channel: MessageChannel


class Integrations(Resource[Kind]):
    """``reevit.workflows.integrations``. Without any, messages stay in the outbox: ``reevit.messages``."""

    @operation
    def create(
        self,
        data: IntegrationFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[IntegrationFields],
    ) -> Call[Integration]:
        """Names who sends from now on. Raises ConflictError for a name that is taken."""
        path, body = path_of("workflows", "integrations"), body_of(data, fields)
        return Call("POST", path, Integration, body=body, idempotency_key=idempotency_key)

    @listing
    def list(self, **filters: Unpack[IntegrationFilters]) -> ListCall[Integration]:
        """Integrations, newest first."""
        return ListCall(path_of("workflows", "integrations"), "integrations", Integration, filters)

    @operation
    def get(self, integration_id: str) -> Call[Integration]:
        """Raises NotFoundError."""
        return Call("GET", path_of("workflows", "integrations", integration_id), Integration)

    @operation
    def update(
        self,
        integration_id: str,
        data: IntegrationChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[IntegrationChanges],
    ) -> Call[Integration]:
        """Changes what is given. What waits while it is off is sent when it is on again."""
        path, body = path_of("workflows", "integrations", integration_id), body_of(data, fields)
        return Call("PATCH", path, Integration, body=body, idempotency_key=idempotency_key)

    @operation
    def delete(self, integration_id: str, idempotency_key: str | None = None) -> Call[None]:
        """Forgets its credentials. What it was still to send stays in the outbox."""
        path = path_of("workflows", "integrations", integration_id)
        return Call("DELETE", path, nothing, idempotency_key=idempotency_key)

    @operation
    def test(
        self, integration_id: str, to: str | None = None, idempotency_key: str | None = None
    ) -> Call[Message]:
        """Sends a short message: `to` an address, by e-mail and SMS. ``reevit.messages.get`` says how it went."""
        path = path_of("workflows", "integrations", integration_id, "test")
        body = {} if to is None else {"to": to}
        return Call("POST", path, Message, body=body, idempotency_key=idempotency_key)
