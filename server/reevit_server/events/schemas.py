"""The wire of events."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from reevit_server.core.openapi import example_id
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.text import Bound


class EventQuery(PageQuery):
    type: Annotated[
        str | None,
        Field(max_length=64, description="Such as `payment.succeeded`; `payment.*` for all of a kind."),
    ] = None
    customer_id: Annotated[str | None, Field(max_length=255)] = None
    external_customer_id: Annotated[str | None, Field(max_length=255)] = None
    created_after: Bound | None = None
    created_before: Bound | None = None


class EventOut(BaseModel):
    """One change, as it was when it happened."""

    id: Annotated[str, Field(examples=[example_id("evt")])]
    org_id: str
    mode: str
    type: Annotated[str, Field(examples=["payment.succeeded"])]
    subject_id: Annotated[str, Field(description="The customer, payment … that changed.")]
    data: Annotated[
        dict[str, Any],
        Field(
            description="The subject after the change, with `customer` if it concerns one; "
            "updates carry `previous_attributes`."
        ),
    ]
    actor_id: Annotated[str | None, Field(description="`X-Actor-Id` of the request that did it.")]
    reason: Annotated[str | None, Field(description="Its `X-Reason`.")]
    created_at: datetime


class EventPage(Page):
    events: list[EventOut]
