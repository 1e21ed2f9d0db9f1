"""The schema grows forward: each file once and whole, by one process at a time, and never edited afterwards."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from reevit_server.core import migrations
from reevit_server.core.migrations import MigrationError


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(dsn)
    try:
        yield conn
    finally:
        await conn.close()


@pytest.fixture
async def bare_dsn(empty_dsn: str) -> str:
    """A database without any schema."""
    async with connection(empty_dsn) as conn:
        await conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return empty_dsn


def test_files_are_numbered_without_gaps():
    known = migrations.known()
    assert [migration.number for migration in known] == list(range(1, len(known) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", migration.name) for migration in known)


async def test_an_empty_database_gets_everything_once(bare_dsn: str):
    names = [migration.name for migration in migrations.known()]
    assert await migrations.migrate(bare_dsn) == names
    assert await migrations.migrate(bare_dsn) == []


async def test_several_processes_at_once_apply_each_file_once(bare_dsn: str):
    applied = await asyncio.gather(*(migrations.migrate(bare_dsn) for _ in range(4)))
    assert max(applied, key=len) == [migration.name for migration in migrations.known()]
    assert sorted(map(len, applied))[:3] == [0, 0, 0]


async def test_a_file_edited_after_it_was_applied_is_refused_by_name(empty_dsn: str):
    async with connection(empty_dsn) as conn:
        await conn.execute("UPDATE schema_migrations SET sha256 = 'another' WHERE number = 2")
    with pytest.raises(MigrationError, match=r"0002_idempotency_keys\.sql was changed"):
        await migrations.migrate(empty_dsn)


async def test_a_newer_schema_is_left_alone(empty_dsn: str):
    async with connection(empty_dsn) as conn:
        await conn.execute(
            "INSERT INTO schema_migrations (number, name, sha256) VALUES (9999, '9999_later.sql', 'later')"
        )
    assert await migrations.migrate(empty_dsn) == []


async def test_a_file_that_fails_leaves_nothing_behind(bare_dsn: str):
    async with connection(bare_dsn) as conn:
        await conn.execute("CREATE TABLE customer_totals (in_the_way int)")
        with pytest.raises(asyncpg.DuplicateTableError):
            await migrations.migrate(bare_dsn)
        assert await conn.fetchval("SELECT max(number) FROM schema_migrations") == 2
        assert await conn.fetchval("SELECT to_regclass('customers')") is None
        await conn.execute("DROP TABLE customer_totals")
    assert (await migrations.migrate(bare_dsn))[0] == "0003_customers.sql"


async def test_every_table_belongs_to_one_organization_and_mode(empty_dsn: str):
    """Primary keys begin with the organization, so that the schema can be distributed by it."""
    async with connection(empty_dsn) as conn:
        rows = await conn.fetch(
            """
            SELECT c.relname,
                   (SELECT array_agg(a.attname::text ORDER BY place)
                    FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum) AS key
            FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'public'
            LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
            WHERE c.relkind IN ('r', 'p')
            """
        )
    keys = {row["relname"]: row["key"] for row in rows}
    assert keys.pop("schema_migrations") == ["number"]
    assert keys.pop("master_key_proof") == keys.pop("crash_witness") == ["only_one"]
    assert keys.pop("organizations") == ["id"]
    assert keys.pop("api_keys") == ["org_id", "id"]
    for queue in ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"):
        assert keys.pop(queue) == ["id"]  # PgQueuer's own; what a job is about is in its payload
    assert keys
    assert {name: key[:2] for name, key in keys.items()} == {name: ["org_id", "mode"] for name in keys}


async def test_customers_from_before_are_found_by_their_whole_addresses(empty_dsn: str):
    async with connection(empty_dsn) as conn:
        await conn.execute(
            """
            INSERT INTO organizations (id, name, currency, created_at) VALUES ('org_1', 'Shop', 'GHS', now());
            INSERT INTO customers (org_id, mode, id, email, external_id, search, created_at, updated_at) VALUES
                ('org_1', 'test', 'cus_1', 'Ama@Shop.gh', NULL, 'old', now(), now()),
                ('org_1', 'live', 'cus_2', NULL, 'ama@shop.gh', 'old', now(), now()),
                ('org_1', 'live', 'cus_3', NULL, 'usr_1', 'old', now(), now()),
                ('org_1', 'live', 'cus_4', NULL, 'a|Émile@x <B@y.z>', 'old', now(), now())
            """
        )
        await conn.execute(next(file.sql for file in migrations.known() if file.number == 7))
        rows = await conn.fetch("SELECT id, tsvector_to_array(search) AS terms FROM customers ORDER BY id")
    assert [row["terms"] for row in rows] == [
        ["old", "org_1/test/ama@shop.gh"],
        ["old", "org_1/live/ama@shop.gh"],
        ["old"],
        ["old", "org_1/live/b@y.z", "org_1/live/emile@x"],
    ]
