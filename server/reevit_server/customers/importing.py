"""`reevit import customers`: profiles from a file, batch by batch, each row as if it were put by its external_id.

What is loaded is history: it records no events, so that no receipt and no webhook goes out for it.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from reevit_server.core import bulk
from reevit_server.core.bulk import Loaded, Overtaken
from reevit_server.core.database import Connection, Row
from reevit_server.core.errors import TooMuchMetadata
from reevit_server.core.ids import id_pattern, new_id
from reevit_server.core.scope import Scope
from reevit_server.core.tabular import Fields, Refusal, validated
from reevit_server.core.text import METADATA_KEYS_MAX, merged
from reevit_server.customers.errors import CustomerDeleted
from reevit_server.customers.models import search_terms
from reevit_server.customers.schemas import CustomerUpsert, ExternalIdText

FIELDS = Fields(
    names=("external_id", "email", "phone", "name", "tags", "metadata"),
    required=("external_id",),
    ignored=("created_at",),
    lists=("tags",),
    maps=("metadata",),
)
COUNTS = ("created", "updated", "unchanged")
_OUR_ID = re.compile(id_pattern("cus"))
_BRIEF = "id, external_id, deleted_at"
_WHOLE = f"{_BRIEF}, email, phone, name, tags, metadata"
_PROFILE = ("email", "phone", "name", "tags", "metadata")
_NEW: dict[str, Any] = {"email": None, "phone": None, "name": None, "tags": [], "metadata": {}}
_STAGED = """
    id text COLLATE "C",
    external_id text COLLATE "C",
    email text,
    phone text,
    name text,
    tags text[],
    metadata text,
    search text[]
"""


class CustomerRow(CustomerUpsert):
    """A row of the file: PUT's body and its address. Without an external_id, nothing would know it a second time."""

    external_id: ExternalIdText


def parse(values: dict[str, Any], now: datetime) -> CustomerRow:  # noqa: ARG001 - other nouns' rows depend on it
    """Raises RowRefused."""
    return validated(CustomerRow, values)


async def load(
    conn: Connection, scope: Scope, rows: list[tuple[int, CustomerRow]], *, now: datetime, dry_run: bool
) -> Loaded:
    """Creates and updates customers. Rows are applied in their order: of two for one customer, the later wins.

    Values that a row leaves out stay, tags are replaced, metadata is merged; a row that changes nothing writes
    nothing. A row may name a customer that has no external_id by our id, as an export does.
    """
    loaded = Loaded()
    names = sorted({row.external_id for _, row in rows})
    stored = await _find_named(conn, scope, names, _WHOLE, "" if dry_run else "FOR NO KEY UPDATE")
    if dry_run:
        stored |= await _foreseen(conn, names)
    profiles: dict[str, Row] = {}
    for line, row in rows:
        name = row.external_id
        before = profiles.get(name) or stored.get(name)
        if before is not None and before["deleted_at"] is not None:
            refusal = Refusal(line, "external_id", CustomerDeleted.code, str(CustomerDeleted()).rstrip("."))
            loaded.refusals.append(refusal)
            continue
        profile = _applied(
            row, before or {**_NEW, "external_id": name, "id": new_id("cus"), "deleted_at": None}
        )
        if len(profile["metadata"]) > METADATA_KEYS_MAX:
            refusal = Refusal(line, "metadata", TooMuchMetadata.code, str(TooMuchMetadata()).rstrip("."))
            loaded.refusals.append(refusal)
        elif before is None:
            profiles[name] = profile
            loaded.counts["created"] += 1
        elif _same(before, profile):
            loaded.counts["unchanged"] += 1
        else:
            profiles[name] = profile
            loaded.counts["updated"] += 1
    if dry_run:
        await _foresee(conn, profiles)
        return loaded
    new = [profile for name, profile in profiles.items() if name not in stored]
    changed = [
        profile for name, profile in profiles.items() if name in stored and not _same(stored[name], profile)
    ]
    if new:
        await _insert(conn, scope, new, now=now)
    if changed:
        await _update(conn, scope, changed, now=now)
    return loaded


IMPORT = bulk.Import(FIELDS, COUNTS, parse, load)


def _applied(row: CustomerRow, before: Row) -> dict[str, Any]:
    """The profile after this row."""
    profile = dict(before)
    for name in row.model_fields_set & {"email", "phone", "name"}:
        profile[name] = getattr(row, name)
    if "tags" in row.model_fields_set:
        profile["tags"] = row.tags or []
    if "metadata" in row.model_fields_set:
        profile["metadata"] = merged(before["metadata"], row.metadata)
    return profile


def _same(before: Row, after: Row) -> bool:
    """Compared as they are stored: to Python, 1 and true would be the same."""
    return all(before[field] == after[field] for field in _PROFILE) and (
        _json(before["metadata"]) == _json(after["metadata"])
    )


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


async def find_named(conn: Connection, scope: Scope, names: Collection[str], *, lock: bool) -> dict[str, Row]:
    """`id, external_id, deleted_at` of the customers that a file names, by that name.

    Locked, they cannot be erased until this transaction ends.
    """
    return await _find_named(conn, scope, names, _BRIEF, "FOR KEY SHARE" if lock else "")


