"""`/v1/events`."""

from typing import Annotated

from fastapi import APIRouter, Query

from reevit_server.core.answer import Answer, reply
from reevit_server.core.http import Call
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import cut
from reevit_server.events import actions, store
from reevit_server.events.errors import EventNotFound
from reevit_server.events.schemas import EventOut, EventPage, EventQuery

router = APIRouter(tags=["events"])

EventId = Annotated[str, id_in_path("evt")]


@router.get("/v1/events", response_model=EventPage)
async def list_events(call: Call, query: Annotated[EventQuery, Query()]) -> Answer:
    """List what happened in the last 30 days, newest first."""
    after = query.after("id", (str,))
    async with call.db.read() as conn:
        rows = await store.select(conn, call.scope, query, after=after[0] if after else None)
        total = await store.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, "id", "id")
    events = [EventOut.model_validate(dict(row)) for row in page.rows]
    return reply(EventPage(events=events, has_more=page.has_more, next_cursor=page.next_cursor, total=total))


@router.get("/v1/events/{event_id}", response_model=EventOut, responses=refusals(EventNotFound))
async def get_event(call: Call, event_id: EventId) -> Answer:
    """Get one event."""
    async with call.db.read() as conn:
        event = await actions.get(conn, call.scope, id=event_id)
    return reply(EventOut.model_validate(dict(event)))


@router.get("/v1/webhooks/events", response_model=EventPage)
async def list_webhook_events(call: Call, query: Annotated[EventQuery, Query()]) -> Answer:
    """The same as `GET /v1/events`, where the published clients look for it."""
    return await list_events(call, query)


@router.get("/v1/webhooks/events/{event_id}", response_model=EventOut, responses=refusals(EventNotFound))
async def get_webhook_event(call: Call, event_id: EventId) -> Answer:
    """The same as `GET /v1/events/{event_id}`."""
    return await get_event(call, event_id)
