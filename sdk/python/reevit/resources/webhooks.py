"""Webhooks: who is told of what, and what became of each delivery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, nothing, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, Sender, listing, operation
from reevit.resources._shared import Created, Instant, Paging
from reevit.resources.events import Event, EventFilters
from reevit.webhooks import construct_event

DeliveryStatus = Literal["queued", "waiting", "scheduled", "sending", "delivered", "exhausted", "disabled"]


class Endpoint(Model):
    """An address that is told of `events`."""

    id: str
    org_id: str
    mode: str
    url: str
    events: list[str]
    description: str | None
    enabled: bool
    status: Literal["active", "paused", "disabled"] | str
    disabled_reason: Literal["turned_off", "gone", "failing"] | str | None
    failing_since: datetime | None
    signing_secret: str | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime


class Attempt(Model):
    """One try of a delivery; `response_body` is the first kilobyte of the answer."""

    number: int
    started_at: datetime
    latency_ms: int | None
    status_code: int | None
    error: str | None
    error_message: str | None
    response_body: str | None


class Delivery(Model):
    """An event on its way to an endpoint, with every attempt."""

    id: str
    org_id: str
    mode: str
    event_id: str
    event_type: str
    endpoint_id: str
    url: str | None
    status: DeliveryStatus | str
    attempt_count: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    attempts: list[Attempt]


class Replayed(Model):
    """The deliveries that an event was given again."""

    event_id: str
    deliveries: list[Delivery]


class RangeReplayed(Model):
    """How many events are on their way again; ask again from `next_from` when it is not None."""

    replayed: int
    next_from: datetime | None


class ConfigFields(TypedDict, total=False):
    """`url` is needed; `events` are all unless said."""

    url: str
    events: Sequence[str] | None
    enabled: bool
    signing_secret: str | None


class EndpointFields(TypedDict, total=False):
    """`url` is needed to create one; `events` are all unless said."""

    url: str
    events: Sequence[str]
    enabled: bool
    signing_secret: str | None
    description: str | None


class EndpointChanges(TypedDict, total=False):
    """What is left out stays."""

    url: str
    events: Sequence[str]
    enabled: bool
    description: str | None


class RangeFields(TypedDict, total=False):
    """From `from_` (needed) to `to` (the end unless said), of some types or all, all or the undelivered only."""

    from_: Instant
    to: Instant | None
    events: Sequence[str] | None
    undelivered_only: bool


class DeliveryFilters(Created, total=False):
    """Every one narrows."""

    endpoint_id: str
    event_id: str
    status: DeliveryStatus


class Endpoints(Resource[Kind]):
    """``reevit.webhooks.endpoints``: several addresses, each with its own events and secret."""

    @operation
    def create(
        self,
        data: EndpointFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[EndpointFields],
    ) -> Call[Endpoint]:
        """An address to be told. Its `signing_secret` is in the answer."""
        body = body_of(data, fields)
        return Call(
            "POST", path_of("webhooks", "endpoints"), Endpoint, body=body, idempotency_key=idempotency_key
        )

    @listing
    def list(self, **paging: Unpack[Paging]) -> ListCall[Endpoint]:
        """Endpoints, newest first."""
        return ListCall(path_of("webhooks", "endpoints"), "endpoints", Endpoint, paging)

    @operation
    def get(self, endpoint_id: str) -> Call[Endpoint]:
        """Raises NotFoundError."""
        return Call("GET", path_of("webhooks", "endpoints", endpoint_id), Endpoint)

    @operation
    def update(
        self,
        endpoint_id: str,
        data: EndpointChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[EndpointChanges],
    ) -> Call[Endpoint]:
        """Changes what is given."""
        path, body = path_of("webhooks", "endpoints", endpoint_id), body_of(data, fields)
        return Call("PATCH", path, Endpoint, body=body, idempotency_key=idempotency_key)

    @operation
    def delete(self, endpoint_id: str, idempotency_key: str | None = None) -> Call[None]:
        """It is told no more."""
        path = path_of("webhooks", "endpoints", endpoint_id)
        return Call("DELETE", path, nothing, idempotency_key=idempotency_key)

    @operation
    def rotate_secret(self, endpoint_id: str, idempotency_key: str | None = None) -> Call[Endpoint]:
        """A new secret; the old one signs along for a day."""
        return _endpoint_deed(endpoint_id, "rotate-secret", idempotency_key)

    @operation
    def pause(self, endpoint_id: str, idempotency_key: str | None = None) -> Call[Endpoint]:
        """Events are kept for it until it is resumed."""
        return _endpoint_deed(endpoint_id, "pause", idempotency_key)

    @operation
    def resume(self, endpoint_id: str, idempotency_key: str | None = None) -> Call[Endpoint]:
        """It is told what was kept, and what comes."""
        return _endpoint_deed(endpoint_id, "resume", idempotency_key)

    @operation
    def send_test(self, endpoint_id: str, idempotency_key: str | None = None) -> Call[Delivery]:
        """Sends it a test event at once."""
        path = path_of("webhooks", "endpoints", endpoint_id, "test")
        return Call("POST", path, Delivery, body={}, idempotency_key=idempotency_key)

    @operation
    def replay(
        self,
        endpoint_id: str,
        data: RangeFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[RangeFields],
    ) -> Call[RangeReplayed]:
        """Tells it again of a range of time."""
        path, body = path_of("webhooks", "endpoints", endpoint_id, "replay"), body_of(data, fields)
        return Call("POST", path, RangeReplayed, body=body, idempotency_key=idempotency_key)


class Webhooks(Resource[Kind]):
    """``reevit.webhooks``: the one endpoint of the config, and `endpoints` for more."""

    construct_event = staticmethod(construct_event)

    def __init__(self, client: Sender) -> None:
        super().__init__(client)
        self.endpoints: Endpoints[Kind] = Endpoints(client)

    @operation
    def get_config(self) -> Call[Endpoint]:
        """The one endpoint of `upsert_config`. Raises NotFoundError when there is none."""
        return Call("GET", path_of("webhooks", "config"), Endpoint)

    @operation
    def upsert_config(
        self,
        data: ConfigFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[ConfigFields],
    ) -> Call[Endpoint]:
        """Makes or changes the one endpoint of a merchant who needs no more."""
        body = body_of(data, fields)
        return Call(
            "POST", path_of("webhooks", "config"), Endpoint, body=body, idempotency_key=idempotency_key
        )

    @operation
    def delete_config(self, idempotency_key: str | None = None) -> Call[None]:
        """It is told no more."""
        return Call("DELETE", path_of("webhooks", "config"), nothing, idempotency_key=idempotency_key)

    @operation
    def send_test(self, idempotency_key: str | None = None) -> Call[Delivery]:
        """Sends the config's endpoint a test event at once."""
        path = path_of("webhooks", "test")
        return Call("POST", path, Delivery, body={}, idempotency_key=idempotency_key)

    @listing
    def list_events(self, **filters: Unpack[EventFilters]) -> ListCall[Event]:
        """``reevit.events.list``, by its older name."""
        return ListCall(path_of("webhooks", "events"), "events", Event, filters)

    @operation
    def get_event(self, event_id: str) -> Call[Event]:
        """``reevit.events.get``, by its older name."""
        return Call("GET", path_of("webhooks", "events", event_id), Event)

    @operation
    def replay_event(
        self, event_id: str, idempotency_key: str | None = None, *, endpoint_id: str | None = None
    ) -> Call[Replayed]:
        """Tells all endpoints, or one, of this event again, with the same webhook-id."""
        body: dict[str, Any] = {} if endpoint_id is None else {"endpoint_id": endpoint_id}
        path = path_of("webhooks", "events", event_id, "replay")
        return Call("POST", path, Replayed, body=body, idempotency_key=idempotency_key)

    @listing
    def list_outbound(self, **filters: Unpack[DeliveryFilters]) -> ListCall[Delivery]:
        """Deliveries, newest first."""
        return ListCall(path_of("webhooks", "outbound"), "outbound", Delivery, filters)

    @operation
    def get_outbound(self, outbound_id: str) -> Call[Delivery]:
        """One delivery with every attempt. Raises NotFoundError."""
        return Call("GET", path_of("webhooks", "outbound", outbound_id), Delivery)


def _endpoint_deed(endpoint_id: str, deed: str, idempotency_key: str | None) -> Call[Endpoint]:
    path = path_of("webhooks", "endpoints", endpoint_id, deed)
    return Call("POST", path, Endpoint, body={}, idempotency_key=idempotency_key)
