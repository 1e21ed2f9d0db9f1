"""PUT by your own id: the same request creates or updates, and says nothing about what it leaves out."""

import asyncio

import asyncpg
import pytest

from reevit_server.core.database import Database
from tests.customers.addresses import by_external_id
from tests.events.recorded import events_of, types_of
from tests.makers import Merchant, created, ok, refused

ADDRESS = by_external_id("usr_1")
FULL = {
    "email": "ada@example.com",
    "phone": "+233501234567",
    "name": "Ada",
    "tags": ["vip", "new"],
    "metadata": {"plan": "pro", "seats": 3},
}


async def test_the_first_upsert_creates_and_the_second_updates(db: Database, merchant: Merchant):
    first = created(await merchant.test.put(ADDRESS, json=FULL))
    assert first.items() >= {**FULL, "external_id": "usr_1"}.items()
    second = ok(await merchant.test.put(ADDRESS, json={"name": "Ada Lovelace"}))
    assert second == {**first, "name": "Ada Lovelace", "updated_at": second["updated_at"]}
    assert second["updated_at"] > first["updated_at"]
    assert await types_of(db, merchant, first["id"]) == ["customer.created", "customer.updated"]


async def test_an_empty_body_is_enough(merchant: Merchant):
    customer = created(await merchant.test.put(ADDRESS, json={}))
    assert (customer["external_id"], customer["name"]) == ("usr_1", None)
    assert ok(await merchant.test.put(ADDRESS, json={})) == customer


@pytest.mark.parametrize("field", list(FULL))
async def test_each_field_left_out_stays_and_null_clears_it(merchant: Merchant, field: str):
    first = created(await merchant.test.put(ADDRESS, json=FULL))
    rest = {name: value for name, value in FULL.items() if name != field}
    assert ok(await merchant.test.put(ADDRESS, json=rest)) == first
    empty = {"tags": [], "metadata": {}}.get(field)
    cleared = ok(await merchant.test.put(ADDRESS, json={field: None}))
    assert cleared == {**first, field: empty, "updated_at": cleared["updated_at"]}


async def test_tags_are_replaced_and_metadata_is_merged(merchant: Merchant):
    created(await merchant.test.put(ADDRESS, json=FULL))
    given = {"tags": ["old", "old"], "metadata": {"plan": "", "seats": 4, "beta": True}}
    customer = ok(await merchant.test.put(ADDRESS, json=given))
    assert (customer["tags"], customer["metadata"]) == (["old"], {"seats": 4, "beta": True})


async def test_an_upsert_that_changes_nothing_records_nothing(db: Database, merchant: Merchant):
    first = created(await merchant.test.put(ADDRESS, json=FULL))
    assert ok(await merchant.test.put(ADDRESS, json=FULL)) == first
    assert await types_of(db, merchant, first["id"]) == ["customer.created"]


@pytest.mark.parametrize(
    "given", [{"external_id": "usr_1"}, {"rekey": True}, {"nmae": "Ada"}, {"email": "ada"}]
)
async def test_a_faulty_upsert_stores_nothing(merchant: Merchant, given: dict):
    faults = refused(await merchant.test.put(ADDRESS, json=given), 400, "validation_error")["details"][
        "fields"
    ]
    assert [fault["field"] for fault in faults] == list(given)
    refused(await merchant.test.get(ADDRESS), 404, "customer_not_found")


async def test_metadata_may_not_outgrow_fifty_keys_by_merging(merchant: Merchant):
    thirty = {f"a{number}": number for number in range(30)}
    customer = created(await merchant.test.put(ADDRESS, json={"metadata": thirty}))
    more = {f"b{number}": number for number in range(30)}
    refused(await merchant.test.put(ADDRESS, json={"metadata": more}), 422, "too_much_metadata")
    assert ok(await merchant.test.get(ADDRESS)) == customer
    swapped = {**more, **dict.fromkeys(thirty, "")}
    with_room = {key: swapped[key] for key in [*list(thirty)[:15], *more]}
    assert len(ok(await merchant.test.put(ADDRESS, json={"metadata": with_room}))["metadata"]) == 45


async def test_twenty_parallel_upserts_make_one_customer_and_lose_no_field(db: Database, merchant: Merchant):
    answers = await asyncio.gather(
        *(merchant.test.put(ADDRESS, json={"metadata": {f"key{number}": number}}) for number in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    customer = ok(await merchant.test.get(ADDRESS))
    assert customer["metadata"] == {f"key{number}": number for number in range(20)}
    recorded = await events_of(db, merchant, customer["id"])
    assert sorted(event["type"] for event in recorded) == ["customer.created"] + ["customer.updated"] * 19


async def test_after_a_deletion_the_next_upsert_creates_somebody_new(merchant: Merchant):
    first = created(await merchant.test.put(ADDRESS, json=FULL))
    assert (await merchant.test.delete(f"/v1/customers/{first['id']}")).status_code == 204
    second = created(await merchant.test.put(ADDRESS, json={}))
    assert second["id"] != first["id"]
    assert (second["name"], second["tags"], second["metadata"]) == (None, [], {})


@pytest.mark.parametrize("by", ["upsert", "payment"])
async def test_who_was_quicker_and_is_deleted_at_once_is_created_again(merchant: Merchant, dsn: str, by: str):
    """The others' customer is in the way of ours, and gone when we look for it: as if it had never been there."""
    asked = (
        merchant.test.put(ADDRESS, json={"name": "Ada"})
        if by == "upsert"
        else merchant.test.post(
            "/v1/payments",
            json={"amount": 1, "currency": "GHS", "customer": {"external_id": "usr_1", "name": "Ada"}},
        )
    )
    halting = await asyncpg.connect(dsn)
    theirs = await asyncpg.connect(dsn, server_settings={"application_name": "theirs"})
    try:
        await theirs.execute(_HALT)
        async with halting.transaction():
            await halting.execute("SELECT pg_advisory_xact_lock(815)")
            async with theirs.transaction():
                await theirs.execute(_INSERT, merchant.org_id)
                answer = asyncio.create_task(asked)
                await _blocked(theirs)
            await _blocked(halting)
            await theirs.execute(_DELETE, merchant.org_id)
        created(await answer)
    finally:
        await halting.close()
        await theirs.execute("DROP FUNCTION halt CASCADE")
        await theirs.close()


# Whoever has tried to insert a customer waits here while somebody holds the lock: between trying and looking.
_HALT = """
    CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(815); RETURN NULL; END $$;
    CREATE TRIGGER halt AFTER INSERT ON customers
    WHEN (current_setting('application_name') <> 'theirs') EXECUTE FUNCTION halt();
"""
_INSERT = """
    INSERT INTO customers (org_id, mode, id, external_id, created_at, updated_at)
    VALUES ($1, 'test', 'cus_theirs', 'usr_1', now(), now())
"""
_DELETE = """
    UPDATE customers SET external_id = NULL, deleted_at = now()
    WHERE org_id = $1 AND mode = 'test' AND id = 'cus_theirs'
"""


async def _blocked(holder: asyncpg.Connection) -> None:
    """Waits until somebody waits for what this connection holds."""
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    async with asyncio.timeout(10):
        while not await holder.fetchval(waiting):  # noqa: ASYNC110 - it happens in the server
            await asyncio.sleep(0.01)
