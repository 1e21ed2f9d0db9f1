"""`reevit migrate`: the schema, brought up to this version."""

import asyncio

import typer

from reevit_server.cli.connection import DatabaseUrl, DataDir, dsn, settings
from reevit_server.core import migrations


def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database's schema up to this version. `reevit serve` does it too."""
    with dsn(settings(data_dir=data_dir, database_url=database_url)) as address:
        applied = asyncio.run(migrations.migrate(address))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("The schema is up to date.")
