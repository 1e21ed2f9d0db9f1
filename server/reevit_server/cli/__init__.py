"""`reevit`: the operator's command line. Third composition root, beside `app.py` and `worker.py`."""

import sys

import typer

from reevit_server.cli import data, keys, listen, maintenance, orgs, serve, trigger, work
from reevit_server.cli.client import Refused, Unreachable
from reevit_server.cli.connection import UnreachableDatabase, fail
from reevit_server.cli.port import CannotListenError
from reevit_server.core.embedded import EmbeddedPostgresError
from reevit_server.core.errors import AppError
from reevit_server.core.migrations import MigrationError
from reevit_server.core.sealing import WrongMasterKey
from reevit_server.settings import SettingsError

cli = typer.Typer(
    name="reevit",
    help="The customer registry for payments. Every command works whether or not the server runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.command("serve")(serve.serve)
cli.command("work")(work.work)
cli.add_typer(orgs.cli, name="orgs")
cli.add_typer(keys.cli, name="keys")
cli.add_typer(data.import_cli, name="import")
cli.add_typer(data.export_cli, name="export")
cli.command("migrate")(maintenance.migrate)
cli.command("verify")(maintenance.verify)
cli.command("listen")(listen.listen)
cli.command("trigger")(trigger.trigger)


def main() -> None:
    """Runs a command. Expected trouble is one sentence on standard error and exit status 1."""
    try:
        cli()
    except (
        SettingsError,
        CannotListenError,
        EmbeddedPostgresError,
        MigrationError,
        UnreachableDatabase,
        Refused,
        Unreachable,
    ) as error:
        sys.exit(fail(str(error)))
    except WrongMasterKey:
        sys.exit(
            fail(
                "The secrets in this database were sealed with another master key. Set REEVIT_MASTER_KEY to "
                "that one; with the embedded database, put its file master.key back into the data directory."
            )
        )
    except AppError as error:
        sys.exit(fail(error.message))
