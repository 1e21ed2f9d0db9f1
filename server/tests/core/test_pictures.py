"""What a merchant may bring as a picture: a PNG or JPEG that is small, and whole."""

import struct

import pytest

from reevit_server.core import pictures
from reevit_server.core.pictures import NotAPicture, picture_of
from tests.pictures import JPEG, png


@pytest.mark.parametrize(
    ("data", "picture"),
    [
        (png(), ("png", 6, 4)),
        (png(2000, 2000), ("png", 2000, 2000)),
        (JPEG, ("jpeg", 16, 8)),
        # Whatever stands before the frame is stepped over: a comment of any length, and bytes that fill.
        (
            JPEG[:2] + b"\xff\xfe" + struct.pack(">H", 5002) + bytes(5000) + b"\xff\xff" + JPEG[2:],
            ("jpeg", 16, 8),
        ),
    ],
    ids=["png", "as many pixels as there may be", "jpeg", "jpeg with a comment"],
)
def test_a_picture_is_told_by_what_is_in_it(data: bytes, picture: tuple[str, int, int]):
    assert picture_of(data) == picture


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "neither"),
        (b"GIF89a" + bytes(50), "neither"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "neither"),
        (png() + bytes(pictures.BYTES_MAX), "262,144 bytes"),
        (png(2001, 2000), "2001 x 2000 pixels"),
        (png(60_000, 60_000, rows=1), "60000 x 60000 pixels"),
        (png(0, 4), "damaged"),
        (png()[:20], "damaged"),
        (png(40, 40, rows=20), "damaged"),
        (png()[:-25], "damaged"),
        (JPEG[:3], "damaged"),
        (JPEG[:60], "damaged"),
        (JPEG[:-30], "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x00" * 50, "damaged"),
    ],
    ids=str,
)
def test_what_could_not_be_printed_is_refused_with_the_reason(data: bytes, told: str):
    with pytest.raises(NotAPicture, match=told):
        picture_of(data)
