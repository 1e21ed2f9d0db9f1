"""`/v1/payments`, and a customer's payments."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from reevit_server import customers
from reevit_server.core.answer import Answer, reply
from reevit_server.core.database import Connection
from reevit_server.core.errors import TooMuchMetadata
from reevit_server.core.http import Call, Nothing
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import PageQuery, cut
from reevit_server.customers import by_either_id
from reevit_server.payments import actions, store
from reevit_server.payments import refunds as refund_store
from reevit_server.payments.errors import (
    ClientSecretWrong,
    PaymentNotFound,
    ProviderNotAvailable,
    ReferenceTaken,
    RefundTooLarge,
    UnknownSandboxScenario,
    WrongPaymentState,
)
from reevit_server.payments.schemas import (
    ConfirmQuery,
    HistoryQuery,
    IntentCreate,
    IntentPatch,
    PaymentCreate,
    PaymentOut,
    PaymentPage,
    PaymentQuery,
    RefundCreate,
    RefundOut,
    RefundPage,
)

router = APIRouter(tags=["payments"])

PaymentId = Annotated[str, id_in_path("pay")]


@router.post(
    "/v1/payments",
    status_code=201,
    response_model=PaymentOut,
    responses=refusals(
        customers.UnknownCustomer, ProviderNotAvailable, ReferenceTaken, UnknownSandboxScenario
    ),
)
async def create_payment(call: Call, new: PaymentCreate) -> Answer:
    """Create and charge a payment in one call, or record one made elsewhere (`provider: "external"`)."""

    async def deed(conn: Connection) -> Answer:
        return _answer(await actions.create(conn, call.scope, new, now=await call.time(conn)), status=201)

    return await call.once(deed)


@router.get("/v1/payments", response_model=PaymentPage)
async def list_payments(call: Call, query: Annotated[PaymentQuery, Query()]) -> Answer:
    """List payments, newest first."""
    after = query.after("created_at", (datetime, str))
    async with call.db.read() as conn:
        rows = await store.select(conn, call.scope, query, after=(after[0], after[1]) if after else None)
        total = await store.count(conn, call.scope, query) if query.include_total else None
    return _page(rows, query.limit, total, "created_at")


@router.post(
    "/v1/payments/intents",
    status_code=201,
    response_model=PaymentOut,
    responses=refusals(customers.UnknownCustomer, ProviderNotAvailable, ReferenceTaken),
)
async def create_payment_intent(call: Call, new: IntentCreate) -> Answer:
    """Create a payment to confirm later. Its `client_secret` is in this answer only."""

    async def deed(conn: Connection) -> Answer:
        payment, client_secret = await actions.create_intent(conn, call.scope, new, now=await call.time(conn))
        return _answer(payment, status=201, client_secret=client_secret)

    return await call.once(deed)


@router.patch(
    "/v1/payments/intents/{payment_id}",
    response_model=PaymentOut,
    responses=refusals(
        PaymentNotFound, WrongPaymentState, customers.UnknownCustomer, ReferenceTaken, TooMuchMetadata
    ),
)
async def update_payment_intent(call: Call, payment_id: PaymentId, patch: IntentPatch) -> Answer:
    """Change a payment that was not charged yet, or failed."""

    async def deed(conn: Connection) -> Answer:
        return _answer(
            await actions.update_intent(
                conn, call.scope, id=payment_id, patch=patch, now=await call.time(conn)
            )
        )

    return await call.once(deed)


@router.get("/v1/payments/{payment_id}", response_model=PaymentOut, responses=refusals(PaymentNotFound))
async def get_payment(call: Call, payment_id: PaymentId) -> Answer:
    """Get a payment."""
    async with call.db.read() as conn:
        return _answer(await actions.get(conn, call.scope, id=payment_id))


@router.post(
    "/v1/payments/{payment_id}/confirm",
    response_model=PaymentOut,
    responses=refusals(PaymentNotFound, WrongPaymentState, ProviderNotAvailable, UnknownSandboxScenario),
)
async def confirm_payment(call: Call, payment_id: PaymentId, _: Nothing) -> Answer:
    """Charge a payment that is pending."""

    async def deed(conn: Connection) -> Answer:
        return _answer(await actions.confirm(conn, call.scope, id=payment_id, now=await call.time(conn)))

    return await call.once(deed)


@router.post(
    "/v1/payments/{payment_id}/confirm-intent",
    response_model=PaymentOut,
    responses=refusals(
        ClientSecretWrong, PaymentNotFound, WrongPaymentState, ProviderNotAvailable, UnknownSandboxScenario
    ),
)
async def confirm_payment_intent(
    call: Call, payment_id: PaymentId, query: Annotated[ConfirmQuery, Query()], _: Nothing
) -> Answer:
    """Charge a payment that is pending, with its `client_secret`."""

    async def deed(conn: Connection) -> Answer:
        payment = await actions.confirm(
            conn, call.scope, id=payment_id, client_secret=query.client_secret, now=await call.time(conn)
        )
        return _answer(payment)

    return await call.once(deed)


@router.post(
    "/v1/payments/{payment_id}/cancel",
    response_model=PaymentOut,
    responses=refusals(PaymentNotFound, WrongPaymentState),
)
async def cancel_payment(call: Call, payment_id: PaymentId, _: Nothing) -> Answer:
    """Cancel a payment before money moves."""

    async def deed(conn: Connection) -> Answer:
        return _answer(await actions.cancel(conn, call.scope, id=payment_id, now=await call.time(conn)))

    return await call.once(deed)


@router.post(
    "/v1/payments/{payment_id}/retry",
    response_model=PaymentOut,
    responses=refusals(PaymentNotFound, WrongPaymentState, ProviderNotAvailable, UnknownSandboxScenario),
)
async def retry_payment(call: Call, payment_id: PaymentId, _: Nothing) -> Answer:
    """Charge a failed payment once more."""

    async def deed(conn: Connection) -> Answer:
        return _answer(await actions.retry(conn, call.scope, id=payment_id, now=await call.time(conn)))

    return await call.once(deed)


@router.post(
    "/v1/payments/{payment_id}/refund",
    status_code=201,
    response_model=RefundOut,
    responses=refusals(PaymentNotFound, WrongPaymentState, RefundTooLarge),
)
async def refund_payment(call: Call, payment_id: PaymentId, new: RefundCreate) -> Answer:
    """Give money back: all that is left, or an amount of it."""

    async def deed(conn: Connection) -> Answer:
        refunded = await actions.refund(conn, call.scope, id=payment_id, new=new, now=await call.time(conn))
        return reply(
            RefundOut.of(refunded.refund), status=201, about_customer_id=refunded.payment["customer_id"]
        )

    return await call.once(deed)


@router.get(
    "/v1/payments/{payment_id}/refunds",
    response_model=RefundPage,
    responses=refusals(PaymentNotFound),
)
async def list_payment_refunds(
    call: Call, payment_id: PaymentId, query: Annotated[PageQuery, Query()]
) -> Answer:
    """List a payment's refunds, newest first."""
    after = query.after("created_at", (datetime, str))
    async with call.db.read() as conn:
        await actions.get(conn, call.scope, id=payment_id)
        rows = await refund_store.select(
            conn,
            call.scope,
            payment_id=payment_id,
            after=(after[0], after[1]) if after else None,
            limit=query.limit + 1,
            offset=query.offset,
        )
        total = (
            await refund_store.count(conn, call.scope, payment_id=payment_id) if query.include_total else None
        )
    page = cut(rows, query.limit, "created_at", "created_at", "id")
    refunds = [RefundOut.of(row) for row in page.rows]
    return reply(
        RefundPage(refunds=refunds, has_more=page.has_more, next_cursor=page.next_cursor, total=total)
    )


