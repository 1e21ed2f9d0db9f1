"""Charging a customer who is not there, for an invoice: prepare, call the provider, settle.

One payment an invoice, however often it is tried: what the merchant sees is one sum that was paid or was not.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reevit_server import customers
from reevit_server.core.database import Connection
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.payments import charging, store
from reevit_server.payments.errors import UnknownSandboxScenario
from reevit_server.providers import sandbox
from reevit_server.providers.base import Outcome

# An attempt that is over, or that waits for the customer and can be taken back.
_OVER = ("failed", "canceled", "requires_action")


class Recurring(NamedTuple):
    """What is to be paid."""

    payer: customers.Payer
    subscription_id: str
    amount: int
    currency: str
    method: str | None
    description: str
    scenario: str | None  # what the sandbox is to do, attempt by attempt


def check(scope: Scope, scenario: object) -> None:
    """Whether money could be asked for at all. Raises ProviderNotAvailable, UnknownSandboxScenario."""
    charging.default_provider(scope)
    if scenario is not None:
        for step in sandbox.steps(str(scenario)):
            charging.charge(scope, {"sandbox": step})


async def begin(conn: Connection, scope: Scope, new: Recurring, *, now: datetime) -> asyncpg.Record:
    """A payment whose first attempt is under way; if nobody writes down how it went, the provider is asked.

    Raises ProviderNotAvailable.
    """
    payment = await store.insert(
        conn,
        scope,
        id=new_id("pay"),
        fields={
            "customer_id": new.payer.id,
            "amount": new.amount,
            "currency": new.currency,
            "status": "processing",
            "method": new.method,
            "country": None,
            "reference": None,
            "description": new.description,
            "metadata": _metadata(new.scenario, 1),
            "provider": charging.default_provider(scope),
            "provider_ref_id": None,
            "fee_amount": None,
            "failure_code": None,
            "failure_message": None,
            "source": "subscription",
            "source_id": new.subscription_id,
            "client_secret_sha256": None,
            "next_action": None,
            "occurred_at": now,
            "succeeded_at": None,
            "created_at": now,
        },
    )
    assert payment is not None, "without a reference there is none to be taken"
    await charging.record(conn, scope, payment, new.payer, "payment.created", now=now)
    return payment


async def lock(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """The payment, as it stays until this transaction ends."""
    return await charging.find_locked(conn, scope, id)


async def begin_again(
    conn: Connection, scope: Scope, *, id: str, new: Recurring, now: datetime
) -> asyncpg.Record:
    """The next attempt of a payment that failed, or that the customer has not approved. It is locked."""
    stored = await charging.find_locked(conn, scope, id)
    assert stored["status"] in _OVER, "one attempt after the other"
    return await store.begin_again(
        conn,
        scope,
        id=id,
        metadata=_metadata(new.scenario, stored["attempt_count"] + 1),
        method=new.method,
        now=now,
    )


def charge(scope: Scope, payment: asyncpg.Record) -> Outcome:
    """The provider's answer to the attempt that is under way. What it cannot make sense of has failed."""
    try:
        return charging.charge(scope, payment["metadata"])
    except UnknownSandboxScenario as error:
        return Outcome("failed", error.code, error.message)


async def settle(
    conn: Connection,
    scope: Scope,
    attempt: asyncpg.Record,
    outcome: Outcome,
    *,
    now: datetime,
    then: charging.Follow,
) -> None:
    """Writes how an attempt went; nothing, if that is known already. Called twice, it is as if called once."""
    stored = await charging.find_locked(conn, scope, attempt["id"])
    if stored["status"] == "processing" and stored["attempt_count"] == attempt["attempt_count"]:
        await charging.settle(conn, scope, stored, outcome, now=now, then=then)


async def reconcile_on_the_clock(
    conn: Connection, scope: Scope, *, id: str, now: datetime, then: charging.Follow
) -> None:
    """Asks at an instant of a test clock how a payment ended; where that is still open, asks again later."""
    payment = await charging.find_locked(conn, scope, id)
    outcome = look_up(payment)
    if outcome is None:
        await store.put_off_reconciling(conn, scope, id=id, now=now)
    else:
        await settle(conn, scope, payment, outcome, now=now, then=then)


def look_up(payment: asyncpg.Record) -> Outcome | None:
    """What the provider says of how a payment ended; None when that is still open."""
    scenario = payment["metadata"].get("sandbox")
    try:
        return sandbox.look_up(None if scenario is None else str(scenario))
    except sandbox.UnknownScenario:
        return Outcome("failed", UnknownSandboxScenario.code, UnknownSandboxScenario().message)


async def cancel(
    conn: Connection,
    scope: Scope,
    *,
    id: str,
    now: datetime,
    then: charging.Follow = charging.nobody,
) -> bool:
    """Whether no money can come in for this payment any more: its attempt has failed, or is canceled now."""
    stored = await charging.find_locked(conn, scope, id)
    if stored["status"] == "requires_action":
        await charging.settle(conn, scope, stored, Outcome("canceled"), now=now, then=then)
    return stored["status"] in _OVER


def _metadata(scenario: str | None, attempt: int) -> Mapping[str, Any]:
    """What the sandbox is told of this attempt."""
    return {} if scenario is None else {"sandbox": sandbox.step(scenario, attempt)}
