"""Nothing is undocumented: every error code, every setting, every operation, every figure has its line."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import APIRoute

import reevit_server
from reevit_server.app import ROUTERS
from reevit_server.core.errors import AppError
from reevit_server.settings import PREFIX, Settings

DOCS = Path(__file__).parents[3] / "docs"
# Codes of a class itself, for what has no better one; the page names them together.
_BY_CLASS = {"not_found", "gone", "forbidden", "conflict", "unprocessable"}
_OPERATION = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
# How a fault of a field is named: `ValidationError.of(field, code, ..)`, a rule's `_fault(field, code, ..)`, or a
# dictionary that is written out.
_FAULT = re.compile(r"""(?:ValidationError\.of|_fault)\(\s*[^,()]+,\s*"(\w+)"|"code": "(\w+)\"""")


def test_every_error_code_is_documented_with_its_status():
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    section = page.partition("## Every code\n")[2].partition("\n## ")[0]
    rows = set(re.findall(r"^\| `(\w+)` \| (\d{3}) \| \S", section, re.MULTILINE))
    for module in pkgutil.walk_packages(reevit_server.__path__, "reevit_server."):
        importlib.import_module(module.name)
    missing = {
        (error.code, str(error.status))
        for error in _kinds(AppError)
        if error.code not in _BY_CLASS and (error.code, str(error.status)) not in rows
    }
    assert not missing
    known = {(error.code, str(error.status)) for error in _kinds(AppError)}
    assert rows <= known, "the page tells of codes that are no more"
    assert all(f"`{code}`" in section for code in _BY_CLASS)


def test_every_setting_is_documented_with_its_default():
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]*\| (?:`([^`]*)`|none) \| \S", page, re.MULTILINE))
    expected = {
        PREFIX + name.upper(): "" if field.default in (None, ()) else _written(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert rows == expected


def test_every_operation_is_documented():
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md")))
    documented = {(method, _nameless(path)) for method, path in _OPERATION.findall(text)}
    documented |= {("GET", path) for path in re.findall(r"^\| `(/[a-z]+)` \|", text, re.MULTILINE)}
    # What says that a customer's operations go by external_id too, and need no lines of their own for it.
    assert "`/v1/customers/external/{external_id}` works too" in text
    assert "`/v1/workflows` is the same as `/v1/workflows/rules`" in text
    missing = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if (method, _nameless(route.path)) not in documented
    }
    assert not missing


def test_every_fault_of_a_field_is_documented():
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    section = page.partition("## Faults of a field\n")[2].partition("\n## ")[0]
    documented = {
        code for row in section.splitlines() for code in re.findall(r"`(\w+)`", row.rpartition(" | ")[0])
    }
    sources = Path(reevit_server.__file__).parent.rglob("*.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    used = {code for found in _FAULT.findall(text) for code in found if code}
    assert len(used) > 10
    assert used <= documented


def test_every_figure_for_prometheus_is_documented():
    sources = Path(reevit_server.__file__).parent.rglob("metrics.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(reevit_[a-z_]+)", page, re.MULTILINE))
    assert set(re.findall(r'"(reevit_[a-z_]+)"', text)) == documented


def test_every_link_of_a_page_leads_to_a_page_and_a_title_on_it():
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    links = [(page, link) for page in pages for link in _LINK.findall(_FENCED.sub("", _read(page)))]
    assert len(links) > 100
    for page, link in links:
        file, _, title = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page.name}: {link}"
        assert not title or title in _titles(target), f"{page.name}: {link}"


def _titles(page: Path) -> set[str]:
    """The titles of a page as a link names them: small letters, hyphens for blanks, no punctuation."""
    titles = re.findall(r"^#+ (.+)$", _FENCED.sub("", _read(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _kinds(error: type[AppError]) -> Iterator[type[AppError]]:
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)


def _written(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _nameless(path: str) -> str:
    """A path whose parameters have no names, in the one spelling of those that have two: a customer's by id, a rule's
    below /v1/workflows/rules.
    """
    by_id = re.sub(r"^/v1/customers/external/\{\w+\}(?=/|$)", "/v1/customers/{}", path)
    of_rules = re.sub(r"^/v1/workflows(?=/\{|$)", "/v1/workflows/rules", by_id)
    return re.sub(r"\{\w+\}", "{}", of_rules)
