"""`/v1/invoices`, and a customer's invoices. Charging one again and canceling one are in `subscriptions/api.py`."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from reevit_server import customers
from reevit_server.core.answer import Answer, reply
from reevit_server.core.database import Connection
from reevit_server.core.errors import TooMuchMetadata
from reevit_server.core.http import Call
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import cut
from reevit_server.customers import by_either_id
from reevit_server.invoices import actions, store
from reevit_server.invoices.errors import InvoiceNotFound
from reevit_server.invoices.schemas import (
    InvoiceHistoryQuery,
    InvoiceOut,
    InvoicePage,
    InvoicePatch,
    InvoiceQuery,
)

router = APIRouter(tags=["invoices"])

InvoiceId = Annotated[str, id_in_path("inv")]


@router.get("/v1/invoices", response_model=InvoicePage)
async def list_invoices(call: Call, query: Annotated[InvoiceQuery, Query()]) -> Answer:
    """List invoices, newest first."""
    async with call.db.read() as conn:
        return await _list(conn, call, query)


@router.get("/v1/invoices/{invoice_id}", response_model=InvoiceOut, responses=refusals(InvoiceNotFound))
async def get_invoice(call: Call, invoice_id: InvoiceId) -> Answer:
    """Get an invoice."""
    async with call.db.read() as conn:
        return _answer(await actions.get(conn, call.scope, id=invoice_id))


@router.patch(
    "/v1/invoices/{invoice_id}",
    response_model=InvoiceOut,
    responses=refusals(InvoiceNotFound, TooMuchMetadata),
)
async def update_invoice(call: Call, invoice_id: InvoiceId, patch: InvoicePatch) -> Answer:
    """Change an invoice's metadata; nothing else of it can change."""

    async def deed(conn: Connection) -> Answer:
        now = await call.time(conn)
        return _answer(await actions.update(conn, call.scope, id=invoice_id, patch=patch, now=now))

    return await call.once(deed)


@by_either_id(router, "GET", "/invoices", response_model=InvoicePage)
async def list_customer_invoices(
    call: Call, customer: customers.CustomerRef, query: Annotated[InvoiceHistoryQuery, Query()]
) -> Answer:
    """A customer's invoices, newest first."""
    async with call.db.read() as conn:
        id = (await customers.get(conn, call.scope, customer))["id"]
        return await _list(conn, call, InvoiceQuery(**dict(query), customer_id=id))


def _answer(invoice: Any) -> Answer:
    return reply(InvoiceOut.of(invoice), about_customer_id=invoice["customer_id"])


async def _list(conn: Connection, call: Call, query: InvoiceQuery) -> Answer:
    after = query.after("created_at", (datetime, str))
    rows = await store.select(conn, call.scope, query, after=(after[0], after[1]) if after else None)
    total = await store.count(conn, call.scope, query) if query.include_total else None
    page = cut(rows, query.limit, "created_at", "created_at", "id")
    invoices = [InvoiceOut.of(row) for row in page.rows]
    return reply(
        InvoicePage(invoices=invoices, has_more=page.has_more, next_cursor=page.next_cursor, total=total)
    )
