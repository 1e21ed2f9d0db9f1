"""Asking for the money of an invoice, and what follows from the answer for invoice and subscription.

Rows are locked in one order, payment, subscription, invoice, the last invoice number, customer. Where that cannot be
(who gives a subscription up has one payment in hand, and needs those of its other invoices), PostgreSQL breaks the
circle and the transaction runs again.
"""

from datetime import datetime

import asyncpg

from reevit_server import customers, invoices, payments
from reevit_server.core.database import Connection, Database
from reevit_server.core.scope import Scope
from reevit_server.providers.base import HARD_DECLINES
from reevit_server.subscriptions import policies, standing, store
from reevit_server.subscriptions.models import RetryPolicy


async def collect(db: Database, scope: Scope, *, invoice_id: str, now: datetime) -> None:
    """Charges an invoice whose time has come: prepare, ask the provider with no transaction open, settle.

    May be called twice, also at once: one of them charges. If this process ends in between, the provider is asked
    later how it went (`payments.reconcile`).
    """
    async with db.transaction() as conn:
        payment = await _prepare(conn, scope, invoice_id=invoice_id, now=now)
    if payment is not None:
        outcome = payments.charge(scope, payment)
        async with db.transaction() as conn:
            await payments.settle(conn, scope, payment, outcome, now=now, then=follow)


async def collect_in_sandbox(
    conn: Connection, scope: Scope, *, invoice_id: str, by_hand: bool = False, now: datetime
) -> None:
    """The same in one transaction. The sandbox is no outside: it decides in this process."""
    payments.check_sandbox(scope)
    payment = await _prepare(conn, scope, invoice_id=invoice_id, by_hand=by_hand, now=now)
    if payment is not None:
        outcome = payments.charge(scope, payment)
        await payments.settle(conn, scope, payment, outcome, now=now, then=follow)


async def _prepare(
    conn: Connection, scope: Scope, *, invoice_id: str, by_hand: bool = False, now: datetime
) -> asyncpg.Record | None:
    """The payment of the attempt that begins; None when there is nothing to charge (any more, or yet)."""
    invoice = await invoices.get(conn, scope, id=invoice_id)
    if not _is_due(invoice, now):
        return None
    try:
        payer = await customers.get_payer(conn, scope, customers.CustomerId(invoice["customer_id"]))
    except customers.UnknownCustomer:
        await end_of_customer(conn, scope, id=invoice["subscription_id"], now=now)
        return None
    payment_id = invoice["payment_id"]
    stored = None if payment_id is None else await payments.lock(conn, scope, id=payment_id)
    means = await store.find_means_for_update(conn, scope, id=invoice["subscription_id"])
    invoice = await invoices.get_locked(conn, scope, id=invoice_id)
    if not _is_due(invoice, now) or invoice["payment_id"] != payment_id:
        return None  # somebody else was quicker
    unheard = stored is not None and stored["status"] == "requires_action" and not by_hand
    if unheard and await _is_last(conn, scope, invoice, means):
        await payments.cancel(conn, scope, id=invoice["payment_id"], now=now, then=follow)
        return None
    new = _recurring(scope, invoice, means, payer)
    if payment_id is None:
        payment = await payments.begin(conn, scope, new, now=now)
    else:
        payment = await payments.begin_again(conn, scope, id=payment_id, new=new, now=now)
    await invoices.charging(conn, scope, id=invoice_id, payment_id=payment["id"], method=new.method, now=now)
    return payment


async def _is_last(
    conn: Connection, scope: Scope, invoice: asyncpg.Record, subscription: asyncpg.Record
) -> bool:
    """Whether no attempt follows one that waits for the customer: also when there is nothing to pay for any more."""
    if subscription["status"] == "canceled" or invoice["given_up"]:
        return True
    return (await _policy(conn, scope, invoice)).is_last(invoice["attempt_count"])


def _recurring(
    scope: Scope, invoice: asyncpg.Record, means: asyncpg.Record, payer: customers.Payer
) -> payments.Recurring:
    return payments.Recurring(
        payer=payer,
        subscription_id=invoice["subscription_id"],
        amount=invoice["amount"],
        currency=invoice["currency"],
        method=means["method"],
        description=f"Invoice {invoices.number_text(invoice['number'])}",
        scenario=means["scenario"] if scope.mode == "test" else None,
    )


async def _policy(conn: Connection, scope: Scope, invoice: asyncpg.Record) -> RetryPolicy:
    return await policies.find(conn, scope, plan_id=invoice["plan_id"])


def _is_due(invoice: asyncpg.Record, now: datetime) -> bool:
    at = invoice["next_attempt_at"]
    return invoice["status"] in invoices.COLLECTIBLE and at is not None and at <= now


