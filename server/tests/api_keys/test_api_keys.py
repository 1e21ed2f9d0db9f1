"""`/v1/api-keys`: a key for every till, each with no more rights than the one that made it."""

import re

import pytest

from reevit_server.api_keys.models import SCOPES, SecretKey
from reevit_server.core.database import Database
from tests.makers import Api, Merchant, created, ok, refused


async def test_a_new_key_works_and_is_shown_whole_this_once(api: Api, merchant: Merchant):
    made = created(
        await merchant.test.post("/v1/api-keys", json={"name": "Till 1", "scopes": ["customers:read"]})
    )
    assert set(made) == {
        *("id", "org_id", "mode", "name", "scopes", "prefix", "created_at", "revoked_at", "key"),
    }
    assert re.fullmatch(r"key_[0-9a-z]{26}", made["id"])
    assert re.fullmatch(r"pfk_test_[0-9A-Za-z]{12}\.[0-9A-Za-z]+", made["key"])
    assert made["key"].startswith(made["prefix"] + ".")
    assert (made["org_id"], made["mode"], made["name"]) == (merchant.org_id, "test", "Till 1")
    assert (made["scopes"], made["revoked_at"]) == (["customers:read"], None)
    async with api.client(made["key"]) as till:
        ok(await till.get("/v1/customers"))
    listed = ok(await merchant.test.get("/v1/api-keys"))["keys"][0]
    assert listed == {name: value for name, value in made.items() if name != "key"}


async def test_only_a_hash_is_stored(merchant: Merchant, db: Database):
    made = created(await merchant.test.post("/v1/api-keys", json={}))
    async with db.read() as conn:
        row = await conn.fetchrow("SELECT * FROM api_keys WHERE id = $1", made["id"])
    key = SecretKey.parse(made["key"])
    assert key is not None
    assert row is not None
    assert row["secret_sha256"] == key.sha256
    assert not [
        value for value in row.values() if isinstance(value, str) and made["key"].split(".")[1] in value
    ]


async def test_without_scopes_a_key_gets_those_of_its_maker(api: Api, merchant: Merchant):
    assert created(await merchant.test.post("/v1/api-keys", json={}))["scopes"] == list(SCOPES)
    limited = ["api_keys:write", "customers:read"]
    maker = created(await merchant.test.post("/v1/api-keys", json={"scopes": limited}))
    async with api.client(maker["key"]) as client:
        for body in ({}, {"scopes": None}):
            assert sorted(created(await client.post("/v1/api-keys", json=body))["scopes"]) == limited


@pytest.mark.parametrize("wanted", [["payments:write"], ["customers:read", "customers:write"], list(SCOPES)])
async def test_a_key_cannot_grant_what_it_lacks(api: Api, merchant: Merchant, wanted: list[str]):
    has = ["api_keys:write", "api_keys:read", "customers:read"]
    maker = created(await merchant.test.post("/v1/api-keys", json={"scopes": has}))
    async with api.client(maker["key"]) as client:
        before = ok(await client.get("/v1/api-keys"))["keys"]
        body = refused(await client.post("/v1/api-keys", json={"scopes": wanted}), 403, "insufficient_scope")
        assert body["details"]["required_scope"] in set(wanted) - set(has)
        assert body["details"]["required_scope"] in body["message"]
        assert ok(await client.get("/v1/api-keys"))["keys"] == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["customers:admin"]}, "scopes.0"),
        ({"scopes": ["customers:read", "*"]}, "scopes.1"),
        ({"scopes": "customers:read"}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 7}, "name"),
        ({"name": "till\u001b[2J"}, "name"),
        ({"mode": "live"}, "mode"),
        ({"org_id": "org_another"}, "org_id"),
        ({"key": "pfk_test_mine"}, "key"),
    ],
    ids=str,
)
async def test_a_bad_request_makes_no_key(merchant: Merchant, body: dict[str, object], field: str):
    before = ok(await merchant.test.get("/v1/api-keys"))["keys"]
    said = refused(await merchant.test.post("/v1/api-keys", json=body), 400, "validation_error")
    assert [fault["field"] for fault in said["details"]["fields"]] == [field]
    assert ok(await merchant.test.get("/v1/api-keys"))["keys"] == before


