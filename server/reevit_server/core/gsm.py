"""The alphabet of SMS: in it, one message holds 160 letters; with any other letter, 70."""

import math
import unicodedata

# 3GPP TS 23.038, 6.2.1: the default alphabet, and those of its letters that take two places.
_LETTERS = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_PAIRS = frozenset("\f^{}\\[~]|€")
# What typewriters wrote for marks that the alphabet has not: quotation marks, dashes, three dots.
_MARKS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2013\u2014", "-")
    | {"\u2026": "..."}
)


def places(text: str) -> int | None:
    """How many places of a message it takes; None when the alphabet has not all of its letters."""
    if not all(letter in _LETTERS or letter in _PAIRS for letter in text):
        return None
    return sum(2 if letter in _PAIRS else 1 for letter in text)


def segments(text: str) -> int:
    """How many messages it is paid as: 160 letters of the alphabet in one, 153 in each of several; of texts with any
    other letter, 70 and 67.
    """
    taken, alone, together = places(text), 160, 153
    if taken is None:
        taken, alone, together = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if taken <= alone else math.ceil(taken / together)


def fits_in_one(text: str) -> bool:
    """Whether it is paid as one message."""
    return segments(text) == 1


def typed(text: str) -> str:
    """The text on one line, with the marks of a typewriter: its letters stay as they are."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_MARKS).split())


def unaccented(text: str) -> str:
    """The same without those accents that the alphabet has not: `août` is `aout`."""
    return "".join(
        letter if letter in _LETTERS else unicodedata.normalize("NFD", letter)[0] for letter in typed(text)
    )
