"""`/v1/subscriptions`, a customer's subscriptions, retry policies, and invoices' deeds that touch them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from reevit_server import customers, invoices, payments
from reevit_server.core.answer import Answer, no_content, reply
from reevit_server.core.database import Connection
from reevit_server.core.errors import TooMuchMetadata
from reevit_server.core.http import Call, Nothing
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import PageQuery, cut
from reevit_server.customers import by_either_id
from reevit_server.subscriptions import actions, collecting, policies, store
from reevit_server.subscriptions.errors import (
    RetryPolicyNotFound,
    StartTooEarly,
    SubscriptionNotFound,
    WrongSubscriptionState,
)
from reevit_server.subscriptions.schemas import (
    RetryPolicyOut,
    RetryPolicyPage,
    RetryPolicyQuery,
    RetryPolicyUpsert,
    SubscriptionCancel,
    SubscriptionCreate,
    SubscriptionHistoryQuery,
    SubscriptionOut,
    SubscriptionPage,
    SubscriptionPatch,
    SubscriptionQuery,
)

router = APIRouter(tags=["subscriptions"])
invoice_router = APIRouter(tags=["invoices"])

SubscriptionId = Annotated[str, id_in_path("sub")]
InvoiceId = Annotated[str, id_in_path("inv")]


@router.post(
    "/v1/subscriptions",
    status_code=201,
    response_model=SubscriptionOut,
    responses=refusals(
        customers.UnknownCustomer,
        StartTooEarly,
        payments.ProviderNotAvailable,
        payments.UnknownSandboxScenario,
    ),
)
async def create_subscription(call: Call, new: SubscriptionCreate) -> Answer:
    """Create a subscription. Its first invoice is charged at once, unless it begins later or with a trial."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _answer(await actions.create(conn, call.scope, new, now=now), status=201)

    return await call.once(deed)


@router.get("/v1/subscriptions", response_model=SubscriptionPage)
async def list_subscriptions(call: Call, query: Annotated[SubscriptionQuery, Query()]) -> Answer:
    """List subscriptions, newest first."""
    async with call.db.read() as conn:
        return await _list(conn, call, query)


@router.get(
    "/v1/subscriptions/{subscription_id}",
    response_model=SubscriptionOut,
    responses=refusals(SubscriptionNotFound),
)
async def get_subscription(call: Call, subscription_id: SubscriptionId) -> Answer:
    """Get a subscription."""
    async with call.db.read() as conn:
        return _answer(await actions.get(conn, call.scope, id=subscription_id))


@router.patch(
    "/v1/subscriptions/{subscription_id}",
    response_model=SubscriptionOut,
    responses=refusals(
        SubscriptionNotFound, WrongSubscriptionState, TooMuchMetadata, payments.UnknownSandboxScenario
    ),
)
async def update_subscription(
    call: Call, subscription_id: SubscriptionId, patch: SubscriptionPatch
) -> Answer:
    """Change a subscription: plan, amount and interval from the next period on, method and metadata at once."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _answer(await actions.update(conn, call.scope, id=subscription_id, patch=patch, now=now))

    return await call.once(deed)


@router.post(
    "/v1/subscriptions/{subscription_id}/cancel",
    response_model=SubscriptionOut,
    responses=refusals(SubscriptionNotFound, WrongSubscriptionState),
)
async def cancel_subscription(
    call: Call, subscription_id: SubscriptionId, given: SubscriptionCancel
) -> Answer:
    """Cancel a subscription: now, with the invoices that are still due, or at the end of the running period."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _answer(await actions.cancel(conn, call.scope, id=subscription_id, given=given, now=now))

    return await call.once(deed)


@router.post(
    "/v1/subscriptions/{subscription_id}/pause",
    response_model=SubscriptionOut,
    responses=refusals(SubscriptionNotFound, WrongSubscriptionState),
)
async def pause_subscription(call: Call, subscription_id: SubscriptionId, _: Nothing) -> Answer:
    """Pause a subscription: no further period begins until it is resumed."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _answer(await actions.pause(conn, call.scope, id=subscription_id, now=now))

    return await call.once(deed)


@router.post(
    "/v1/subscriptions/{subscription_id}/resume",
    response_model=SubscriptionOut,
    responses=refusals(SubscriptionNotFound, WrongSubscriptionState, payments.ProviderNotAvailable),
)
async def resume_subscription(call: Call, subscription_id: SubscriptionId, _: Nothing) -> Answer:
    """Resume a subscription that is paused, or take back that it is to end with its period."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _answer(await actions.resume(conn, call.scope, id=subscription_id, now=now))

    return await call.once(deed)


