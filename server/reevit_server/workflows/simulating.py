"""What a rule would have done with past events. Nothing is written, sent or changed."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg

from reevit_server import customers, events, messages, organizations
from reevit_server.core import gsm
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.workflows import composing, matching, rules, store
from reevit_server.workflows.composing import NotSent, Occasion
from reevit_server.workflows.errors import TemplateFails
from reevit_server.workflows.execution_schemas import SimulatedAction, SimulatedEvent, Simulation
from reevit_server.workflows.rendering import customer_of

_LINK = "https://example.com/unsubscribe/preview"  # a real one would unsubscribe somebody


class _Seen(NamedTuple):
    """What the actions of a rule need to know, read once for all events."""

    templates: Mapping[str, asyncpg.Record]
    integrations: Mapping[int, str | None]  # by the action's position


async def simulate(conn: Connection, scope: Scope, sealer: Sealer, *, id: str, last: int) -> Simulation:
    """The latest events of the rule's type, with their customers as the events knew them. Raises RuleNotFound."""
    rule = await rules.get(conn, scope, id=id)
    past = await events.select_latest(conn, scope, type=rule["trigger"], limit=last)
    worth: dict[str, dict[str, int]] = {}
    if matching.needs_lifetime_value(rule["conditions"]):
        ids = sorted({event["customer_id"] for event in past if event["customer_id"] is not None})
        worth = await customers.select_lifetime_values(conn, scope, ids)
    seller = await organizations.get_seller(conn, id=scope.org_id)
    seen = await _seen(conn, scope, rule["actions"])
    results = []
    for event in past:
        facts = matching.facts_of(event, worth.get(event["customer_id"] or "", {}))
        reason = matching.unmet(rule["conditions"], facts)
        actions = []
        if reason is None:
            occasion = Occasion(
                workflow_id=rule["id"],
                workflow_name=rule["name"],
                event=event,
                customer=customer_of(event) or None,
                seller=seller,
                test_mode=scope.mode == "test",
                execution_id=None,
            )
            # In a thread: templates may take long, and other requests need not wait for them.
            actions = await asyncio.to_thread(_actions, rule["actions"], occasion, seen)
            actions = [
                await _unless_suppressed(
                    conn, scope, sealer, action, composing.purpose_of(wanted, event["type"])
                )
                for wanted, action in zip(rule["actions"], actions, strict=True)
            ]
        results.append(
            SimulatedEvent(
                event_id=event["id"],
                event_type=event["type"],
                created_at=event["created_at"],
                customer_id=event["customer_id"],
                matches=reason is None,
                reason=reason,
                actions=actions,
            )
        )
    matched = sum(result.matches for result in results)
    return Simulation(rule_id=rule["id"], events=len(past), matched=matched, results=results)


async def _seen(conn: Connection, scope: Scope, actions: list[Mapping[str, Any]]) -> _Seen:
    templates, integrations = {}, {}
    for position, action in enumerate(actions):
        if (template_id := action.get("template_id")) is not None:
            template = await store.find(conn, scope, id=template_id)
            if template is not None:
                templates[template_id] = template
        channel = composing.CHANNELS.get(action["type"])
        if channel is not None:
            integrations[position] = await messages.chosen_integration(
                conn, scope, channel=channel, id=action.get("integration_id")
            )
    return _Seen(templates, integrations)


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
    conn: Connection, scope: Scope, sealer: Sealer, action: SimulatedAction, purpose: str
) -> SimulatedAction:
    channel = composing.CHANNELS.get(action.type)
    if channel is None or action.to is None or action.not_sent is not None:
        return action
    reason = await messages.reason_against(
        conn, scope, sealer, channel=channel, address=action.to, purpose=purpose
    )
    return action if reason is None else action.model_copy(update={"not_sent": f"Suppressed: {reason}."})
