"""`reevit orgs`: the merchants of this installation."""

import json
from typing import Annotated, Any

import asyncpg
import typer
from rich.markup import escape

from reevit_server import api_keys, organizations
from reevit_server.cli.connection import DatabaseUrl, DataDir, Json, name_of, run, stdout
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.money import EXPONENTS
from reevit_server.core.scope import Scope

cli = typer.Typer(help="Organizations.", no_args_is_help=True)


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
