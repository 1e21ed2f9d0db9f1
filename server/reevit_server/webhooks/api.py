"""`/v1/webhooks`: who is told, what became of it, and telling again."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from reevit_server import events
from reevit_server.core.answer import Answer, no_content, reply
from reevit_server.core.database import Connection
from reevit_server.core.http import Call, Nothing
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import PageQuery, cut
from reevit_server.webhooks import actions, listening, outbound, replay, store
from reevit_server.webhooks.actions import Rules
from reevit_server.webhooks.endpoint_secrets import current
from reevit_server.webhooks.errors import (
    ConfigNotFound,
    DeliveryNotFound,
    EndpointDisabled,
    EndpointNotFound,
    ListenerNotFound,
    TestModeOnly,
    TooManyEndpoints,
)
from reevit_server.webhooks.schemas import (
    ConfigUpsert,
    DeliveryOut,
    DeliveryPage,
    DeliveryQuery,
    EndpointCreate,
    EndpointOut,
    EndpointPage,
    EndpointPatch,
    ListenerCreate,
    ListenerOut,
    ListenerPoll,
    ListenerPollOut,
    RangeReplayedOut,
    ReplayedOut,
    ReplayOne,
    ReplayRange,
)

router = APIRouter(tags=["webhooks"])

EndpointId = Annotated[str, id_in_path("whk")]


@router.post("/v1/webhooks/config", response_model=EndpointOut, responses=refusals(TooManyEndpoints))
async def upsert_webhook_config(call: Call, given: ConfigUpsert) -> Answer:
    """Set up the configured webhook, the one endpoint that the published clients know, or change it."""

    async def deed(conn: Connection) -> Answer:
        endpoint, secret = await actions.upsert_config(conn, call.scope, _rules(call), given, now=call.now)
        return _with_secret(endpoint, secret)

    return await call.once(deed)


@router.get("/v1/webhooks/config", response_model=EndpointOut, responses=refusals(ConfigNotFound))
async def get_webhook_config(call: Call) -> Answer:
    """Get the configured webhook."""
    async with call.db.read() as conn:
        endpoint = await actions.get_config(conn, call.scope)
    return reply(_out(call, endpoint))


@router.delete(
    "/v1/webhooks/config", status_code=204, response_model=None, responses=refusals(ConfigNotFound)
)
async def delete_webhook_config(call: Call) -> Answer:
    """Delete the configured webhook. Its deliveries can still be read."""

    async def deed(conn: Connection) -> Answer:
        endpoint = await actions.get_config(conn, call.scope)
        await actions.delete(conn, call.scope, id=endpoint["id"], now=call.now)
        return no_content()

    return await call.once(deed)


@router.post(
    "/v1/webhooks/test",
    status_code=202,
    response_model=DeliveryOut,
    responses=refusals(ConfigNotFound, EndpointDisabled),
)
async def send_test_to_webhook_config(call: Call, _: Nothing) -> Answer:
    """Send the configured webhook a test event. What became of it is in `GET /v1/webhooks/outbound/{delivery_id}`."""

    async def deed(conn: Connection) -> Answer:
        endpoint = await actions.get_config(conn, call.scope)
        delivery = await actions.send_test(conn, call.scope, endpoint=endpoint, now=call.now)
        return reply(DeliveryOut.of(delivery), status=202)

    return await call.once(deed)


@router.post(
    "/v1/webhooks/endpoints",
    status_code=201,
    response_model=EndpointOut,
    responses=refusals(TooManyEndpoints),
)
async def create_webhook_endpoint(call: Call, new: EndpointCreate) -> Answer:
    """Create an endpoint: another server that is told of events."""

    async def deed(conn: Connection) -> Answer:
        endpoint, secret = await actions.create(conn, call.scope, _rules(call), new, now=call.now)
        return _with_secret(endpoint, secret, status=201)

    return await call.once(deed)


@router.get("/v1/webhooks/endpoints", response_model=EndpointPage)
async def list_webhook_endpoints(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List endpoints, newest first; that of the published clients is among them."""
    after = query.after("created_at", (datetime, str))
    async with call.db.read() as conn:
        rows = await store.select(
            conn,
            call.scope,
            after=(after[0], after[1]) if after else None,
            limit=query.limit + 1,
            offset=query.offset,
        )
        total = await store.count(conn, call.scope) if query.include_total else None
    page = cut(rows, query.limit, "created_at", "created_at", "id")
    endpoints = [_out(call, row) for row in page.rows]
    return reply(
        EndpointPage(endpoints=endpoints, has_more=page.has_more, next_cursor=page.next_cursor, total=total)
    )


