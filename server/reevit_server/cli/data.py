"""`reevit import` and `reevit export`: a merchant's history in and out of files of any size."""

import functools
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple, NoReturn, TextIO

import typer

from reevit_server import customers, payments
from reevit_server.cli import importing
from reevit_server.cli.connection import (
    DatabaseUrl,
    DataDir,
    Json,
    ModeOption,
    Org,
    mode_of,
    run,
    scope_of,
    stderr,
)
from reevit_server.core import bulk, tabular
from reevit_server.core.database import Database
from reevit_server.core.money import to_major_units
from reevit_server.core.scope import Mode
from reevit_server.core.tabular import Format, Lines, UnreadableTable

File = Annotated[str, typer.Argument(metavar="FILE", help="A .csv or .jsonl file; - reads standard input.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="column=field says what a column means, column= drops it. Repeatable."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and store nothing.")]
Amounts = Annotated[str, typer.Option(help="minor: integers of minor units. major: decimals such as 29.33.")]
Report = Annotated[Path | None, typer.Option(help="A CSV of every refused row: line, field, code, reason.")]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="csv or jsonl; default: what the file's name says.")
]
Output = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Where to write, whole or not at all; default: standard output."),
]

import_cli = typer.Typer(help="Load history from files.", no_args_is_help=True)
export_cli = typer.Typer(help="Write everything to files that import takes back.", no_args_is_help=True)


class _Order(NamedTuple):
    """What one import is told."""

    noun: str
    how: bulk.Import
    file: str
    format: Format
    renamed: dict[str, str]
    org: str
    mode: Mode
    dry_run: bool
    report: Path | None
    as_json: bool


