"""The deeds on payments: create, confirm, cancel, retry, refund. `charging.py` has the steps that they share."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reevit_server import customers
from reevit_server.core.database import Connection
from reevit_server.core.errors import TooMuchMetadata, ValidationError
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.text import METADATA_KEYS_MAX, merged, same
from reevit_server.payments import charging, models, refunds, store
from reevit_server.payments.errors import (
    ClientSecretWrong,
    PaymentNotFound,
    ReferenceTaken,
    RefundTooLarge,
    WrongPaymentState,
)
from reevit_server.payments.schemas import (
    IntentCreate,
    IntentPatch,
    PaymentCreate,
    RefundCreate,
    RefundOut,
)
from reevit_server.providers import sandbox
from reevit_server.providers.base import SUCCEEDED, Outcome

_EXTERNAL = "external"
_EDITABLE_FIELDS = ("amount", "currency", "method", "country", "reference", "description", "metadata")


class Refunded(NamedTuple):
    refund: asyncpg.Record
    payment: asyncpg.Record


async def create(conn: Connection, scope: Scope, new: PaymentCreate, *, now: datetime) -> asyncpg.Record:
    """Creates and charges a payment, or records one that was made elsewhere.

    A decline is an answer, not an error: the payment is there, with status `failed`. Raises UnknownCustomer,
    ReferenceTaken, ProviderNotAvailable, UnknownSandboxScenario, and stores nothing then.
    """
    provider = new.provider or charging.default_provider(scope)
    if provider == _EXTERNAL:
        if new.occurred_at is not None and new.occurred_at > now:
            raise ValidationError.of("occurred_at", "in_the_future", "`occurred_at` is in the future.")
        outcome = SUCCEEDED._replace(provider_ref_id=new.provider_ref_id)
    else:
        outcome = charging.charge(scope, new.metadata)
    payer = await _payer_of(conn, scope, new, now=now)
    occurred_at = new.occurred_at or now
    fields = {
        **_fields(new, payer),
        **outcome._asdict(),
        "provider": provider,
        "fee_amount": new.fee_amount,
        "client_secret_sha256": None,
        "occurred_at": occurred_at,
        "succeeded_at": occurred_at if outcome.status == "succeeded" else None,
        "created_at": now,
    }
    payment = await _insert(conn, scope, new_id("pay"), fields)
    await charging.record(
        conn, scope, payment, payer, "payment.created", f"payment.{outcome.status}", now=now
    )
    await charging.count_if_succeeded(conn, scope, payment)
    return payment


async def create_intent(
    conn: Connection, scope: Scope, new: IntentCreate, *, now: datetime
) -> tuple[asyncpg.Record, str]:
    """A payment that waits to be confirmed, and the client_secret that a browser may confirm it with.

    Raises UnknownCustomer, ReferenceTaken, ProviderNotAvailable.
    """
    provider = new.provider or charging.default_provider(scope)
    if provider == charging.SANDBOX:
        charging.check_sandbox(scope)
    payer = await _payer_of(conn, scope, new, now=now)
    id = new_id("pay")
    client_secret = models.new_client_secret(id)
    fields = {
        **_fields(new, payer),
        "status": "pending",
        "failure_code": None,
        "failure_message": None,
        "next_action": None,
        "provider_ref_id": None,
        "provider": provider,
        "fee_amount": None,
        "client_secret_sha256": models.sha256(client_secret),
        "occurred_at": now,
        "succeeded_at": None,
        "created_at": now,
    }
    payment = await _insert(conn, scope, id, fields)
    await charging.record(conn, scope, payment, payer, "payment.created", now=now)
    return payment, client_secret


async def update_intent(
    conn: Connection, scope: Scope, *, id: str, patch: IntentPatch, now: datetime
) -> asyncpg.Record:
    """Changes what a payment says before it is charged (again).

    Raises PaymentNotFound, WrongPaymentState, UnknownCustomer, ReferenceTaken, TooMuchMetadata.
    """
    stored = await _locked(conn, scope, id, models.EDITABLE, "changed")
    _check_chargeable(stored)
    sent = patch.model_fields_set
    fields: dict[str, Any] = {field: stored[field] for field in (*_EDITABLE_FIELDS, "customer_id")}
    for field in sent.intersection(_EDITABLE_FIELDS) - {"metadata"}:
        fields[field] = getattr(patch, field)
    if "metadata" in sent:
        fields["metadata"] = merged(stored["metadata"], patch.metadata)
        if len(fields["metadata"]) > METADATA_KEYS_MAX:
            raise TooMuchMetadata
    if sent & {"customer_id", "external_customer_id", "customer"}:
        named = await _payer_of(conn, scope, patch, now=now)
        fields["customer_id"] = named and named.id
    previous = {field: stored[field] for field in fields if not same(fields[field], stored[field])}
    # Before the payment is read again: from here on nobody erases the customer that it then still names.
    payer = await customers.find_payer(conn, scope, fields["customer_id"])
    if not previous:
        return await get(conn, scope, id=id)
    if fields["reference"] is not None and "reference" in previous:
        await _check_free(conn, scope, fields["reference"])
    try:
        payment = await store.update_intent(conn, scope, id=id, fields=fields, now=now)
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name == "payments_reference_taken", error.constraint_name
        raise ReferenceTaken from None
    await charging.record(
        conn, scope, payment, payer, "payment.updated", now=now, previous_attributes=previous
    )
    return payment


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """The payment. Raises PaymentNotFound."""
    payment = await store.find(conn, scope, id=id)
    if payment is None:
        raise PaymentNotFound
    return payment


async def confirm(
    conn: Connection, scope: Scope, *, id: str, client_secret: str | None = None, now: datetime
) -> asyncpg.Record:
    """Charges a payment that waits for it; with a client_secret, only if it is this payment's.

    Raises PaymentNotFound, ClientSecretWrong, WrongPaymentState, UnknownSandboxScenario.
    """
    stored = await charging.find_locked(conn, scope, id)
    if client_secret is not None and not hmac.compare_digest(
        stored["client_secret_sha256"] or b"", models.sha256(client_secret)
    ):
        raise ClientSecretWrong
    _check_state(stored, models.CONFIRMABLE, "confirmed")
    return await charging.settle(conn, scope, stored, charging.charge(scope, stored["metadata"]), now=now)


async def retry(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record:
    """Charges a failed payment once more. Raises PaymentNotFound, WrongPaymentState, UnknownSandboxScenario."""
    stored = await _locked(conn, scope, id, models.RETRYABLE, "retried")
    _check_chargeable(stored)
    return await charging.settle(conn, scope, stored, charging.charge(scope, stored["metadata"]), now=now)


async def cancel(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record:
    """Gives a payment up before any money moves. Raises PaymentNotFound, WrongPaymentState."""
    stored = await _locked(conn, scope, id, models.CANCELABLE, "canceled")
    _check_own(stored)
    return await charging.settle(conn, scope, stored, Outcome("canceled"), now=now)


async def complete_in_sandbox(
    conn: Connection, scope: Scope, *, id: str, outcome: str, now: datetime, then: charging.Follow
) -> asyncpg.Record:
    """Plays the customer's part. Raises PaymentNotFound, WrongPaymentState, ProviderNotAvailable."""
    charging.check_sandbox(scope)
    stored = await _locked(conn, scope, id, models.COMPLETABLE, "completed")
    return await charging.settle(conn, scope, stored, sandbox.complete(outcome), now=now, then=then)


