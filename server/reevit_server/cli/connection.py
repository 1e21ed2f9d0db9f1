"""How commands reach the data: the embedded database in a folder, or any PostgreSQL by its address."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import asyncpg
import pydantic
import typer
from rich.console import Console
from rich.markup import escape

from reevit_server import organizations
from reevit_server.core import embedded, migrations
from reevit_server.core.database import Database
from reevit_server.core.scope import Mode, Scope
from reevit_server.core.text import ShortName
from reevit_server.settings import Settings, load

T = TypeVar("T")

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the embedded PostgreSQL keeps its data. [REEVIT_DATA_DIR]"),
]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="A PostgreSQL to use instead. [REEVIT_DATABASE_URL]")
]
Org = Annotated[str, typer.Option("--org", help="The organization's id, org_…")]
ModeOption = Annotated[str, typer.Option("--mode", help="test or live")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

_NAME: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(ShortName)

stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


class UnreachableDatabase(Exception):
    """There is no PostgreSQL where --database-url says."""


def fail(message: str) -> int:
    """Says what went wrong on standard error; the exit status."""
    stderr.print(f"[red]Error:[/red] {escape(message)}")
    return 1


def settings(**options: Any) -> Settings:
    """The settings from the environment and a command's options."""
    return load(os.environ, **options)


@contextmanager
def dsn(chosen: Settings) -> Iterator[str]:
    """The database's address; the embedded one runs at least as long as the block."""
    if chosen.database_url is not None:
        yield chosen.database_url
    else:
        with embedded.running(chosen.data_dir) as address:
            yield address


@asynccontextmanager
async def database(address: str) -> AsyncIterator[Database]:
    """The database, with the schema brought up to date."""
    await migrate(address)
    async with await Database.open(address, connections_max=4) as db:
        yield db


async def migrate(address: str) -> list[str]:
    """Brings the schema up to date; the names of what was applied. Raises UnreachableDatabase, MigrationError."""
    try:
        return await migrations.migrate(address)
    except (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.ClientConfigurationError,
    ) as error:
        raise UnreachableDatabase(
            f"The database cannot be reached: {error}. Check --database-url and that PostgreSQL runs."
        ) from None


def run(command: "Any", *, data_dir: Path | None = None, database_url: str | None = None) -> Any:
    """Runs `command(db)` against the chosen database."""

    async def with_database(address: str) -> Any:
        async with database(address) as db:
            return await command(db)

    with dsn(settings(data_dir=data_dir, database_url=database_url)) as address:
        return asyncio.run(with_database(address))


def mode_of(text: str) -> Mode:
    if text == "live":
        return "live"
    if text != "test":
        raise typer.BadParameter("choose test or live", param_hint="--mode")
    return "test"


def name_of(text: str, hint: str) -> str:
    """The name of an organization or a key, by the rules of the API."""
    try:
        return _NAME.validate_python(text)
    except pydantic.ValidationError:
        raise typer.BadParameter(
            "give a name of 1 to 200 characters, at least one of them visible and none a control character",
            param_hint=hint,
        ) from None


async def scope_of(db: Database, org: str, mode: Mode) -> Scope:
    """The organization's scope. Raises OrganizationNotFound."""
    async with db.read() as conn:
        return Scope((await organizations.get(conn, id=org))["id"], mode)
