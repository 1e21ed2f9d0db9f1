"""`reevit orgs`: the merchants of this installation."""

import json
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import pydantic
import typer
from rich.markup import escape

from reevit_server import api_keys, organizations
from reevit_server.cli.connection import DatabaseUrl, DataDir, Json, name_of, run, stdout
from reevit_server.core import pictures
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.money import EXPONENTS
from reevit_server.core.scope import Scope
from reevit_server.organizations import Seller, SellerPatch

cli = typer.Typer(help="Organizations.", no_args_is_help=True)

_OPTIONS = {
    "seller_name": "--seller-name",
    "seller_address": "--seller-address",
    "seller_logo": "--logo",
    "tax_line": "--tax-line",
    "locale": "--locale",
}


def _currency(code: str) -> str:
    if code not in EXPONENTS:
        raise typer.BadParameter(f"{code} is not a currency of ISO 4217; use a code such as GHS, NGN or KES")
    return code


async def create_with_keys(db: Database, *, name: str, currency: str) -> dict[str, str]:
    """A new organization with its first key of each mode."""
    now = utc_now()
    async with db.transaction() as conn:
        org = await organizations.create(conn, name=name, currency=currency, now=now)
        _, test_key = await api_keys.create(conn, Scope(org["id"], "test"), name="first test key", now=now)
        _, live_key = await api_keys.create(conn, Scope(org["id"], "live"), name="first live key", now=now)
    return {"org_id": org["id"], "name": org["name"], "test_key": test_key, "live_key": live_key}


@cli.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Its name.")],
    currency: Annotated[
        str,
        typer.Option(callback=_currency, help="ISO 4217; what rankings speak of when a request names none."),
    ] = "GHS",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create an organization and its first two keys, which are shown this once."""
    given = name_of(name, "NAME")

    async def command(db: Database) -> dict[str, str]:
        return await create_with_keys(db, name=given, currency=currency)

    created = run(command, data_dir=data_dir, database_url=database_url)
    if as_json:
        typer.echo(json.dumps(created))
        return
    stdout.print(f"Organization [bold]{escape(created['name'])}[/bold]  {created['org_id']}")
    stdout.print(f"test key  {created['test_key']}")
    stdout.print(f"live key  {created['live_key']}")
    stdout.print("Keep the keys now: only their hashes are stored.")


@cli.command("list")
def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List organizations, the oldest first."""

    async def command(db: Database) -> list[asyncpg.Record]:
        return [row async for row in organizations.every(db)]

    rows: list[Any] = run(command, data_dir=data_dir, database_url=database_url)
    for row in rows:
        org = {"org_id": row["id"], "name": row["name"], "currency": row["currency"]}
        typer.echo(json.dumps(org) if as_json else "  ".join(org.values()))


@cli.command("update")
def update(
    org_id: Annotated[str, typer.Argument(help="The organization's id, org_…")],
    name: Annotated[str | None, typer.Option(help="Its name.")] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217; what rankings speak of when a request names none.")
    ] = None,
    seller_name: Annotated[
        str | None, typer.Option(help='Who sells, as invoices say it; "" for the name of the organization.')
    ] = None,
    seller_address: Annotated[
        str | None, typer.Option(help='For invoices, such as "12 Oxford St\\nAccra": \\n begins a line.')
    ] = None,
    logo: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="For invoices: a PNG or JPEG file.")
    ] = None,
    no_logo: Annotated[bool, typer.Option("--no-logo", help="Invoices without a logo.")] = False,
    tax_line: Annotated[
        str | None, typer.Option(help='What invoices end with, such as "VAT included"; "" for nothing.')
    ] = None,
    locale: Annotated[
        str | None, typer.Option(help="How invoices say words, amounts and days: en-GH, fr-SN, sw-KE …")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change an organization and how its invoices name the seller, and show it. What is not given stays."""
    new_name = None if name is None else name_of(name, "--name")
    new_currency = None if currency is None else _currency(currency)
    texts = {"seller_name": seller_name, "tax_line": tax_line}
    given: dict[str, Any] = {field: text or None for field, text in texts.items() if text is not None}
    if seller_address is not None:
        given["seller_address"] = seller_address.replace("\\n", "\n")
    if locale is not None:
        given["locale"] = locale
    if logo is not None or no_logo:
        given["seller_logo"] = _logo(logo, no_logo=no_logo)
    patch = _patch(given)

    async def command(db: Database) -> tuple[asyncpg.Record, Seller]:
        async with db.transaction() as conn:
            org = await organizations.update(conn, id=org_id, name=new_name, currency=new_currency)
            return org, await organizations.update_seller(conn, id=org_id, patch=patch)

    org, seller = run(command, data_dir=data_dir, database_url=database_url)
    _show(org, seller, as_json=as_json)


def _logo(file: Path | None, *, no_logo: bool) -> bytes | None:
    if file is None:
        return None
    if no_logo:
        raise typer.BadParameter("give --logo or --no-logo, not both", param_hint="--no-logo")
    with file.open("rb") as opened:
        return opened.read(pictures.BYTES_MAX + 1)  # enough to see that it is too large


def _patch(given: dict[str, Any]) -> SellerPatch:
    try:
        return SellerPatch.model_validate(given)
    except pydantic.ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = str(fault["loc"][0])
        raise typer.BadParameter(
            fault["msg"].removeprefix("Value error, "), param_hint=_OPTIONS[field]
        ) from None


def _show(org: asyncpg.Record, seller: Seller, *, as_json: bool) -> None:
    picture = None if seller.logo is None else pictures.picture_of(seller.logo)
    told: dict[str, Any] = {
        "org_id": org["id"],
        "name": org["name"],
        "currency": org["currency"],
        "seller_name": seller.name,
        "seller_address": seller.address,
        "logo": picture and picture._asdict(),
        "tax_line": seller.tax_line,
        "locale": seller.locale,
    }
    if as_json:
        typer.echo(json.dumps(told))
        return
    if picture is not None:
        told["logo"] = f"{picture.kind.upper()}, {picture.width} x {picture.height} pixels"
    for field, value in told.items():
        label = field.replace("_", " ").replace("org id", "id")
        lines = (value or "none").splitlines()
        for at, line in enumerate(lines):
            stdout.print(f"{label if at == 0 else '':<16}{escape(line)}")
