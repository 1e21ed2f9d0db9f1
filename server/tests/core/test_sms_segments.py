"""How many messages an SMS is, held against a slow reading of the standard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.gsm import segments as sms_segments

# 3GPP TS 23.038, 6.2.1, row by row; the place of the escape is empty. Then 6.2.1.1, what the escape leads to.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"


def septets(text: str) -> int | None:
    """Its length in the default alphabet, letter by letter; None if it has a letter that is not there."""
    length = 0
    for letter in text:
        if letter in BASIC:
            length += 1
        elif letter in EXTENSION:
            length += 2
        else:
            return None
    return length


def slowly(text: str) -> int:
    """As many as it takes, one after the other."""
    length = septets(text)
    alone, together = (160, 153) if length is not None else (70, 67)
    left = length if length is not None else sum(2 if ord(letter) > 0xFFFF else 1 for letter in text)
    if left <= alone:
        return 1
    messages = 0
    while left > 0:
        left -= together
        messages += 1
    return messages


def test_the_alphabet_has_as_many_letters_as_seven_bits_less_the_escape():
    assert (len(set(BASIC)), len(set(EXTENSION))) == (127, 10)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        ("{" * 153, 2),
        ("é" * 160, 1),
        ("ê" * 70, 1),
        ("ê" * 71, 2),
        ("ê" * 134, 2),
        ("ê" * 135, 3),
        ("a" * 69 + "ɔ", 1),
        ("a" * 70 + "ɔ", 2),
        ("🙏" * 35, 1),
        ("🙏" * 35 + "a", 2),
        ("🙏" * 67, 2),
        ("🙏" * 67 + "a", 3),
        ("a" * 68 + "₵a", 1),
        ("a" * 69 + "\u00a0a", 2),
    ],
    ids=lambda value: f"{value[-2:]!r}x{len(value)}" if isinstance(value, str) else str(value),
)
def test_an_sms_is_as_many_messages_as_the_standard_says(text: str, segments: int):
    assert sms_segments(text) == segments == slowly(text)


@given(st.text(st.sampled_from(BASIC + EXTENSION), max_size=700))
def test_a_text_of_the_alphabet_is_counted_as_slowly(text: str):
    assert sms_segments(text) == slowly(text)


@given(st.text(max_size=300))
def test_any_text_is_counted_as_slowly(text: str):
    assert sms_segments(text) == slowly(text)
