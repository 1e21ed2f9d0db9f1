"""Documents for paper: a template in Typst's language and what it is to say, set as a PDF.

Why Typst, and where its fonts come from: `docs/decisions/0013-invoices-on-paper.md`.
"""

import functools
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import typst

# Marks on letters, and characters that only format: joiners, and what turns the direction of writing.
_MARKS = frozenset(("Mn", "Mc", "Me", "Cf"))


class Panicked(Exception):
    """Typst met a bug of its own."""


def pdf(template: str, said: Mapping[str, Any], *, pictures: Mapping[str, bytes], at: datetime) -> bytes:
    """The document as a PDF that says it was made `at`: the same input gives the same bytes.

    The template reads `said` by `json(bytes(sys.inputs.said))`, and pictures by their names. What is said is data and
    never code, whatever it looks like. May run in any thread, and leaves the others free to run meanwhile.
    """
    try:
        return _set(template, said, pictures, at)
    except Panicked:
        return _set(template, _without_marks(said), pictures, at)


def _set(template: str, said: Any, pictures: Mapping[str, bytes], at: datetime) -> bytes:
    inputs = {"said": orjson.dumps(said).decode()}
    # Typst takes texts from memory, but pictures from files only. It sees no other files than those in its root.
    with TemporaryDirectory(prefix="reevit-") as root:
        for name, picture in pictures.items():
            Path(root, name).write_bytes(picture)
        compiler = typst.Compiler(root=root, font_paths=_fonts())
        try:
            document = compiler.compile(
                template.encode(), format="pdf", sys_inputs=inputs, timestamp=int(at.timestamp())
            )
        except BaseException as error:
            # Of what Rust calls a panic, Python makes something that is no Exception: it would pass by whoever
            # answers 500 or tries again later.
            if type(error).__name__ == "PanicException":
                raise Panicked(str(error)) from None
            raise
    assert isinstance(document, bytes), "one file was asked for"
    return document


def _without_marks(said: Any) -> Any:
    """The same with letters alone: no text of letters alone is known that Typst fails at.

    It does at what no language writes: hundreds of marks on one letter, or a mark of India on a letter of Hebrew with
    a joiner behind it. Such a name is printed in a simpler form rather than not at all.
    """
    if isinstance(said, str):
        return "".join(letter for letter in said if unicodedata.category(letter) not in _MARKS)
    if isinstance(said, Mapping):
        return {name: _without_marks(value) for name, value in said.items()}
    if isinstance(said, list | tuple):
        return [_without_marks(value) for value in said]
    return said


@functools.cache
def _fonts() -> typst.Fonts:
    """Noto Sans for many scripts, from a package; the machine's own fonts would make each machine's paper differ."""
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(files("manimgx_fonts"))],
    )
