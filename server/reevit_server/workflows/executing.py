"""Doing what a workflow wants: one action after the other, each in a transaction of its own.

Done twice it is as if done once: an action that is done is not found again, and a message is written once for each.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reevit_server import customers, events, messages, notices, organizations
from reevit_server.core.database import Connection
from reevit_server.core.errors import AppError, Unavailable
from reevit_server.core.jobs import Tools
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.customers import CustomerId, UnknownCustomer
from reevit_server.workflows import composing, executions, store
from reevit_server.workflows.composing import NotSent, Occasion
from reevit_server.workflows.errors import TemplateNotFound

_REASON_MAX = 500  # of what an event keeps of why something was done


class Outcome(NamedTuple):
    """What became of an action; `integration_id` is who has something to send now."""

    status: str
    reason: str | None = None
    reason_message: str | None = None
    message_id: str | None = None
    integration_id: str | None = None


async def execute(tools: Tools, scope: Scope, *ids: str, public_url: str) -> None:
    """Does what is left to be done of these executions, in order."""
    for id in ids:
        while await _do_next(tools, scope, id, public_url=public_url):
            pass


async def _do_next(tools: Tools, scope: Scope, id: str, *, public_url: str) -> bool:
    """Whether there was an action to do, which is done now."""
    now = tools.clock()
    async with tools.db.transaction() as conn:
        execution = await executions.find_for_update(conn, scope, id=id)
        if execution is None or execution["status"] != "queued":
            return False  # purged with its event, or done
        next_ = await executions.find_next_action(conn, scope, execution_id=id)
        assert next_ is not None, "with its last action an execution is over"
        try:
            async with conn.transaction():
                outcome = await _perform(
                    conn,
                    scope,
                    tools.sealer,
                    execution,
                    next_["position"],
                    next_["action"],
                    public_url=public_url,
                    now=now,
                )
        except NotSent as reason:
            outcome = Outcome("skipped", reason.code, reason.message)
        except Unavailable:
            raise  # it comes again
        except AppError as refusal:
            outcome = Outcome("failed", refusal.code, refusal.message)
        await executions.conclude_action(
            conn, scope, execution_id=id, position=next_["position"], outcome=outcome._asdict(), now=now
        )
    if outcome.integration_id is not None:
        # After the message is there for good, and without holding up who writes others.
        async with tools.db.transaction(repeatable=True) as conn:
            await messages.lock_and_release(conn, scope, integration_id=outcome.integration_id, now=now)
    return True


async def _perform(
    conn: Connection,
    scope: Scope,
    sealer: Sealer,
    execution: asyncpg.Record,
    position: int,
    action: Mapping[str, Any],
    *,
    public_url: str,
    now: datetime,
) -> Outcome:
    """Raises NotSent, and AppError for what cannot be done."""
    if action["type"] in ("add_tag", "remove_tag"):
        await _tag(conn, scope, execution, action, now=now)
        return Outcome("done")
    # The customer first: once nobody can be erased any more, the event names nobody who was.
    customer = await _customer(conn, scope, execution["customer_id"])
    event = await events.get(conn, scope, id=execution["event_id"])
    channel = composing.channel_of(action, customer)
    recipient = composing.recipient_of(action, channel, customer)
    assert channel is not None, "whoever has a recipient has a channel"
    occasion = Occasion(
        workflow_id=execution["workflow_id"],
        workflow_name=execution["workflow_name"],
        event=event,
        customer=customer,
        seller=await organizations.get_seller(conn, id=scope.org_id),
        test_mode=scope.mode == "test",
        execution_id=execution["id"],
    )
    receipt_of = composing.receipt_of(action, event)
    message = await asyncio.to_thread(
        composing.compose,
        action,
        await template_of(conn, scope, action),
        occasion,
        channel=channel,
        receipt=await receipt_facts(conn, scope, action, event),
        unsubscribe_url=messages.link(sealer, scope, public_url, channel=channel, address=recipient)
        if recipient is not None
        else None,
    )
    draft = messages.Draft(
        channel=channel,
        purpose=composing.purpose_of(action, event["type"]),
        recipient=recipient,
        subject=message.subject,
        text=message.text,
        html=message.html,
        receipt_of=receipt_of if channel == "email" else None,
        integration_id=action.get("integration_id"),
        # Of who was deleted nothing is in it, so there is nothing to hold back or to forget.
        customer_id=None if customer is None else execution["customer_id"],
        event_id=event["id"],
        execution_id=execution["id"],
        position=position,
    )
    written = await messages.create(conn, scope, sealer, draft, now=now)
    assert written is not None, "an action's message and its end are written together"
    waits = written["integration_id"] if written["status"] == "scheduled" else None
    return Outcome("done", message_id=written["id"], integration_id=waits)


async def template_of(conn: Connection, scope: Scope, action: Mapping[str, Any]) -> asyncpg.Record | None:
    """The template that an action names. Raises TemplateNotFound."""
    if action.get("template_id") is None:
        return None
    template = await store.find(conn, scope, id=action["template_id"])
    if template is None:
        raise TemplateNotFound
    return template


async def receipt_facts(
    conn: Connection, scope: Scope, action: Mapping[str, Any], event: asyncpg.Record
) -> notices.Facts | None:
    """What a receipt has to say, for the notice that is one."""
    if action.get("notice") not in ("receipt_email", "receipt_sms"):
        return None
    return await notices.facts_of_payment(conn, scope, id=event["subject_id"])


async def _tag(
    conn: Connection, scope: Scope, execution: asyncpg.Record, action: Mapping[str, Any], *, now: datetime
) -> None:
    """By the customer's own deed, whose event says that this execution did it."""
    if execution["customer_id"] is None:
        raise NotSent("no_customer", "The event is about no customer.")
    acting = scope._replace(
        actor_id=execution["id"], reason=f"Workflow: {execution['workflow_name']}"[:_REASON_MAX]
    )
    ref = CustomerId(execution["customer_id"])
    if action["type"] == "add_tag":
        await customers.add_tags(conn, acting, ref, [action["tag"]], now=now)
    else:
        await customers.remove_tag(conn, acting, ref, action["tag"], now=now)


async def _customer(conn: Connection, scope: Scope, id: str | None) -> Mapping[str, Any] | None:
    """Whom the event is about, as known now, kept from erasure until this transaction ends."""
    if id is None:
        return None
    try:
        payer = await customers.get_payer(conn, scope, CustomerId(id))
    except UnknownCustomer:
        return None
    return payer._asdict()
