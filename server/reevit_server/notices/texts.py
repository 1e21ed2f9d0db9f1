"""A notice as an SMS: one that is paid as one, and that the cheapest phone shows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

from reevit_server.core import gsm, locales, paper_words
from reevit_server.core.money import EXPONENTS
from reevit_server.core.paper import plain
from reevit_server.notices.models import Facts, in_order, shortened
from reevit_server.notices.words import words_in

# Rather than that less is left of a name, less is said.
_NAME_LEAST = 20
_NAME_MOST = 160
_REFERENCE_MOST = 40


def sms(facts: Facts) -> str:
    """The notice as an SMS that is paid as one, however long the merchant's name is.

    Its letters are those of the GSM alphabet, but for the name's own: with others less fits in, and less is said.
    Only with such a name, or with an address to pay at, may it be two.
    """
    locale = locales.locale_of(facts.seller.locale)
    if locale.language not in paper_words.LANGUAGES:
        locale = Locale("en")
    words = words_in(locale.language)
    name = shortened(gsm.typed(plain(facts.seller.name)), _NAME_MOST, more="...")
    sentences = _sentences(facts, words, locale)
    for count in range(len(sentences), 0, -1):
        for length in (len(name), *range(len(name) - 1, _NAME_LEAST - 1, -1)):
            text = _text(facts, words, shortened(name, length, more="..."), sentences[:count])
            if gsm.fits_in_one(text):
                return text
    return _text(facts, words, shortened(name, _NAME_LEAST, more="..."), sentences[:1])


def _text(facts: Facts, words: Mapping[str, str], name: str, sentences: list[str]) -> str:
    test = words["sms.test"] if facts.test_mode else ""
    return test + words["sms.from"].format(seller=in_order(name)) + " ".join(sentences)


def _sentences(facts: Facts, words: Mapping[str, str], locale: Locale) -> list[str]:
    """What is said, the most important first: the others are left out where there is no room for them."""
    day = _day(facts.at, locale)
    first = words[f"sms.{facts.kind}"].format(amount=_money(facts, words, locale), day=day)
    if facts.pay_url is not None and facts.kind != "receipt":
        first = f"{first} {words['sms.pay'].format(url=facts.pay_url)}"
    if facts.kind == "receipt":
        return [first, *_reference(facts, words), words["sms.thanks"]]
    if facts.kind == "renewal_upcoming":
        return [first]
    if facts.next_retry_at is not None:
        return [first, words["sms.again"].format(day=_day(facts.next_retry_at, locale))]
    return [first] if facts.pay_url is not None else [first, words["sms.get_in_touch"]]


def _reference(facts: Facts, words: Mapping[str, str]) -> list[str]:
    """By what the payment can be asked for: the first name of it that an SMS can hold."""
    for called in (facts.payment_reference, facts.receipt_number):
        reference = gsm.typed(called or "")
        if reference and len(reference) <= _REFERENCE_MOST and gsm.places(reference) is not None:
            return [words["sms.reference"].format(reference=reference)]
    return []


def _money(facts: Facts, words: Mapping[str, str], locale: Locale) -> str:
    """`GHS 1,234.50`: the currency's code, for the signs of most are in no phone's alphabet."""
    exponent = EXPONENTS[facts.currency]
    pattern = f"#,##0.{'0' * exponent}" if exponent else "#,##0"
    number = format_decimal(Decimal(facts.amount).scaleb(-exponent), format=pattern, locale=locale)
    return words["sms.money"].format(currency=facts.currency, number=gsm.typed(number))


def _day(at: datetime, locale: Locale) -> str:
    return gsm.unaccented(format_date(at.astimezone(UTC).date(), "medium", locale=locale))
