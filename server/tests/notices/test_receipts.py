"""A receipt on paper: page and PDF say the same, in the reader's way, whatever stands in the fields."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.money import MAX_AMOUNT
from reevit_server.notices import Facts, receipt_html, receipt_pdf
from reevit_server.notices.words import words_in
from tests.invoices.papers import Page, unspaced
from tests.notices.facts import HOSTILE, LANGUAGES, NUMBER, facts, page_lines, pdf_of, pdf_text
from tests.pictures import JPEG, png


def in_both(facts: Facts, *texts: str) -> bool:
    """Whether the page and the PDF say all of these."""
    page, printed = unspaced("".join(page_lines(facts))), unspaced(pdf_text(facts))
    return all(unspaced(text) in page and unspaced(text) in printed for text in texts)


def in_neither(facts: Facts, *texts: str) -> bool:
    page, printed = unspaced("".join(page_lines(facts))), unspaced(pdf_text(facts))
    return not any(unspaced(text) in page or unspaced(text) in printed for text in texts)


@pytest.mark.parametrize("locale", LANGUAGES.values())
def test_the_page_and_the_pdf_say_the_same(locale: str):
    one = facts(of={"locale": locale}, test_mode=True)
    assert len(page_lines(one)) > 20
    assert in_both(one, *page_lines(one))


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_about_the_payment_is_printed(language: str):
    words = words_in(language)
    told = ("Two tickets", words["method.mobile_money"], "order_2001", NUMBER, "usr_1234")
    customer = ("Ada Lovelace", "ada@example.com", "+233501234567")
    sold_by = ("Kofi & Daughters Ltd", "12 Oxford Street", "Osu, Accra", "VAT included · TIN C0012345678")
    one = facts(of={"locale": LANGUAGES[language]})
    assert in_both(one, words["receipt"], words["status.receipt"], words["amount_paid"])
    assert in_both(one, *told, *customer, *sold_by)


def test_a_receipt_says_how_much_and_when():
    assert in_both(facts(), "Amount paid", "GH₵150.00", "Date 25 November 2026", "Paid by", "Mobile money")


@pytest.mark.parametrize("language", LANGUAGES)
def test_test_mode_says_that_no_money_moved_and_live_mode_does_not(language: str):
    notice = words_in(language)["test_mode"]
    assert in_both(facts(test_mode=True, of={"locale": LANGUAGES[language]}), notice)
    assert in_neither(facts(of={"locale": LANGUAGES[language]}), notice)


@pytest.mark.parametrize(
    ("locale", "currency", "amount", "written"),
    [
        ("en-NG", "NGN", MAX_AMOUNT, "₦9,999,999,999.99"),
        ("fr-SN", "XOF", MAX_AMOUNT, "999 999 999 999 F CFA"),
        ("en-GH", "KWD", 15_005, "KWD 15.005"),
        ("sw-KE", "KES", 123_456, "Ksh 1,234.56"),
        ("en-GH", "GHS", 0, "GH₵0.00"),
    ],
)
def test_amounts_are_printed_to_the_last_unit(locale: str, currency: str, amount: int, written: str):
    one = facts(of={"locale": locale}, currency=currency, amount=amount)
    assert in_both(one, words_in(locale[:2])["amount_paid"] + written)


def test_what_is_not_known_leaves_no_trace():
    names = ("name", "email", "phone", "external_id")
    nothing = dict.fromkeys((*(f"customer_{name}" for name in names), "description", "payment_method"))
    one = facts(**nothing, payment_reference=None, of={"address": "", "tax_line": None})
    assert in_neither(
        one, "Received from", "Customer ID", "Description", "Paid by", "Payment reference", "None"
    )
    assert in_both(one, "Kofi & Daughters Ltd", "GH₵150.00", NUMBER)


@pytest.mark.parametrize("kind", ["payment_failed", "renewal_upcoming"])
def test_a_receipt_of_what_was_not_paid_is_a_bug(kind: str):
    for write in (receipt_html, receipt_pdf):
        with pytest.raises(AssertionError):
            write(facts(kind))


def test_a_hostile_text_is_text_wherever_it_stands():
    customer = ("customer_name", "customer_email", "customer_phone", "customer_external_id")
    payment = ("description", "payment_method", "payment_reference")
    of = dict.fromkeys(("name", "address", "tax_line"), HOSTILE)
    one = facts(**dict.fromkeys((*customer, *payment), HOSTILE), of=of)
    html = receipt_html(one)
    fields = len(customer) + len(payment) + len(of)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(") == fields + 1, "the title too"
    printed = unspaced(pdf_text(one))
    assert printed.count(unspaced(HOSTILE)) == fields


def test_a_page_loads_nothing_and_runs_nothing():
    html = receipt_html(facts(of={"logo": png()}, test_mode=True))
    page = Page(html)
    assert "<script" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert "//" not in re.sub("base64,[A-Za-z0-9+/=]+", "", html)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [1 for _, attributes in page.tags if "href" in attributes or "style" in attributes]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_can_be_read_by_those_who_do_not_see_it(language: str):
    one = facts(of={"locale": LANGUAGES[language], "logo": png()})
    page = Page(receipt_html(one))
    assert page.all("html") == [{"lang": language}]
    assert [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)] == ["h1", "h2"]
    assert page.all("img")[0]["alt"] == ""
    root = pdf_of(one).trailer["/Root"]
    assert root["/Lang"] == language
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712  # a BooleanObject


@pytest.mark.parametrize(("logo", "kind"), [(png(), "png"), (JPEG, "jpeg"), (None, None)])
def test_the_logo_is_in_the_page_and_in_the_pdf(logo: bytes | None, kind: str | None):
    one = facts(of={"logo": logo})
    sources = [str(image["src"]).partition(",")[0] for image in Page(receipt_html(one)).all("img")]
    pictures = pdf_of(one).pages[0]["/Resources"].get("/XObject", {})
    assert sources == ([f"data:image/{kind};base64"] if logo else [])
    assert len(pictures) == len(sources)


def test_the_same_facts_give_the_same_bytes():
    one, same = (facts(of={"logo": png()}) for _ in range(2))
    assert receipt_pdf(one) == receipt_pdf(same)
    assert receipt_html(one) == receipt_html(same)
    assert receipt_pdf(facts(amount=15001)) != receipt_pdf(facts())


def test_a_pdf_says_what_it_is():
    told = pdf_of(facts(at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))).metadata
    assert told is not None
    assert (told.title, told.author) == (f"Receipt {NUMBER}", "Kofi & Daughters Ltd")
    assert told.creation_date == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


SAID = "Something long that was bought, and paid for, "
LONG_OF = {"name": (SAID * 5)[:200], "address": "\n".join([SAID] * 10), "tax_line": (SAID * 5)[:200]}
LONG = {
    "description": (SAID * 22)[:1000],
    "customer_name": (SAID * 6)[:255],
    "customer_external_id": "u" * 255,
    "payment_reference": "r" * 255,
}


@pytest.mark.parametrize("field", [*LONG_OF, *LONG])
@pytest.mark.parametrize("logo", [None, png(2000, 20), png(20, 2000)], ids=["none", "wide", "high"])
def test_a_receipt_is_one_page_of_a4_whatever_is_long_on_it(logo: bytes | None, field: str):
    of = {name: text for name, text in LONG_OF.items() if name == field} | {"logo": logo}
    reader = pdf_of(facts(of=of, **{name: text for name, text in LONG.items() if name == field}))
    assert len(reader.pages) == 1
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [595, 842]


def test_a_receipt_on_which_everything_is_long_goes_on_on_a_second_page():
    one = facts(of=LONG_OF, **LONG)
    first, second = (unspaced(page.extract_text()) for page in pdf_of(one).pages)
    assert first.endswith("1/2")
    assert second.endswith(f"{unspaced(LONG_OF['tax_line'])}Receipt{NUMBER}2/2")
    assert LONG["payment_reference"] in second
    assert unspaced(LONG["description"][-50:]) in first + second


def test_a_description_of_many_lines_ends_where_the_paper_does():
    one = facts(
        description="\n".join(f"Item {number}" for number in range(500)), payment_reference="w" * 10_000
    )
    assert len(pdf_of(one).pages) == 1
    assert in_both(one, "Item 10", "…", "www…")
    assert in_neither(one, "Item 11")


def test_names_of_the_region_are_printed_with_their_own_letters():
    for name in ("Ɔkɛ Ọláńrewájú", "Ṣọlá Akínyẹmí", "አበበ በቀለ", "Aïssatou N’Diaye"):
        assert pdf_text(facts(customer_name=name, description=name, of={"name": name})).count(name) == 3


def test_a_name_cannot_turn_what_stands_beside_it_around():
    spoof = "Shop\u202e000.051\u2066\x00\x1b[31m"
    one = facts(customer_name=spoof, description=spoof, of={"name": spoof})
    for text in ("".join(page_lines(one)), pdf_text(one)):
        assert not set("\u202e\u2066\x00\x1b") & set(text)
    assert in_both(one, "000.051")


@given(
    name=st.text(max_size=255),
    description=st.text(max_size=300),
    locale=st.sampled_from([*LANGUAGES.values(), "ar"]),
)
def test_whatever_a_text_is_it_is_printed(name: str, description: str, locale: str):
    of = {"name": name, "address": description, "tax_line": name, "locale": locale}
    one = facts(customer_name=name, description=description, payment_reference=name, of=of)
    assert NUMBER in page_lines(one)
    assert receipt_pdf(one).startswith(b"%PDF-")
