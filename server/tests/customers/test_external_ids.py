"""The merchant's own ids: any text, kept byte for byte, and good for every address."""

import unicodedata

import pytest

from tests.customers.addresses import by_external_id
from tests.makers import Merchant, created, ok, refused

ODD_IDS = [
    "shop/7/user",
    "/",
    "a?b=c&d",
    "#1",
    "100%",
    "%41",
    "%2F",
    "a+b",
    " a b ",
    "😀",
    "Zoë Ünïcode/?#%&😀",
    "'; DROP TABLE customers; --",
    "back\\slash",
    ".",
    "..",
    "external",
    "lookup",
    "top",
    "payments",
    "tags",
    "null",
    "x" * 255,
    "語" * 255,
    "cus_01jd8w3v5qe2rvkz6n0c4m8x7a",
]


@pytest.mark.parametrize("external_id", ODD_IDS)
async def test_any_external_id_finds_its_customer_at_every_address(merchant: Merchant, external_id: str):
    customer = await merchant.customer(external_id=external_id)
    assert customer["external_id"] == external_id
    assert ok(await merchant.test.get(by_external_id(external_id))) == customer
    assert (
        ok(await merchant.test.get("/v1/customers/lookup", params={"external_id": external_id})) == customer
    )
    found = ok(await merchant.test.get("/v1/customers", params={"external_id": external_id}))
    assert found["customers"] == [customer]

    upserted = ok(await merchant.test.put(by_external_id(external_id), json={"name": "Ada"}))
    assert (upserted["id"], upserted["name"], upserted["external_id"]) == (customer["id"], "Ada", external_id)
    patched = ok(await merchant.test.patch(by_external_id(external_id), json={"name": "Zoë"}))
    assert (patched["id"], patched["name"]) == (customer["id"], "Zoë")
    tagged = ok(await merchant.test.post(by_external_id(external_id, "/tags"), json={"tags": ["a/b"]}))
    assert tagged["tags"] == ["a/b"]
    assert ok(await merchant.test.delete(by_external_id(external_id, "/tags/a%2Fb")))["tags"] == []

    payment = await merchant.payment(external_customer_id=external_id)
    assert (payment["customer_id"], payment["external_customer_id"]) == (customer["id"], external_id)
    history = ok(await merchant.test.get(by_external_id(external_id, "/payments")))
    assert [paid["id"] for paid in history["payments"]] == [payment["id"]]

    assert (await merchant.test.delete(by_external_id(external_id))).status_code == 204
    refused(await merchant.test.get(by_external_id(external_id)), 404, "customer_not_found")


@pytest.mark.parametrize("external_id", ["shop/7", "Zoë?", "..", "external"])
async def test_an_upsert_by_an_odd_external_id_creates(merchant: Merchant, external_id: str):
    customer = created(await merchant.test.put(by_external_id(external_id), json={}))
    assert customer["external_id"] == external_id


async def test_external_ids_differ_by_case(merchant: Merchant):
    upper = await merchant.customer(external_id="USR_1")
    lower = await merchant.customer(external_id="usr_1")
    assert ok(await merchant.test.get(by_external_id("USR_1"))) == upper
    assert ok(await merchant.test.get(by_external_id("usr_1"))) == lower
    refused(await merchant.test.get(by_external_id("Usr_1")), 404, "customer_not_found")


async def test_external_ids_differ_by_their_bytes_even_where_they_look_alike(merchant: Merchant):
    """é as one character and as two: nothing normalizes what is kept as it is."""
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    first, second = (
        await merchant.customer(external_id=composed),
        await merchant.customer(external_id=decomposed),
    )
    assert first["id"] != second["id"]
    assert ok(await merchant.test.get(by_external_id(decomposed)))["id"] == second["id"]


async def test_an_unknown_external_id_is_not_found(merchant: Merchant):
    for answer in (
        await merchant.test.get(by_external_id("nobody")),
        await merchant.test.get("/v1/customers/lookup?external_id=nobody"),
        await merchant.test.patch(by_external_id("nobody"), json={"name": "Ada"}),
        await merchant.test.delete(by_external_id("nobody")),
        await merchant.test.post(by_external_id("nobody", "/tags"), json={"tags": ["vip"]}),
        await merchant.test.delete(by_external_id("nobody", "/tags/vip")),
        await merchant.test.get(by_external_id("nobody", "/payments")),
    ):
        refused(answer, 404, "customer_not_found")


async def test_a_lookup_without_an_external_id_is_refused(merchant: Merchant):
    refused(await merchant.test.get("/v1/customers/lookup"), 400, "validation_error")
    refused(await merchant.test.get("/v1/customers/lookup?external_id="), 400, "validation_error")


@pytest.mark.parametrize("external_id", ["x" * 256, "line\nbreak", "\x7f"])
async def test_an_upsert_refuses_what_a_creation_refuses(merchant: Merchant, external_id: str):
    refused(await merchant.test.put(by_external_id(external_id), json={}), 400, "validation_error")
    assert ok(await merchant.test.get("/v1/customers"))["customers"] == []


async def test_two_addresses_that_decode_alike_are_two_requests_to_an_idempotency_key(merchant: Merchant):
    """Removing the tag b of customer a, and deleting the customer "a/tags/b", are not the same deed."""
    await merchant.customer(external_id="a", tags=["b"])
    await merchant.customer(external_id="a/tags/b")
    key = {"Idempotency-Key": "deed-1"}
    ok(await merchant.test.delete(by_external_id("a", "/tags/b"), headers=key))
    other = await merchant.test.delete(by_external_id("a/tags/b"), headers=key)
    refused(other, 422, "idempotency_key_reused")
