"""PATCH: only what is sent changes, an external_id is not changed by accident, and every change is told of once."""

import asyncio

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import events_of, types_of
from tests.makers import Merchant, ok, refused

FULL = {
    "external_id": "usr_1",
    "email": "ada@example.com",
    "phone": "+233501234567",
    "name": "Ada",
    "tags": ["vip"],
    "metadata": {"plan": "pro", "seats": 3},
}


async def patched(merchant: Merchant, customer: dict, **fields) -> dict:
    return ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json=fields))


async def refused_patch(merchant: Merchant, customer: dict, status: int, code: str, **fields) -> dict:
    """The refusal, which left the customer as it was."""
    address = f"/v1/customers/{customer['id']}"
    refusal = refused(await merchant.test.patch(address, json=fields), status, code)
    assert ok(await merchant.test.get(address)) == customer
    return refusal


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "zoe@example.com"), ("phone", "+2250700000000"), ("name", "Zoë"), ("tags", ["a", "b"])],
)
async def test_one_field_changes_and_the_others_stay(db: Database, merchant: Merchant, field: str, value):
    customer = await merchant.customer(**FULL)
    after = await patched(merchant, customer, **{field: value})
    assert after == {**customer, field: value, "updated_at": after["updated_at"]}
    assert after["updated_at"] > customer["updated_at"]
    event = (await events_of(db, merchant, customer["id"]))[-1]
    assert event["type"] == "customer.updated"
    assert event["data"]["previous_attributes"] == {field: customer[field]}
    assert event["data"][field] == value


async def test_metadata_is_merged_an_empty_string_unsets_and_null_clears(merchant: Merchant):
    customer = await merchant.customer(**FULL)
    merged = await patched(merchant, customer, metadata={"plan": "free", "since": 2024})
    assert merged["metadata"] == {"plan": "free", "seats": 3, "since": 2024}
    unset = await patched(merchant, customer, metadata={"plan": "", "never there": ""})
    assert unset["metadata"] == {"seats": 3, "since": 2024}
    assert (await patched(merchant, customer, metadata={}))["metadata"] == {"seats": 3, "since": 2024}
    assert (await patched(merchant, customer, metadata=None))["metadata"] == {}


@pytest.mark.parametrize(("before", "after"), [(1, True), (True, 1), (0, False), (False, 0)])
async def test_a_number_that_becomes_a_truth_value_is_a_change(
    db: Database, merchant: Merchant, before, after
):
    customer = await merchant.customer(name="Ada", metadata={"flag": before})
    shown = await patched(merchant, customer, metadata={"flag": after})
    assert shown["metadata"]["flag"] is after
    assert await types_of(db, merchant, customer["id"]) == ["customer.created", "customer.updated"]


async def test_the_previous_metadata_and_every_changed_field_are_in_the_event(
    db: Database, merchant: Merchant
):
    customer = await merchant.customer(**FULL)
    await patched(merchant, customer, metadata={"seats": 4}, name=None, email="ada@example.com")
    [_, event] = await events_of(db, merchant, customer["id"])
    assert event["data"]["previous_attributes"] == {"metadata": {"plan": "pro", "seats": 3}, "name": "Ada"}
    assert event["data"]["metadata"] == {"plan": "pro", "seats": 4}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        FULL,
        {"metadata": {"plan": "pro"}},
        {"metadata": {"gone": ""}},
        {"rekey": True},
        {"tags": ["vip", "vip"]},
    ],
)
async def test_a_patch_that_changes_nothing_records_nothing(db: Database, merchant: Merchant, fields: dict):
    customer = await merchant.customer(**FULL)
    assert await patched(merchant, customer, **fields) == customer
    assert await types_of(db, merchant, customer["id"]) == ["customer.created"]


async def test_a_missing_external_id_can_be_set_once(merchant: Merchant):
    customer = await merchant.customer(name="Ada")
    after = await patched(merchant, customer, external_id="usr_1")
    assert after["external_id"] == "usr_1"
    assert ok(await merchant.test.get("/v1/customers/external/usr_1")) == after
    await refused_patch(merchant, after, 409, "external_id_fixed", external_id="usr_2")
    await refused_patch(merchant, after, 409, "external_id_fixed", external_id=None)
    await refused_patch(merchant, after, 409, "external_id_fixed", external_id="usr_2", rekey=False)


async def test_a_rekey_moves_the_customer_and_frees_the_old_id(db: Database, merchant: Merchant):
    customer = await merchant.customer(**FULL)
    payment = await merchant.payment(customer_id=customer["id"])
    after = await patched(merchant, customer, external_id="usr_2", rekey=True)
    assert (after["id"], after["external_id"], after["payment_count"]) == (customer["id"], "usr_2", 1)
    refused(await merchant.test.get("/v1/customers/external/usr_1"), 404, "customer_not_found")
    assert ok(await merchant.test.get("/v1/customers/external/usr_2")) == after
    shown = ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))
    assert shown["external_customer_id"] == "usr_2"
    assert (await merchant.customer(external_id="usr_1"))["id"] != customer["id"]
    event = (await events_of(db, merchant, customer["id"]))[-1]
    assert event["data"]["previous_attributes"] == {"external_id": "usr_1"}
    assert event["data"]["customer"]["external_id"] == "usr_2"


