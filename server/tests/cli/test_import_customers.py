"""`reevit import customers`: rows put by external_id, as the API would put them, but in bulk and without events."""

import json

import pytest

from reevit_server.core import bulk
from tests.cli.shop import Shop
from tests.makers import created, ok

_HEADER = "external_id,email,phone,name,tags,metadata.plan,metadata.city\n"


async def test_a_profile_arrives_whole_and_is_found_by_its_words(shop: Shop):
    row = "usr_1,ada@example.com,'+233501234567,Ada Lovelace,premium; early-adopter;premium,pro,Accra\n"
    report = await shop.load("customers", _HEADER + row)
    assert (report["read"], report["created"]) == (1, 1)
    customer = await shop.customer("usr_1")
    profile = {field: customer[field] for field in ("email", "phone", "name", "tags", "metadata")}
    assert profile == {
        "email": "ada@example.com",
        "phone": "+233501234567",
        "name": "Ada Lovelace",
        "tags": ["premium", "early-adopter"],
        "metadata": {"plan": "pro", "city": "Accra"},
    }
    for words in ("love", "0501234567", "usr_1"):
        found = ok(await shop.merchant.test.get("/v1/customers", params={"search": words}))["customers"]
        assert [one["external_id"] for one in found] == ["usr_1"], words


async def test_json_lines_keep_the_types_of_metadata(shop: Shop):
    profile = {
        "external_id": "u1",
        "tags": ["a;b", "c"],
        "metadata": {"n": 1.5, "yes": True},
        "metadata.x": 7,
    }
    await shop.load("customers", json.dumps(profile) + "\n", suffix=".jsonl")
    customer = await shop.customer("u1")
    assert customer["tags"] == ["a;b", "c"]
    assert customer["metadata"] == {"n": 1.5, "yes": True, "x": 7}


async def test_the_same_file_again_changes_nothing(shop: Shop):
    content = _HEADER + "u1,a@example.com,,Ada,x;y,pro,\nu2,,+233501234567,,,,\n"
    await shop.load("customers", content)
    before = await shop.state()
    report = await shop.load("customers", content)
    assert (report["created"], report["updated"], report["unchanged"]) == (0, 0, 2)
    assert await shop.state() == before


async def test_empty_cells_leave_what_is_there_tags_are_replaced_and_metadata_is_merged(shop: Shop):
    await shop.load("customers", _HEADER + "u1,a@example.com,,Ada,x;y,pro,Accra\n")
    report = await shop.load("customers", _HEADER + "u1,,,Ada L.,z,team,\n")
    assert (report["created"], report["updated"]) == (0, 1)
    customer = await shop.customer("u1")
    assert (customer["email"], customer["name"]) == ("a@example.com", "Ada L.")
    assert (customer["tags"], customer["metadata"]) == (["z"], {"plan": "team", "city": "Accra"})
    found = ok(await shop.merchant.test.get("/v1/customers", params={"search": "l"}))["customers"]
    assert [one["external_id"] for one in found] == ["u1"]


async def test_null_in_json_lines_clears_as_put_does(shop: Shop):
    await shop.load("customers", _HEADER + "u1,a@example.com,,Ada,x;y,pro,\n")
    nulls = {"external_id": "u1", "email": None, "tags": None, "metadata": None}
    await shop.load("customers", json.dumps(nulls) + "\n", suffix=".jsonl")
    customer = await shop.customer("u1")
    assert (customer["email"], customer["name"]) == (None, "Ada")
    assert (customer["tags"], customer["metadata"]) == ([], {})


async def test_a_number_and_a_boolean_in_metadata_are_not_the_same(shop: Shop):
    await shop.load("customers", '{"external_id": "u1", "metadata": {"vip": true}}\n', suffix=".jsonl")
    report = await shop.load("customers", '{"external_id": "u1", "metadata": {"vip": 1}}\n', suffix=".jsonl")
    assert report["updated"] == 1
    assert (await shop.customer("u1"))["metadata"]["vip"] is not True


