"""Events: what happened, one for each change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from typing_extensions import Unpack

from reevit._call import Call, ListCall, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import OfCustomer


class Event(Model):
    """Something that happened. `data` is the object as it was then, with `data["customer"]` if it is of one.

    A delivered one, from `construct_event`, has `delivery_id` and `attempt` too; `actor_id` and `reason` are of those
    that `reevit.events` lists. Types may be added: ignore those that you do not know.
    """

    id: str
    org_id: str
    mode: str
    type: str
    subject_id: str | None
    data: dict[str, Any]
    created_at: datetime
    actor_id: str | None
    reason: str | None
    delivery_id: str | None
    attempt: int | None
    api_version: str | None
    signature_timestamp: datetime | None


class EventFilters(OfCustomer, total=False):
    """Every one narrows; `type` is whole (``payment.succeeded``) or a family (``payment.*``)."""

    type: str


class Events(Resource[Kind]):
    """``reevit.events``, kept for 30 days unless the operator says otherwise."""

    @listing
    def list(self, **filters: Unpack[EventFilters]) -> ListCall[Event]:
        """Events, newest first."""
        return ListCall(path_of("events"), "events", Event, filters)

    @operation
    def get(self, event_id: str) -> Call[Event]:
        """Raises NotFoundError."""
        return Call("GET", path_of("events", event_id), Event)
