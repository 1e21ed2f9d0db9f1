"""What the package shows, and what it needs."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import reevit
from reevit import AsyncReevit, Reevit
from tests.answers import KEY

HERE = Path(reevit.__file__).parent
SOURCES = sorted(HERE.rglob("*.py"))
README = HERE.parent / "README.md"

OF_011 = {
    "Reevit",
    "ReevitAPIError",
    "WebhookVerificationError",
    "__version__",
    "construct_event",
    "sign_webhook_payload",
    "verify_webhook_signature",
    "verify_webhook_signature_with_tolerance",
}
ERRORS = {
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "InvalidRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "ReevitConnectionError",
    "ReevitError",
    "ReevitTimeoutError",
    "ServerError",
    "UnavailableError",
    "UnexpectedAnswer",
    "UnprocessableError",
}
TO_ANNOTATE = {
    "AsyncPage",
    "Attempt",
    "ByExternalId",
    "Customer",
    "Event",
    "Invoice",
    "Message",
    "Model",
    "Page",
    "Payment",
    "Refund",
    "Rule",
    "Subscription",
    "Template",
}

DEPENDENCIES = {"httpx", "pydantic"}
COME_WITH_THEM = {"anyio": "httpx", "pydantic_core": "pydantic", "typing_extensions": "pydantic"}


def test_it_exports_what_is_promised_and_no_more():
    assert set(reevit.__all__) == OF_011 | ERRORS | TO_ANNOTATE | {"AsyncReevit"}
    assert reevit.__all__ == sorted(reevit.__all__)
    assert [name for name in reevit.__all__ if not hasattr(reevit, name)] == []


def test_what_the_readme_imports_is_exported():
    lines = re.findall(r"^from reevit import (.+)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    found = {name for line in lines for name in line.split(", ")}
    assert {"Reevit", "AsyncReevit", "ConflictError"} <= found <= set(reevit.__all__)


def _modules() -> Iterator[ModuleType]:
    yield reevit
    for module in pkgutil.walk_packages(reevit.__path__, "reevit."):
        yield importlib.import_module(module.name)


def _public_members() -> Iterator[tuple[str, Any]]:
    """Classes and functions that a public module defines or the front exports, and their methods."""
    for module in _modules():
        if any(part.startswith("_") for part in module.__name__.split(".")):
            continue
        for name, member in vars(module).items():
            here = getattr(member, "__module__", None) == module.__name__ or name in reevit.__all__
            if not name.startswith("_") and here and (inspect.isclass(member) or inspect.isfunction(member)):
                yield f"{module.__name__}.{name}", member


MEMBERS = dict(_public_members())


@pytest.mark.parametrize("module", [module.__name__ for module in _modules()])
def test_every_module_says_what_it_is_for(module: str):
    assert sys.modules[module].__doc__


@pytest.mark.parametrize("member", MEMBERS)
def test_every_public_class_and_function_has_a_docstring(member: str):
    assert MEMBERS[member].__doc__


@pytest.mark.parametrize("member", [name for name, member in MEMBERS.items() if inspect.isclass(member)])
def test_every_public_method_has_a_docstring(member: str):
    names = [name for name in vars(MEMBERS[member]) if not name.startswith("_")]
    methods = {name: getattr(MEMBERS[member], name) for name in names}
    bare = [
        name
        for name, method in methods.items()
        if (callable(method) or isinstance(method, property)) and not inspect.getdoc(method)
    ]
    assert bare == []


@pytest.mark.parametrize("kind", [Reevit, AsyncReevit])
def test_a_method_shows_its_own_signature_and_docstring(kind: Any):
    create = kind(KEY).customers.create
    assert list(inspect.signature(create).parameters) == ["data", "idempotency_key", "fields"]
    assert (create.__name__, create.__doc__.split(".")[0]) == ("create", "Creates a customer")


def test_importing_it_warns_of_nothing_and_says_nothing():
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        "import reevit, reevit.client, reevit.webhooks, reevit.errors",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_it_builds_no_adapters_of_models_that_nobody_asked_for():
    """They are made when the first attribute is read: a program that starts often does not pay for all of them."""
    code = "import reevit; from reevit._model import _richer; print(_richer.cache_info().currsize)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "0"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(HERE)))
def test_it_is_written_in_what_python_3_10_can_read(source: Path):
    tree = ast.parse(source.read_text(), feature_version=(3, 10))
    assert tree.body or source.stat().st_size == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(HERE)))
def test_it_imports_only_what_it_depends_on(source: Path):
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").split(".")[0])
    assert imported - {"reevit", "__future__"} - set(sys.stdlib_module_names) <= DEPENDENCIES | set(
        COME_WITH_THEM
    )


def test_what_it_depends_on_is_what_its_package_says():
    pyproject = (HERE.parent / "pyproject.toml").read_text()
    (listed,) = re.findall(r"^dependencies = \[(.*)\]$", pyproject, re.MULTILINE)
    assert set(re.findall(r'"([a-z]+)>=', listed)) == DEPENDENCIES == set(COME_WITH_THEM.values())


def test_it_tells_type_checkers_that_it_is_typed():
    assert (HERE / "py.typed").exists()


def test_its_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", reevit.__version__)
    assert f"reevit-python/{reevit.__version__} " in Reevit(KEY)._http.headers["User-Agent"]
    assert Reevit(KEY)._http.headers["X-Reevit-Client-Version"] == reevit.__version__
