"""The deeds on subscriptions: create, get, update, cancel, pause, resume.

Periods follow each other in `renewing.py`, money is asked for in `collecting.py`.
"""

from datetime import datetime, timedelta
from typing import Any

import asyncpg

from reevit_server import customers, invoices, payments
from reevit_server.core.database import Connection
from reevit_server.core.errors import TooMuchMetadata, ValidationError
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.text import METADATA_KEYS_MAX, merged, same
from reevit_server.subscriptions import collecting, models, renewing, standing, store
from reevit_server.subscriptions.errors import StartTooEarly, SubscriptionNotFound, WrongSubscriptionState
from reevit_server.subscriptions.schemas import (
    SubscriptionCancel,
    SubscriptionCreate,
    SubscriptionPatch,
    check_interval,
)

_AHEAD_DAYS_MAX = 3660


async def create(conn: Connection, scope: Scope, new: SubscriptionCreate, *, now: datetime) -> asyncpg.Record:
    """A new subscription. Unless it begins later, or with a trial, its first invoice is charged at once.

    A decline is no error: the subscription is there, and its invoice is charged again by the retry policy. Raises
    UnknownCustomer, StartTooEarly, ProviderNotAvailable, UnknownSandboxScenario, and stores nothing then.
    """
    payments.check(scope, (new.metadata or {}).get("sandbox"))
    ref = customers.ref_of(new.customer_id, new.external_customer_id)
    assert ref is not None, "the schema sees to it"
    payer = await customers.get_payer(conn, scope, ref)
    fields = {
        **{
            field: getattr(new, field)
            for field in ("plan_id", "amount", "currency", "method", "interval", "interval_count")
        },
        "customer_id": payer.id,
        "metadata": merged({}, new.metadata),
        **_beginning(new, now),
    }
    subscription = await store.insert(conn, scope, id=new_id("sub"), fields=fields, now=now)
    if subscription["status"] == "trialing":
        await standing.record(conn, scope, subscription, payer, "subscription.created", now=now)
        await customers.count_subscriptions(conn, scope, id=payer.id)
        return subscription
    invoice_id = new_id("inv")
    begun = {**subscription, "latest_invoice_id": invoice_id}
    await standing.record(conn, scope, begun, payer, "subscription.created", now=now)
    await invoices.create(conn, scope, renewing.period_of(begun), payer, id=invoice_id, now=now)
    await customers.count_subscriptions(conn, scope, id=payer.id)
    await collecting.collect_in_sandbox(conn, scope, invoice_id=invoice_id, now=now)
    return await get(conn, scope, id=subscription["id"])


def _beginning(new: SubscriptionCreate, now: datetime) -> dict[str, Any]:
    """Where a new subscription stands: before its first charge, or in its first period."""
    start_at = new.start_at or now
    if start_at > now + timedelta(days=_AHEAD_DAYS_MAX):
        raise ValidationError.of("start_at", "too_far_ahead", "`start_at` is more than ten years ahead.")
    anchor_at = start_at + timedelta(days=new.trial_days)
    beginning: dict[str, Any] = {
        "start_at": start_at,
        "trial_end_at": anchor_at if new.trial_days else None,
        "anchor_at": anchor_at,
    }
    if anchor_at > now:
        return beginning | {
            "status": "trialing",
            "period_number": 0,
            "current_period_start": min(start_at, now),
            "current_period_end": anchor_at,
        }
    end = models.boundary(anchor_at, new.interval, new.interval_count, 1)
    if end <= now:
        raise StartTooEarly
    return beginning | {
        "status": "active",
        "period_number": 1,
        "current_period_start": anchor_at,
        "current_period_end": end,
    }


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """The subscription. Raises SubscriptionNotFound."""
    subscription = await store.find(conn, scope, id=id)
    if subscription is None:
        raise SubscriptionNotFound
    return subscription


async def update(
    conn: Connection, scope: Scope, *, id: str, patch: SubscriptionPatch, now: datetime
) -> asyncpg.Record:
    """Changes how it is paid and its metadata at once, what it costs and how long a period is with the next one.

    Raises SubscriptionNotFound, WrongSubscriptionState, TooMuchMetadata, UnknownSandboxScenario.
    """
    stored = _existing(await store.find_for_update(conn, scope, id=id))
    _check_state(stored, models.LIVING, "changed")
    sent = patch.model_fields_set
    fields: dict[str, Any] = {
        "pending_changes": _pending(stored, patch),
        "method": patch.method if "method" in sent else stored["method"],
        "metadata": merged(stored["metadata"], patch.metadata) if "metadata" in sent else stored["metadata"],
    }
    previous = {field: stored[field] for field in fields if not same(stored[field], fields[field])}
    if not previous:
        return stored
    if "metadata" in previous:
        if len(fields["metadata"]) > METADATA_KEYS_MAX:
            raise TooMuchMetadata
        payments.check(scope, fields["metadata"].get("sandbox"))
    payer = await standing.payer_of(conn, scope, stored)
    subscription = await store.update_terms(conn, scope, id=id, fields=fields, now=now)
    await standing.record(
        conn, scope, subscription, payer, "subscription.updated", now=now, previous_attributes=previous
    )
    return subscription


