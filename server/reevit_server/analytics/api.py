"""`/v1/customers/top`, a customer's value, history and state, `/v1/payments/stats`."""

from typing import Annotated

from fastapi import APIRouter, Query

from reevit_server.analytics import actions, history, state
from reevit_server.analytics.schemas import (
    ExplainedValueOut,
    HistoryPage,
    StateOut,
    StatsOut,
    StatsQuery,
    TopOut,
    TopQuery,
    ValueOut,
    ValueQuery,
)
from reevit_server.core.answer import Answer, reply
from reevit_server.core.http import Call
from reevit_server.core.paging import PageQuery
from reevit_server.customers import CustomerRef, by_either_id

router = APIRouter(tags=["analytics"])


@router.get("/v1/customers/top", response_model=TopOut)
async def list_top_customers(call: Call, query: Annotated[TopQuery, Query()]) -> Answer:
    """The best customers in one currency: by lifetime value, by what they spent, by how often they paid."""
    async with call.db.read() as conn:
        return reply(await actions.get_top(conn, call.scope, query, now=await call.time(conn)))


@by_either_id(router, "GET", "/value", response_model=ExplainedValueOut | ValueOut)
async def get_customer_value(
    call: Call, customer: CustomerRef, query: Annotated[ValueQuery, Query()]
) -> Answer:
    """What a customer is worth in each currency, now or as of an instant; `explain` lists what adds up to it."""
    async with call.db.snapshot() if query.explain else call.db.read() as conn:
        return reply(await actions.get_value(conn, call.scope, customer, query))


@by_either_id(router, "GET", "/history", response_model=HistoryPage)
async def get_customer_history(
    call: Call, customer: CustomerRef, query: Annotated[PageQuery, Query()]
) -> Answer:
    """Everything that happened with a customer, newest first: payments, refunds, subscriptions, invoices."""
    async with call.db.snapshot() as conn:
        return reply(await history.get(conn, call.scope, customer, query))


@by_either_id(router, "GET", "/state", response_model=StateOut)
async def get_customer_state(call: Call, customer: CustomerRef) -> Answer:
    """The whole picture of a customer in one call: subscriptions, open invoices, latest payments, payment method."""
    async with call.db.snapshot() as conn:
        return reply(await state.get(conn, call.scope, customer))


@router.get("/v1/payments/stats", response_model=StatsOut)
async def get_payment_stats(call: Call, query: Annotated[StatsQuery, Query()]) -> Answer:
    """How payments go: counts and amounts by currency."""
    async with call.db.read() as conn:
        return reply(await actions.get_stats(conn, call.scope, query))