@router.get(
    "/v1/webhooks/endpoints/{endpoint_id}", response_model=EndpointOut, responses=refusals(EndpointNotFound)
)
async def get_webhook_endpoint(call: Call, endpoint_id: EndpointId) -> Answer:
    """Get an endpoint."""
    async with call.db.read() as conn:
        return reply(_out(call, await actions.get(conn, call.scope, id=endpoint_id)))


@router.patch(
    "/v1/webhooks/endpoints/{endpoint_id}", response_model=EndpointOut, responses=refusals(EndpointNotFound)
)
async def update_webhook_endpoint(call: Call, endpoint_id: EndpointId, patch: EndpointPatch) -> Answer:
    """Change an endpoint; also turn it off, or on again."""

    async def deed(conn: Connection) -> Answer:
        endpoint = await actions.update(
            conn, call.scope, _rules(call), id=endpoint_id, patch=patch, now=call.now
        )
        return _answer(call, endpoint)

    return await call.once(deed)


@router.delete(
    "/v1/webhooks/endpoints/{endpoint_id}",
    status_code=204,
    response_model=None,
    responses=refusals(EndpointNotFound),
)
async def delete_webhook_endpoint(call: Call, endpoint_id: EndpointId) -> Answer:
    """Delete an endpoint. Its deliveries can still be read."""

    async def deed(conn: Connection) -> Answer:
        await actions.delete(conn, call.scope, id=endpoint_id, now=call.now)
        return no_content()

    return await call.once(deed)


@router.post(
    "/v1/webhooks/endpoints/{endpoint_id}/rotate-secret",
    response_model=EndpointOut,
    responses=refusals(EndpointNotFound),
)
async def rotate_webhook_secret(call: Call, endpoint_id: EndpointId, _: Nothing) -> Answer:
    """Make a new signing secret. For 24 hours the one before signs too."""

    async def deed(conn: Connection) -> Answer:
        endpoint, secret = await actions.rotate(conn, call.scope, _rules(call), id=endpoint_id, now=call.now)
        return _with_secret(endpoint, secret)

    return await call.once(deed)


@router.post(
    "/v1/webhooks/endpoints/{endpoint_id}/pause",
    response_model=EndpointOut,
    responses=refusals(EndpointNotFound, EndpointDisabled),
)
async def pause_webhook_endpoint(call: Call, endpoint_id: EndpointId, _: Nothing) -> Answer:
    """Hold back what an endpoint is told; nothing is lost."""

    async def deed(conn: Connection) -> Answer:
        return _answer(call, await actions.pause(conn, call.scope, id=endpoint_id, now=call.now))

    return await call.once(deed)


@router.post(
    "/v1/webhooks/endpoints/{endpoint_id}/resume",
    response_model=EndpointOut,
    responses=refusals(EndpointNotFound, EndpointDisabled),
)
async def resume_webhook_endpoint(call: Call, endpoint_id: EndpointId, _: Nothing) -> Answer:
    """Send what was held back, the oldest first, and go on."""

    async def deed(conn: Connection) -> Answer:
        return _answer(call, await actions.resume(conn, call.scope, id=endpoint_id, now=call.now))

    return await call.once(deed)


@router.post(
    "/v1/webhooks/endpoints/{endpoint_id}/test",
    status_code=202,
    response_model=DeliveryOut,
    responses=refusals(EndpointNotFound, EndpointDisabled),
)
async def send_test_to_webhook_endpoint(call: Call, endpoint_id: EndpointId, _: Nothing) -> Answer:
    """Send an endpoint a test event."""

    async def deed(conn: Connection) -> Answer:
        endpoint = await actions.get(conn, call.scope, id=endpoint_id)
        delivery = await actions.send_test(conn, call.scope, endpoint=endpoint, now=call.now)
        return reply(DeliveryOut.of(delivery), status=202)

    return await call.once(deed)


@router.post(
    "/v1/webhooks/endpoints/{endpoint_id}/replay",
    status_code=202,
    response_model=RangeReplayedOut,
    responses=refusals(EndpointNotFound, EndpointDisabled),
)
async def replay_webhook_events(call: Call, endpoint_id: EndpointId, given: ReplayRange) -> Answer:
    """Tell an endpoint again of what happened in a time, at most 10,000 events a request."""

    async def deed(conn: Connection) -> Answer:
        replayed = await replay.replay_range(conn, call.scope, id=endpoint_id, given=given, now=call.now)
        return reply(RangeReplayedOut(replayed=replayed.events, next_from=replayed.next_from), status=202)

    return await call.once(deed)


