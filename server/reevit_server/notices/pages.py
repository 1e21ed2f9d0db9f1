"""A receipt on paper: `/v1/payments/{id}/receipt/pdf` and `/v1/payments/{id}/receipt/html`."""

import asyncio
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from reevit_server.core import paper
from reevit_server.core.answer import Answer
from reevit_server.core.http import Call, Request
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.notices import actions
from reevit_server.notices.errors import PaymentNotPaid
from reevit_server.notices.models import Facts
from reevit_server.notices.receipts import receipt_html, receipt_pdf
from reevit_server.payments import PaymentNotFound

router = APIRouter(tags=["payments"])

PaymentId = Annotated[str, id_in_path("pay")]


@router.get(
    "/v1/payments/{payment_id}/receipt/pdf",
    response_model=None,
    response_class=Response,
    responses=paper.PDF | refusals(PaymentNotFound, PaymentNotPaid),
)
async def get_payment_receipt_pdf(call: Call, payment_id: PaymentId) -> Answer:
    """Get the receipt of a payment as a PDF, to send on or to print. It says what was paid, whatever is refunded."""
    facts = await _facts(call, payment_id)
    # In a thread: it takes some milliseconds, more with a logo, and other requests need not wait for it.
    return paper.pdf_answer(await asyncio.to_thread(receipt_pdf, facts), name=f"receipt-{payment_id}")


@router.get(
    "/v1/payments/{payment_id}/receipt/html",
    response_model=None,
    response_class=HTMLResponse,
    responses=refusals(PaymentNotFound, PaymentNotPaid),
)
async def get_payment_receipt_html(call: Call, payment_id: PaymentId) -> Answer:
    """Get the receipt of a payment as a page that needs nothing else. It says the same as the PDF."""
    return paper.html_answer(receipt_html(await _facts(call, payment_id)))


async def _facts(call: Request, id: str) -> Facts:
    async with call.db.read() as conn:
        return await actions.facts_of_payment(conn, call.scope, id=id)