async def test_a_scope_given_twice_counts_once(merchant: Merchant):
    twice = {"scopes": ["customers:read", "payments:read", "customers:read"]}
    made = created(await merchant.test.post("/v1/api-keys", json=twice))
    assert made["scopes"] == ["customers:read", "payments:read"]


async def test_a_key_makes_keys_of_its_own_mode_only(api: Api, merchant: Merchant):
    assert created(await merchant.test.post("/v1/api-keys", json={}))["key"].startswith("pfk_test_")
    live = created(await merchant.live.post("/v1/api-keys", json={}))
    assert live["key"].startswith("pfk_live_")
    assert live["mode"] == "live"
    assert {key["mode"] for key in ok(await merchant.test.get("/v1/api-keys"))["keys"]} == {"test"}
    assert {key["mode"] for key in ok(await merchant.live.get("/v1/api-keys"))["keys"]} == {"live"}
    refused(await merchant.test.delete(f"/v1/api-keys/{live['id']}"), 404, "api_key_not_found")
    async with api.client(live["key"]) as client:
        ok(await client.get("/v1/api-keys"))


async def test_revoking_is_for_good_and_twice_is_the_same_as_once(merchant: Merchant):
    made = created(await merchant.test.post("/v1/api-keys", json={}))
    path = f"/v1/api-keys/{made['id']}"
    assert (await merchant.test.delete(path)).status_code == 204
    first = ok(await merchant.test.get("/v1/api-keys"))["keys"][0]
    assert first["id"] == made["id"]
    assert first["revoked_at"] >= made["created_at"]
    assert (await merchant.test.delete(path)).status_code == 204
    assert ok(await merchant.test.get("/v1/api-keys"))["keys"][0] == first


async def test_somebody_elses_key_is_as_unknown_as_none(merchant: Merchant, other: Merchant):
    theirs = created(await other.test.post("/v1/api-keys", json={}))["id"]
    nobodys = theirs[:-4] + "0000"
    answers = [await merchant.test.delete(f"/v1/api-keys/{id}") for id in (theirs, nobodys, "key_1", "org_1")]
    bodies = [refused(answer, 404, "api_key_not_found") for answer in answers]
    assert len({(body["message"], str(body["details"])) for body in bodies}) == 1
    assert ok(await other.test.get("/v1/api-keys"))["keys"][0]["revoked_at"] is None


async def test_lists_are_newest_first_and_come_in_pages(merchant: Merchant):
    names = [f"till {number}" for number in range(5)]
    for name in names:
        created(await merchant.test.post("/v1/api-keys", json={"name": name}))
    seen, cursor = [], None
    while True:
        params = {"limit": "2", "include_total": "true", **({"cursor": cursor} if cursor else {})}
        page = ok(await merchant.test.get("/v1/api-keys", params=params))
        assert page["total"] == 6
        seen += [key["name"] for key in page["keys"]]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert seen == [*reversed(names), None]
    second = ok(await merchant.test.get("/v1/api-keys", params={"limit": "2", "offset": "2"}))
    assert [key["name"] for key in second["keys"]] == seen[2:4]


async def test_keys_never_repeat_and_a_mistyped_one_is_known_without_asking():
    keys = [SecretKey.new("live") for _ in range(500)]
    assert len({key.text for key in keys}) == len({key.public_id for key in keys}) == 500
    for key in keys:
        assert SecretKey.parse(key.text) == key
        at = 10 + len(key.text) // 2
        wrong = key.text[:at] + ("a" if key.text[at] != "a" else "b") + key.text[at + 1 :]
        assert SecretKey.parse(wrong) is None
        swapped = key.text[:30] + key.text[31] + key.text[30] + key.text[32:]
        assert swapped == key.text or SecretKey.parse(swapped) is None
