"""A notice as an SMS: it says what matters, and is paid as one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.gsm import segments as sms_segments
from reevit_server.core.money import MAX_AMOUNT
from reevit_server.notices import sms
from tests.notices.facts import HOSTILE, KINDS, LANGUAGES, NUMBER, facts

RETRY = datetime(2026, 8, 26, 10, tzinfo=UTC)
LONG = "The Cooperative Society of Market Women and Traders of Greater Accra, Limited by Guarantee " * 3
# Of the GSM alphabet: one with any other letter has place for 70.
GSM = "@£$¥èéùìòÇØøÅåΔ_ÆæßÉ !\"#%&'()*+,-./0123456789:;<=>?ABCXYZÄÖÑÜ§¿abcxyzäöñüà^{}\\[~]|€"


@pytest.mark.parametrize(
    ("kind", "locale", "currency", "said"),
    [
        (
            "receipt",
            "en-GH",
            "GHS",
            "Ama's Shop: We received GHS 150.00 on 25 Nov 2026. Ref. order_2001. Thank you.",
        ),
        (
            "receipt",
            "fr-SN",
            "XOF",
            "Ama's Shop : Paiement de 15 000 XOF encaissé le 25 nov. 2026. Réf. order_2001. Merci.",
        ),
        (
            "receipt",
            "sw-KE",
            "KES",
            "Ama's Shop: Tumepokea KES 150.00 tarehe 25 Nov 2026. Kumb. order_2001. Asante.",
        ),
        (
            "payment_failed",
            "en-GH",
            "KWD",
            "Ama's Shop: Your payment of KWD 15.000 did not go through. It will be tried again on 26 Aug 2026.",
        ),
        (
            "payment_failed",
            "fr-SN",
            "XOF",
            "Ama's Shop : Votre paiement de 15 000 XOF a échoué. Nouvel essai le 26 aout 2026.",
        ),
        (
            "renewal_upcoming",
            "en-GH",
            "GHS",
            "Ama's Shop: Your subscription renews on 25 Nov 2026: GHS 150.00.",
        ),
    ],
)
def test_an_sms_says_what_matters_in_the_readers_language(kind: Any, locale: str, currency: str, said: str):
    of = {"name": "Ama’s Shop", "locale": locale}
    assert sms(facts(kind, of=of, currency=currency, next_retry_at=RETRY)) == said


@pytest.mark.parametrize("month", range(12))
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_sms_is_one_in_every_language_and_month(kind: Any, language: str, month: int):
    at = datetime(2026, 1, 28, tzinfo=UTC) + timedelta(days=30 * month)
    for retry in (None, at):
        for test_mode in (False, True):
            one = facts(
                kind, of={"locale": LANGUAGES[language]}, at=at, test_mode=test_mode, next_retry_at=retry
            )
            text = sms(one)
            assert sms_segments(text) == sms_segments(f"{text:x<160}") == 1, "of letters that 160 go of"
            assert "  " not in text
            assert "\n" not in text
            assert text.startswith(
                "TEST. " if test_mode and language != "sw" else ("MAJARIBIO. ", "Kofi")[not test_mode]
            )


@pytest.mark.parametrize(
    ("currency", "amount", "said"),
    [
        ("GHS", 1, "GHS 0.01"),
        ("NGN", MAX_AMOUNT, "NGN 9,999,999,999.99"),
        ("UGX", 25_000, "UGX 25,000"),
        ("KWD", 1_234_005, "KWD 1,234.005"),
        ("GHS", 0, "GHS 0.00"),
    ],
)
def test_amounts_have_their_currencys_code_and_all_of_its_decimals(currency: str, amount: int, said: str):
    assert f"received {said} on" in sms(facts(currency=currency, amount=amount))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_long_name_is_shortened_until_it_fits(kind: Any, language: str):
    text = sms(facts(kind, of={"name": LONG, "locale": LANGUAGES[language]}, amount=MAX_AMOUNT))
    assert 150 < len(text) <= 160
    assert sms_segments(text) == 1
    assert text.startswith("The Cooperative Society of")
    assert "..." in text


@given(name=st.text(alphabet=GSM, min_size=1, max_size=200).filter(str.strip), kind=st.sampled_from(KINDS))
def test_whatever_a_name_of_gsm_letters_is_the_sms_is_one(name: str, kind: Any):
    for locale in LANGUAGES.values():
        one = facts(kind, of={"name": name, "locale": locale}, test_mode=True, next_retry_at=RETRY)
        assert sms_segments(sms(one)) == 1


@given(name=st.text(max_size=255), reference=st.text(max_size=255), kind=st.sampled_from(KINDS))
def test_whatever_a_name_is_the_sms_is_two_at_most_and_on_one_line(name: str, reference: str, kind: Any):
    for locale in (*LANGUAGES.values(), "ar", "hi"):
        one = facts(kind, of={"name": name, "locale": locale}, payment_reference=reference, amount=MAX_AMOUNT)
        text = sms(one)
        assert sms_segments(text) <= 2
        assert text.isprintable() or not name.isprintable() or not reference.isprintable()
        assert len(text.splitlines()) == 1


def test_a_name_keeps_its_own_letters_and_then_less_is_said():
    text = sms(facts(of={"name": "Ọláńrewájú Foods"}))
    assert text == "Ọláńrewájú Foods: We received GHS 150.00 on 25 Nov 2026."
    assert sms_segments(text) == 1


def test_only_the_name_has_letters_beyond_gsm():
    one = facts(payment_reference="commande n° 7 ọ", description="Crêpes", customer_name="Ọlá")
    assert f"Ref. {NUMBER}." in sms(one), "the reference that it can write"
    assert sms_segments(f"{sms(one):x<160}") == 1


def test_a_reference_that_is_too_long_is_left_out():
    one = facts(payment_reference="r" * 255, receipt_number=None)
    assert sms(one).endswith("on 25 Nov 2026. Thank you.")


def test_where_there_is_an_address_to_pay_at_it_is_in_the_sms_whole():
    url = "https://pay.example.com/c/01m82wdyhhexxbd6vpcns2x6j7"
    text = sms(facts("payment_failed", pay_url=url, of={"name": LONG}))
    assert text.endswith(f"Pay: {url}")
    assert sms_segments(text) == 1
    assert url in sms(facts("payment_failed", pay_url=url, of={"name": "Ọláńrewájú Foods"}))
    assert url not in sms(facts(pay_url=url)), "what is paid is not to be paid"
    assert "contact us" not in text


def test_an_sms_without_a_next_try_says_what_to_do():
    assert sms(facts("payment_failed")).endswith("did not go through. Please contact us to pay.")


def test_a_language_without_words_of_its_own_gets_english_ones_all_through():
    text = sms(facts(of={"locale": "ar-KW", "name": "Shop"}, currency="KWD", amount=15_005))
    assert text == "Shop: We received KWD 15.005 on Nov 25, 2026. Ref. order_2001. Thank you."


def test_a_name_cannot_turn_what_stands_beside_it_around_nor_begin_a_line():
    text = sms(facts(of={"name": "Shop\u202e\r\nPaid: all\x00\x1b"}))
    assert text.startswith("Shop Paid: all: We received")
    assert sms(facts(of={"name": "متجر"})).startswith("\u200eمتجر\u200e: We received")
    assert sms(facts(of={"name": HOSTILE})).startswith(f"{HOSTILE}: We received GHS 150.00")
