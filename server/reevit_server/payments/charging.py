"""Asking a provider for money, and writing down how it went: the steps that all charges share.

The sandbox decides in this process, so that a deed at a door is one transaction. Background work takes three steps,
as a provider that is asked over a network will need everywhere: prepare, call, settle.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import asyncpg

from reevit_server import customers, events
from reevit_server.core.answer import to_json
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.payments import store
from reevit_server.payments.errors import PaymentNotFound, ProviderNotAvailable, UnknownSandboxScenario
from reevit_server.payments.schemas import PaymentChangedOut
from reevit_server.providers import sandbox
from reevit_server.providers.base import Outcome

SANDBOX = "sandbox"

# Who has to know how a payment went, in the transaction that writes it down: (conn, scope, payment, payer, now=…).
Follow = Callable[..., Awaitable[None]]


async def nobody(
    conn: Connection, scope: Scope, payment: asyncpg.Record, payer: customers.Payer | None, *, now: datetime
) -> None:
    del conn, scope, payment, payer, now


def default_provider(scope: Scope) -> str:
    """Who is asked when nobody is named. Raises ProviderNotAvailable."""
    if scope.mode == "live":
        raise ProviderNotAvailable
    return SANDBOX


def check_sandbox(scope: Scope) -> None:
    """The sandbox moves no money: in live mode it would make customers look richer than they are."""
    if scope.mode == "live":
        raise ProviderNotAvailable("The sandbox is for test mode; use a test key.")


def charge(scope: Scope, metadata: Mapping[str, Any] | None) -> Outcome:
    """What the provider says. Raises ProviderNotAvailable, UnknownSandboxScenario."""
    check_sandbox(scope)
    scenario = (metadata or {}).get("sandbox")
    try:
        return sandbox.charge(None if scenario is None else str(scenario))
    except sandbox.UnknownScenario:
        raise UnknownSandboxScenario(
            f"The sandbox does not know {scenario!r}, only succeed, fail, fail:<code>, requires_action, "
            "processing and timeout."
        ) from None


async def find_locked(conn: Connection, scope: Scope, id: str) -> asyncpg.Record:
    """The payment, for this transaction to change. Raises PaymentNotFound."""
    stored = await store.find_for_update(conn, scope, id=id)
    if stored is None:
        raise PaymentNotFound
    return stored


async def settle(
    conn: Connection,
    scope: Scope,
    stored: asyncpg.Record,
    outcome: Outcome,
    *,
    now: datetime,
    then: Follow = nobody,
) -> asyncpg.Record:
    """Writes how a charge went, with its event and the customer's totals. `stored` is locked by this transaction."""
    # First, so that an erasure is over, or waits: what the update returns then names nobody who is gone.
    payer = await customers.find_payer(conn, scope, stored["customer_id"])
    payment = await store.update_outcome(conn, scope, id=stored["id"], now=now, **outcome._asdict())
    await record(conn, scope, payment, payer, f"payment.{outcome.status}", now=now)
    await then(conn, scope, payment, payer, now=now)
    await count_if_succeeded(conn, scope, payment)
    return payment


async def count_if_succeeded(conn: Connection, scope: Scope, payment: asyncpg.Record) -> None:
    """The last statement of its transaction (see `customers/totals.py`)."""
    if payment["status"] == "succeeded" and payment["customer_id"] is not None:
        await customers.add_payment(
            conn,
            scope,
            customer_id=payment["customer_id"],
            currency=payment["currency"],
            amount=payment["amount"],
            method=payment["method"],
            at=payment["succeeded_at"],
        )


async def record(
    conn: Connection,
    scope: Scope,
    payment: asyncpg.Record,
    payer: customers.Payer | None,
    *types: str,
    now: datetime,
    **more: Any,
) -> None:
    """The events that tell what became of a payment, in this order."""
    customer = payer and customers.PayerOut.of(payer)
    data = to_json(PaymentChangedOut.of(payment, customer=customer, **more))
    changes = [events.Change(type, payment["id"], payment["customer_id"], data) for type in types]
    await events.record(conn, scope, *changes, now=now)
