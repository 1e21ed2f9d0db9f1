"""`/v1/workflows`: what is written to customers."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from reevit_server.core.answer import Answer, no_content, reply
from reevit_server.core.database import Connection
from reevit_server.core.http import Call
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import cut
from reevit_server.events import EventNotFound
from reevit_server.workflows import actions, store
from reevit_server.workflows.errors import TemplateFails, TemplateInUse, TemplateNameTaken, TemplateNotFound
from reevit_server.workflows.schemas import (
    Preview,
    PreviewOut,
    TemplateCreate,
    TemplateOut,
    TemplatePage,
    TemplatePatch,
    TemplateQuery,
)

router = APIRouter(tags=["workflows"])

TemplateId = Annotated[str, id_in_path("tpl")]
_ORDER = "templates.created_at"


@router.post(
    "/v1/workflows/templates",
    status_code=201,
    response_model=TemplateOut,
    responses=refusals(TemplateNameTaken),
)
async def create_template(call: Call, new: TemplateCreate) -> Answer:
    """Create a template. It is read when it is saved: what it cannot say is refused, with the place."""

    async def deed(conn: Connection) -> Answer:
        template = await actions.create(conn, call.scope, new, now=call.now)
        return reply(TemplateOut.model_validate(dict(template)), status=201)

    return await call.once(deed)


@router.get("/v1/workflows/templates", response_model=TemplatePage)
async def list_templates(call: Call, query: Annotated[TemplateQuery, Query()]) -> Answer:
    """List templates, newest first."""
    after = query.after(_ORDER, (datetime, str))
    async with call.db.read() as conn:
        rows = await store.select(
            conn, call.scope, query, after=None if after is None else (after[0], after[1])
        )
        total = await store.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, _ORDER, "created_at", "id")
    return reply(
        TemplatePage(
            templates=[TemplateOut.model_validate(dict(row)) for row in page.rows],
            has_more=page.has_more,
            next_cursor=page.next_cursor,
            total=total,
        )
    )


@router.get(
    "/v1/workflows/templates/{template_id}",
    response_model=TemplateOut,
    responses=refusals(TemplateNotFound),
)
async def get_template(call: Call, template_id: TemplateId) -> Answer:
    """Get a template."""
    async with call.db.read() as conn:
        template = await actions.get(conn, call.scope, id=template_id)
    return reply(TemplateOut.model_validate(dict(template)))


@router.patch(
    "/v1/workflows/templates/{template_id}",
    response_model=TemplateOut,
    responses=refusals(TemplateNotFound, TemplateNameTaken),
)
async def update_template(call: Call, template_id: TemplateId, patch: TemplatePatch) -> Answer:
    """Change a template. What is sent from then on says what it says then."""

    async def deed(conn: Connection) -> Answer:
        template = await actions.update(conn, call.scope, id=template_id, patch=patch, now=call.now)
        return reply(TemplateOut.model_validate(dict(template)))

    return await call.once(deed)


@router.delete(
    "/v1/workflows/templates/{template_id}",
    status_code=204,
    response_model=None,
    responses=refusals(TemplateNotFound, TemplateInUse),
)
async def delete_template(call: Call, template_id: TemplateId) -> Answer:
    """Delete a template."""

    async def deed(conn: Connection) -> Answer:
        await actions.delete(conn, call.scope, id=template_id)
        return no_content()

    return await call.once(deed)


@router.post(
    "/v1/workflows/templates/{template_id}/preview",
    response_model=PreviewOut,
    responses=refusals(TemplateNotFound, EventNotFound, TemplateFails),
)
async def preview_template(call: Call, template_id: TemplateId, given: Preview) -> Answer:
    """See what a template says of an event that happened. Nothing is sent."""

    async def deed(conn: Connection) -> Answer:
        said, customer_id = await actions.preview(conn, call.scope, id=template_id, event_id=given.event_id)
        return reply(said, about_customer_id=customer_id)

    return await call.once(deed)
