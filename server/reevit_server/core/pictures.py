"""Pictures that merchants bring, for their papers: PNG or JPEG, small, and whole."""

import struct
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import typst

from reevit_server.core import typesetting

BYTES_MAX = 256 * 1024
# A small file may unpack to a picture that fills the memory.
PIXELS_MAX = 4_000_000

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# Markers of JPEG that begin a frame and so tell its size: SOF0 to SOF15 but DHT, JPG and DAC, which lie among them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

Kind = Literal["png", "jpeg"]


class NotAPicture(ValueError):
    """Something that cannot be shown or printed as a picture."""


class Picture(NamedTuple):
    kind: Kind
    width: int
    height: int


def picture_of(data: bytes) -> Picture:
    """What a file shows, after all of it was decoded. Raises NotAPicture."""
    if len(data) > BYTES_MAX:
        raise NotAPicture(f"it has more than {BYTES_MAX:,} bytes; make it smaller")
    kind = kind_of(data)
    size = _size_of_png(data) if kind == "png" else _size_of_jpeg(data)
    if size is None or 0 in size:
        raise NotAPicture(f"this {kind.upper()} is damaged: it does not tell its size")
    width, height = size
    if width * height > PIXELS_MAX:
        raise NotAPicture(f"it has {width} x {height} pixels, more than {PIXELS_MAX:,}; make it smaller")
    name = f"it.{kind}"
    try:
        typesetting.pdf(f'#image("{name}")', {}, pictures={name: data}, at=datetime.fromtimestamp(0, UTC))
    except (typst.TypstError, typesetting.Panicked):
        raise NotAPicture(f"this {kind.upper()} is damaged: it cannot be read to its end") from None
    return Picture(kind, width, height)


def kind_of(data: bytes) -> Kind:
    """By its first bytes, not by a name. Raises NotAPicture."""
    if data.startswith(_PNG):
        return "png"
    if data.startswith(_JPEG):
        return "jpeg"
    raise NotAPicture("it is neither a PNG nor a JPEG")


def _size_of_png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or len(data) < 24:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _size_of_jpeg(data: bytes) -> tuple[int, int] | None:
    """From the frame's header, after whatever else stands before it."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # any number of these may fill the space between
            at += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
    return None
