"""What a notice tells of a payment, point by point: the same in a letter as on a receipt."""

from collections.abc import Mapping

from babel import Locale

from reevit_server.core import locales, paper_words
from reevit_server.core.paper import known, plain
from reevit_server.notices.models import Facts, on_one_line, shortened

# As long as what the doors take; a letter of more lines, or a second sheet of paper, nobody reads.
_LINE_MOST = 255
_LINES_MOST = 12
_TEXT_MOST = 1000

Details = list[tuple[str, str]]


def line(text: str | None) -> str:
    """The text on one line, fit to be read; "" if there is none."""
    return shortened(on_one_line(plain(text or "")), _LINE_MOST)


def lines(text: str | None) -> str:
    """The text with its lines, as many as there is room for."""
    found = [on_one_line(part) for part in plain((text or "").strip()).split("\n")]
    if len(found) > _LINES_MOST:
        found = [*found[: _LINES_MOST - 1], "…"]
    return shortened("\n".join(found), _TEXT_MOST)


def customer(facts: Facts) -> list[str]:
    """Who it is, the best known first; of a deleted customer nothing is known."""
    return [line(text) for text in known((facts.customer_name, facts.customer_email, facts.customer_phone))]


def paid_by(facts: Facts, words: Mapping[str, str]) -> Details:
    """How, and by which name the merchant knows it."""
    called = words["payment_method" if facts.kind == "receipt" else "method"]
    method = paper_words.method_in(words, facts.payment_method) if facts.payment_method else None
    return [(called, line(method)), (words["payment_reference"], line(facts.payment_reference))]


def details(facts: Facts, words: Mapping[str, str], locale: Locale) -> Details:
    """All that is known, with its names; what is not known leaves no trace."""
    next_try = locales.day(facts.next_retry_at, locale) if facts.next_retry_at else None
    told = [
        (words["description"], lines(facts.description)),
        (words["plan"], line(facts.plan)),
        (words["renews"], _interval(facts, words)),
        (words["date"], locales.day(facts.at, locale)),
        (words["reason"], line(facts.failure_message)),
        (words["next_try"], line(next_try)),
        *paid_by(facts, words),
        (words["receipt_number"], line(facts.receipt_number)),
        (words["customer"], "\n".join(customer(facts))),
        (words["customer_id"], line(facts.customer_external_id)),
    ]
    return [(name, value) for name, value in told if value]


def _interval(facts: Facts, words: Mapping[str, str]) -> str:
    if facts.interval is None:
        return ""
    if facts.interval_count == 1:
        return words[f"every.{facts.interval}"]
    return words[f"every_so_many.{facts.interval}"].format(count=facts.interval_count)
