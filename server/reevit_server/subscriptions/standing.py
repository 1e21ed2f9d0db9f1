"""How a subscription stands: every change of its status, with its event and what the customer's profile says."""

from datetime import datetime
from typing import Any

import asyncpg

from reevit_server import customers, events, invoices, payments
from reevit_server.core.answer import to_json
from reevit_server.core.database import Connection, Row
from reevit_server.core.scope import Scope
from reevit_server.subscriptions import store
from reevit_server.subscriptions.schemas import SubscriptionChangedOut


async def restate(
    conn: Connection,
    scope: Scope,
    stored: asyncpg.Record,
    payer: customers.Payer,
    status: str,
    type: str,
    *,
    cancel_at_period_end: bool | None = None,
    now: datetime,
) -> asyncpg.Record:
    """Gives a subscription another status, or another end. `stored` is locked by this transaction."""
    if cancel_at_period_end is None:
        cancel_at_period_end = stored["cancel_at_period_end"] and status != "canceled"
    subscription = await store.update_status(
        conn, scope, id=stored["id"], status=status, cancel_at_period_end=cancel_at_period_end, now=now
    )
    previous = {
        field: stored[field]
        for field in ("status", "cancel_at_period_end")
        if stored[field] != subscription[field]
    }
    await record(conn, scope, subscription, payer, type, now=now, previous_attributes=previous)
    if "status" in previous:
        await customers.count_subscriptions(conn, scope, id=subscription["customer_id"])
    return subscription


async def find_locked(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record | None:
    """The subscription, for this transaction to end; the payments of its open invoices are locked before it.

    That is the order of charges, which have their payment in hand when they come to the subscription.
    """
    for invoice in await invoices.select_open(conn, scope, subscription_id=id):
        if invoice["payment_id"] is not None:
            await payments.lock(conn, scope, id=invoice["payment_id"])
    return await store.find_for_update(conn, scope, id=id)


async def end(
    conn: Connection, scope: Scope, stored: asyncpg.Record, payer: customers.Payer, *, now: datetime
) -> asyncpg.Record:
    """A subscription is over, and nobody asks for money for it any more.

    Only a charge that is under way now is waited for: nobody but the provider can say how it ends.
    """
    for invoice in await invoices.select_open(conn, scope, subscription_id=stored["id"]):
        await cancel_invoice(conn, scope, invoice, payer, now=now)
    if stored["status"] == "canceled":
        return stored
    return await restate(conn, scope, stored, payer, "canceled", "subscription.canceled", now=now)


async def cancel_invoice(
    conn: Connection, scope: Scope, invoice: asyncpg.Record, payer: customers.Payer, *, now: datetime
) -> bool:
    """Whether an invoice is canceled now: not while it is being charged."""
    payment_id = invoice["payment_id"]
    if payment_id is not None and not await payments.cancel(conn, scope, id=payment_id, now=now):
        return False
    await invoices.cancel(conn, scope, invoice, payer, now=now)
    return True


async def recover(
    conn: Connection, scope: Scope, stored: asyncpg.Record, payer: customers.Payer, *, now: datetime
) -> None:
    """A subscription that was past due is active once none of its invoices is left unpaid for good."""
    if stored["status"] == "past_due" and not await invoices.has_given_up(
        conn, scope, subscription_id=stored["id"]
    ):
        await restate(conn, scope, stored, payer, "active", "subscription.updated", now=now)


async def payer_of(conn: Connection, scope: Scope, row: asyncpg.Record) -> customers.Payer:
    """Whose subscription or invoice it is; of a customer who was deleted, only the id is left."""
    payer = await customers.find_payer(conn, scope, row["customer_id"])
    assert payer is not None, "they are always somebody's"
    return payer


async def record(
    conn: Connection,
    scope: Scope,
    subscription: Row,
    payer: customers.Payer,
    type: str,
    *,
    now: datetime,
    **more: Any,
) -> None:
    """The event that tells what became of a subscription."""
    data = to_json(SubscriptionChangedOut.of(subscription, customer=customers.PayerOut.of(payer), **more))
    await events.record(conn, scope, events.Change(type, subscription["id"], payer.id, data), now=now)
