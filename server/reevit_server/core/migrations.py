"""The schema's history: numbered SQL files, applied forward, each once and each whole."""

import hashlib
import re
from importlib import resources
from typing import NamedTuple

import asyncpg

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 7_235_481_901_223  # any number, the same in every version: only one process migrates at a time


_LOCK_TIMEOUT = "10s"  # on tables: who waits for longer makes all others wait behind


class MigrationError(Exception):
    """The database's schema and this version of the program do not fit together."""


class Migration(NamedTuple):
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known() -> list[Migration]:
    """The migrations that this version carries, in order."""
    files = [
        file for file in resources.files("reevit_server.migrations").iterdir() if _FILE.fullmatch(file.name)
    ]
    return [
        Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    ]


async def migrate(dsn: str) -> list[str]:
    """Brings the schema up to this version; the names of what was applied, empty when nothing was to do.

    A newer schema than ours is left alone: migrations are such that the previous version's code runs on them.
    Raises MigrationError when an applied migration was edited since.
    """
    conn = await asyncpg.connect(dsn, server_settings={"application_name": "reevit migrate"})
    try:
        await conn.execute("SET lock_timeout = 0")  # another's migrations take as long as they take
        await conn.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await conn.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        await conn.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                number integer PRIMARY KEY,
                name text NOT NULL,
                sha256 text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        rows = await conn.fetch("SELECT number, sha256 FROM schema_migrations")
        applied: dict[int, str] = {row["number"]: row["sha256"] for row in rows}
        names = []
        for migration in known():
            if migration.number in applied:
                _check_unchanged(migration, applied[migration.number])
                continue
            await _apply(conn, migration)
            names.append(migration.name)
        return names
    finally:
        await conn.close()


def _check_unchanged(migration: Migration, sha256: str) -> None:
    if sha256 != migration.sha256:
        raise MigrationError(
            f"{migration.name} was changed after it was applied to this database. "
            "Put the file back as it was, and write the change as a new migration."
        )


async def _apply(conn: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with conn.transaction():
            await conn.execute(migration.sql)
            await conn.execute(
                "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.LockNotAvailableError:
        raise MigrationError(
            f"{migration.name} waited {_LOCK_TIMEOUT} for a table that somebody else uses, and gave up. "
            "Nothing of it was done; try again when the servers are less busy, or stopped."
        ) from None
