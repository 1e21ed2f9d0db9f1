"""An invoice on paper: page and PDF say the same, in the reader's way, whatever stands in the fields."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.money import MAX_AMOUNT
from reevit_server.invoices.paper import Paper, to_html, to_pdf
from reevit_server.invoices.words import words_in
from tests.invoices.papers import (
    STATUSES,
    Page,
    html_lines,
    paid,
    paper,
    pdf_of,
    pdf_seen,
    pdf_text,
    unspaced,
)
from tests.pictures import JPEG, png

LANGUAGES = {"en": "en-GH", "fr": "fr-SN", "sw": "sw-KE"}
HOSTILE = "<script>alert('&')</script>"


def in_both(paper: Paper, *texts: str) -> bool:
    """Whether the page and the PDF say all of these."""
    page, printed = unspaced("".join(html_lines(paper))), unspaced(pdf_text(paper))
    return all(unspaced(text) in page and unspaced(text) in printed for text in texts)


def in_neither(paper: Paper, *texts: str) -> bool:
    page, printed = unspaced("".join(html_lines(paper))), unspaced(pdf_text(paper))
    return not any(unspaced(text) in page or unspaced(text) in printed for text in texts)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("locale", LANGUAGES.values())
def test_the_page_and_the_pdf_say_the_same(status: str, locale: str):
    one = paid(locale=locale, refunded=500) if status == "paid" else paper(status=status, locale=locale)
    assert len(html_lines(one)) > 20
    assert in_both(one, *html_lines(one))


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_about_the_sale_is_printed(language: str):
    told = ("INV-000042", "Team plan", "Ada Lovelace", "ada@example.com", "+233501234567", "usr_1234")
    seller = ("Kofi & Daughters Ltd", "12 Oxford Street", "Osu, Accra", "VAT included · TIN C0012345678")
    assert in_both(paper(locale=LANGUAGES[language]), words_in(language)["invoice"], *told, *seller)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", STATUSES)
def test_the_status_is_said_in_the_readers_language(status: str, language: str):
    words = words_in(language)
    one = paper(status=status, locale=LANGUAGES[language])
    assert in_both(one, words[f"status.{status}"], words.get(f"note.{status}", ""))


def test_what_is_due_says_how_much_and_when():
    assert in_both(paper(), "Amount due", "GH₵150.00", "Due on 15 November 2026")
    assert in_both(paper(status="failed"), "Payment failed", "still to be paid", "GH₵150.00")


def test_what_is_paid_says_when_and_how_and_that_nothing_is_due():
    assert in_both(paid(), "Paid on 2 November 2026", "Mobile money", "order-77", "Amount due GH₵0.00")
    assert in_neither(paid(), "Due on", "Refunded")
    assert in_both(paid(refunded=1234), "Refunded GH₵12.34")


def test_a_canceled_invoice_says_so_plainly():
    one = paper(status="canceled")
    assert in_both(
        one, "Canceled", "This invoice is canceled. There is nothing to pay.", "Amount due GH₵0.00"
    )
    assert in_neither(one, "Due on")


@pytest.mark.parametrize("language", LANGUAGES)
def test_test_mode_says_that_no_money_moved_and_live_mode_does_not(language: str):
    notice = words_in(language)["test_mode"]
    assert in_both(paid(test_mode=True, locale=LANGUAGES[language]), notice)
    assert in_neither(paid(locale=LANGUAGES[language]), notice)


@pytest.mark.parametrize(
    ("locale", "currency", "amount", "written"),
    [
        ("en-NG", "NGN", MAX_AMOUNT, "₦9,999,999,999.99"),
        ("fr-SN", "XOF", MAX_AMOUNT, "999 999 999 999 F CFA"),
        ("en-GH", "KWD", 5, "KWD 0.005"),
        ("en-UG", "UGX", 25_000, "USh 25,000"),
        ("sw-KE", "KES", 123_456, "Ksh 1,234.56"),
        ("ha-NG", "NGN", 1, "₦ 0.01"),
    ],
)
def test_amounts_are_printed_to_the_last_unit(locale: str, currency: str, amount: int, written: str):
    assert in_both(paper(locale=locale, currency=currency, amount=amount), f"Total {written}") or in_both(
        paper(locale=locale, currency=currency, amount=amount), f"Jumla {written}"
    )


def test_a_language_without_words_of_its_own_gets_english_ones_and_its_own_days():
    one = paper(locale="pt-MZ", currency="MZN")
    assert in_both(one, "Invoice", "Issued 1 de novembro de 2026", "150,00 MTn")
    assert Page(to_html(one)).all("html") == [{"lang": "en"}]


def test_what_is_not_known_leaves_no_trace():
    nobody = dict.fromkeys(
        ("customer_name", "customer_email", "customer_phone", "customer_external_id", "tax_line")
    )
    one = paper(**nobody, seller_address="", period_start=None, period_end=None)
    assert in_neither(one, "Bill to", "Customer ID", "Period", "None")
    assert in_both(one, "Kofi & Daughters Ltd", "GH₵150.00")


def test_a_method_that_has_no_words_is_printed_as_it_is_called():
    assert in_both(paid(payment_method="airtel_money"), "Paid by Airtel money")


def test_a_hostile_text_is_text_wherever_it_stands():
    fields = (
        "description",
        "payment_method",
        "payment_reference",
        "seller_name",
        "seller_address",
        "tax_line",
    )
    customer = ("customer_name", "customer_email", "customer_phone", "customer_external_id")
    one = paid(**dict.fromkeys((*fields, *customer), HOSTILE))
    html = to_html(one)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(") == len(fields) + len(customer) + 1, "the title too"
    assert pdf_text(one).count("<script>alert(") == len(fields) + len(customer)


def test_a_page_loads_nothing_and_runs_nothing():
    html = to_html(paid(seller_logo=png(), test_mode=True))
    page = Page(html)
    assert "<script" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert "//" not in re.sub("base64,[A-Za-z0-9+/=]+", "", html)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [1 for _, attributes in page.tags if "href" in attributes or "style" in attributes]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_can_be_read_by_those_who_do_not_see_it(language: str):
    page = Page(to_html(paper(locale=LANGUAGES[language], seller_logo=png())))
    assert page.all("html") == [{"lang": language}]
    assert [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)] == ["h1", "h2"]
    assert all(attributes["scope"] in ("col", "row") for attributes in page.all("th"))
    assert len(page.all("th")) == 5
    assert page.all("img")[0]["alt"] == ""
    assert len(page.all("main")) == len(page.all("title")) == 1
    root = pdf_of(paper(locale=LANGUAGES[language])).trailer["/Root"]
    assert root["/Lang"] == language
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712  # a BooleanObject


@pytest.mark.parametrize(("logo", "kind"), [(png(), "png"), (JPEG, "jpeg"), (None, None)])
def test_the_logo_is_in_the_page_and_in_the_pdf(logo: bytes | None, kind: str | None):
    one = paper(seller_logo=logo)
    sources = [str(attributes["src"]).partition(",")[0] for attributes in Page(to_html(one)).all("img")]
    pictures = pdf_of(one).pages[0]["/Resources"].get("/XObject", {})
    assert sources == ([f"data:image/{kind};base64"] if logo else [])
    assert len(pictures) == len(sources)


@pytest.mark.parametrize("logo", [png(2000, 20), png(20, 2000), png(1, 1)], ids=["wide", "high", "tiny"])
def test_a_logo_of_any_shape_leaves_room_for_the_rest(logo: bytes):
    assert len(pdf_of(paper(seller_logo=logo)).pages) == 1


def test_the_same_paper_gives_the_same_bytes():
    assert to_pdf(paid(seller_logo=png())) == to_pdf(paid(seller_logo=png()))
    assert to_html(paid()) == to_html(paid())
    assert to_pdf(paid()) != to_pdf(paid(refunded=1))


def test_a_pdf_says_what_it_is():
    told = pdf_of(paper(issued_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))).metadata
    assert told is not None
    assert (told.title, told.author) == ("Invoice INV-000042", "Kofi & Daughters Ltd")
    assert told.creation_date == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_names_of_the_region_are_printed_with_their_own_letters():
    names = ("Ɔkɛ Ọláńrewájú", "Ṣọlá Akínyẹmí", "Ŋaaba Ɣeɖe", "Aïssatou N’Diaye", "አበበ በቀለ", "₦ ₵ ₣ € £")
    for name in names:
        one = paper(customer_name=name, seller_name=name, description=name)
        assert pdf_text(one).count(name) == 3
        assert {"Invoice", "Total", "Amount"} <= set(pdf_text(one).split()), (
            "a letter of a name is in no other word"
        )


def test_a_letter_that_no_font_has_does_not_keep_the_others_from_being_printed():
    one = paper(customer_name="王小明 (Ming) 🧾", description="\U0001f9ff\U00013000 plan")
    assert {"(Ming)", "plan"} <= set(pdf_text(one).split())


@pytest.mark.parametrize(
    "field",
    ["customer_name", "customer_external_id", "seller_name", "seller_address", "description", "tax_line"],
)
def test_a_very_long_text_is_broken_into_lines(field: str):
    word = "".join(f"w{number:03}" for number in range(120))
    one = paper(**{field: word})
    lines = [line for line in pdf_text(one).splitlines() if "w0" in line or "w1" in line]
    assert len(lines) > 3
    assert max(map(len, lines)) < 110, "of the smallest letters that there are, a line holds fewer"
    assert word in unspaced(pdf_text(one))


def test_a_word_that_fits_stays_whole_for_who_copies_it():
    email = "oluwaseun.adebayo-williams@mail.example.com"
    assert email in pdf_text(paper(customer_email=email))


def test_a_long_paper_goes_on_on_numbered_pages():
    reader = pdf_of(paper(description="\n".join(f"Item {number}" for number in range(120))))
    assert len(reader.pages) > 1
    for number, page in enumerate(reader.pages, 1):
        assert page.extract_text().splitlines()[-1].endswith(f"{number} / {len(reader.pages)}")


def test_a_name_cannot_turn_what_stands_beside_it_around():
    spoof = "Shop\u202e000.051\u2066\x00\x1b[31m"
    one = paper(customer_name=spoof, seller_name=spoof, description=spoof)
    for text in ("".join(html_lines(one)), pdf_text(one)):
        assert not set("\u202e\u2066\x00\x1b") & set(text)
    assert in_both(one, "000.051")


@given(
    name=st.text(max_size=255),
    description=st.text(max_size=300),
    locale=st.sampled_from([*LANGUAGES.values(), "ar"]),
)
def test_whatever_a_text_is_it_is_printed(name: str, description: str, locale: str):
    one = paper(
        customer_name=name,
        customer_email=name[:40],
        seller_name=name,
        seller_address=description,
        description=description,
        tax_line=name,
        payment_reference=name,
        locale=locale,
    )
    assert "INV-000042" in html_lines(one)
    assert to_pdf(one).startswith(b"%PDF-")


def test_every_word_is_there_in_every_language():
    for language in LANGUAGES:
        words = words_in(language)
        assert words["lang"] == language
        assert all(words.values())
        assert "{day}" in words["due_on"]
        assert "{day}" in words["paid_on"]
    assert words_in("de") == words_in("en")


@pytest.mark.parametrize("locale", ["en", "ar-KW", "he"])
def test_an_id_that_is_broken_is_not_turned_round_by_the_sellers_language(locale: str):
    id = "bf8dc826-526f-4b32-9e3d-a3298688a0a8"
    assert id in unspaced(pdf_seen(paper(customer_external_id=id, locale=locale)))


def test_a_day_in_a_sentence_of_another_direction_stays_in_order():
    """Isolated, as https://www.unicode.org/reports/tr9/#Explicit_Directional_Isolates has it."""
    lines = html_lines(paper(locale="ar-KW", status="due"))
    assert any(line.startswith("Due on \u2068") and line.endswith("\u2069") for line in lines)
