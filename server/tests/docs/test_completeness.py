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
        PREFIX + name.upper(): "" if field.default is None else _written(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert rows == expected


def test_every_operation_is_documented():
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md")))
    documented = {(method, _nameless(path)) for method, path in _OPERATION.findall(text)}
    documented |= {("GET", path) for path in re.findall(r"^\| `(/[a-z]+)` \|", text, re.MULTILINE)}
    # What says that a customer's operations go by external_id too, and need no lines of their own for it.
    assert "`/v1/customers/external/{external_id}` works too" in text
    missing = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if (method, _nameless(route.path)) not in documented
    }
    assert not missing


def test_every_figure_for_prometheus_is_documented():
    sources = Path(reevit_server.__file__).parent.rglob("metrics.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(reevit_[a-z_]+)", page, re.MULTILINE))
    assert set(re.findall(r'"(reevit_[a-z_]+)"', text)) == documented


def _kinds(error: type[AppError]) -> Iterator[type[AppError]]:
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)


def _written(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _nameless(path: str) -> str:
    """A path whose parameters have no names; a customer's by external_id is the same as by id."""
    by_id = re.sub(r"^/v1/customers/external/\{\w+\}(?=/|$)", "/v1/customers/{}", path)
    return re.sub(r"\{\w+\}", "{}", by_id)
