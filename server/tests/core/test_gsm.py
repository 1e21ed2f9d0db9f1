"""What an SMS can hold."""

import pytest

from reevit_server.core import gsm


@pytest.mark.parametrize(
    ("text", "places"),
    [("", 0), ("GHS 150.00", 10), ("é è à ù ò", 9), ("a{b}€", 8), ("ê", None), ("ç", None), ("’", None)],
)
def test_a_letter_takes_one_place_or_two_or_is_not_in_the_alphabet(text: str, places: int | None):
    assert gsm.places(text) == places


def test_a_message_of_the_alphabet_is_more_than_twice_as_long():
    assert gsm.fits_in_one("a" * 160)
    assert not gsm.fits_in_one("a" * 161)
    assert gsm.fits_in_one("€" * 80)
    assert not gsm.fits_in_one("€" * 81)
    assert gsm.fits_in_one("ọ" * 70)
    assert not gsm.fits_in_one("ọ" * 71)
    assert not gsm.fits_in_one("😀" * 36)


def test_typed_text_has_the_marks_of_a_typewriter_and_keeps_its_letters():
    assert gsm.typed("  Ama’s “Café”\n– Ọlá…\u202f1\u00a0000 ") == 'Ama\'s "Café" - Ọlá... 1 000'
    assert gsm.typed("e\u0301") == "é"


def test_of_accents_only_those_stay_that_the_alphabet_has():
    assert gsm.unaccented("août, forêt, ça, é, è") == "aout, foret, ca, é, è"
