"""An invoice on paper: the same page as HTML and as PDF."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from babel import Locale

from reevit_server.core import locales, paper, paper_words
from reevit_server.core.paper import plain
from reevit_server.invoices.words import words_in

_SETTLED = ("paid", "canceled")  # nothing is to be paid any more
_TONES = {"draft": "quiet", "due": "wait", "paid": "good", "failed": "bad", "canceled": "quiet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Everything that is printed. Amounts are in minor units of `currency`; days are those of UTC."""

    number: str
    status: Literal["draft", "due", "paid", "failed", "canceled"]
    test_mode: bool
    issued_at: datetime
    due_at: datetime
    paid_at: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    description: str
    amount: int
    currency: str
    refunded: int
    payment_method: str | None
    payment_reference: str | None
    customer_name: str | None
    customer_email: str | None
    customer_phone: str | None
    customer_external_id: str | None
    seller_name: str
    seller_address: str  # several lines; "" if there is none
    seller_logo: bytes | None  # a PNG or a JPEG
    tax_line: str | None  # printed as it is, such as "VAT included · TIN C0012345678"
    locale: str


def to_html(invoice: Paper) -> str:
    """One page that needs nothing else: no script, no font, no picture from elsewhere."""
    said = _said(invoice)
    return paper.to_html("invoices/invoice.html", said, styles=("invoice.css",), logo=invoice.seller_logo)


def to_pdf(invoice: Paper) -> bytes:
    """Pages of A4, the same bytes for the same invoice. Takes some milliseconds: doors do it in a thread."""
    said = _said(invoice)
    return paper.to_pdf("invoices/invoice.typ", said, logo=invoice.seller_logo, at=invoice.issued_at)


def _said(invoice: Paper) -> dict[str, Any]:
    """All that the page says, in the reader's words."""
    locale = locales.locale_of(invoice.locale)
    words = words_in(locale.language)
    settled = invoice.status in _SETTLED
    due = locales.money(0 if settled else invoice.amount, invoice.currency, locale)
    amount = locales.money(invoice.amount, invoice.currency, locale)
    if invoice.status == "paid" and invoice.paid_at is not None:
        when = words["paid_on"].format(day=paper.isolated(locales.day(invoice.paid_at, locale), locale))
    elif invoice.status == "canceled":
        when = ""
    else:
        when = words["due_on"].format(day=paper.isolated(locales.day(invoice.due_at, locale), locale))
    sums = [(words["total"], amount)]
    if invoice.status == "paid":
        sums.append((words["paid"], amount))
    if invoice.refunded:
        sums.append((words["refunded"], locales.money(invoice.refunded, invoice.currency, locale)))
    return {
        "words": words,
        "direction": locale.text_direction,
        "title": words["invoice"],
        "number": invoice.number,
        "status": words[f"status.{invoice.status}"],
        "tone": _TONES[invoice.status],
        "test_mode": invoice.test_mode,
        "notice": words.get(f"note.{invoice.status}", ""),
        "headline": (words["paid"], amount) if invoice.status == "paid" else (words["amount_due"], due),
        "when": when,
        "seller": plain(invoice.seller_name),
        "address": [plain(line) for line in invoice.seller_address.splitlines()],
        "customer_is": words["bill_to"],
        "customer": paper.known((invoice.customer_name, invoice.customer_email, invoice.customer_phone)),
        "days": _days(invoice, words, locale),
        "customer_id": (words["customer_id"], plain(invoice.customer_external_id or "")),
        "description": plain(invoice.description),
        "amount": amount,
        "sums": sums,
        "due": (words["amount_due"], due),
        "details": _payment(invoice, words),
        "tax_line": plain(invoice.tax_line or ""),
    }


def _days(invoice: Paper, words: dict[str, str], locale: Locale) -> list[tuple[str, str]]:
    days = [
        (words["issued"], locales.day(invoice.issued_at, locale)),
        (words["due"], locales.day(invoice.due_at, locale)),
    ]
    if invoice.period_start is not None and invoice.period_end is not None:
        days.append((words["period"], locales.days(invoice.period_start, invoice.period_end, locale)))
    return days


def _payment(invoice: Paper, words: dict[str, str]) -> list[tuple[str, str]]:
    """How it was paid."""
    told = []
    if invoice.payment_method:
        method = paper_words.method_in(words, invoice.payment_method)
        told.append((words["payment_method"], plain(method)))
    if invoice.payment_reference:
        told.append((words["payment_reference"], plain(invoice.payment_reference)))
    return told