async def follow(
    conn: Connection, scope: Scope, payment: asyncpg.Record, payer: customers.Payer | None, *, now: datetime
) -> None:
    """What the end of a charge means for its invoice and its subscription, in the transaction that writes it down."""
    if payment["source"] != "subscription":
        return
    subscription = await store.find_for_update(conn, scope, id=payment["source_id"])
    invoice = await invoices.find_by_payment_for_update(conn, scope, payment_id=payment["id"])
    assert subscription is not None, "a charge begins with one"
    assert invoice is not None, "and for one"
    assert payer is not None, "and with somebody who pays"
    status = payment["status"]
    if status == "succeeded":
        await invoices.pay(conn, scope, invoice, payer, now=now)
        await standing.recover(conn, scope, subscription, payer, now=now)
    elif status == "requires_action":
        until = (await _policy(conn, scope, invoice)).patience(invoice["attempt_count"], now)
        await invoices.due_again(conn, scope, invoice, next_attempt_at=until, now=now)
    elif status in ("failed", "canceled"):
        await _try_again_or_give_up(conn, scope, subscription, invoice, payment, payer, now=now)


async def _try_again_or_give_up(
    conn: Connection,
    scope: Scope,
    subscription: asyncpg.Record,
    invoice: asyncpg.Record,
    payment: asyncpg.Record,
    payer: customers.Payer,
    *,
    now: datetime,
) -> None:
    policy = await _policy(conn, scope, invoice)
    again_at = policy.next_attempt(invoice["attempt_count"], now)
    hopeless = payment["failure_code"] in HARD_DECLINES or subscription["status"] == "canceled"
    if hopeless or invoice["given_up"]:  # by hand once more, and no more often than by hand
        again_at = None
    failure = (payment["failure_code"], payment["failure_message"])
    await invoices.fail(conn, scope, invoice, payer, failure=failure, next_attempt_at=again_at, now=now)
    if again_at is not None or invoice["given_up"]:
        return
    if subscription["status"] == "active":
        subscription = await standing.restate(
            conn, scope, subscription, payer, "past_due", "subscription.past_due", now=now
        )
    if subscription["status"] == "past_due" and policy.on_exhausted == "pause":
        await standing.restate(conn, scope, subscription, payer, "paused", "subscription.paused", now=now)
    elif subscription["status"] in ("past_due", "paused") and policy.on_exhausted == "cancel":
        await standing.end(conn, scope, subscription, payer, now=now)


async def retry(conn: Connection, scope: Scope, *, invoice_id: str, now: datetime) -> asyncpg.Record:
    """Charges an invoice now that waits for its next attempt, or was given up.

    If the customer was deleted meanwhile, it is canceled: there is nobody to be charged.
    Raises InvoiceNotFound, WrongInvoiceState, ProviderNotAvailable.
    """
    payments.check(scope, None)
    found = await invoices.get(conn, scope, id=invoice_id)
    if found["payment_id"] is not None:
        await payments.lock(conn, scope, id=found["payment_id"])
    invoice = await invoices.get_locked(conn, scope, id=invoice_id)
    invoices.check_state(invoice, invoices.RETRYABLE, "charged again")
    if invoice["status"] == "due" and invoice["next_attempt_at"] is None:
        raise _being_charged(invoice)
    await invoices.due_again(conn, scope, invoice, next_attempt_at=now, now=now)
    await collect_in_sandbox(conn, scope, invoice_id=invoice_id, by_hand=True, now=now)
    charged = await invoices.get(conn, scope, id=invoice_id)
    if (invoice["status"], charged["status"]) == ("failed", "due"):
        await invoices.tell_due(conn, scope, charged, await standing.payer_of(conn, scope, charged), now=now)
    return charged


async def cancel_invoice(conn: Connection, scope: Scope, *, invoice_id: str, now: datetime) -> asyncpg.Record:
    """Lets a customer off an invoice. Raises InvoiceNotFound, WrongInvoiceState."""
    found = await invoices.get(conn, scope, id=invoice_id)
    if found["payment_id"] is not None:
        await payments.lock(conn, scope, id=found["payment_id"])
    subscription = await store.find_for_update(conn, scope, id=found["subscription_id"])
    assert subscription is not None, "the schema sees to it"
    invoice = await invoices.get_locked(conn, scope, id=invoice_id)
    invoices.check_state(invoice, invoices.CANCELABLE, "canceled")
    payer = await standing.payer_of(conn, scope, invoice)
    if not await standing.cancel_invoice(conn, scope, invoice, payer, now=now):
        raise _being_charged(invoice)
    await standing.recover(conn, scope, subscription, payer, now=now)
    return await invoices.get(conn, scope, id=invoice_id)


def _being_charged(invoice: asyncpg.Record) -> invoices.WrongInvoiceState:
    return invoices.WrongInvoiceState(
        "This invoice is being charged; wait for how it ends.", status=invoice["status"]
    )


async def end_of_customer(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """A subscription whose customer is gone ends; if it has ended, whatever was still to be charged for it."""
    subscription = await standing.find_locked(conn, scope, id=id)
    if subscription is not None:
        payer = await standing.payer_of(conn, scope, subscription)
        await standing.end(conn, scope, subscription, payer, now=now)