async def refund(conn: Connection, scope: Scope, *, id: str, new: RefundCreate, now: datetime) -> Refunded:
    """Gives money back, at most what is left. The payment's lock makes parallel refunds wait for each other.

    Raises PaymentNotFound, WrongPaymentState, RefundTooLarge.
    """
    stored = await _locked(conn, scope, id, models.REFUNDABLE, "refunded")
    refundable = stored["amount"] - stored["amount_refunded"]
    amount = refundable if new.amount is None else new.amount
    if amount > refundable:
        raise RefundTooLarge(
            f"{amount} is more than the {refundable} that is left of this payment.", refundable=refundable
        )
    if amount == 0:
        raise RefundTooLarge("There is nothing to refund: the payment was for 0.", refundable=0)
    refunded = stored["amount_refunded"] + amount
    row = await refunds.insert(
        conn, scope, id=new_id("ref"), payment_id=id, amount=amount, reason=new.reason, now=now
    )
    status = models.status_after_refund(amount=stored["amount"], amount_refunded=refunded)
    payment = await store.update_refunded(
        conn, scope, id=id, amount_refunded=refunded, status=status, now=now
    )
    payer = await customers.find_payer(conn, scope, payment["customer_id"])
    await charging.record(conn, scope, payment, payer, "payment.refunded", now=now, refund=RefundOut.of(row))
    if payment["customer_id"] is not None:
        await customers.add_refund(
            conn,
            scope,
            customer_id=payment["customer_id"],
            currency=payment["currency"],
            amount=amount,
            at=row["occurred_at"],
        )
    return Refunded(row, payment)


