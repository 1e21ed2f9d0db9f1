"""The deeds on invoices: create, get, update, and what becomes of one when it is charged.

Who charges them, and what follows for the subscription, is in `subscriptions/collecting.py`.
"""

from datetime import datetime
from typing import Any

import asyncpg

from reevit_server import customers, events
from reevit_server.core.answer import to_json
from reevit_server.core.database import Connection
from reevit_server.core.errors import TooMuchMetadata
from reevit_server.core.scope import Scope
from reevit_server.core.text import METADATA_KEYS_MAX, merged, same
from reevit_server.invoices import store
from reevit_server.invoices.errors import InvoiceNotFound, WrongInvoiceState
from reevit_server.invoices.models import Period
from reevit_server.invoices.schemas import InvoiceChangedOut, InvoicePatch


async def create(
    conn: Connection,
    scope: Scope,
    period: Period,
    payer: customers.Payer,
    *,
    id: str,
    now: datetime,
    until: datetime | None = None,
) -> asyncpg.Record:
    """The invoice of a period, with the organization's next number, to be charged now.

    The schedule does it at once; or after `until`, if whoever charges it themselves did not live to.
    A period has one: the constraint `invoices_one_per_period` sees to it, whoever asks twice.
    """
    fields = {
        "customer_id": payer.id,
        "subscription_id": period.subscription_id,
        "plan_id": period.plan_id,
        "description": period.plan_id or "Subscription",
        "amount": period.amount,
        "currency": period.currency,
        "method": period.method,
        "period_start": period.start,
        "period_end": period.end,
    }
    invoice = await store.insert(conn, scope, id=id, fields=fields, queue_at=until or now, now=now)
    await _record(conn, scope, invoice, payer, "invoice.created", now=now)
    return invoice


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """The invoice. Raises InvoiceNotFound."""
    invoice = await store.find(conn, scope, id=id)
    if invoice is None:
        raise InvoiceNotFound
    return invoice


async def get_locked(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """The invoice, for this transaction to change. Raises InvoiceNotFound."""
    invoice = await store.find_for_update(conn, scope, id=id)
    if invoice is None:
        raise InvoiceNotFound
    return invoice


async def update(
    conn: Connection, scope: Scope, *, id: str, patch: InvoicePatch, now: datetime
) -> asyncpg.Record:
    """Merges metadata. Raises InvoiceNotFound, TooMuchMetadata."""
    stored = await get_locked(conn, scope, id=id)
    if "metadata" not in patch.model_fields_set:
        return stored
    metadata = merged(stored["metadata"], patch.metadata)
    if same(metadata, stored["metadata"]):
        return stored
    if len(metadata) > METADATA_KEYS_MAX:
        raise TooMuchMetadata
    payer = await customers.find_payer(conn, scope, stored["customer_id"])
    assert payer is not None, "an invoice is always somebody's"
    invoice = await store.update_metadata(conn, scope, id=id, metadata=metadata, now=now)
    previous = {"metadata": stored["metadata"]}
    await _record(conn, scope, invoice, payer, "invoice.updated", now=now, previous_attributes=previous)
    return invoice


async def charging(
    conn: Connection, scope: Scope, *, id: str, payment_id: str, method: str | None, now: datetime
) -> asyncpg.Record:
    """An attempt to charge it begins."""
    return await store.update_attempt(conn, scope, id=id, payment_id=payment_id, method=method, now=now)


async def due_again(
    conn: Connection, scope: Scope, invoice: asyncpg.Record, *, next_attempt_at: datetime, now: datetime
) -> None:
    """It is charged (again) at that instant."""
    await store.update_status(
        conn,
        scope,
        id=invoice["id"],
        status="due",
        next_attempt_at=next_attempt_at,
        failure=(invoice["failure_code"], invoice["failure_message"]),
        now=now,
    )


async def tell_due(
    conn: Connection, scope: Scope, invoice: asyncpg.Record, payer: customers.Payer, *, now: datetime
) -> None:
    """What was given up is `due`: it was charged by hand, and how that ends is open."""
    previous = {"status": "failed"}
    await _record(conn, scope, invoice, payer, "invoice.updated", now=now, previous_attributes=previous)


async def pay(
    conn: Connection, scope: Scope, invoice: asyncpg.Record, payer: customers.Payer, *, now: datetime
) -> None:
    """The money is there."""
    await _end(conn, scope, invoice, payer, "paid", now=now)


async def fail(
    conn: Connection,
    scope: Scope,
    invoice: asyncpg.Record,
    payer: customers.Payer,
    *,
    failure: tuple[str | None, str | None],
    next_attempt_at: datetime | None,
    now: datetime,
) -> None:
    """An attempt has failed: its code, its sentence. Another one follows, or it is given up until somebody asks."""
    status = "failed" if next_attempt_at is None else "due"
    failed = await store.update_status(
        conn,
        scope,
        id=invoice["id"],
        status=status,
        next_attempt_at=next_attempt_at,
        failure=failure,
        now=now,
    )
    await _record(conn, scope, failed, payer, "invoice.failed", now=now)


async def cancel(
    conn: Connection, scope: Scope, invoice: asyncpg.Record, payer: customers.Payer, *, now: datetime
) -> None:
    """Nobody asks for this money any more."""
    await _end(conn, scope, invoice, payer, "canceled", now=now)


def check_state(invoice: asyncpg.Record, states: tuple[str, ...], deed: str) -> None:
    """Raises WrongInvoiceState."""
    if invoice["status"] not in states:
        raise WrongInvoiceState(
            f"An invoice that is {invoice['status']} cannot be {deed}; it must be {' or '.join(states)}.",
            status=invoice["status"],
        )


async def _end(
    conn: Connection,
    scope: Scope,
    invoice: asyncpg.Record,
    payer: customers.Payer,
    status: str,
    *,
    now: datetime,
) -> None:
    ended = await store.update_status(
        conn, scope, id=invoice["id"], status=status, failure=(None, None), now=now
    )
    await _record(conn, scope, ended, payer, f"invoice.{status}", now=now)


async def _record(
    conn: Connection,
    scope: Scope,
    invoice: asyncpg.Record,
    payer: customers.Payer,
    type: str,
    *,
    now: datetime,
    **more: Any,
) -> None:
    data = to_json(InvoiceChangedOut.of(invoice, customer=customers.PayerOut.of(payer), **more))
    await events.record(conn, scope, events.Change(type, invoice["id"], payer.id, data), now=now)
