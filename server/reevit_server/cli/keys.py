"""`reevit keys`: API keys from the command line, for the first one and for the day when none is left."""

import json
from typing import Annotated, Any

import asyncpg
import typer

from reevit_server import api_keys
from reevit_server.cli.connection import (
    DatabaseUrl,
    DataDir,
    Json,
    ModeOption,
    Org,
    mode_of,
    name_of,
    run,
    scope_of,
    stdout,
)
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database

cli = typer.Typer(help="API keys.", no_args_is_help=True)


@cli.command("create")
def create(
    org: Org,
    mode: ModeOption = "test",
    name: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="Repeatable, such as customers:read; default: all.")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create a key. It is shown this once."""
    chosen = mode_of(mode)
    if unknown := [right for right in scope or [] if right not in api_keys.SCOPES]:
        raise typer.BadParameter(
            f"{unknown[0]} is no scope; there are {', '.join(api_keys.SCOPES)}", param_hint="--scope"
        )
    given = None if name is None else name_of(name, "--name")

    async def command(db: Database) -> tuple[asyncpg.Record, str]:
        within = await scope_of(db, org, chosen)
        async with db.transaction() as conn:
            return await api_keys.create(conn, within, name=given, scopes=scope or None, now=utc_now())

    row, key = run(command, data_dir=data_dir, database_url=database_url)
    if as_json:
        typer.echo(json.dumps({"id": row["id"], "mode": row["mode"], "scopes": row["scopes"], "key": key}))
    else:
        stdout.print(f"{row['id']}  {row['mode']}\n{key}\nKeep it now: only its hash is stored.")


@cli.command("list")
def list_(
    org: Org,
    mode: ModeOption = "test",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List an organization's keys of one mode, the newest first."""
    chosen = mode_of(mode)

    async def command(db: Database) -> list[asyncpg.Record]:
        within = await scope_of(db, org, chosen)
        return [row async for row in api_keys.every(db, within)]

    rows: list[Any] = run(command, data_dir=data_dir, database_url=database_url)
    for row in rows:
        state = "revoked" if row["revoked_at"] else "active"
        if as_json:
            typer.echo(
                json.dumps({"id": row["id"], "prefix": row["prefix"], "name": row["name"], "state": state})
            )
        else:
            typer.echo(f"{row['id']}  {row['prefix']}  {state}  {row['name'] or ''}".rstrip())


@cli.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, key_…")],
    org: Org,
    mode: ModeOption = "test",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke a key: it stops within a second, also in a running server."""
    chosen = mode_of(mode)

    async def command(db: Database) -> None:
        within = await scope_of(db, org, chosen)
        async with db.transaction() as conn:
            await api_keys.revoke(conn, within, id=key_id, now=utc_now())

    run(command, data_dir=data_dir, database_url=database_url)
    typer.echo(f"{key_id} is revoked.")
