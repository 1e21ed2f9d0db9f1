"""A notice as an e-mail: HTML and text say the same, in the reader's way, whatever stands in the fields."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.money import MAX_AMOUNT
from reevit_server.notices import Facts, letter
from reevit_server.notices.words import words_in
from tests.invoices.papers import Page, unspaced
from tests.notices.contrast import contrast, contrasts
from tests.notices.facts import HOSTILE, KINDS, LANGUAGES, NUMBER, facts
from tests.pictures import JPEG, png

RETRY = datetime(2026, 11, 26, 10, tzinfo=UTC)
PAY_URL = "https://pay.example.com/c/1?a=b&c=d"


def in_both(facts: Facts, *texts: str) -> bool:
    """Whether the letter says all of these, with HTML and without."""
    html, text = forms(facts)
    return all(unspaced(one) in html and unspaced(one) in text for one in texts)


def in_neither(facts: Facts, *texts: str) -> bool:
    html, text = forms(facts)
    return not any(unspaced(one) in html or unspaced(one) in text for one in texts)


def forms(facts: Facts) -> tuple[str, str]:
    written = letter(facts)
    return unspaced("".join(Page(written.html).lines)), unspaced(written.text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", LANGUAGES.values())
def test_everything_in_the_html_is_in_the_text_too(kind: Any, locale: str):
    more = {
        "failure_message": "Too little money.",
        "next_retry_at": RETRY,
        "plan": "Team",
        "interval": "monthly",
    }
    one = facts(kind, of={"locale": locale}, test_mode=True, **more)
    written = letter(one)
    _, *lines = Page(written.html).lines  # the first is not shown
    assert len(lines) > 20
    text = unspaced(written.text)
    assert [line for line in lines if unspaced(line) not in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_says_who_what_when_how_and_how_much(language: str):
    words = words_in(language)
    told = ("Two tickets", words["method.mobile_money"], "order_2001", NUMBER, "usr_1234")
    customer = ("Ada Lovelace", "ada@example.com", "+233501234567")
    seller = ("Kofi & Daughters Ltd", "12 Oxford Street", "Osu, Accra", "VAT included · TIN C0012345678")
    one = facts(of={"locale": LANGUAGES[language]})
    assert in_both(one, words["status.receipt"], *told, *customer, *seller)
    assert in_both(facts(), "GH₵150.00", "Date", "25 November 2026")


def test_a_failed_payment_says_when_it_is_tried_again():
    one = facts("payment_failed", next_retry_at=RETRY, failure_message="Too little money.")
    assert in_both(one, "Not paid", "GH₵150.00", "did not go through", "tried again on 26 November 2026")
    assert in_both(one, "Reason", "Too little money.", "Next try", "26 November 2026", "25 November 2026")
    assert in_neither(one, "Thank you", "get in touch", "Receipt")


def test_a_failed_payment_that_is_not_tried_again_says_what_to_do():
    one = facts("payment_failed")
    assert in_both(one, "Please get in touch with Kofi & Daughters Ltd to pay in another way.")
    assert in_neither(one, "tried again", "Next try", "Reason")


def test_where_there_is_an_address_to_pay_at_the_letter_leads_there():
    one = facts("payment_failed", pay_url=PAY_URL)
    assert [link["href"] for link in Page(letter(one).html).all("a")] == [PAY_URL]
    assert f"Pay now: {PAY_URL}\n" in letter(one).text
    assert in_neither(one, "get in touch")
    assert Page(letter(facts(pay_url=PAY_URL)).html).all("a") == [], "what is paid is not to be paid"


def test_an_address_that_is_a_program_is_a_bug():
    with pytest.raises(AssertionError):
        letter(facts("payment_failed", pay_url="javascript:alert(1)"))


def test_a_renewal_says_what_will_be_charged_and_when():
    at = datetime(2026, 12, 25, tzinfo=UTC)
    one = facts("renewal_upcoming", at=at, plan="Team", interval="monthly", description=None)
    assert in_both(one, "Coming up", "GH₵150.00", "renews on 25 December 2026", "Plan", "Team", "Every month")
    assert in_neither(one, "Receipt", "Description", "Thank you", "None")


@pytest.mark.parametrize(
    ("interval", "count", "said"),
    [("daily", 1, "Every day"), ("weekly", 2, "Every 2 weeks"), ("yearly", 3, "Every 3 years")],
)
def test_how_often_something_renews_is_said_in_words(interval: Any, count: int, said: str):
    assert in_both(facts("renewal_upcoming", interval=interval, interval_count=count), said)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_test_mode_says_that_no_money_moved_and_live_mode_does_not(kind: Any, language: str):
    words = words_in(language)
    notice = words["test_mode_ahead" if kind == "renewal_upcoming" else "test_mode"]
    assert in_both(facts(kind, test_mode=True, of={"locale": LANGUAGES[language]}), notice)
    assert in_neither(facts(kind, of={"locale": LANGUAGES[language]}), notice)


@pytest.mark.parametrize(
    ("locale", "currency", "amount", "written"),
    [
        ("en-GH", "GHS", 15000, "GH₵150.00"),
        ("en-NG", "NGN", MAX_AMOUNT, "₦9,999,999,999.99"),
        ("fr-SN", "XOF", MAX_AMOUNT, "999 999 999 999 F CFA"),
        ("en-GH", "KWD", 15_005, "KWD 15.005"),
        ("en-UG", "UGX", 25_000, "USh 25,000"),
        ("sw-KE", "KES", 123_456, "Ksh 1,234.56"),
        ("en-GH", "GHS", 0, "GH₵0.00"),
    ],
)
def test_amounts_are_written_to_the_last_unit(locale: str, currency: str, amount: int, written: str):
    one = facts(of={"locale": locale}, currency=currency, amount=amount)
    assert in_both(one, written)
    assert written in " ".join(letter(one).subject.split())


@pytest.mark.parametrize(
    ("kind", "locale", "subject"),
    [
        ("receipt", "en-GH", "Your receipt from Kofi & Daughters Ltd: GH₵150.00"),
        ("receipt", "fr-SN", "Votre reçu de Kofi & Daughters Ltd : 150,00 GHS"),
        ("receipt", "sw-KE", "Risiti yako kutoka Kofi & Daughters Ltd: GHS 150.00"),
        ("payment_failed", "en-GH", "Your payment of GH₵150.00 to Kofi & Daughters Ltd did not go through"),
        (
            "renewal_upcoming",
            "en-GH",
            "Your subscription with Kofi & Daughters Ltd renews on 25 November 2026",
        ),
        ("receipt", "pt-MZ", "Your receipt from Kofi & Daughters Ltd: 150,00 GHS"),
    ],
)
def test_a_subject_says_what_it_is_about(kind: Any, locale: str, subject: str):
    assert letter(facts(kind, of={"locale": locale})).subject == subject


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["A\r\nBcc: eve@example.com", "\u2028A\x00\x1b[31m\u202e", "A" * 10_000])
def test_a_subject_is_one_line_without_control_characters_and_not_long(kind: Any, name: str):
    subject = letter(facts(kind, of={"name": name})).subject
    assert re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", subject) is None
    assert len(subject) < 200


def test_what_is_not_known_leaves_no_trace():
    names = ("name", "email", "phone", "external_id")
    nothing = dict.fromkeys((*(f"customer_{name}" for name in names), "description", "payment_method"))
    one = facts(**nothing, payment_reference=None, of={"address": "", "tax_line": None})
    assert in_neither(one, "Customer", "Description", "Paid by", "Payment reference", "None")
    assert in_both(one, "Kofi & Daughters Ltd", "GH₵150.00", NUMBER)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_text_is_text_wherever_it_stands(kind: Any):
    customer = ("customer_name", "customer_email", "customer_phone", "customer_external_id")
    payment = ("description", "payment_method", "payment_reference", "failure_message", "plan")
    seller = dict.fromkeys(("name", "address", "tax_line"), HOSTILE)
    written = letter(facts(kind, **dict.fromkeys((*customer, *payment), HOSTILE), of=seller))
    assert "<script" not in written.html
    told = Page(written.html).lines
    # Each field, the address's and the name's own lines, the name above, and in the sentences below the amount.
    assert sum(HOSTILE in line for line in told) >= len(customer) + len(payment) + 4
    assert written.text.count(HOSTILE) >= len(customer) + len(payment) + 4
    assert HOSTILE in written.subject
    assert "49" not in written.html.replace(NUMBER, "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_loads_nothing_and_runs_nothing(kind: Any):
    html = letter(facts(kind, of={"logo": png()}, test_mode=True)).html
    page = Page(html)
    assert "<script" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert "//" not in html
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [1 for tag, _ in page.tags if tag in ("link", "form", "iframe", "object", "a")]


@pytest.mark.parametrize(
    ("logo", "width", "height"),
    [(png(), "6", "4"), (JPEG, "16", "8"), (png(2000, 20), "220", "2"), (png(20, 2000), "1", "56")],
)
def test_a_logo_is_shown_from_what_comes_along_and_no_larger_than_there_is_room(
    logo: bytes, width: str, height: str
):
    written = letter(facts(of={"logo": logo}))
    (image,) = Page(written.html).all("img")
    assert written.logo == logo
    assert (image["src"], image["alt"]) == ("cid:logo", "Kofi & Daughters Ltd")
    assert (image["width"], image["height"]) == (width, height)


def test_without_a_logo_the_sellers_name_stands_in_its_place():
    written = letter(facts())
    assert written.logo is None
    assert "cid:" not in written.html
    assert Page(written.html).lines.count("Kofi & Daughters Ltd") == 3, "above, in the sentence, at the end"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_light_and_in_dark(kind: Any, dark: bool):
    found = contrasts(letter(facts(kind, test_mode=True, pay_url=PAY_URL)).html, dark=dark)
    assert len(found) > 20
    assert [said for said in found if said.contrast < 4.5] == []


def test_dark_colors_are_others_than_light_ones():
    """Or the test above would prove the same twice."""
    html = letter(facts()).html
    light, dark = (contrasts(html, dark=dark) for dark in (False, True))
    assert [said.text for said in light] == [said.text for said in dark]
    assert all(one.contrast != other.contrast for one, other in zip(light, dark, strict=True))
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_can_be_read_by_those_who_do_not_see_it(language: str):
    page = Page(letter(facts(of={"locale": LANGUAGES[language]})).html)
    assert page.all("html") == [{"lang": language, "dir": "ltr"}]
    assert [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)] == ["h1"]
    assert all(heading["scope"] == "row" for heading in page.all("th"))
    layout = [table for table in page.all("table") if table.get("role") == "presentation"]
    assert len(page.all("table")) == len(layout) + 1, "only the details are a table to a screen reader"


def test_a_letter_tells_mail_programs_that_it_has_dark_colors_and_is_at_most_600_pixels_wide():
    html = letter(facts()).html
    named = {attributes.get("name"): attributes.get("content") for attributes in Page(html).all("meta")}
    assert named["color-scheme"] == named["supported-color-schemes"] == "light dark"
    assert html.startswith("<!doctype html>"), "anything before it makes programs guess"
    assert "max-width:600px" in html
    assert max(int(width) for width in re.findall(r'width="(\d+)"', html)) == 600


def test_a_letter_begins_with_a_line_for_the_list_of_letters_that_is_not_shown():
    html = letter(facts()).html
    body = html.partition("<body")[2]
    style, _, text = body.partition('<div style="')[2].partition('">')
    assert "display:none" in style
    assert text.startswith("Thank you. Kofi &amp; Daughters Ltd has received your payment. Two tickets")
    assert "Two tickets" in body.partition("</div>")[2]


def test_a_line_of_the_text_that_goes_on_cannot_pass_for_another_point():
    text = letter(facts(description="Two tickets\nPaid by: nobody")).text
    assert "\nDescription: Two tickets\n  Paid by: nobody\n" in text
    assert "\nPaid by: Mobile money\n" in text


def test_a_name_of_the_other_direction_turns_nothing_beside_it():
    one = facts(of={"name": "متجر 24", "locale": "ar-KW"})
    written = letter(one)
    assert "from \u200eمتجر 24\u200e: " in written.subject
    assert "\u200eمتجر 24\u200e has received" in written.text
    assert "<bdi>متجر 24</bdi> has received" in written.html
    assert Page(written.html).all("html") == [{"lang": "en", "dir": "ltr"}]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_long_is_shortened_and_the_letter_stays_small(kind: Any):
    long = "word " * 2_000
    fields = (
        "customer_name",
        "description",
        "payment_reference",
        "failure_message",
        "plan",
        "customer_email",
    )
    written = letter(facts(kind, **dict.fromkeys(fields, long), of={"name": long, "tax_line": long}))
    assert "word…" in written.html
    assert len(written.html.encode()) < 102_000, "Gmail cuts longer ones"
    assert len(letter(facts(kind)).html.encode()) < 16_000


@given(
    name=st.text(max_size=255),
    description=st.text(max_size=300),
    locale=st.sampled_from([*LANGUAGES.values(), "ar", "he", "hi"]),
    kind=st.sampled_from(KINDS),
)
def test_whatever_a_text_is_it_is_written(name: str, description: str, locale: str, kind: Any):
    of = {"name": name, "address": description, "tax_line": name, "locale": locale}
    written = letter(facts(kind, customer_name=name, description=description, failure_message=name, of=of))
    assert "usr_1234" in Page(written.html).lines
    assert "usr_1234" in written.text
    for text in (written.subject, written.text, written.html):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert "\n" not in written.subject


def test_every_word_is_there_in_every_language():
    english = words_in("en")
    for language in LANGUAGES:
        words = words_in(language)
        assert words["lang"] == language
        assert all(words.values())
        places = {name: set(re.findall(r"\{\w+\}", text)) for name, text in words.items()}
        assert places == {name: set(re.findall(r"\{\w+\}", text)) for name, text in english.items()}
    assert words_in("de") == english
