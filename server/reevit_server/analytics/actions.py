"""The questions: who are the best customers, what is one worth and why, how do payments go."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import asyncpg

from reevit_server import customers, organizations, payments
from reevit_server.analytics import ranking, store
from reevit_server.analytics.models import Window, just_after, window_of
from reevit_server.analytics.schemas import (
    CurrencyStatsOut,
    ExplainedValueOut,
    RankedCustomerOut,
    StatsOut,
    StatsQuery,
    TopOut,
    TopQuery,
    ValueEntryOut,
    ValueOut,
    ValueQuery,
)
from reevit_server.core.database import Connection
from reevit_server.core.paging import cut
from reevit_server.core.scope import Scope

_BEGINNING = datetime(2, 1, 1, tzinfo=UTC)


async def get_top(conn: Connection, scope: Scope, query: TopQuery, *, now: datetime) -> TopOut:
    """The best customers by a metric, of all time or of a window."""
    currency = query.currency or (await organizations.get(conn, id=scope.org_id))["currency"]
    window = _window(query, now)
    if window is None:
        rows = await ranking.select_top(
            conn, scope, metric=query.metric, currency=currency, tags=query.tag, limit=query.limit
        )
    else:
        rows = await ranking.select_top_of_window(
            conn,
            scope,
            window=window,
            metric=query.metric,
            currency=currency,
            tags=query.tag,
            limit=query.limit,
        )
    custom = query.from_ is not None or query.to is not None
    return TopOut(
        customers=[RankedCustomerOut.of(row, rank=rank) for rank, row in enumerate(rows, 1)],
        currency=currency,
        metric=query.metric,
        period="custom" if custom else query.period or "all",
        from_=None if window is None or window.start == _BEGINNING else window.start,
        to=None if window is None else window.end,
    )


def _window(query: TopQuery, now: datetime) -> Window | None:
    if query.from_ is not None or query.to is not None:
        return Window(query.from_ or _BEGINNING, query.to or max(just_after(now), query.from_ or now))
    if query.period in (None, "all"):
        return None
    assert query.period is not None
    return window_of(query.period, now)


async def get_value(
    conn: Connection, scope: Scope, ref: customers.CustomerRef, query: ValueQuery
) -> ValueOut:
    """A customer's totals, now or as of an instant, and what adds up to them.

    With `explain`, run it in a snapshot: totals and entries then speak of one instant. Raises CustomerNotFound,
    CustomerDeleted.
    """
    customer = await customers.get(conn, scope, ref)
    totals: list[Mapping[str, Any]] = customer["totals"]
    if query.as_of is not None:
        totals = [
            dict(row)
            for row in await store.select_totals_as_of(
                conn, scope, customer_id=customer["id"], as_of=query.as_of
            )
        ]
    value = ValueOut(
        customer_id=customer["id"],
        external_customer_id=customer["external_id"],
        as_of=query.as_of,
        totals=[
            customers.TotalsOut.model_validate(total)
            for total in totals
            if query.currency in (None, total["currency"])
        ],
    )
    if not query.explain:
        return value
    return await _explained(conn, scope, value, query)


async def _explained(conn: Connection, scope: Scope, value: ValueOut, query: ValueQuery) -> ExplainedValueOut:
    after = query.after("value", (datetime, str))
    rows = await store.select_entries(
        conn,
        scope,
        customer_id=value.customer_id,
        as_of=query.as_of,
        currency=query.currency,
        after=(after[0], after[1]) if after else None,
        limit=query.limit + 1,
        offset=query.offset,
    )
    total = None
    if query.include_total:
        total = await store.count_entries(
            conn,
            scope,
            customer_id=value.customer_id,
            as_of=query.as_of,
            currency=query.currency,
        )
    page = cut(rows, query.limit, "value", "occurred_at", "id")
    return ExplainedValueOut(
        **dict(value),
        entries=[ValueEntryOut.model_validate(dict(row)) for row in page.rows],
        has_more=page.has_more,
        next_cursor=page.next_cursor,
        total=total,
    )


async def get_stats(conn: Connection, scope: Scope, query: StatsQuery) -> StatsOut:
    """How payments go, in each currency by itself."""
    rows = await store.sum_by_status(conn, scope, query)
    return StatsOut(
        stats=[
            _currency_stats(currency, {row["status"]: row for row in group})
            for currency, group in groupby(rows, key=itemgetter("currency"))
        ]
    )


def _currency_stats(currency: str, by_status: dict[str, asyncpg.Record]) -> CurrencyStatsOut:
    captured = [by_status[status] for status in payments.CAPTURED if status in by_status]
    succeeded = sum(row["payments"] for row in captured)
    failed = by_status["failed"]["payments"] if "failed" in by_status else 0
    spent = int(sum(row["amount"] for row in captured))
    refunded = int(sum(row["refunded"] for row in captured))
    return CurrencyStatsOut(
        currency=currency,
        payment_count=sum(row["payments"] for row in by_status.values()),
        succeeded_count=succeeded,
        failed_count=failed,
        by_status={status: row["payments"] for status, row in by_status.items()},
        total_spent=spent,
        total_refunded=refunded,
        net_amount=spent - refunded,
        success_rate=round(succeeded / (succeeded + failed), 6) if succeeded + failed else None,
    )