async def test_a_rekey_may_clear_the_external_id(merchant: Merchant):
    customer = await merchant.customer(**FULL)
    assert (await patched(merchant, customer, external_id=None, rekey=True))["external_id"] is None
    assert (await merchant.customer(external_id="usr_1"))["id"] != customer["id"]


async def test_a_rekey_to_a_taken_id_is_a_conflict(merchant: Merchant):
    customer = await merchant.customer(**FULL)
    holder = await merchant.customer(external_id="usr_2")
    refusal = await refused_patch(
        merchant, customer, 409, "external_id_taken", external_id="usr_2", rekey=True
    )
    assert refusal["details"] == {"customer_id": holder["id"]}


async def test_of_ten_parallel_rekeys_to_one_id_one_wins(merchant: Merchant):
    people = [await merchant.customer(name=f"Person {number}") for number in range(10)]
    answers = await asyncio.gather(
        *(
            merchant.test.patch(f"/v1/customers/{person['id']}", json={"external_id": "usr_1"})
            for person in people
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "external_id_taken")


async def test_two_customers_trade_their_ids_by_way_of_none(merchant: Merchant):
    ada, zoe = await merchant.customer(**FULL), await merchant.customer(external_id="usr_2", name="Zoë")
    await patched(merchant, ada, external_id=None, rekey=True)
    await patched(merchant, zoe, external_id="usr_1", rekey=True)
    await patched(merchant, ada, external_id="usr_2")
    assert ok(await merchant.test.get("/v1/customers/external/usr_1"))["id"] == zoe["id"]
    assert ok(await merchant.test.get("/v1/customers/external/usr_2"))["id"] == ada["id"]


@pytest.mark.parametrize("field", ["external_id", "email", "phone", "name"])
async def test_the_last_identity_cannot_be_cleared(merchant: Merchant, field: str):
    customer = await merchant.customer(**{field: FULL[field]})
    await refused_patch(merchant, customer, 422, "identity_required", **{field: None, "rekey": True})
    swapped = {"name": "Ada"} if field != "name" else {"email": "ada@example.com"}
    after = await patched(merchant, customer, **{field: None, "rekey": True, **swapped})
    assert after[field] is None


async def test_metadata_and_tags_keep_their_limits(merchant: Merchant):
    customer = await merchant.customer(name="Ada", metadata={f"a{number}": 1 for number in range(50)})
    await refused_patch(merchant, customer, 422, "too_much_metadata", metadata={"one more": 1})
    assert len((await patched(merchant, customer, metadata={"one more": 1, "a0": ""}))["metadata"]) == 50
    too_many = [f"t{number}" for number in range(51)]
    refused(
        await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"tags": too_many}),
        400,
        "validation_error",
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"external_id": ""}, "external_id"),
        ({"email": ""}, "email"),
        ({"phone": "0501234567"}, "phone"),
        ({"rekey": "yes"}, "rekey"),
        ({"total_spent": 1}, "total_spent"),
        ({"id": "cus_1"}, "id"),
    ],
)
async def test_a_faulty_patch_changes_nothing(merchant: Merchant, fields: dict, field: str):
    customer = await merchant.customer(**FULL)
    refusal = await refused_patch(merchant, customer, 400, "validation_error", **fields, tags=["other"])
    assert [fault["field"] for fault in refusal["details"]["fields"]] == [field]


async def test_an_unknown_customer_is_not_found(merchant: Merchant):
    for id in ("cus_01jd8w3v5qe2rvkz6n0c4m8x7a", "nonsense", "pay_01jd8w3v5qe2rvkz6n0c4m8x7a"):
        refused(await merchant.test.get(f"/v1/customers/{id}"), 404, "customer_not_found")
        answer = await merchant.test.patch(f"/v1/customers/{id}", json={"name": "Ada"})
        refused(answer, 404, "customer_not_found")


async def test_parallel_patches_of_different_fields_lose_none(db: Database, merchant: Merchant):
    customer = await merchant.customer(**FULL)
    changes = [{"name": "Zoë"}, {"email": "zoe@example.com"}, {"phone": None}, {"tags": ["b"]}] + [
        {"metadata": {f"key{number}": number}} for number in range(16)
    ]
    await asyncio.gather(*(patched(merchant, customer, **change) for change in changes))
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert (after["name"], after["email"], after["phone"], after["tags"]) == (
        "Zoë",
        "zoe@example.com",
        None,
        ["b"],
    )
    assert after["metadata"] == {
        "plan": "pro",
        "seats": 3,
        **{f"key{number}": number for number in range(16)},
    }
    assert len(await events_of(db, merchant, customer["id"])) == 1 + len(changes)
