"""PUT by your own id: the same request creates or updates, and says nothing about what it leaves out."""

import asyncio

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