@by_either_id(router, "GET", "/payments", response_model=PaymentPage)
async def list_customer_payments(
    call: Call, customer: customers.CustomerRef, query: Annotated[HistoryQuery, Query()]
) -> Answer:
    """A customer's payment history, newest first."""
    after = query.after("occurred_at", (datetime, str))
    async with call.db.read() as conn:
        id = (await customers.get(conn, call.scope, customer))["id"]
        rows = await store.select_of_customer(
            conn,
            call.scope,
            customer_id=id,
            status=query.status,
            after=(after[0], after[1]) if after else None,
            limit=query.limit + 1,
            offset=query.offset,
        )
        total = (
            await store.count_of_customer(conn, call.scope, customer_id=id, status=query.status)
            if query.include_total
            else None
        )
    return _page(rows, query.limit, total, "occurred_at")


def _answer(payment: Any, *, status: int = 200, **more: Any) -> Answer:
    answer = reply(PaymentOut.of(payment, **more), status=status, about_customer_id=payment["customer_id"])
    return answer._replace(secret="client_secret" in more)


def _page(rows: list[Any], limit: int, total: int | None, order: str) -> Answer:
    page = cut(rows, limit, order, order, "id")
    payments = [PaymentOut.of(row) for row in page.rows]
    return reply(
        PaymentPage(payments=payments, has_more=page.has_more, next_cursor=page.next_cursor, total=total)
    )
