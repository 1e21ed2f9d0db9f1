"""A receipt on paper: the same page as HTML and as PDF. It says what was paid, and nothing that may change later."""

from typing import Any

from reevit_server.core import locales, paper
from reevit_server.core.paper import plain
from reevit_server.notices import details
from reevit_server.notices.models import Facts
from reevit_server.notices.words import words_in


def receipt_html(facts: Facts) -> str:
    """One page that needs nothing else: no script, no font, no picture from elsewhere."""
    return paper.to_html("paper.html", _said(facts), logo=facts.seller.logo)


def receipt_pdf(facts: Facts) -> bytes:
    """A page of A4, the same bytes for the same facts. Takes some milliseconds: doors do it in a thread."""
    return paper.to_pdf("notices/receipt.typ", _said(facts), logo=facts.seller.logo, at=facts.at)


def _said(facts: Facts) -> dict[str, Any]:
    """All that the receipt says, in the reader's words."""
    assert facts.kind == "receipt", "what was not paid has no receipt"
    locale = locales.locale_of(facts.seller.locale)
    words = words_in(locale.language)
    told = [(words["description"], details.lines(facts.description)), *details.paid_by(facts, words)]
    return {
        "words": words,
        "direction": locale.text_direction,
        "title": words["receipt"],
        "number": details.line(facts.receipt_number),
        "status": words["status.receipt"],
        "tone": "good",
        "test_mode": facts.test_mode,
        "seller": details.line(facts.seller.name),
        "address": [plain(line) for line in facts.seller.address.splitlines()],
        "customer_is": words["received_from"],
        "customer": details.customer(facts),
        "days": [(words["date"], locales.day(facts.at, locale))],
        "customer_id": (words["customer_id"], details.line(facts.customer_external_id)),
        "headline": (words["amount_paid"], locales.money(facts.amount, facts.currency, locale)),
        "when": "",
        "notice": "",
        "details": [(name, value) for name, value in told if value],
        "tax_line": details.line(facts.seller.tax_line),
    }
