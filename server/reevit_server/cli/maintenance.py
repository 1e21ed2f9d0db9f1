"""`reevit migrate` and `reevit verify`: the schema brought up to date, the totals proven."""

import asyncio
import json
from typing import Annotated

import typer

from reevit_server import analytics, organizations
from reevit_server.cli import connection
from reevit_server.cli.connection import DatabaseUrl, DataDir, Json, dsn, mode_of, run, settings, stderr
from reevit_server.core.database import Database
from reevit_server.core.scope import Mode, Scope

_SHOWN_MAX = 100


def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database's schema up to this version. `reevit serve` does it too."""
    with dsn(settings(data_dir=data_dir, database_url=database_url)) as address:
        applied = asyncio.run(connection.migrate(address))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("The schema is up to date.")


def verify(
    org: Annotated[str | None, typer.Option("--org", help="Only this organization.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="test or live; default: both.")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Fold every total again from payments and refunds. Exit status 1, and the drift listed, if any differs."""
    modes: tuple[Mode, ...] = ("test", "live") if mode is None else (mode_of(mode),)

    async def command(db: Database) -> tuple[int, list[analytics.Drift]]:
        return await _verified(db, org, modes)

    scopes, drift = run(command, data_dir=data_dir, database_url=database_url)
    if as_json:
        typer.echo(json.dumps({"checked": scopes, "drift": [found._asdict() for found in drift]}))
    else:
        for found in drift[:_SHOWN_MAX]:
            typer.echo(
                f"{found.org_id} {found.mode} {found.subject}: {found.figure} is kept as {found.stored}, "
                f"but adds up to {found.recomputed}"
            )
        if len(drift) > _SHOWN_MAX:
            typer.echo(f"... and {len(drift) - _SHOWN_MAX} more; --json lists all.")
        ledgers = "ledger" if scopes == 1 else "ledgers"
        typer.echo(f"drift {len(drift)} in {scopes} {ledgers} (organization and mode)")
    if drift:
        raise typer.Exit(1)


async def _verified(
    db: Database, org: str | None, modes: tuple[Mode, ...]
) -> tuple[int, list[analytics.Drift]]:
    if org is None:
        ids = [row["id"] async for row in organizations.every(db)]
    else:
        async with db.read() as conn:
            ids = [(await organizations.get(conn, id=org))["id"]]
    scopes = [Scope(id, mode) for id in ids for mode in modes]
    drift: list[analytics.Drift] = []
    with stderr.status("Verifying ...") as status:
        for number, scope in enumerate(scopes, 1):
            status.update(f"Verifying {scope.org_id} {scope.mode} ({number} of {len(scopes)}) ...")
            async with db.snapshot() as conn:
                await conn.execute("SET LOCAL statement_timeout = 0")
                drift += [found async for found in analytics.verify(conn, scope)]
    return len(scopes), drift