async def _payer_of(
    conn: Connection, scope: Scope, named: IntentCreate | PaymentCreate | IntentPatch, *, now: datetime
) -> customers.Payer | None:
    """Whom the body names, found or created. Raises UnknownCustomer."""
    if named.customer is not None:
        return await customers.get_or_create_payer(conn, scope, named.customer, now=now)
    ref = customers.ref_of(named.customer_id, named.external_customer_id)
    return None if ref is None else await customers.get_payer(conn, scope, ref)


def _fields(new: IntentCreate | PaymentCreate, payer: customers.Payer | None) -> dict[str, Any]:
    return {
        **{field: getattr(new, field) for field in _EDITABLE_FIELDS},
        "metadata": merged({}, new.metadata),
        "customer_id": payer and payer.id,
        "source": "api",
        "source_id": None,
    }


async def _insert(conn: Connection, scope: Scope, id: str, fields: Mapping[str, Any]) -> asyncpg.Record:
    """The new payment. Raises ReferenceTaken, which names the payment that has it."""
    payment = await store.insert(conn, scope, id=id, fields=fields)
    if payment is None:
        await _check_free(conn, scope, fields["reference"])
        raise ReferenceTaken
    return payment


async def _check_free(conn: Connection, scope: Scope, reference: str) -> None:
    """A courtesy, so that the refusal can name who has it; the constraint decides."""
    taken_by = await store.find_id_by_reference(conn, scope, reference=reference)
    if taken_by is not None:
        raise ReferenceTaken(payment_id=taken_by)


async def _locked(
    conn: Connection, scope: Scope, id: str, states: tuple[str, ...], deed: str
) -> asyncpg.Record:
    stored = await charging.find_locked(conn, scope, id)
    _check_state(stored, states, deed)
    return stored


def _check_state(stored: asyncpg.Record, states: tuple[str, ...], deed: str) -> None:
    if stored["status"] not in states:
        raise WrongPaymentState(
            f"A payment that is {stored['status']} cannot be {deed}; it must be {' or '.join(states)}.",
            status=stored["status"],
        )


def _check_own(stored: asyncpg.Record) -> None:
    """What an invoice asks for is changed through the invoice, which would not know of it otherwise."""
    if stored["source"] == "subscription":
        raise WrongPaymentState(
            "This payment is of a subscription's invoice; retry or cancel the invoice instead.",
            status=stored["status"],
        )


def _check_chargeable(stored: asyncpg.Record) -> None:
    """Only what we charge ourselves can be charged again: the rest is a record of what happened elsewhere."""
    _check_own(stored)
    if stored["provider"] != charging.SANDBOX or stored["source"] == "import":
        raise WrongPaymentState(
            "This payment was made elsewhere and only recorded here; it cannot be changed or charged.",
            status=stored["status"],
        )