@pytest.mark.parametrize("batch_rows", [1, 100])
async def test_rows_of_one_customer_are_applied_in_their_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, batch_rows: int
):
    monkeypatch.setattr(bulk, "BATCH_ROWS", batch_rows)
    content = _HEADER + "u1,a@example.com,,Ada,x,,\nu2,,,Bo,,,\nu1,,,Ada L.,,,\nu1,,,Ada L.,,,\n"
    for options in (["--dry-run"], []):
        report = await shop.load("customers", content, *options)
        assert (report["created"], report["updated"], report["unchanged"]) == (2, 1, 1)
    customer = await shop.customer("u1")
    assert (customer["email"], customer["name"], customer["tags"]) == ("a@example.com", "Ada L.", ["x"])


async def test_a_dry_run_stores_nothing_and_locks_nobody_out(shop: Shop):
    await shop.load("customers", _HEADER + "u1,,,Ada,,,\n")
    before = await shop.state()
    report = await shop.load("customers", _HEADER + "u1,,,Ada L.,,,\nu2,,,Bo,,,\n", "--dry-run")
    assert (report["dry_run"], report["created"], report["updated"]) == (True, 1, 1)
    assert await shop.state() == before
    words = (await shop.run("import", "customers", shop.file("external_id\nu2\n"), "--dry-run")).stdout
    assert "dry run: nothing was stored" in words


async def test_no_events_are_recorded_for_history(shop: Shop):
    await shop.load("customers", _HEADER + "u1,,,Ada,,,\n")
    await shop.load("customers", _HEADER + "u1,,,Ada L.,,,\n")
    assert not await shop.rows("SELECT 1 FROM events WHERE org_id = $1", shop.merchant.org_id)


async def test_metadata_that_would_grow_too_large_is_refused(shop: Shop):
    first = {"external_id": "u1", "metadata": {f"k{number}": 1 for number in range(50)}}
    await shop.load("customers", json.dumps(first) + "\n", suffix=".jsonl")
    content = "external_id,name,metadata.more\nu1,Ada,x\n"
    _, said = await shop.load_some("customers", content)
    assert "(too_much_metadata)" in said[0]
    assert (await shop.customer("u1"))["name"] is None


async def test_a_customer_without_external_id_is_known_by_our_id_and_a_deleted_one_is_refused(shop: Shop):
    known = created(await shop.merchant.test.post("/v1/customers", json={"email": "a@example.com"}))
    gone = created(await shop.merchant.test.post("/v1/customers", json={"email": "b@example.com"}))
    await shop.merchant.test.delete(f"/v1/customers/{gone['id']}")
    report, said = await shop.load_some(
        "customers", f"external_id,name\n{known['id']},Ada\n{gone['id']},Bo\n"
    )
    assert (report["updated"], report["refused"]) == (1, 1)
    assert said[0].startswith("line 3: external_id: ")
    assert "(customer_deleted)" in said[0]
    customer = ok(await shop.merchant.test.get(f"/v1/customers/{known['id']}"))
    assert (customer["name"], customer["external_id"]) == ("Ada", None)


async def test_the_external_id_of_a_deleted_customer_opens_a_new_one(shop: Shop):
    await shop.load("customers", "external_id,name\nu1,Ada\n")
    first = await shop.customer("u1")
    await shop.merchant.test.delete(f"/v1/customers/{first['id']}")
    await shop.load("customers", "external_id,name\nu1,Bo\n")
    assert (await shop.customer("u1"))["id"] != first["id"]


async def test_an_update_is_dated_and_leaves_what_was_paid_alone(shop: Shop):
    await shop.load("customers", "external_id,name\nu1,Ada\n")
    before = await shop.customer("u1")
    await shop.merchant.payment(external_customer_id="u1")
    await shop.load("customers", "external_id,name\nu1,Bo\n")
    after = await shop.customer("u1")
    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] > before["updated_at"]
    assert after["total_spent"] == 15000
