"""A notice as an e-mail: HTML that mail programs show well, and the same as plain text."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from babel import Locale
from markupsafe import Markup, escape

from reevit_server.core import locales, paper, pictures
from reevit_server.notices.details import details, line, lines
from reevit_server.notices.models import Facts, Letter, in_order, on_one_line, shortened
from reevit_server.notices.words import words_in

_TONES = {"receipt": "good", "payment_failed": "bad", "renewal_upcoming": "quiet"}
_NAME_MOST = 80  # of letters in a sentence
_PREHEADER_MOST = 140
_LOGO_WIDTH, _LOGO_HEIGHT = 220, 56  # pixels at most; a program that goes by nothing else goes by attributes


class _Sentence(NamedTuple):
    """Words, and what stands in them."""

    words: str
    values: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.words.format(**{name: in_order(value) for name, value in self.values.items()})

    @property
    def html(self) -> Markup:
        isolated = {name: Markup("<bdi>{}</bdi>").format(value) for name, value in self.values.items()}
        return escape(self.words).format(**isolated)


def letter(facts: Facts) -> Letter:
    """The notice as an e-mail. Takes some milliseconds where there is a logo."""
    locale = locales.locale_of(facts.seller.locale)
    words = words_in(locale.language)
    amount = locales.money(facts.amount, facts.currency, locale)
    above, *sentences = _sentences(facts, words, locale, amount)
    subject = on_one_line(above.text)
    short = on_one_line(" ".join([*(sentence.text for sentence in sentences), lines(facts.description)]))
    test = words["test_mode_ahead" if facts.kind == "renewal_upcoming" else "test_mode"]
    said = {
        "words": words,
        "subject": subject,
        "preheader": shortened(short, _PREHEADER_MOST),
        "test_note": test if facts.test_mode else "",
        "seller": line(facts.seller.name),
        "tone": _TONES[facts.kind],
        "status": words[f"status.{facts.kind}"],
        "amount": amount,
        "pay_url": None if facts.kind == "receipt" else _checked(facts.pay_url),
        "details": details(facts, words, locale),
        "tax_line": line(facts.seller.tax_line),
        "address": [line(part) for part in facts.seller.address.splitlines()],
    }
    html = paper.rendered(
        "notices/letter.html",
        {
            **said,
            "sentences": [sentence.html for sentence in sentences],
            "logo": _logo_size(facts.seller.logo),
        },
    )
    return Letter(subject, _text(said, [one.text for one in sentences]), html, facts.seller.logo)


def _sentences(facts: Facts, words: Mapping[str, str], locale: Locale, amount: str) -> list[_Sentence]:
    """The subject, and what stands below the amount."""
    values = {
        "seller": shortened(line(facts.seller.name), _NAME_MOST),
        "amount": amount,
        "day": locales.day(facts.next_retry_at or facts.at, locale),
    }
    keys = [f"subject.{facts.kind}", f"lead.{facts.kind}"]
    if facts.kind == "payment_failed" and facts.next_retry_at is not None:
        keys.append("again")
    elif facts.kind == "payment_failed" and facts.pay_url is None:
        keys.append("get_in_touch")
    return [_Sentence(words[key], values) for key in keys]


def _text(said: Mapping[str, Any], sentences: list[str]) -> str:
    """The letter for who reads no HTML. A line that goes on is indented: it cannot pass for another point."""
    words: Mapping[str, str] = said["words"]

    def point(name: str, value: str) -> str:
        return words["point"].format(name=name, value=value).replace("\n", "\n  ")

    headline = point(said["status"], said["amount"])
    pay = [point(words["pay_now"], said["pay_url"])] if said["pay_url"] else []
    told = [point(name, value) for name, value in said["details"]]
    end = [said["tax_line"], said["seller"], *said["address"]]
    parts = [[said["test_note"]], [headline], sentences, pay, told, end]
    kept = ["\n".join(filter(None, part)) for part in parts]
    return "\n\n".join(filter(None, kept)) + "\n"


def _checked(pay_url: str | None) -> str | None:
    assert pay_url is None or pay_url.startswith(("https://", "http://")), "an address that leads to a page"
    return pay_url


def _logo_size(logo: bytes | None) -> tuple[int, int] | None:
    """Its width and height as they are shown: never larger than it is."""
    if logo is None:
        return None
    picture = pictures.picture_of(logo)
    scale = min(1, _LOGO_WIDTH / picture.width, _LOGO_HEIGHT / picture.height)
    return max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
