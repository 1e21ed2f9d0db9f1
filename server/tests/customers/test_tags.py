"""Tags are added and removed without reading first, so that nobody overwrites anybody."""

import asyncio

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import events_of, types_of
from tests.makers import Merchant, ok, refused


def tags_of(customer: dict, tag: str = "") -> str:
    return f"/v1/customers/{customer['id']}/tags{tag and '/' + tag}"


async def test_added_tags_come_after_those_there_are_each_once(db: Database, merchant: Merchant):
    customer = await merchant.customer(name="Ada", tags=["a", "b"])
    after = ok(await merchant.test.post(tags_of(customer), json={"tags": ["c", "a", "d", "c"]}))
    assert after == {**customer, "tags": ["a", "b", "c", "d"], "updated_at": after["updated_at"]}
    event = (await events_of(db, merchant, customer["id"]))[-1]
    assert event["type"] == "customer.updated"
    assert event["data"]["previous_attributes"] == {"tags": ["a", "b"]}
    assert event["data"]["customer"]["tags"] == ["a", "b", "c", "d"]


async def test_a_tag_that_is_there_and_one_that_is_not_change_nothing(db: Database, merchant: Merchant):
    customer = await merchant.customer(name="Ada", tags=["a"])
    assert ok(await merchant.test.post(tags_of(customer), json={"tags": ["a"]})) == customer
    assert ok(await merchant.test.delete(tags_of(customer, "b"))) == customer
    assert await types_of(db, merchant, customer["id"]) == ["customer.created"]


@pytest.mark.parametrize(
    ("tag", "address"),
    [
        ("a/b", "a%2Fb"),
        ("50% off?", "50%25%20off%3F"),
        ("été 😀", "%C3%A9t%C3%A9%20%F0%9F%98%80"),
        ("tags", "tags"),
        ("#1", "%231"),
    ],
)
async def test_any_tag_can_be_removed(merchant: Merchant, tag: str, address: str):
    customer = await merchant.customer(name="Ada", tags=["first", tag, "last"])
    assert ok(await merchant.test.delete(tags_of(customer, address)))["tags"] == ["first", "last"]


async def test_tags_differ_by_case(merchant: Merchant):
    customer = await merchant.customer(name="Ada", tags=["VIP", "vip"])
    assert ok(await merchant.test.delete(tags_of(customer, "vip")))["tags"] == ["VIP"]


async def test_the_fifty_first_tag_is_refused(merchant: Merchant):
    customer = await merchant.customer(name="Ada", tags=[f"t{number}" for number in range(49)])
    refused(await merchant.test.post(tags_of(customer), json={"tags": ["a", "b"]}), 422, "too_many_tags")
    assert len(ok(await merchant.test.post(tags_of(customer), json={"tags": ["a", "t0"]}))["tags"]) == 50
    refused(await merchant.test.post(tags_of(customer), json={"tags": ["b"]}), 422, "too_many_tags")
    assert len(ok(await merchant.test.post(tags_of(customer), json={"tags": ["a"]}))["tags"]) == 50


@pytest.mark.parametrize(
    "body",
    [{}, {"tags": []}, {"tags": "vip"}, {"tags": [""]}, {"tags": ["x" * 65]}, {"tags": None}, {"tag": "vip"}],
)
async def test_faulty_tags_are_refused(merchant: Merchant, body: dict):
    customer = await merchant.customer(name="Ada", tags=["a"])
    refused(await merchant.test.post(tags_of(customer), json=body), 400, "validation_error")
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}")) == customer


async def test_parallel_additions_and_removals_lose_nothing(db: Database, merchant: Merchant):
    customer = await merchant.customer(name="Ada", tags=[f"old{number}" for number in range(20)])
    adding = (merchant.test.post(tags_of(customer), json={"tags": [f"new{number}"]}) for number in range(20))
    removing = (merchant.test.delete(tags_of(customer, f"old{number}")) for number in range(20))
    for answer in await asyncio.gather(*adding, *removing):
        ok(answer)
    after = ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))
    assert sorted(after["tags"]) == sorted(f"new{number}" for number in range(20))
    assert len(await events_of(db, merchant, customer["id"])) == 41


async def test_the_tags_of_nobody_are_not_found(merchant: Merchant, other: Merchant):
    foreign = await other.customer(name="Zoë", tags=["a"])
    for customer in (foreign, {"id": "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"}):
        added = await merchant.test.post(tags_of(customer), json={"tags": ["b"]})
        refused(added, 404, "customer_not_found")
        refused(await merchant.test.delete(tags_of(customer, "a")), 404, "customer_not_found")
    assert ok(await other.test.get(f"/v1/customers/{foreign['id']}"))["tags"] == ["a"]
