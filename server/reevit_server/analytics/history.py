"""A customer's history: payments, refunds, subscriptions and invoices in one time order, each told in a few words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Protocol

import asyncpg

from reevit_server import customers, invoices, payments, subscriptions
from reevit_server.analytics.schemas import EntryData, EntryType, HistoryEntryOut, HistoryPage
from reevit_server.core.database import Connection, Row
from reevit_server.core.money import to_major_units
from reevit_server.core.paging import PageQuery, cut
from reevit_server.core.scope import Scope


class _Select(Protocol):
    async def __call__(
        self,
        conn: Connection,
        scope: Scope,
        /,
        *,
        customer_id: str,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[asyncpg.Record]: ...


class _Count(Protocol):
    async def __call__(self, conn: Connection, scope: Scope, /, *, customer_id: str) -> int: ...


@dataclass(frozen=True)
class _Kind:
    """What one kind of entry is read from, and how it is told."""

    type: EntryType
    at: str  # the column of the instant at which it stands
    select: _Select
    count: _Count
    data: Callable[[Row], EntryData]
    summary: Callable[[Row], str]


async def get(conn: Connection, scope: Scope, ref: customers.CustomerRef, query: PageQuery) -> HistoryPage:
    """Everything that happened with a customer, the latest first; at one instant, in the order of ids.

    Run it in a snapshot: its statements follow each other, and a page that shows one thing that was written meanwhile
    and not another has a cursor that goes past the other. Raises CustomerNotFound, CustomerDeleted.
    """
    customer_id = (await customers.get(conn, scope, ref))["id"]
    place = query.after("history", (datetime, str))
    after = (place[0], place[1]) if place else None
    found: list[dict[str, Any]] = []
    for kind in _KINDS:
        rows = await kind.select(
            conn, scope, customer_id=customer_id, after=after, limit=query.limit + query.offset + 1
        )
        found += [{"at": row[kind.at], "id": row["id"], "kind": kind, "row": row} for row in rows]
    found.sort(key=itemgetter("at", "id"), reverse=True)
    page = cut(found[query.offset :], query.limit, "history", "at", "id")
    total = None
    if query.include_total:
        total = sum([await kind.count(conn, scope, customer_id=customer_id) for kind in _KINDS])
    return HistoryPage(
        history=[_entry(**entry) for entry in page.rows],
        has_more=page.has_more,
        next_cursor=page.next_cursor,
        total=total,
    )


def _entry(at: datetime, id: str, kind: _Kind, row: asyncpg.Record) -> HistoryEntryOut:
    return HistoryEntryOut(type=kind.type, id=id, at=at, summary=kind.summary(row), data=kind.data(row))


def _money(row: Row) -> str:
    return f"{to_major_units(row['amount'], row['currency'])} {row['currency']}"


def _payment(row: Row) -> str:
    """`Payment of 150.00 GHS succeeded`."""
    return f"Payment of {_money(row)} {row['status'].replace('_', ' ')}"


def _refund(row: Row) -> str:
    """`Refund of 30.00 GHS succeeded`."""
    return f"Refund of {_money(row)} {row['status']}"


_STANDS = {
    "trialing": "awaits its first charge",
    "active": "began",
    "past_due": "is past due",
    "paused": "is paused",
    "canceled": "is canceled",
}
_UNIT = {"daily": "days", "weekly": "weeks", "monthly": "months", "yearly": "years"}


def _subscription(row: Row) -> str:
    """`Subscription to team for 150.00 GHS monthly began`, `Subscription for 150.00 GHS every 3 months is paused`."""
    plan = "" if row["plan_id"] is None else f" to {row['plan_id']}"
    interval, count = row["interval"], row["interval_count"]
    often = interval if count == 1 else f"every {count} {_UNIT[interval]}"
    return f"Subscription{plan} for {_money(row)} {often} {_STANDS[row['status']]}"


def _invoice(row: Row) -> str:
    """`Invoice INV-000042 for 150.00 GHS paid`."""
    status = "drafted" if row["status"] == "draft" else row["status"]
    return f"Invoice {invoices.number_text(row['number'])} for {_money(row)} {status}"


_KINDS = (
    _Kind(
        "payment",
        "occurred_at",
        payments.select_of_customer,
        payments.count_of_customer,
        payments.PaymentOut.of,
        _payment,
    ),
    _Kind(
        "refund",
        "occurred_at",
        payments.select_refunds_of_customer,
        payments.count_refunds_of_customer,
        payments.RefundOut.of,
        _refund,
    ),
    _Kind(
        "subscription",
        "created_at",
        subscriptions.select_of_customer,
        subscriptions.count_of_customer,
        subscriptions.SubscriptionOut.of,
        _subscription,
    ),
    _Kind(
        "invoice",
        "created_at",
        invoices.select_of_customer,
        invoices.count_of_customer,
        invoices.InvoiceOut.of,
        _invoice,
    ),
)
