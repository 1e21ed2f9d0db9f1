"""An invoice on paper: the same page as HTML and as PDF."""

import base64
import functools
import re
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal

from babel import Locale
from jinja2 import Environment, PackageLoader, StrictUndefined

from reevit_server.core import locales, pictures, typesetting
from reevit_server.invoices.words import words_in

_SETTLED = ("paid", "canceled")  # nothing is to be paid any more
# What no page shows: controls but the line's end, halves of characters, and what turns the direction of writing, by
# which a name could make what stands beside it read otherwise.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


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


def to_html(paper: Paper) -> str:
    """One page that needs nothing else: no script, no font, no picture from elsewhere."""
    style = _file("static/invoice.css")
    logo = None
    if paper.seller_logo is not None:
        data = base64.b64encode(paper.seller_logo).decode()
        logo = f"data:image/{pictures.kind_of(paper.seller_logo)};base64,{data}"
    template = _environment().get_template("invoices/invoice.html")
    return template.render(**_said(paper), style=style, logo=logo)


def to_pdf(paper: Paper) -> bytes:
    """Pages of A4, the same bytes for the same paper. Takes some milliseconds: doors do it in a thread."""
    logos = {}
    if paper.seller_logo is not None:
        logos[f"logo.{pictures.kind_of(paper.seller_logo)}"] = paper.seller_logo
    said = {**_said(paper), "logo": next(iter(logos), None)}
    return typesetting.pdf(_file("templates/invoices/invoice.typ"), said, pictures=logos, at=paper.issued_at)


def _said(paper: Paper) -> dict[str, Any]:
    """All that the page says, in the reader's words."""
    locale = locales.locale_of(paper.locale)
    words = words_in(locale.language)
    settled = paper.status in _SETTLED
    due = locales.money(0 if settled else paper.amount, paper.currency, locale)
    amount = locales.money(paper.amount, paper.currency, locale)
    if paper.status == "paid" and paper.paid_at is not None:
        when = words["paid_on"].format(day=_in_a_sentence(paper.paid_at, locale))
    elif paper.status == "canceled":
        when = ""
    else:
        when = words["due_on"].format(day=_in_a_sentence(paper.due_at, locale))
    sums = [(words["total"], amount)]
    if paper.status == "paid":
        sums.append((words["paid"], amount))
    if paper.refunded:
        sums.append((words["refunded"], locales.money(paper.refunded, paper.currency, locale)))
    return {
        "words": words,
        "direction": locale.text_direction,
        "number": paper.number,
        "status": paper.status,
        "test_mode": paper.test_mode,
        "notice": words.get(f"note.{paper.status}", ""),
        "headline": (words["paid"], amount) if paper.status == "paid" else (words["amount_due"], due),
        "when": when,
        "seller": _plain(paper.seller_name),
        "address": [_plain(line) for line in paper.seller_address.splitlines()],
        "customer": _customer(paper),
        "days": _days(paper, words, locale),
        "customer_id": (words["customer_id"], _plain(paper.customer_external_id or "")),
        "description": _plain(paper.description),
        "amount": amount,
        "sums": sums,
        "due": (words["amount_due"], due),
        "payment": _payment(paper, words),
        "tax_line": _plain(paper.tax_line or ""),
    }


def _customer(paper: Paper) -> list[str]:
    """Who it is for, the best known first; of a deleted customer nothing is known."""
    known = (paper.customer_name, paper.customer_email, paper.customer_phone)
    return [_plain(text) for text in known if text]


def _in_a_sentence(at: datetime, locale: Locale) -> str:
    """A day within words of another language, which may be written the other way: isolated, it stays in order."""
    day = locales.day(at, locale)
    return f"\u2068{day}\u2069" if locale.text_direction == "rtl" else day


def _days(paper: Paper, words: dict[str, str], locale: Locale) -> list[tuple[str, str]]:
    days = [
        (words["issued"], locales.day(paper.issued_at, locale)),
        (words["due"], locales.day(paper.due_at, locale)),
    ]
    if paper.period_start is not None and paper.period_end is not None:
        days.append((words["period"], locales.days(paper.period_start, paper.period_end, locale)))
    return days


def _payment(paper: Paper, words: dict[str, str]) -> list[tuple[str, str]]:
    """How it was paid; the method in words, if there are any for it."""
    told = []
    if paper.payment_method:
        plain = paper.payment_method.replace("_", " ")
        method = words.get(f"method.{paper.payment_method}", plain[:1].upper() + plain[1:])
        told.append((words["payment_method"], _plain(method)))
    if paper.payment_reference:
        told.append((words["payment_reference"], _plain(paper.payment_reference)))
    return told


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


@functools.cache
def _file(name: str) -> str:
    return files("reevit_server.web").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("reevit_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
