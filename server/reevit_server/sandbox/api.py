"""`/v1/sandbox`: the test clock, and the customer's part of a payment."""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter

from reevit_server import payments, subscriptions
from reevit_server.core import idempotency
from reevit_server.core.answer import Answer, reply
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection
from reevit_server.core.http import Call
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.sandbox import actions, models
from reevit_server.sandbox.errors import ClockIsMoving, ClockOutOfReach
from reevit_server.sandbox.schemas import ClockAdvance, ClockAdvancedOut, ClockOut, SandboxCompletion

router = APIRouter(tags=["sandbox"])

PaymentId = Annotated[str, id_in_path("pay")]


@router.get("/v1/sandbox/clock", response_model=ClockOut, responses=refusals(payments.ProviderNotAvailable))
async def get_sandbox_clock(call: Call) -> Answer:
    """What time it is in your test mode. While the clock is being moved, this tells how far it has come."""
    async with call.db.read() as conn:
        now, stands_still = await actions.get(conn, call.scope, now=call.now)
    return reply(ClockOut(now=now, stands_still=stands_still))


@router.post(
    "/v1/sandbox/clock/advance",
    response_model=ClockAdvancedOut,
    responses=refusals(ClockIsMoving, ClockOutOfReach, payments.ProviderNotAvailable),
)
async def advance_sandbox_clock(call: Call, given: ClockAdvance) -> Answer:
    """Let time pass in your test mode. All that is due up to then happens, in order, before this answers."""
    if (stored := await idempotency.find(call)) is not None:
        return stored
    by = None if given.by is None else models.span(given.by)
    key = None if call.idempotency_key is None else call.idempotency_key.name
    async with actions.moving(call.db, call.scope, to=given.to, by=by, key=key, world=utc_now) as move:
        # Once more: the same request may have ended just before this one had the clock.
        if (stored := await idempotency.find(call)) is not None:
            return stored

        async def deed(conn: Connection) -> Answer:
            return reply(
                ClockAdvancedOut(
                    now=await actions.arrive(conn, call.scope, move),
                    stands_still=True,
                    renewals=move.steps["renew"],
                    collections=move.steps["collect"],
                    reconciliations=move.steps["reconcile"],
                )
            )

        while True:
            await actions.pass_time(call.db, call.scope, move, key=key, world=utc_now)
            with suppress(actions.SomethingBecameDue):
                return await call.once(deed)


@router.post(
    "/v1/sandbox/payments/{payment_id}/complete",
    response_model=payments.PaymentOut,
    responses=refusals(payments.PaymentNotFound, payments.WrongPaymentState, payments.ProviderNotAvailable),
)
async def complete_sandbox_payment(call: Call, payment_id: PaymentId, given: SandboxCompletion) -> Answer:
    """Play the customer's part of a payment that waits: approve it, fail it, walk away."""

    async def deed(conn: Connection) -> Answer:
        payment = await payments.complete_in_sandbox(
            conn,
            call.scope,
            id=payment_id,
            outcome=given.outcome,
            now=await call.time(conn),
            then=subscriptions.follow,
        )
        return reply(payments.PaymentOut.of(payment), about_customer_id=payment["customer_id"])

    return await call.once(deed)
