"""What follows from an event: an execution of each workflow that waited for it and whose conditions are met."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from reevit_server import customers
from reevit_server.core.database import Row
from reevit_server.core.ids import new_id
from reevit_server.core.jobs import Job, Tools, enqueue
from reevit_server.core.scope import Scope
from reevit_server.workflows import executions, matching, models, noticing, rules_store
from reevit_server.workflows.executions import NewExecution

EXECUTE = "workflows.execute"
_EXECUTION = "exe_"


async def on_event(tools: Tools, scope: Scope, told: Sequence[asyncpg.Record], /) -> None:
    """An execution for each workflow and event; twice is the same as once."""
    now = tools.clock()
    async with tools.db.read() as conn:
        rules = await rules_store.select_for(
            conn, scope, sorted({event["type"] for event in told}), limit=models.RULES_MAX
        )
        switches = await rules_store.find_notices(conn, scope)
        if not rules and switches is None:
            return
        worth: dict[str, dict[str, int]] = {}
        if any(matching.needs_lifetime_value(rule["conditions"]) for rule in rules):
            ids = sorted({event["customer_id"] for event in told if event["customer_id"] is not None})
            worth = await customers.select_lifetime_values(conn, scope, ids)
        causes = sorted({cause for event in told if (cause := _cause(event)) is not None})
        known = await executions.select_causes(conn, scope, causes) if causes else {}
    new = [
        execution
        for event in told
        for execution in _following(event, rules, switches, worth, known.get(_cause(event) or ""))
    ]
    new = _bounded(new, {row["root_event_id"]: row["followed"] for row in known.values()})
    if not new:
        return
    async with tools.db.transaction(repeatable=True) as conn:
        created = await executions.insert(conn, scope, new, now=now)
        ids = [each.id for each in new if each.id in created and each.skipped is None]
        if ids:  # in one job, so that they are done in order
            await enqueue(conn, Job(EXECUTE, scope, tuple(ids)))


def _following(
    event: asyncpg.Record,
    rules: Sequence[asyncpg.Record],
    switches: Row | None,
    worth: Mapping[str, Mapping[str, int]],
    cause: asyncpg.Record | None,
) -> list[NewExecution]:
    """What follows from one event: first the rules by their priority, then the notices."""
    facts = matching.facts_of(event, worth.get(event["customer_id"] or "", {}))
    found = [
        _execution(event, rule["id"], rule["name"], rule["actions"], cause)
        for rule in rules
        if rule["trigger"] == event["type"] and matching.unmet(rule["conditions"], facts) is None
    ]
    for name in noticing.due(event, switches):
        actions = [{"type": "send_notice", "notice": name}]
        found.append(_execution(event, name, models.NOTICES[name][0], actions, cause))
    return found


def _execution(
    event: asyncpg.Record, id: str, name: str, actions: list[dict[str, Any]], cause: asyncpg.Record | None
) -> NewExecution:
    """One that would go round in a circle is skipped, and says so."""
    chain: list[str] = [] if cause is None else cause["chain"]
    skipped = None
    if id in chain:
        skipped = ("loop", "This workflow led to this event itself, so that it would never end.")
    elif len(chain) >= models.CHAIN_MAX:
        skipped = ("too_deep", f"{models.CHAIN_MAX} workflows have set each other off before this one.")
    return NewExecution(
        id=new_id("exe"),
        workflow_id=id,
        workflow_name=name,
        event=event,
        root_event_id=event["id"] if cause is None else cause["root_event_id"],
        chain=[*chain, id],
        actions=[] if skipped else actions,
        skipped=skipped,
    )


def _bounded(new: list[NewExecution], followed: dict[str, int]) -> list[NewExecution]:
    """As many as may follow from what began it; the first that is too many says so, and is the last."""
    kept = []
    for each in new:
        before = followed.get(each.root_event_id, 0)
        followed[each.root_event_id] = before + 1
        if before < models.FOLLOWING_MAX:
            kept.append(each)
        elif before == models.FOLLOWING_MAX:
            told = f"{models.FOLLOWING_MAX} executions have followed from one event; no more do."
            kept.append(each._replace(actions=[], skipped=("too_many", told)))
    return kept


def _cause(event: asyncpg.Record) -> str | None:
    """The execution that changed something, of which this event tells; None for all that people and programs do."""
    actor: str | None = event["actor_id"]
    return actor if actor is not None and actor.startswith(_EXECUTION) else None
