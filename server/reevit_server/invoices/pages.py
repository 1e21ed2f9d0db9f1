"""An invoice on paper: `/v1/invoices/{id}/html` and `/v1/invoices/{id}/pdf`."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from reevit_server import customers, organizations, payments
from reevit_server.core import paper
from reevit_server.core.answer import Answer
from reevit_server.core.http import Call, Request
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.invoices import actions
from reevit_server.invoices.errors import InvoiceNotFound
from reevit_server.invoices.models import number_text
from reevit_server.invoices.paper import Paper, to_html, to_pdf

router = APIRouter(tags=["invoices"])

InvoiceId = Annotated[str, id_in_path("inv")]


@router.get(
    "/v1/invoices/{invoice_id}/pdf",
    response_model=None,
    response_class=Response,
    responses=paper.PDF | refusals(InvoiceNotFound),
)
async def get_invoice_pdf(call: Call, invoice_id: InvoiceId) -> Answer:
    """Get an invoice as a PDF, to send on or to print. It says what is so now: that it was paid since, for one."""
    invoice = await _paper(call, invoice_id)
    # In a thread: it takes some milliseconds, more with a logo, and other requests need not wait for it.
    return paper.pdf_answer(await asyncio.to_thread(to_pdf, invoice), name=invoice.number)


@router.get(
    "/v1/invoices/{invoice_id}/html",
    response_model=None,
    response_class=HTMLResponse,
    responses=refusals(InvoiceNotFound),
)
async def get_invoice_html(call: Call, invoice_id: InvoiceId) -> Answer:
    """Get an invoice as a page that needs nothing else. It says the same as the PDF."""
    return paper.html_answer(to_html(await _paper(call, invoice_id)))


async def _paper(call: Request, id: str) -> Paper:
    """The invoice with all that it speaks of. Raises InvoiceNotFound."""
    async with call.db.read() as conn:
        invoice = await actions.get(conn, call.scope, id=id)
        customer = await customers.find_payer(conn, call.scope, invoice["customer_id"])
        seller = await organizations.get_seller(conn, id=call.scope.org_id)
        payment: Any = None
        if invoice["status"] == "paid":
            payment = await payments.get(conn, call.scope, id=invoice["payment_id"])
    return Paper(
        number=number_text(invoice["number"]),
        status=invoice["status"],
        test_mode=call.scope.mode == "test",
        issued_at=invoice["created_at"],
        due_at=invoice["due_at"],
        paid_at=invoice["paid_at"],
        period_start=invoice["period_start"],
        period_end=invoice["period_end"],
        description=invoice["description"],
        amount=invoice["amount"],
        currency=invoice["currency"],
        refunded=payment["amount_refunded"] if payment else 0,
        payment_method=payment["method"] if payment else None,
        payment_reference=(payment["reference"] or payment["id"]) if payment else None,
        customer_name=customer and customer.name,
        customer_email=customer and customer.email,
        customer_phone=customer and customer.phone,
        customer_external_id=customer and customer.external_id,
        seller_name=seller.name,
        seller_address=seller.address,
        seller_logo=seller.logo,
        tax_line=seller.tax_line,
        locale=seller.locale,
    )
