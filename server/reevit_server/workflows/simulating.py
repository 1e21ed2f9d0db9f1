"""What a rule would have done with past events. Nothing is written, sent or changed."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from reevit_server import customers, events, messages, organizations
from reevit_server.core import gsm
from reevit_server.core.database import Connection, Database
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.organizations import Seller
from reevit_server.workflows import composing, matching, rules, store
from reevit_server.workflows.composing import NotSent, Occasion
from reevit_server.workflows.errors import TemplateFails
from reevit_server.workflows.execution_schemas import SimulatedAction, SimulatedEvent, Simulation
from reevit_server.workflows.rendering import customer_of

_LINK = "https://example.com/unsubscribe/preview"  # a real one would unsubscribe somebody
_SECONDS_MAX = 10.0
_CHARACTERS_MAX = 1_000_000  # of all texts together; then the answer ends with the event at hand


class _Seen(NamedTuple):
    """What is to be known for a simulation, read once for all events."""

    rule: asyncpg.Record
    past: Sequence[asyncpg.Record]
    lifetime_values: Mapping[str, Mapping[str, int]]  # by the customer's id, and by currency
    seller: Seller
    templates: Mapping[str, asyncpg.Record]
    integrations: Mapping[int, str | None]  # by the action's position


async def simulate(
    db: Database, scope: Scope, sealer: Sealer, *, id: str, last: int, seconds_max: float = _SECONDS_MAX
) -> Simulation:
    """The latest events of the rule's type, with their customers as the events knew them; fewer than asked for,
    when it takes longer than that to write what would be sent, or there is too much of it. Raises RuleNotFound.

    Others need not wait: it is written in a thread, and without a connection to the database.
    """
    async with db.read() as conn:
        seen = await _seen(conn, scope, await rules.get(conn, scope, id=id), last)
    results = await asyncio.to_thread(_results, seen, scope.mode == "test", seconds_max)
    async with db.read() as conn:
        for result in results:
            result.actions = [
                await _unless_suppressed(conn, scope, sealer, action, seen.rule) for action in result.actions
            ]
    matched = sum(result.matches for result in results)
    return Simulation(rule_id=id, events=len(results), matched=matched, results=results)


async def _seen(conn: Connection, scope: Scope, rule: asyncpg.Record, last: int) -> _Seen:
    past = await events.select_latest(conn, scope, type=rule["trigger"], limit=last)
    worth: dict[str, dict[str, int]] = {}
    if matching.needs_lifetime_value(rule["conditions"]):
        ids = sorted({event["customer_id"] for event in past if event["customer_id"] is not None})
        worth = await customers.select_lifetime_values(conn, scope, ids)
    templates, integrations = {}, {}
    for position, action in enumerate(rule["actions"]):
        if (template_id := action.get("template_id")) is not None:
            template = await store.find(conn, scope, id=template_id)
            if template is not None:
                templates[template_id] = template
        channel = composing.CHANNELS.get(action["type"])
        if channel is not None:
            integrations[position] = await messages.chosen_integration(
                conn, scope, channel=channel, id=action.get("integration_id")
            )
    seller = await organizations.get_seller(conn, id=scope.org_id)
    return _Seen(rule, past, worth, seller, templates, integrations)


def _results(seen: _Seen, test_mode: bool, seconds_max: float) -> list[SimulatedEvent]:
    """At least one, if there is any."""
    results: list[SimulatedEvent] = []
    until, written = time.monotonic() + seconds_max, 0
    for event in seen.past:
        if results and (time.monotonic() > until or written > _CHARACTERS_MAX):
            break
        results.append(_result(event, seen, test_mode=test_mode))
        written += sum(len(action.text or "") + len(action.html or "") for action in results[-1].actions)
    return results


def _result(event: asyncpg.Record, seen: _Seen, *, test_mode: bool) -> SimulatedEvent:
    rule = seen.rule
    facts = matching.facts_of(event, seen.lifetime_values.get(event["customer_id"] or "", {}))
    reason = matching.unmet(rule["conditions"], facts)
    occasion = Occasion(
        workflow_id=rule["id"],
        workflow_name=rule["name"],
        event=event,
        customer=customer_of(event) or None,
        seller=seen.seller,
        test_mode=test_mode,
        execution_id=None,
    )
    return SimulatedEvent(
        event_id=event["id"],
        event_type=event["type"],
        created_at=event["created_at"],
        customer_id=event["customer_id"],
        matches=reason is None,
        reason=reason,
        actions=_actions(rule["actions"], occasion, seen) if reason is None else [],
    )


def _actions(actions: list[Mapping[str, Any]], occasion: Occasion, seen: _Seen) -> list[SimulatedAction]:
    return [_action(position, action, occasion, seen) for position, action in enumerate(actions)]


def _action(position: int, action: Mapping[str, Any], occasion: Occasion, seen: _Seen) -> SimulatedAction:
    shown = SimulatedAction(
        position=position,
        type=action["type"],
        to=None,
        subject=None,
        text=None,
        html=None,
        segments=None,
        integration_id=seen.integrations.get(position),
        not_sent=None,
    )
    channel = composing.channel_of(action, occasion.customer)
    if channel is None:  # a tag
        told = None if occasion.customer else "The event is about no customer, or about one who was deleted."
        return shown.model_copy(update={"text": action["tag"], "not_sent": told})
    try:
        shown.to = composing.recipient_of(action, channel, occasion.customer)
        message = composing.compose(
            action,
            seen.templates.get(action.get("template_id", "")),
            occasion,
            channel=channel,
            receipt=None,
            unsubscribe_url=_LINK if shown.to is not None else None,
        )
    except (NotSent, TemplateFails) as reason:
        return shown.model_copy(update={"not_sent": reason.message})
    segments = gsm.segments(message.text or "") if channel == "sms" else None
    return shown.model_copy(
        update={
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "segments": segments,
        }
    )


async def _unless_suppressed(
    conn: Connection, scope: Scope, sealer: Sealer, action: SimulatedAction, rule: asyncpg.Record
) -> SimulatedAction:
    channel = composing.CHANNELS.get(action.type)
    if channel is None or action.to is None or action.not_sent is not None:
        return action
    purpose = composing.purpose_of(rule["actions"][action.position], rule["trigger"])
    reason = await messages.reason_against(
        conn, scope, sealer, channel=channel, address=action.to, purpose=purpose
    )
    return action if reason is None else action.model_copy(update={"not_sent": f"Suppressed: {reason}."})