@router.post(
    "/v1/webhooks/events/{event_id}/replay",
    status_code=202,
    response_model=ReplayedOut,
    responses=refusals(events.EventNotFound, EndpointNotFound, EndpointDisabled),
)
async def replay_webhook_event(
    call: Call, event_id: Annotated[str, id_in_path("evt")], given: ReplayOne
) -> Answer:
    """Tell of an event again: an endpoint that is named, or all that are told of such events."""

    async def deed(conn: Connection) -> Answer:
        rows = await replay.replay(
            conn, call.scope, event_id=event_id, endpoint_id=given.endpoint_id, now=call.now
        )
        return reply(
            ReplayedOut(event_id=event_id, deliveries=[DeliveryOut.of(row) for row in rows]), status=202
        )

    return await call.once(deed)


@router.get("/v1/webhooks/outbound", response_model=DeliveryPage)
async def list_webhook_deliveries(call: Call, query: Annotated[DeliveryQuery, Query()]) -> Answer:
    """List deliveries with every attempt, newest first."""
    after = query.after("id", (str,))
    async with call.db.read() as conn:
        rows = await outbound.select(conn, call.scope, query, after=after[0] if after else None)
        total = await outbound.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, "id", "id")
    deliveries = [DeliveryOut.of(row) for row in page.rows]
    return reply(
        DeliveryPage(outbound=deliveries, has_more=page.has_more, next_cursor=page.next_cursor, total=total)
    )


@router.get(
    "/v1/webhooks/outbound/{delivery_id}", response_model=DeliveryOut, responses=refusals(DeliveryNotFound)
)
async def get_webhook_delivery(call: Call, delivery_id: Annotated[str, id_in_path("dlv")]) -> Answer:
    """Get one delivery with every attempt."""
    async with call.db.read() as conn:
        return reply(DeliveryOut.of(await actions.get_delivery(conn, call.scope, id=delivery_id)))


@router.post(
    "/v1/webhooks/listeners",
    status_code=201,
    response_model=ListenerOut,
    responses=refusals(TestModeOnly, TooManyEndpoints),
)
async def create_webhook_listener(call: Call, new: ListenerCreate) -> Answer:
    """Listen to test-mode events from behind any wall, as `reevit listen` does."""

    async def deed(conn: Connection) -> Answer:
        row, secret = await listening.start(conn, call.scope, _rules(call), new, now=call.now)
        out = ListenerOut.model_validate({**row, "signing_secret": secret})
        return reply(out, status=201)._replace(secret=True)

    return await call.once(deed)


@router.post(
    "/v1/webhooks/listeners/{endpoint_id}/poll",
    response_model=ListenerPollOut,
    responses=refusals(ListenerNotFound),
)
async def poll_webhook_listener(call: Call, endpoint_id: EndpointId, given: ListenerPoll) -> Answer:
    """Fetch what has happened, and tell what became of what was fetched before. Ask at least every two minutes."""

    async def deed(conn: Connection) -> Answer:
        letters = await listening.fetch(
            conn, call.scope, _rules(call), id=endpoint_id, results=given.results, now=call.now
        )
        return reply(ListenerPollOut(deliveries=letters))._replace(shown_once=True)

    return await call.once(deed)


@router.delete(
    "/v1/webhooks/listeners/{endpoint_id}",
    status_code=204,
    response_model=None,
    responses=refusals(ListenerNotFound),
)
async def delete_webhook_listener(call: Call, endpoint_id: EndpointId) -> Answer:
    """Stop listening."""

    async def deed(conn: Connection) -> Answer:
        await listening.stop(conn, call.scope, id=endpoint_id, now=call.now)
        return no_content()

    return await call.once(deed)


def _rules(call: Call) -> Rules:
    """What this installation lets be told, and how it seals."""
    return Rules(call.sealer, private=call.private_webhooks)


def _out(call: Call, endpoint: Any) -> EndpointOut:
    """An endpoint, with its secret for keys that could replace it anyway."""
    shown = "webhooks:write" in call.permissions
    secret = current(call.sealer, call.scope, endpoint) if shown else None
    return EndpointOut.of(endpoint, signing_secret=secret)


def _answer(call: Call, endpoint: Any) -> Answer:
    """To a key that may write. The stored copy of the answer is sealed."""
    return _with_secret(endpoint, current(call.sealer, call.scope, endpoint))


def _with_secret(endpoint: Any, secret: str, *, status: int = 200) -> Answer:
    return reply(EndpointOut.of(endpoint, signing_secret=secret), status=status)._replace(secret=True)
