"""The deeds on templates: create, get, update, delete, preview."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server import events, organizations
from reevit_server.core import gsm
from reevit_server.core.database import Connection, Row
from reevit_server.core.errors import ValidationError
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.workflows import rendering, rules_store, store
from reevit_server.workflows.errors import TemplateInUse, TemplateNameTaken, TemplateNotFound
from reevit_server.workflows.schemas import PreviewOut, TemplateCreate, TemplatePatch, check_parts

_PARTS = ("subject", "text", "html")


async def create(conn: Connection, scope: Scope, new: TemplateCreate, *, now: datetime) -> asyncpg.Record:
    """Raises TemplateNameTaken, and ValidationError with every fault of its Liquid and where it is."""
    fields = new.model_dump()
    await _check(fields)
    await _check_free(conn, scope, new.name)
    try:
        return await store.insert(conn, scope, id=new_id("tpl"), fields=fields, now=now)
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name == "templates_name_taken", error.constraint_name
        raise TemplateNameTaken from None


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """Raises TemplateNotFound."""
    template = await store.find(conn, scope, id=id)
    if template is None:
        raise TemplateNotFound
    return template


async def update(
    conn: Connection, scope: Scope, *, id: str, patch: TemplatePatch, now: datetime
) -> asyncpg.Record:
    """Changes what is given. Raises TemplateNotFound, TemplateNameTaken, ValidationError."""
    stored = await store.find_for_update(conn, scope, id=id)
    if stored is None:
        raise TemplateNotFound
    fields = {name: stored[name] for name in ("name", *_PARTS)} | patch.model_dump(exclude_unset=True)
    if fields == {name: stored[name] for name in fields}:
        return stored
    try:
        check_parts(stored["channel"], fields["subject"], fields["text"], fields["html"])
    except ValueError as error:
        raise ValidationError.of("", "missing_part", f"{error}.") from None
    await _check(fields)
    if fields["name"] != stored["name"]:
        await _check_free(conn, scope, fields["name"])
    try:
        return await store.update(conn, scope, id=id, fields=fields, now=now)
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name == "templates_name_taken", error.constraint_name
        raise TemplateNameTaken from None


async def delete(conn: Connection, scope: Scope, *, id: str) -> None:
    """Raises TemplateNotFound, TemplateInUse."""
    if await store.find_for_update(conn, scope, id=id) is None:
        raise TemplateNotFound
    # Only now: whoever was about to name it has done so, and nobody begins to.
    rule_id = await rules_store.find_with_template(conn, scope, template_id=id)
    if rule_id is not None:
        raise TemplateInUse(rule_id=rule_id)
    await store.delete(conn, scope, id=id)


async def preview(conn: Connection, scope: Scope, *, id: str, event_id: str) -> tuple[PreviewOut, str | None]:
    """What a template says of an event that happened, and which customer it is about.

    Raises TemplateNotFound, EventNotFound, TemplateFails.
    """
    template = await get(conn, scope, id=id)
    event = await events.get(conn, scope, id=event_id)
    seller = await organizations.get_seller(conn, id=scope.org_id)
    # In a thread: a template may take long, and other requests need not wait for it.
    message = await asyncio.to_thread(rendering.render, template, event, seller)
    sms = template["channel"] == "sms" and message.text is not None
    said = PreviewOut(
        to=_to(template["channel"], event),
        subject=message.subject,
        text=message.text,
        html=message.html,
        characters=len(message.text or "") if sms else None,
        segments=gsm.segments(message.text or "") if sms else None,
    )
    return said, rendering.customer_of(event).get("id")


def _to(channel: str, event: Row) -> str | None:
    customer = rendering.customer_of(event)
    found: str | None = customer.get({"email": "email", "sms": "phone"}.get(channel, ""))
    return found


async def _check(fields: Mapping[str, Any]) -> None:
    faults = await asyncio.to_thread(rendering.faults, {part: fields[part] for part in _PARTS})
    if faults:
        (part, first), *_ = faults
        told = [
            {
                "field": part,
                "code": "liquid",
                "message": f"Line {fault.line}, column {fault.column}: {fault.message}",
            }
            for part, fault in faults
        ]
        raise ValidationError(
            f"`{part}`, line {first.line}, column {first.column}: {first.message}", fields=told
        )


async def _check_free(conn: Connection, scope: Scope, name: str) -> None:
    """A courtesy, so that the refusal can name which it is; the constraint decides."""
    taken_by = await store.find_named(conn, scope, name=name)
    if taken_by is not None:
        raise TemplateNameTaken(template_id=taken_by)
