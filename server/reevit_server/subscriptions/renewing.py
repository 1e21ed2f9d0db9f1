"""One period after the other: what happens to a subscription when its period is over."""

from datetime import datetime

import asyncpg

from reevit_server import customers, invoices
from reevit_server.core.database import Connection, Row
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.subscriptions import models, standing, store
from reevit_server.subscriptions.collecting import end_of_customer

TERMS = ("plan_id", "amount", "interval", "interval_count")


async def renew(
    conn: Connection, scope: Scope, *, id: str, now: datetime, until: datetime | None = None
) -> str | None:
    """Begins the next period of a subscription whose period is over; the id of the invoice that is to be charged.

    None when there is none: it is not over, or the subscription ends with it. After a time in which nobody looked,
    call it again until it says so: each period that was missed has its invoice, and has it once. Who does so, and
    charges for each, says until when to leave it to them: the schedule does not look at either before. If one like
    them died before they had charged, it is that invoice's turn.
    """
    stored = await store.find_for_update(conn, scope, id=id)
    if stored is None or stored["status"] == "canceled":
        return None
    if until is not None:
        left = await invoices.find_draft(conn, scope, subscription_id=id)
        if left is not None:
            return left
    if stored["current_period_end"] > now:
        return None
    if stored["cancel_at_period_end"]:
        payer = await standing.payer_of(conn, scope, stored)
        await standing.restate(conn, scope, stored, payer, "canceled", "subscription.canceled", now=now)
        return None
    if stored["status"] == "paused":
        return None
    return await begin(conn, scope, stored, type="subscription.renewed", now=now, until=until)


async def begin(
    conn: Connection,
    scope: Scope,
    stored: asyncpg.Record,
    *,
    anchor_at: datetime | None = None,
    type: str,
    now: datetime,
    until: datetime | None = None,
) -> str | None:
    """The next period, on the terms that are to hold from now on, and its invoice; None if the customer is gone.

    Periods are counted from `anchor_at`, if given; with another length, from where the last one ended.
    """
    try:
        payer = await customers.get_payer(conn, scope, customers.CustomerId(stored["customer_id"]))
    except customers.UnknownCustomer:
        await end_of_customer(conn, scope, id=stored["id"], now=now)
        return None
    terms = {field: stored[field] for field in TERMS} | (stored["pending_changes"] or {})
    start, number = stored["current_period_end"], stored["period_number"] + 1
    if anchor_at is not None:
        start, number = anchor_at, 1
    elif any(terms[field] != stored[field] for field in ("interval", "interval_count")):
        day = stored["anchor_at"].day if stored["interval"] in models.BY_MONTHS else start.day
        anchor_at, number = models.recounted(start, day, terms["interval"], terms["interval_count"])
    anchor_at = anchor_at or stored["anchor_at"]
    unpaid = stored["status"] in ("past_due", "paused") and await invoices.has_given_up(
        conn, scope, subscription_id=stored["id"]
    )
    end = models.boundary(anchor_at, terms["interval"], terms["interval_count"], number)
    fields = {
        **terms,
        "status": "past_due" if unpaid else "active",
        "anchor_at": anchor_at,
        "period_number": number,
        "current_period_start": start,
        "current_period_end": end,
        "queue_at": end if until is None or end > now else until,
    }
    invoice_id = new_id("inv")
    subscription: Row = {
        **await store.update_period(conn, scope, id=stored["id"], fields=fields, now=now),
        "latest_invoice_id": invoice_id,  # told before it is there, in the order in which merchants read it
    }
    previous = {
        field: stored[field]
        for field in (*TERMS, "status", "current_period_start", "current_period_end", "pending_changes")
        if stored[field] != subscription[field]
    }
    await standing.record(conn, scope, subscription, payer, type, now=now, previous_attributes=previous)
    period = period_of(subscription)
    await invoices.create(conn, scope, period, payer, id=invoice_id, now=now, until=until)
    if "status" in previous:
        await customers.count_subscriptions(conn, scope, id=payer.id)
    return invoice_id


def period_of(subscription: Row) -> invoices.Period:
    """The period that is running, as its invoice tells it."""
    return invoices.Period(
        subscription_id=subscription["id"],
        plan_id=subscription["plan_id"],
        amount=subscription["amount"],
        currency=subscription["currency"],
        method=subscription["method"],
        start=subscription["current_period_start"],
        end=subscription["current_period_end"],
    )
