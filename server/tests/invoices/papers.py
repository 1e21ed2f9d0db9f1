"""An invoice on paper, and what a reader finds on it."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

from pypdf import PdfReader

from reevit_server.invoices.paper import Paper, to_html, to_pdf

STATUSES = ("draft", "due", "paid", "failed", "canceled")
_VOID = {"meta", "br", "img"}
_UNSEEN = {"style", "title"}


def paper(**fields: Any) -> Paper:
    """150.00 GHS for November, due on the 15th, unless said otherwise."""
    known: dict[str, Any] = {
        "number": "INV-000042",
        "status": "due",
        "test_mode": False,
        "issued_at": datetime(2026, 11, 1, tzinfo=UTC),
        "due_at": datetime(2026, 11, 15, tzinfo=UTC),
        "paid_at": None,
        "period_start": datetime(2026, 11, 1, tzinfo=UTC),
        "period_end": datetime(2026, 12, 1, tzinfo=UTC),
        "description": "Team plan",
        "amount": 15000,
        "currency": "GHS",
        "refunded": 0,
        "payment_method": None,
        "payment_reference": None,
        "customer_name": "Ada Lovelace",
        "customer_email": "ada@example.com",
        "customer_phone": "+233501234567",
        "customer_external_id": "usr_1234",
        "seller_name": "Kofi & Daughters Ltd",
        "seller_address": "12 Oxford Street\nOsu, Accra",
        "seller_logo": None,
        "tax_line": "VAT included · TIN C0012345678",
        "locale": "en-GH",
    }
    return Paper(**known | fields)


def paid(**fields: Any) -> Paper:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    method = {"payment_method": "mobile_money", "payment_reference": "order-77"}
    return paper(**{"status": "paid", "paid_at": at} | method | fields)


class Page(HTMLParser):
    """What a browser would make of the page; fails where a tag is not closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.lines: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if data.strip() and not _UNSEEN & set(self.open):
            self.lines.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def html_lines(paper: Paper) -> list[str]:
    """All that stands on the page, piece by piece."""
    return Page(to_html(paper)).lines


def pdf_of(paper: Paper) -> PdfReader:
    return PdfReader(BytesIO(to_pdf(paper)))


def pdf_text(paper: Paper) -> str:
    return "\n".join(page.extract_text() for page in pdf_of(paper).pages)


def pdf_seen(paper: Paper) -> str:
    """What is on the paper from left to right and from top to bottom, in whatever order it was put there."""
    pieces: list[tuple[int, float, str]] = []
    for number, page in enumerate(pdf_of(paper).pages):

        def put(
            text: str, place: list[float], at: list[float], *_: Any, above: int = -number * 10_000
        ) -> None:
            pieces.append((above + round(place[3] * at[5] + place[5]), place[4] + at[4], text.strip("\n ")))

        page.extract_text(visitor_text=put)
    return "".join(text for *_, text in sorted(pieces, key=lambda piece: (-piece[0], piece[1])))


def unspaced(text: str) -> str:
    """Without what lines are broken by."""
    return "".join(text.split())
