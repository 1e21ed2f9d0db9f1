"""Papers that people get: which texts are fit to print, and the ways to a page, a PDF and an answer with one.

What a paper says is its noun's own matter; `templates/paper.html` and `templates/paper.typ` are what all look like.
"""

import base64
import functools
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any

from babel import Locale
from jinja2 import Environment, PackageLoader, StrictUndefined

from reevit_server.core import pictures, typesetting
from reevit_server.core.answer import Answer

# What no page shows: controls but the line's end, halves of characters, and what turns the direction of writing, by
# which a name could make what stands beside it read otherwise.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# To the OpenAPI document a PDF is bytes: no type of JSON, so that no client takes it for text.
PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"contentMediaType": "application/pdf"}}}}
}
# It names a person, and it may change: nobody on the way keeps it.
_PRIVATE = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"private, no-store"))
_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def plain(text: str) -> str:
    """The text without what cannot be printed, and what would change how the texts beside it read."""
    return _UNPRINTABLE.sub(" ", text)


def known(texts: Iterable[str | None]) -> list[str]:
    """Those that there are, fit to print."""
    return [plain(text) for text in texts if text]


def isolated(day: str, locale: Locale) -> str:
    """A day within words of another language, which may be written the other way: isolated, it stays in order."""
    return f"\u2068{day}\u2069" if locale.text_direction == "rtl" else day


def to_html(template: str, said: Mapping[str, Any], *, styles: Iterable[str] = (), logo: bytes | None) -> str:
    """One page that needs nothing else: no script, no font, no picture from elsewhere."""
    style = "\n".join(_file(f"static/{name}") for name in ("paper.css", *styles))
    source = None
    if logo is not None:
        source = f"data:image/{pictures.kind_of(logo)};base64,{base64.b64encode(logo).decode()}"
    return rendered(template, {**said, "style": style, "logo": source})


def to_pdf(template: str, said: Mapping[str, Any], *, logo: bytes | None, at: datetime) -> bytes:
    """Pages of A4, the same bytes for the same paper. Takes some milliseconds: doors do it in a thread."""
    logos = {} if logo is None else {f"logo.{pictures.kind_of(logo)}": logo}
    source = _file("templates/paper.typ") + _file(f"templates/{template}")
    return typesetting.pdf(source, {**said, "logo": next(iter(logos), None)}, pictures=logos, at=at)


def rendered(template: str, said: Mapping[str, Any]) -> str:
    """A template as HTML in which whatever is said is text."""
    return _environment().get_template(template).render(**said)


def html_answer(page: str) -> Answer:
    """The answer with a page, which may load nothing and run nothing."""
    headers = ((b"content-security-policy", _POLICY), *_PRIVATE)
    return Answer(200, page.encode(), content_type=b"text/html; charset=utf-8", headers=headers)


def pdf_answer(document: bytes, *, name: str) -> Answer:
    """The answer with a PDF, which is called `name` when it is saved."""
    headers = ((b"content-disposition", f'inline; filename="{name}.pdf"'.encode()), *_PRIVATE)
    return Answer(200, document, content_type=b"application/pdf", headers=headers)


@functools.cache
def _file(name: str) -> str:
    return files("reevit_server.web").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("reevit_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
