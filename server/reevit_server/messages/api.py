"""`/v1/messages`, and `/v1/workflows/integrations`, which send them."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from reevit_server.core.answer import Answer, no_content, reply
from reevit_server.core.database import Connection
from reevit_server.core.http import Call, Nothing
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import cut
from reevit_server.messages import actions, connecting, integrations, store, suppressing, suppressions
from reevit_server.messages.errors import (
    IntegrationNameTaken,
    IntegrationNotFound,
    IntegrationOff,
    MessageNotFound,
    MessageNotResendable,
    SuppressionNotFound,
    TooManyIntegrations,
)
from reevit_server.messages.schemas import (
    IntegrationCreate,
    IntegrationOut,
    IntegrationPage,
    IntegrationPatch,
    IntegrationQuery,
    IntegrationTest,
    MessageListed,
    MessageOut,
    MessagePage,
    MessageQuery,
    SuppressionCreate,
    SuppressionOut,
    SuppressionPage,
    SuppressionQuery,
)

router = APIRouter(tags=["messages"])

IntegrationId = Annotated[str, id_in_path("itg")]
MessageId = Annotated[str, id_in_path("msg")]
SuppressionId = Annotated[str, id_in_path("sup")]


@router.post(
    "/v1/workflows/integrations",
    status_code=201,
    response_model=IntegrationOut,
    responses=refusals(IntegrationNameTaken, TooManyIntegrations),
)
async def create_integration(call: Call, new: IntegrationCreate) -> Answer:
    """Name who sends for you. The credentials are sealed at once, and never shown again."""
    rules = connecting.Rules(call.sealer, call.private_webhooks)

    async def deed(conn: Connection) -> Answer:
        integration = await connecting.create(conn, call.scope, rules, new, now=call.now)
        return reply(IntegrationOut.of(integration), status=201)

    return await call.once(deed)


@router.get("/v1/workflows/integrations", response_model=IntegrationPage)
async def list_integrations(call: Call, query: Annotated[IntegrationQuery, Query()]) -> Answer:
    """List who sends for you, newest first."""
    order = "integrations.created_at"
    after = query.after(order, (datetime, str))
    async with call.db.read() as conn:
        rows = await integrations.select(
            conn, call.scope, query, after=None if after is None else (after[0], after[1])
        )
        total = await integrations.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, order, "created_at", "id")
    return reply(
        IntegrationPage(
            integrations=[IntegrationOut.of(row) for row in page.rows],
            has_more=page.has_more,
            next_cursor=page.next_cursor,
            total=total,
        )
    )


@router.get(
    "/v1/workflows/integrations/{integration_id}",
    response_model=IntegrationOut,
    responses=refusals(IntegrationNotFound),
)
async def get_integration(call: Call, integration_id: IntegrationId) -> Answer:
    """Get an integration."""
    async with call.db.read() as conn:
        integration = await connecting.get(conn, call.scope, id=integration_id)
    return reply(IntegrationOut.of(integration))


@router.patch(
    "/v1/workflows/integrations/{integration_id}",
    response_model=IntegrationOut,
    responses=refusals(IntegrationNotFound, IntegrationNameTaken),
)
async def update_integration(call: Call, integration_id: IntegrationId, patch: IntegrationPatch) -> Answer:
    """Change an integration. What waits while it is off is sent when it is on again."""
    rules = connecting.Rules(call.sealer, call.private_webhooks)

    async def deed(conn: Connection) -> Answer:
        integration = await connecting.update(
            conn, call.scope, rules, id=integration_id, patch=patch, now=call.now
        )
        return reply(IntegrationOut.of(integration))

    return await call.once(deed)


@router.delete(
    "/v1/workflows/integrations/{integration_id}",
    status_code=204,
    response_model=None,
    responses=refusals(IntegrationNotFound),
)
async def delete_integration(call: Call, integration_id: IntegrationId) -> Answer:
    """Delete an integration and forget its credentials. What it was still to send stays in the outbox."""

    async def deed(conn: Connection) -> Answer:
        await connecting.delete(conn, call.scope, id=integration_id, now=call.now)
        return no_content()

    return await call.once(deed)


@router.post(
    "/v1/workflows/integrations/{integration_id}/test",
    status_code=202,
    response_model=MessageOut,
    responses=refusals(IntegrationNotFound, IntegrationOff),
)
async def test_integration(call: Call, integration_id: IntegrationId, given: IntegrationTest) -> Answer:
    """Send a short message by an integration. `GET /v1/messages/{id}` says how it went."""

    async def deed(conn: Connection) -> Answer:
        message = await actions.test(
            conn, call.scope, call.sealer, integration_id=integration_id, to=given.to, now=call.now
        )
        return reply(MessageOut.of(message, []), status=202)

    return await call.once(deed)


@router.get("/v1/messages", response_model=MessagePage)
async def list_messages(call: Call, query: Annotated[MessageQuery, Query()]) -> Answer:
    """List what was written to your customers, newest first, without the texts."""
    order = "messages.created_at"
    after = query.after(order, (datetime, str))
    async with call.db.read() as conn:
        rows = await store.select(
            conn, call.scope, query, after=None if after is None else (after[0], after[1])
        )
        total = await store.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, order, "created_at", "id")
    return reply(
        MessagePage(
            messages=[MessageListed.model_validate(MessageListed.fields_of(row)) for row in page.rows],
            has_more=page.has_more,
            next_cursor=page.next_cursor,
            total=total,
        )
    )


@router.post("/v1/messages/suppressions", status_code=201, response_model=SuppressionOut)
async def create_suppression(call: Call, new: SuppressionCreate) -> Answer:
    """Write no more to an address. Only a fingerprint of it is kept."""

    async def deed(conn: Connection) -> Answer:
        suppression = await suppressing.suppress(
            conn,
            call.scope,
            call.sealer,
            channel=new.channel,
            address=new.address,
            covers=new.covers,
            reason="manual",
            now=call.now,
        )
        return reply(SuppressionOut.model_validate(dict(suppression)), status=201)

    return await call.once(deed)


@router.get("/v1/messages/suppressions", response_model=SuppressionPage)
async def list_suppressions(call: Call, query: Annotated[SuppressionQuery, Query()]) -> Answer:
    """List who is not written to any more, newest first; `address` asks for one."""
    order = "suppressions.created_at"
    after = query.after(order, (datetime, str))
    prints = suppressing.fingerprints(call.sealer, call.scope, query.address)
    async with call.db.read() as conn:
        rows = await suppressions.select(
            conn,
            call.scope,
            channel=query.channel,
            fingerprints=prints,
            after=None if after is None else (after[0], after[1]),
            limit=query.limit + 1,
            offset=query.offset,
        )
        total = None
        if query.include_total:
            total = await suppressions.count(conn, call.scope, channel=query.channel, fingerprints=prints)
    page = cut(rows, query.limit, order, "created_at", "id")
    return reply(
        SuppressionPage(
            suppressions=[SuppressionOut.model_validate(dict(row)) for row in page.rows],
            has_more=page.has_more,
            next_cursor=page.next_cursor,
            total=total,
        )
    )


@router.delete(
    "/v1/messages/suppressions/{suppression_id}",
    status_code=204,
    response_model=None,
    responses=refusals(SuppressionNotFound),
)
async def delete_suppression(call: Call, suppression_id: SuppressionId) -> Answer:
    """Write to an address again."""

    async def deed(conn: Connection) -> Answer:
        await suppressing.lift(conn, call.scope, id=suppression_id)
        return no_content()

    return await call.once(deed)


@router.get("/v1/messages/{message_id}", response_model=MessageOut, responses=refusals(MessageNotFound))
async def get_message(call: Call, message_id: MessageId) -> Answer:
    """Get a message: what it says, and every attempt to send it."""
    async with call.db.read() as conn:
        message = await actions.get(conn, call.scope, id=message_id)
        attempts = await store.select_attempts(conn, call.scope, message_id=message_id)
    return reply(MessageOut.of(message, attempts))


@router.post(
    "/v1/messages/{message_id}/resend",
    status_code=202,
    response_model=MessageOut,
    responses=refusals(MessageNotFound, MessageNotResendable),
)
async def resend_message(call: Call, message_id: MessageId, nothing: Nothing) -> Answer:
    """Send what failed or stayed in the outbox again, by whoever sends for its channel now."""
    del nothing

    async def deed(conn: Connection) -> Answer:
        message = await actions.resend(conn, call.scope, id=message_id, now=call.now)
        attempts = await store.select_attempts(conn, call.scope, message_id=message_id)
        return reply(MessageOut.of(message, attempts), status=202, about_customer_id=message["customer_id"])

    return await call.once(deed)
