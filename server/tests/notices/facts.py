"""What notices speak of in tests, and what a reader finds in them."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from pypdf import PdfReader

from reevit_server.notices import Facts, receipt_html, receipt_pdf
from reevit_server.notices.models import Kind
from reevit_server.organizations import Seller
from tests.invoices.papers import Page

KINDS: tuple[Kind, ...] = ("receipt", "payment_failed", "renewal_upcoming")
LANGUAGES = {"en": "en-GH", "fr": "fr-SN", "sw": "sw-KE"}
HOSTILE = "<script>alert('&')</script>{{7*7}}{% raw %}{seller}"
NUMBER = "pay_01m82wdyhhexxbd6vpcns2x6j7"


def seller(**fields: Any) -> Seller:
    known: dict[str, Any] = {
        "name": "Kofi & Daughters Ltd",
        "address": "12 Oxford Street\nOsu, Accra",
        "logo": None,
        "tax_line": "VAT included · TIN C0012345678",
        "locale": "en-GH",
    }
    return Seller(**known | fields)


def facts(kind: Kind = "receipt", *, of: dict[str, Any] | None = None, **fields: Any) -> Facts:
    """150.00 GHS of Ada's on 25 November, unless said otherwise; `of` says it of the seller."""
    known: dict[str, Any] = {
        "seller": seller(**of or {}),
        "test_mode": False,
        "amount": 15000,
        "currency": "GHS",
        "at": datetime(2026, 11, 25, 10, tzinfo=UTC),
        "customer_name": "Ada Lovelace",
        "customer_email": "ada@example.com",
        "customer_phone": "+233501234567",
        "customer_external_id": "usr_1234",
        "description": "Two tickets",
        "payment_method": "mobile_money",
        "payment_reference": "order_2001",
        "receipt_number": NUMBER if kind == "receipt" else None,
    }
    return Facts(kind=kind, **known | fields)


def page_lines(facts: Facts) -> list[str]:
    """All that stands on the receipt's page, piece by piece."""
    return Page(receipt_html(facts)).lines


def pdf_of(facts: Facts) -> PdfReader:
    return PdfReader(BytesIO(receipt_pdf(facts)))


def pdf_text(facts: Facts) -> str:
    return "\n".join(page.extract_text() for page in pdf_of(facts).pages)