async def find_by_id(conn: Connection, scope: Scope, ids: Collection[str], *, lock: bool) -> dict[str, Row]:
    """The same by our id, deleted ones too."""
    rows = await _select(conn, scope, "id", ids, _BRIEF, "FOR KEY SHARE" if lock else "")
    return {row["id"]: row for row in rows}


async def open_named(
    conn: Connection, scope: Scope, names: Collection[str], *, now: datetime
) -> dict[str, str]:
    """New customers of whom only the external_id is known; their ids by it. Raises Overtaken."""
    profiles = [{**_NEW, "external_id": name, "id": new_id("cus")} for name in names]
    if profiles:
        await _insert(conn, scope, profiles, now=now)
    await bulk.survey(conn, "customers")  # payments are checked against it next
    return {profile["external_id"]: profile["id"] for profile in profiles}


async def _find_named(
    conn: Connection, scope: Scope, names: Collection[str], columns: str, lock: str
) -> dict[str, Row]:
    """By external_id; what is not found so, and looks like our id, by that: exports name customers without one so."""
    rows = await _select(conn, scope, "external_id", names, columns, lock)
    found: dict[str, Row] = {row["external_id"]: row for row in rows}
    ids = [name for name in names if name not in found and _OUR_ID.fullmatch(name)]
    for row in await _select(conn, scope, "id", ids, columns, lock):
        if row["external_id"] is None:
            found[row["id"]] = row
    return found


async def _select(
    conn: Connection, scope: Scope, column: str, values: Collection[str], columns: str, lock: str
) -> list[asyncpg.Record]:
    """In the order of their ids, so that two imports that lock them wait in line and not in a circle."""
    if not values:
        return []
    return list(
        await conn.fetch(
            f"""
            SELECT {columns}
            FROM customers
            WHERE org_id = $1 AND mode = $2 AND {column} = ANY($3)
            ORDER BY id
            {lock}
            """,
            scope.org_id,
            scope.mode,
            values,
        )
    )


async def _foreseen(conn: Connection, names: Collection[str]) -> dict[str, Row]:
    """What the batches before this one would have made of these customers."""
    await conn.execute(
        """
        CREATE TEMPORARY TABLE IF NOT EXISTS foreseen_customers (
            name text PRIMARY KEY,
            profile jsonb NOT NULL
        ) ON COMMIT DROP
        """
    )
    rows = await conn.fetch("SELECT name, profile FROM foreseen_customers WHERE name = ANY($1)", names)
    return {row["name"]: row["profile"] for row in rows}


async def _foresee(conn: Connection, profiles: Mapping[str, Row]) -> None:
    await conn.execute(
        """
        INSERT INTO foreseen_customers (name, profile)
        SELECT name, profile::jsonb
        FROM unnest($1::text[], $2::text[]) AS given (name, profile)
        ON CONFLICT (name) DO UPDATE
        SET profile = excluded.profile
        """,
        list(profiles),
        [_json(profile) for profile in profiles.values()],
    )


async def _insert(conn: Connection, scope: Scope, profiles: Collection[Row], *, now: datetime) -> None:
    """New customers. Raises Overtaken when one of their external_ids has been taken meanwhile."""
    await bulk.copy(conn, "new_customers", _STAGED, [_staged(scope, profile) for profile in profiles])
    status = await conn.execute(
        """
        INSERT INTO customers
               (org_id, mode, id, external_id, email, phone, name, tags, metadata, search, created_at, updated_at)
        SELECT $1, $2, s.id, s.external_id, s.email, s.phone, s.name, s.tags, s.metadata::jsonb,
               array_to_tsvector(s.search), $3, $3
        FROM new_customers AS s
        ORDER BY s.external_id
        ON CONFLICT ON CONSTRAINT customers_external_id_taken DO NOTHING
        """,
        scope.org_id,
        scope.mode,
        now,
    )
    if status != f"INSERT 0 {len(profiles)}":
        raise Overtaken


async def _update(conn: Connection, scope: Scope, profiles: Collection[Row], *, now: datetime) -> None:
    """Writes profiles that this transaction has locked. The external_id is what they were found by."""
    await bulk.copy(conn, "changed_customers", _STAGED, [_staged(scope, profile) for profile in profiles])
    await conn.execute(
        """
        UPDATE customers AS c
        SET email = s.email, phone = s.phone, name = s.name, tags = s.tags, metadata = s.metadata::jsonb,
            search = array_to_tsvector(s.search), updated_at = greatest($3, c.updated_at)
        FROM changed_customers AS s
        WHERE c.org_id = $1 AND c.mode = $2 AND c.id = s.id
        """,
        scope.org_id,
        scope.mode,
        now,
    )


def _staged(scope: Scope, profile: Row) -> tuple[Any, ...]:
    search = search_terms(
        scope, profile["name"], profile["email"], profile["external_id"], phone=profile["phone"]
    )
    return (
        *(profile[field] for field in ("id", "external_id", "email", "phone", "name", "tags")),
        _json(profile["metadata"]),
        search,
    )
