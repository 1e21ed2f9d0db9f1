"""The deeds on rules: create, get, update, delete. What could never be done is refused, with the place."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server import messages
from reevit_server.core.database import Connection
from reevit_server.core.errors import ValidationError
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.text import same
from reevit_server.workflows import composing, models, rendering, rules_store, store
from reevit_server.workflows.errors import RuleNotFound, TooManyRules
from reevit_server.workflows.rule_schemas import RuleCreate, RulePatch, RuleQuery

_FIELDS = ("name", "enabled", "trigger", "conditions", "actions", "priority")
_WITH_RECEIPT = ("payment.succeeded", "payment.refunded")
_PARTS = ("subject", "body", "html")
Fault = dict[str, str]


async def create(conn: Connection, scope: Scope, new: RuleCreate, *, now: datetime) -> asyncpg.Record:
    """Raises ValidationError with everything that is wrong with its actions, TooManyRules."""
    fields = _plain(new)
    await _check(conn, scope, fields)
    await rules_store.lock_all(conn, scope)
    if await rules_store.count(conn, scope, RuleQuery()) >= models.RULES_MAX:
        raise TooManyRules
    return await rules_store.insert(conn, scope, id=new_id("wfr"), fields=fields, now=now)


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """Raises RuleNotFound."""
    rule = await rules_store.find(conn, scope, id=id)
    if rule is None:
        raise RuleNotFound
    return rule


async def update(
    conn: Connection, scope: Scope, *, id: str, patch: RulePatch, now: datetime
) -> asyncpg.Record:
    """Changes what is given. What follows from events that happened before stays as it was.

    Raises RuleNotFound, ValidationError.
    """
    stored = await rules_store.find_for_update(conn, scope, id=id)
    if stored is None:
        raise RuleNotFound
    before = {name: stored[name] for name in _FIELDS}
    fields = before | _plain(patch)
    if same(fields, before):  # as JSON: to Python, a condition on 1 is one on true
        return stored
    if fields["trigger"] != stored["trigger"] or fields["actions"] != stored["actions"]:
        await _check(conn, scope, fields)
    return await rules_store.update(conn, scope, id=id, fields=fields, now=now)


async def delete(conn: Connection, scope: Scope, *, id: str) -> None:
    """Raises RuleNotFound."""
    if not await rules_store.delete(conn, scope, id=id):
        raise RuleNotFound


def _plain(given: RuleCreate | RulePatch) -> dict[str, Any]:
    """As it is stored: without what nobody said."""
    fields = given.model_dump(mode="json", exclude_unset=isinstance(given, RulePatch))
    if "conditions" in fields:
        fields["conditions"] = _said(fields["conditions"])
    if "actions" in fields:
        fields["actions"] = [_said(action) for action in fields["actions"]]
    return fields


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value is not False}


async def _check(conn: Connection, scope: Scope, fields: Mapping[str, Any]) -> None:
    faults: list[Fault] = []
    for position, action in enumerate(fields["actions"]):
        found = await asyncio.to_thread(_faults_of_content, action, fields["trigger"])
        found += await _faults_of_names(conn, scope, action)
        faults += [{**fault, "field": f"actions.{position}.{fault['field']}"} for fault in found]
    if faults:
        raise ValidationError(f"`{faults[0]['field']}`: {faults[0]['message']}", fields=faults)


def _faults_of_content(action: Mapping[str, Any], trigger: str) -> list[Fault]:
    """What is missing, too much, or no Liquid; and what no event of this type has."""
    type, faults = action["type"], []
    if type in ("send_email", "send_sms", "send_notification"):
        faults += _faults_of_parts(action, trigger)
    if not models.is_about_a_customer(trigger):
        if type in ("add_tag", "remove_tag"):
            faults.append(_fault("type", "no_customer", f"{trigger} is about no customer."))
        elif type in ("send_email", "send_sms") and "to" not in action:
            faults.append(
                _fault("to", "no_customer", f"{trigger} is about no customer: say to whom this is sent.")
            )
    if action.get("attach_receipt") and trigger not in _WITH_RECEIPT:
        told = f"Only {' and '.join(_WITH_RECEIPT)} have a receipt."
        faults.append(_fault("attach_receipt", "no_receipt", told))
    return faults


def _faults_of_parts(action: Mapping[str, Any], trigger: str) -> list[Fault]:
    written = [part for part in _PARTS if part in action]
    if "template_id" in action:
        told = "This is said by the template; leave it out, or leave out `template_id`."
        return [_fault(part, "too_much", told) for part in written]
    missing = []
    if action["type"] == "send_email" and "subject" not in action:
        missing.append(_fault("subject", "required", "An e-mail has a `subject`, or a `template_id`."))
    if "body" not in action and "html" not in action:
        missing.append(_fault("body", "required", "Say something in `body`, or name a `template_id`."))
    found = rendering.faults(
        {part: action[part] for part in written}, vocabulary=models.vocabulary_of(trigger)
    )
    return missing + [
        _fault(part, "liquid", f"Line {fault.line}, column {fault.column}: {fault.message}")
        for part, fault in found
    ]


async def _faults_of_names(conn: Connection, scope: Scope, action: Mapping[str, Any]) -> list[Fault]:
    """What it names that is not there, or is of another channel."""
    channel, faults = composing.CHANNELS.get(action["type"]), []
    if "template_id" in action:
        template = await store.find_for_share(conn, scope, id=action["template_id"])
        if template is None or template["channel"] != channel:
            told = f"There is no template {action['template_id']} for {channel} here."
            faults.append(_fault("template_id", "template_not_found", told))
    if "integration_id" in action:
        integration = await messages.find_integration(conn, scope, id=action["integration_id"])
        if integration is None or integration["channel"] != channel:
            told = f"There is no integration {action['integration_id']} for {channel} here."
            faults.append(_fault("integration_id", "integration_not_found", told))
    return faults


def _fault(field: str, code: str, message: str) -> Fault:
    return {"field": field, "code": code, "message": message}