def _pending(stored: asyncpg.Record, patch: SubscriptionPatch) -> dict[str, Any] | None:
    """What is to be different from the next period on, after this update."""
    wanted = {field: stored[field] for field in renewing.TERMS} | (stored["pending_changes"] or {})
    wanted |= {field: getattr(patch, field) for field in patch.model_fields_set & set(renewing.TERMS)}
    try:
        check_interval(wanted["interval"], wanted["interval_count"])
    except ValueError as error:
        raise ValidationError.of("interval_count", "too_large", f"{error}.") from None
    return {field: value for field, value in wanted.items() if value != stored[field]} or None


async def cancel(
    conn: Connection, scope: Scope, *, id: str, given: SubscriptionCancel, now: datetime
) -> asyncpg.Record:
    """Ends it now, and lets its customer off what is still `due`; or when the period that is running is over.

    Raises SubscriptionNotFound, WrongSubscriptionState.
    """
    stored = _existing(await standing.find_locked(conn, scope, id=id))
    _check_state(stored, models.LIVING, "canceled")
    payer = await standing.payer_of(conn, scope, stored)
    if given.at_period_end and stored["current_period_end"] > now:
        if stored["cancel_at_period_end"]:
            return stored
        return await standing.restate(
            conn,
            scope,
            stored,
            payer,
            stored["status"],
            "subscription.updated",
            cancel_at_period_end=True,
            now=now,
        )
    return await standing.end(conn, scope, stored, payer, now=now)


async def pause(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record:
    """No further period begins until it is resumed. Raises SubscriptionNotFound, WrongSubscriptionState."""
    stored = _existing(await store.find_for_update(conn, scope, id=id))
    _check_state(stored, models.RUNNING, "paused")
    payer = await standing.payer_of(conn, scope, stored)
    return await standing.restate(conn, scope, stored, payer, "paused", "subscription.paused", now=now)


async def resume(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record:
    """Goes on with a subscription that is paused, or takes back that it is to end with its period.

    Within the period that was running, all is as if it had not been paused; one that is to end with it still is.
    Later, a new one begins now, and is charged; periods are counted from here then. Raises SubscriptionNotFound,
    WrongSubscriptionState.
    """
    stored = _existing(await store.find_for_update(conn, scope, id=id))
    payer = await standing.payer_of(conn, scope, stored)
    if stored["status"] in models.RUNNING and stored["cancel_at_period_end"]:
        return await standing.restate(
            conn,
            scope,
            stored,
            payer,
            stored["status"],
            "subscription.updated",
            cancel_at_period_end=False,
            now=now,
        )
    _check_state(stored, ("paused",), "resumed")
    if stored["current_period_end"] > now:
        status = await _status_within_period(conn, scope, stored)
        return await standing.restate(conn, scope, stored, payer, status, "subscription.resumed", now=now)
    if stored["cancel_at_period_end"]:  # nobody has looked yet, but it is over
        return await standing.restate(
            conn, scope, stored, payer, "canceled", "subscription.canceled", now=now
        )
    payments.check(scope, None)
    invoice_id = await renewing.begin(
        conn, scope, stored, anchor_at=now, type="subscription.resumed", now=now
    )
    if invoice_id is not None:
        await collecting.collect_in_sandbox(conn, scope, invoice_id=invoice_id, now=now)
    return await get(conn, scope, id=id)


async def _status_within_period(conn: Connection, scope: Scope, stored: asyncpg.Record) -> str:
    if stored["period_number"] == 0:
        return "trialing"
    unpaid = await invoices.has_given_up(conn, scope, subscription_id=stored["id"])
    return "past_due" if unpaid else "active"


def _existing(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        raise SubscriptionNotFound
    return row


def _check_state(stored: asyncpg.Record, states: tuple[str, ...], deed: str) -> None:
    if stored["status"] not in states:
        raise WrongSubscriptionState(
            f"A subscription that is {stored['status']} cannot be {deed}; it must be {' or '.join(states)}.",
            status=stored["status"],
        )