@import_cli.command("customers")
def import_customers(
    file: File,
    org: Org,
    mode: ModeOption = "test",
    map: Map = None,
    dry_run: DryRun = False,
    report: Report = None,
    format: FormatOption = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create and update customers by external_id.

    Columns: external_id, email, phone, name, tags (; between), metadata.<key>.
    An empty cell leaves what is there; tags are replaced, metadata is merged.

    Exit status 1 when rows were refused; the good ones are in.
    """
    order = _Order(
        noun="customers",
        how=customers.IMPORT,
        file=file,
        format=_format(format, file),
        renamed=_renamed(map),
        org=org,
        mode=mode_of(mode),
        dry_run=dry_run,
        report=report,
        as_json=as_json,
    )
    _import(order, functools.partial(run, data_dir=data_dir, database_url=database_url))


@import_cli.command("payments")
def import_payments(
    file: File,
    org: Org,
    mode: ModeOption = "test",
    map: Map = None,
    dry_run: DryRun = False,
    amounts: Amounts = "minor",
    report: Report = None,
    format: FormatOption = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Record payments made before or elsewhere; a reference is one payment, however often it is imported.

    Columns: reference, external_customer_id or customer_id, amount, currency,
    status (succeeded, failed, refunded, partially_refunded with
    amount_refunded), method, provider, provider_ref_id, occurred_at (20260131,
    2026-01-31 or 2026-01-31T09:30:00Z), description, country, fee_amount,
    failure_code, failure_message, metadata.<key>.

    An unknown external_customer_id opens the customer. Exit status 1 when rows
    were refused; the good ones are in.
    """
    if amounts not in ("minor", "major"):
        raise typer.BadParameter("choose minor or major", param_hint="--amounts")
    order = _Order(
        noun="payments",
        how=payments.import_of(major=amounts == "major"),
        file=file,
        format=_format(format, file),
        renamed=_renamed(map),
        org=org,
        mode=mode_of(mode),
        dry_run=dry_run,
        report=report,
        as_json=as_json,
    )
    _import(order, functools.partial(run, data_dir=data_dir, database_url=database_url))


@export_cli.command("customers")
def export_customers(
    org: Org,
    mode: ModeOption = "test",
    format: FormatOption = None,
    output: Output = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write every customer's profile. One without an external_id is named by its id."""
    command = _exporting(customers.EXPORT, org, mode_of(mode), format, output)
    run(command, data_dir=data_dir, database_url=database_url)


@export_cli.command("payments")
def export_payments(
    org: Org,
    mode: ModeOption = "test",
    format: FormatOption = None,
    output: Output = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write every payment that succeeded or failed, with what was refunded; not those under way or canceled.

    A payment without a reference is named by its id, and so is a customer without an external_id.
    """
    command = _exporting(payments.EXPORT, org, mode_of(mode), format, output)
    run(command, data_dir=data_dir, database_url=database_url)


def _format(given: str | None, name: str, default: Format | None = None) -> Format:
    """What `--format` says, or else the file's name."""
    if given is not None and f".{given}" not in tabular.FORMATS:
        raise typer.BadParameter("choose csv or jsonl", param_hint="--format")
    found = tabular.FORMATS.get(Path(name).suffix.lower() if given is None else f".{given}", default)
    if found is None:
        raise typer.BadParameter(f"is {name} csv or jsonl? Say --format.", param_hint="--format")
    return found


def _renamed(options: list[str] | None) -> dict[str, str]:
    renamed = {}
    for option in options or []:
        column, equals, name = option.rpartition("=")
        if not equals:
            raise typer.BadParameter(
                f"{option}: write column=field, or column= to drop it", param_hint="--map"
            )
        renamed[column] = name.strip()
    return renamed


def _import(order: _Order, against: Callable[[Any], Any]) -> None:
    """The file is opened and its columns are checked before anything else, the database included."""
    # A batch is many objects without cycles; looking for some took a quarter of Python's time.
    gc.set_threshold(100_000)
    with ExitStack() as stack:
        try:
            source: BinaryIO = sys.stdin.buffer
            if order.file != "-":
                source = stack.enter_context(Path(order.file).open("rb"))
            report = _report(order, stack)
            size = None if order.file == "-" else os.fstat(source.fileno()).st_size
            table = importing.Table(Lines(source), order.format, order.how, order.renamed)
            first = table.take()
        except OSError as error:
            _refuse(f"{error.filename or order.file}: {error.strerror}.")
        except UnreadableTable as error:
            _refuse(str(error))
        refusals = importing.Refusals(report)

        async def command(db: Database) -> bulk.Loaded:
            scope = await scope_of(db, order.org, order.mode)
            with importing.progress_bar(order.noun, size) as progress:
                return await importing.load(
                    db, scope, order.how, table, first, refusals, dry_run=order.dry_run, progress=progress
                )

        loaded = against(command)
    if refusals.untold:
        importing.tell(f"... and {refusals.untold:,} more; --report FILE keeps all of them.")
    _summarize(order, loaded)
    if refusals.count:
        raise typer.Exit(1)


def _report(order: _Order, stack: ExitStack) -> TextIO | None:
    if order.report is None:
        return None
    if order.report.exists() and order.file != "-" and order.report.samefile(order.file):
        _refuse("--report names the file that is to be read; choose another.")
    return stack.enter_context(order.report.open("w", encoding="utf-8", newline=""))


def _refuse(message: str) -> NoReturn:
    """Ends the command before it has begun."""
    stderr.print("[red]Error:[/red]", end=" ")
    importing.tell(message)
    raise typer.Exit(2)


def _summarize(order: _Order, loaded: bulk.Loaded) -> None:
    counts = {name: loaded.counts[name] for name in ("read", *order.how.counts, "refused")}
    if order.as_json:
        amounts = {"amounts": dict(sorted(loaded.amounts.items()))} if order.how.money else {}
        typer.echo(json.dumps({"noun": order.noun, "dry_run": order.dry_run, **counts, **amounts}))
        return
    words = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    typer.echo(f"{order.noun}: {words}{' (dry run: nothing was stored)' if order.dry_run else ''}")
    for currency, amount in sorted(loaded.amounts.items()):
        typer.echo(f"created: {currency} {to_major_units(amount, currency)}")


def _exporting(
    how: bulk.Export, org: str, mode: Mode, given: str | None, output: Path | None
) -> Callable[[Database], Any]:
    """The command that writes a noun's rows as they are at one instant."""
    format = _format(given, str(output or ""), "csv")
    if output is not None and not output.resolve().parent.is_dir():
        _refuse(f"There is no folder {output.parent} to write to.")

    async def command(db: Database) -> None:
        scope = await scope_of(db, org, mode)
        async with db.snapshot() as conn:
            await bulk.unhurried(conn)
            keys = await how.metadata_keys(conn, scope) if format == "csv" else []
            if len(keys) > bulk.METADATA_COLUMNS_MAX:
                _refuse(
                    f"More than {bulk.METADATA_COLUMNS_MAX} metadata keys are too many columns: use --format jsonl."
                )
            with _written(output) as out:
                writer: tabular.CsvWriter | tabular.JsonlWriter = (
                    tabular.CsvWriter(out, how.columns, map_name="metadata", keys=keys)
                    if format == "csv"
                    else tabular.JsonlWriter(out, how.columns)
                )
                async for row in how.rows(conn, scope):
                    writer.write(row)

    return command


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is there when it is whole; only its owner may read it."""
    if output is None:
        out = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield out
        finally:
            out.detach()  # flushes it, and leaves standard output open
        return
    if output.exists() and not output.is_file():  # a pipe or a device: nothing to put in its place
        with output.open("w", encoding="utf-8", newline="") as out:
            yield out
        return
    target = output.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
            out.flush()
            os.fsync(descriptor)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
