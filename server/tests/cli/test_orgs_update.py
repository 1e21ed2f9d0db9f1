"""`reevit orgs update`: an organization and what its invoices say of it, from the operator's terminal."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from reevit_server import organizations
from reevit_server.cli import cli
from reevit_server.core.database import Database
from reevit_server.core.errors import AppError
from tests.makers import Merchant
from tests.pictures import JPEG, png

Update = Callable[..., Any]


@pytest.fixture
def update(merchant: Merchant, dsn: str) -> Update:
    """The command for this organization. In a thread: it brings its own event loop."""

    async def run(*arguments: str, org: str = merchant.org_id) -> Result:
        words = ["orgs", "update", org, *arguments, "--database-url", dsn]
        return await asyncio.to_thread(CliRunner().invoke, cli, words)

    return run


async def told(update: Update, *arguments: str) -> dict[str, Any]:
    """What is set then, for machines."""
    result = await update(*arguments, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def file(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


async def test_without_options_it_shows_what_is_set(update: Update, merchant: Merchant):
    shown = await told(update)
    name = shown["name"]
    assert shown == {
        "org_id": merchant.org_id,
        "name": name,
        "currency": "GHS",
        "seller_name": name,
        "seller_address": "",
        "logo": None,
        "tax_line": None,
        "locale": "en",
    }


async def test_only_what_is_given_changes(update: Update, tmp_path: Path):
    logo = file(tmp_path, "logo.png", png())
    at_first = await told(update)
    steps = (
        (("--seller-name", "Kofi & Daughters Ltd"), {"seller_name": "Kofi & Daughters Ltd"}),
        (("--seller-address", r"12 Oxford St\nAccra"), {"seller_address": "12 Oxford St\nAccra"}),
        (("--logo", logo), {"logo": {"kind": "png", "width": 6, "height": 4}}),
        (("--tax-line", "VAT included"), {"tax_line": "VAT included"}),
        (("--locale", "en_gh"), {"locale": "en-GH"}),
        (("--name", "My shop"), {"name": "My shop"}),
        (("--currency", "NGN"), {"currency": "NGN"}),
        (("--no-logo",), {"logo": None}),
        (("--tax-line", "", "--seller-address", ""), {"tax_line": None, "seller_address": ""}),
        (("--seller-name", ""), {"seller_name": "My shop"}),
    )
    expected = at_first
    for arguments, changed in steps:
        expected = expected | changed
        assert await told(update, *arguments) == expected, arguments
    assert await told(update) == expected


async def test_an_address_may_have_real_line_ends_too(update: Update):
    shown = await told(update, "--seller-address", "12 Oxford St\nAccra")
    assert shown["seller_address"] == "12 Oxford St\nAccra"


async def test_the_logo_is_kept_as_it_is(update: Update, merchant: Merchant, db: Database, tmp_path: Path):
    shown = await told(update, "--logo", file(tmp_path, "logo.any", JPEG))
    assert shown["logo"] == {"kind": "jpeg", "width": 16, "height": 8}
    async with db.read() as conn:
        assert (await organizations.get_seller(conn, id=merchant.org_id)).logo == JPEG


async def test_people_are_told_the_same(update: Update, tmp_path: Path, merchant: Merchant):
    result = await update(
        "--name", "Ama [/b] & sons", "--seller-address", r"12 [red]\nAccra", "--locale", "fr-SN",
        "--logo", file(tmp_path, "logo.png", png()),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["id", merchant.org_id],
        ["name", "Ama [/b] & sons"],
        ["currency", "GHS"],
        ["seller", "name     Ama [/b] & sons"],
        ["seller", "address  12 [red]"],
        ["Accra"],
        ["logo", "PNG, 6 x 4 pixels"],
        ["tax", "line        none"],
        ["locale", "fr-SN"],
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--locale", "en-XX"), "--locale: 'en-XX' is no locale; use one such as en-GH"),
        (("--locale", ""), "is no locale"),
        (("--currency", "ghs"), "ISO 4217"),
        (("--currency", ""), "ISO 4217"),
        (("--name", ""), "--name"),
        (("--name", "x" * 201), "1 to 200"),
        (("--seller-name", "x" * 201), "--seller-name"),
        (("--seller-name", "\t"), "--seller-name"),
        (("--tax-line", "two\nlines"), "--tax-line"),
        (("--seller-address", r"\n".join("x" * 11)), "at most 10 lines"),
        (("--seller-address", "x" * 501), "--seller-address"),
        (("--logo", "missing.png"), "does not exist"),
        (("--logo", "{folder}"), "is a directory"),
        (("--logo", "{folder}/notes.txt"), "--logo: it is neither a PNG nor a JPEG"),
        (("--logo", "{folder}/half.png"), "damaged"),
        (("--logo", "{folder}/large.png"), "262,144 bytes"),
        (("--logo", "{folder}/wide.png"), "4,000,000"),
        (("--logo", "{folder}/good.png", "--no-logo"), "not both"),
    ],
    ids=str,
)
async def test_a_wrong_value_is_explained_and_changes_nothing(
    update: Update, tmp_path: Path, arguments: tuple[str, ...], said: str
):
    pictures = {
        "notes.txt": b"no picture",
        "half.png": png(40, 40, rows=20),
        "large.png": png() + bytes(256 * 1024),
        "wide.png": png(4_000_001, 1),
        "good.png": png(),
    }
    for name, data in pictures.items():
        file(tmp_path, name, data)
    before = await told(update)
    words = [word.replace("{folder}", str(tmp_path)) for word in arguments]
    result = await update("--tax-line", "VAT", *words)
    assert result.exit_code == 2
    assert said.lower() in " ".join(result.stderr.replace("│", " ").split()).lower()
    assert await told(update) == before


async def test_an_organization_that_is_not_there_is_said_in_one_sentence(update: Update):
    result = await update("--locale", "fr", org="org_unknown")
    assert result.exit_code == 1
    assert isinstance(result.exception, AppError)
    assert "org_unknown" in result.exception.message