@by_either_id(router, "GET", "/subscriptions", response_model=SubscriptionPage)
async def list_customer_subscriptions(
    call: Call, customer: customers.CustomerRef, query: Annotated[SubscriptionHistoryQuery, Query()]
) -> Answer:
    """A customer's subscriptions, newest first."""
    async with call.db.read() as conn:
        id = (await customers.get(conn, call.scope, customer))["id"]
        return await _list(conn, call, SubscriptionQuery(**dict(query), customer_id=id))


@router.post("/v1/policies/retry", response_model=RetryPolicyOut)
async def set_retry_policy(call: Call, given: RetryPolicyUpsert) -> Answer:
    """Say when a failed charge is tried again: for a plan, or for all plans without a policy of their own."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return reply(RetryPolicyOut.of(await policies.upsert(conn, call.scope, given, now=now)))

    return await call.once(deed)


@router.get("/v1/policies/retry", response_model=RetryPolicyPage)
async def list_retry_policies(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List retry policies by plan, the organization's own first. What none of them covers has the default."""
    after = query.after("plan_id", (str,))
    async with call.db.read() as conn:
        rows = await policies.select(
            conn, call.scope, after=after[0] if after else None, limit=query.limit + 1, offset=query.offset
        )
        total = await policies.count(conn, call.scope) if query.include_total else None
    page = cut(rows, query.limit, "plan_id", "plan_id")
    found = [RetryPolicyOut.of(row) for row in page.rows]
    return reply(
        RetryPolicyPage(policies=found, has_more=page.has_more, next_cursor=page.next_cursor, total=total)
    )


@router.delete(
    "/v1/policies/retry", status_code=204, response_model=None, responses=refusals(RetryPolicyNotFound)
)
async def delete_retry_policy(call: Call, query: Annotated[RetryPolicyQuery, Query()]) -> Answer:
    """Delete a retry policy: from the next failure on, what is more general holds."""

    async def deed(conn: Connection) -> Answer:
        await policies.delete(conn, call.scope, plan_id=query.plan_id)
        return no_content()

    return await call.once(deed)


@invoice_router.post(
    "/v1/invoices/{invoice_id}/retry",
    response_model=invoices.InvoiceOut,
    responses=refusals(invoices.InvoiceNotFound, invoices.WrongInvoiceState, payments.ProviderNotAvailable),
)
async def retry_invoice(call: Call, invoice_id: InvoiceId, _: Nothing) -> Answer:
    """Charge an invoice now that waits for its next attempt, or was given up."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _invoice(await collecting.retry(conn, call.scope, invoice_id=invoice_id, now=now))

    return await call.once(deed)


@invoice_router.post(
    "/v1/invoices/{invoice_id}/cancel",
    response_model=invoices.InvoiceOut,
    responses=refusals(invoices.InvoiceNotFound, invoices.WrongInvoiceState),
)
async def cancel_invoice(call: Call, invoice_id: InvoiceId, _: Nothing) -> Answer:
    """Let a customer off an invoice that is not paid."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _invoice(await collecting.cancel_invoice(conn, call.scope, invoice_id=invoice_id, now=now))

    return await call.once(deed)


def _invoice(invoice: Any) -> Answer:
    return reply(invoices.InvoiceOut.of(invoice), about_customer_id=invoice["customer_id"])


def _answer(subscription: Any, *, status: int = 200) -> Answer:
    return reply(
        SubscriptionOut.of(subscription), status=status, about_customer_id=subscription["customer_id"]
    )


async def _list(conn: Connection, call: Call, query: SubscriptionQuery) -> Answer:
    after = query.after("created_at", (datetime, str))
    rows = await store.select(conn, call.scope, query, after=(after[0], after[1]) if after else None)
    total = await store.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, "created_at", "created_at", "id")
    subscriptions = [SubscriptionOut.of(row) for row in page.rows]
    return reply(
        SubscriptionPage(
            subscriptions=subscriptions, has_more=page.has_more, next_cursor=page.next_cursor, total=total
        )
    )
