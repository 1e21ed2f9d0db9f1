"""`/v1/workflows/rules`, executions and notices: when something is written to customers, and what became of it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query

from reevit_server import messages
from reevit_server.core.answer import Answer, no_content, reply
from reevit_server.core.database import Connection
from reevit_server.core.http import Call, Nothing
from reevit_server.core.openapi import CHANGES_NOTHING, id_in_path, refusals
from reevit_server.core.paging import cut
from reevit_server.workflows import executions, rules, rules_store, simulating
from reevit_server.workflows.errors import ExecutionNotFound, RuleNotFound, TooManyRules
from reevit_server.workflows.execution_schemas import (
    ActionList,
    ActionOut,
    ExecutionOut,
    ExecutionPage,
    ExecutionQuery,
    ExecutionWithActionsOut,
    NoticesOut,
    NoticesPatch,
    Simulation,
)
from reevit_server.workflows.rule_schemas import (
    RuleCreate,
    RuleOut,
    RulePage,
    RulePatch,
    RuleQuery,
    Simulate,
)

router = APIRouter(tags=["workflows"])

Door = TypeVar("Door", bound=Callable[..., Awaitable[Answer]])

RuleId = Annotated[str, id_in_path("wfr")]
ExecutionId = Annotated[str, id_in_path("exe")]


def _rules(method: str, below: str = "", **route: Any) -> Callable[[Door], Door]:
    """Declares a door at `/v1/workflows/rules…`, and at `/v1/workflows…`, which is the same."""

    def declare(door: Door) -> Door:
        for base, name in (
            ("/v1/workflows/rules", door.__name__),
            ("/v1/workflows", f"{door.__name__}_as_workflow"),
        ):
            router.add_api_route(base + below, door, methods=[method], name=name, **route)
        return door

    return declare


@_rules("POST", status_code=201, response_model=RuleOut, responses=refusals(TooManyRules))
async def create_rule(call: Call, new: RuleCreate) -> Answer:
    """Create a rule. What could never be done is refused, with its place."""

    async def deed(conn: Connection) -> Answer:
        rule = await rules.create(conn, call.scope, new, now=call.now)
        return reply(RuleOut.of(rule), status=201)

    return await call.once(deed)


@_rules("GET", response_model=RulePage)
async def list_rules(call: Call, query: Annotated[RuleQuery, Query()]) -> Answer:
    """List rules, newest first."""
    order = "rules.created_at"
    after = query.after(order, (datetime, str))
    async with call.db.read() as conn:
        rows = await rules_store.select(
            conn, call.scope, query, after=None if after is None else (after[0], after[1])
        )
        total = await rules_store.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, order, "created_at", "id")
    return reply(
        RulePage(
            rules=[RuleOut.of(row) for row in page.rows],
            has_more=page.has_more,
            next_cursor=page.next_cursor,
            total=total,
        )
    )


@_rules("GET", "/{rule_id}", response_model=RuleOut, responses=refusals(RuleNotFound))
async def get_rule(call: Call, rule_id: RuleId) -> Answer:
    """Get a rule."""
    async with call.db.read() as conn:
        rule = await rules.get(conn, call.scope, id=rule_id)
    return reply(RuleOut.of(rule))


@_rules("PATCH", "/{rule_id}", response_model=RuleOut, responses=refusals(RuleNotFound))
async def update_rule(call: Call, rule_id: RuleId, patch: RulePatch) -> Answer:
    """Change a rule. Events that happened before are done as it was then."""
    return await _changed(call, rule_id, patch)


@_rules("POST", "/{rule_id}/enable", response_model=RuleOut, responses=refusals(RuleNotFound))
async def enable_rule(call: Call, rule_id: RuleId, nothing: Nothing) -> Answer:
    """Turn a rule on, for events from now on."""
    del nothing
    return await _changed(call, rule_id, RulePatch(enabled=True))


@_rules("POST", "/{rule_id}/disable", response_model=RuleOut, responses=refusals(RuleNotFound))
async def disable_rule(call: Call, rule_id: RuleId, nothing: Nothing) -> Answer:
    """Turn a rule off. What it has begun is done to its end."""
    del nothing
    return await _changed(call, rule_id, RulePatch(enabled=False))


async def _changed(call: Call, id: str, patch: RulePatch) -> Answer:
    async def deed(conn: Connection) -> Answer:
        rule = await rules.update(conn, call.scope, id=id, patch=patch, now=call.now)
        return reply(RuleOut.of(rule))

    return await call.once(deed)


@_rules("DELETE", "/{rule_id}", status_code=204, response_model=None, responses=refusals(RuleNotFound))
async def delete_rule(call: Call, rule_id: RuleId) -> Answer:
    """Delete a rule. What it has begun is done to its end, and its executions stay."""

    async def deed(conn: Connection) -> Answer:
        await rules.delete(conn, call.scope, id=rule_id)
        return no_content()

    return await call.once(deed)


@_rules(
    "POST",
    "/{rule_id}/simulate",
    response_model=Simulation,
    responses=refusals(RuleNotFound),
    openapi_extra=CHANGES_NOTHING,
)
async def simulate_rule(call: Call, rule_id: RuleId, given: Simulate) -> Answer:
    """See what a rule would have done with past events: to whom, and why not to others. Nothing is sent."""
    return reply(await simulating.simulate(call.db, call.scope, call.sealer, id=rule_id, last=given.last))


@router.get("/v1/workflows/notices", response_model=NoticesOut)
async def get_notices(call: Call) -> Answer:
    """Get which notices are on: what is written to customers without a rule."""
    async with call.db.read() as conn:
        switches = await rules_store.find_notices(conn, call.scope)
    return reply(NoticesOut.model_validate(dict(switches or dict.fromkeys(NoticesOut.model_fields, False))))


@router.patch("/v1/workflows/notices", response_model=NoticesOut)
async def update_notices(call: Call, patch: NoticesPatch) -> Answer:
    """Turn notices on and off, for events from now on."""

    async def deed(conn: Connection) -> Answer:
        switches = await rules_store.upsert_notices(conn, call.scope, patch.model_dump(), now=call.now)
        return reply(NoticesOut.model_validate(dict(switches)))

    return await call.once(deed)


@router.get("/v1/workflows/executions", response_model=ExecutionPage)
async def list_executions(call: Call, query: Annotated[ExecutionQuery, Query()]) -> Answer:
    """List what workflows did, newest first."""
    order = "executions.created_at"
    after = query.after(order, (datetime, str))
    async with call.db.read() as conn:
        rows = await executions.select(
            conn, call.scope, query, after=None if after is None else (after[0], after[1])
        )
        total = await executions.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, order, "created_at", "id")
    return reply(
        ExecutionPage(
            executions=[ExecutionOut.model_validate(dict(row)) for row in page.rows],
            has_more=page.has_more,
            next_cursor=page.next_cursor,
            total=total,
        )
    )


@router.get(
    "/v1/workflows/executions/{execution_id}",
    response_model=ExecutionWithActionsOut,
    responses=refusals(ExecutionNotFound),
)
async def get_execution(call: Call, execution_id: ExecutionId) -> Answer:
    """Get an execution with its actions: what was sent, what failed and why."""
    async with call.db.read() as conn:
        execution = await executions.find(conn, call.scope, id=execution_id)
        if execution is None:
            raise ExecutionNotFound
        actions = await _actions(call, conn, execution_id)
    return reply(ExecutionWithActionsOut.model_validate({**execution, "actions": actions}))


@router.get(
    "/v1/workflows/executions/{execution_id}/actions",
    response_model=ActionList,
    responses=refusals(ExecutionNotFound),
)
async def list_execution_actions(call: Call, execution_id: ExecutionId) -> Answer:
    """List the actions of an execution, in order."""
    async with call.db.read() as conn:
        if await executions.find(conn, call.scope, id=execution_id) is None:
            raise ExecutionNotFound
        actions = await _actions(call, conn, execution_id)
    return reply(ActionList(actions=actions))


async def _actions(call: Call, conn: Connection, execution_id: str) -> list[ActionOut]:
    rows = await executions.select_actions(conn, call.scope, execution_id=execution_id)
    sent = await messages.select_statuses(
        conn, call.scope, [row["message_id"] for row in rows if row["message_id"] is not None]
    )
    return [ActionOut.of(row, sent.get(row["message_id"] or "")) for row in rows]
