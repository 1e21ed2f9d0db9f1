"""A new customer: what can be said of it, what is refused, and that two never share an external_id."""

import asyncio

import pytest

from reevit_server.core.database import Database
from tests.events.recorded import count_events, types_of
from tests.makers import Merchant, created, ok, refused

EVERYTHING = {
    "external_id": "usr_1234",
    "email": "Ada.Lovelace@Example.com",
    "phone": "+233501234567",
    "name": "Ada Lovelace",
    "tags": ["premium", "early-adopter"],
    "metadata": {"plan": "pro", "seats": 12, "ratio": 0.25, "beta": True},
}
NOTHING_PAID = {
    "preferred_currency": None,
    "preferred_method": None,
    "total_spent": 0,
    "total_refunded": 0,
    "lifetime_value": 0,
    "payment_count": 0,
    "first_payment_at": None,
    "last_payment_at": None,
    "totals": [],
    "subscription_status": "none",
    "active_subscriptions": 0,
}


async def test_a_customer_with_every_field_is_kept_as_it_was_sent(merchant: Merchant):
    customer = created(await merchant.test.post("/v1/customers", json=EVERYTHING))
    assert (
        customer.items() >= {**EVERYTHING, **NOTHING_PAID, "org_id": merchant.org_id, "mode": "test"}.items()
    )
    assert customer["id"].startswith("cus_")
    assert len(customer["id"]) == 30
    assert customer["created_at"] == customer["updated_at"]
    assert customer["created_at"].endswith("Z")
    assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}")) == customer


@pytest.mark.parametrize("field", ["external_id", "email", "phone", "name"])
async def test_one_identity_is_enough(merchant: Merchant, field: str):
    customer = created(await merchant.test.post("/v1/customers", json={field: EVERYTHING[field]}))
    given = {
        name: EVERYTHING[name] if name == field else None
        for name in ("external_id", "email", "phone", "name")
    }
    assert customer.items() >= {**given, **NOTHING_PAID, "tags": [], "metadata": {}}.items()


@pytest.mark.parametrize("field", ["tags", "metadata"])
async def test_each_other_field_may_be_said_alone_beside_an_identity(merchant: Merchant, field: str):
    customer = created(
        await merchant.test.post("/v1/customers", json={"name": "Ada", field: EVERYTHING[field]})
    )
    others = {**dict.fromkeys(EVERYTHING), "name": "Ada", "tags": [], "metadata": {}}
    assert customer.items() >= {**others, field: EVERYTHING[field]}.items()


async def test_null_says_the_same_as_leaving_out(merchant: Merchant):
    customer = created(
        await merchant.test.post("/v1/customers", json={**dict.fromkeys(EVERYTHING), "name": "Ada"})
    )
    assert (customer["name"], customer["tags"], customer["metadata"]) == ("Ada", [], {})
    assert customer["external_id"] is None


@pytest.mark.parametrize("body", [{}, {"tags": ["vip"]}, {"metadata": {"a": 1}}, {"name": None}])
async def test_a_customer_needs_an_identity(db: Database, merchant: Merchant, body: dict):
    refused(await merchant.test.post("/v1/customers", json=body), 400, "validation_error")
    assert await count_events(db, merchant) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("external_id", ""),
        ("external_id", "x" * 256),
        ("external_id", "tab\there"),
        ("external_id", 7),
        ("email", "ada@"),
        ("email", "ada lovelace@example.com"),
        ("email", f"ada@{'x' * 250}.com"),
        ("phone", "0501234567"),
        ("phone", "+233 50 123 4567"),
        ("phone", "+2335012"),
        ("phone", "+999501234567"),
        ("name", ""),
        ("name", "x" * 256),
        ("name", "x" * 255 + " "),
        ("name", " "),
        ("name", "\u3000\u00a0"),
        ("name", "\u200b"),
        ("name", "\ufe0f\u034f"),
        ("name", "\u3164"),
        ("name", "Ada\n"),
        ("tags", ["vip", "  "]),
        ("tags", [f"tag {number}" for number in range(51)]),
        ("tags", ["x" * 65]),
        ("tags", [""]),
        ("tags", "vip"),
        ("metadata", {str(number): number for number in range(51)}),
        ("metadata", {"x" * 41: 1}),
        ("metadata", {"note": "x" * 501}),
        ("metadata", {"nested": {"a": 1}}),
        ("metadata", {"nothing": None}),
        ("loyalty", 1),
    ],
)
async def test_a_faulty_field_is_named_and_nothing_is_stored(
    db: Database, merchant: Merchant, field: str, value
):
    answer = await merchant.test.post("/v1/customers", json={**EVERYTHING, field: value})
    faults = refused(answer, 400, "validation_error")["details"]["fields"]
    assert {fault["field"].split(".")[0] for fault in faults} == {field}
    assert all(fault["message"] and fault["code"] for fault in faults)
    assert ok(await merchant.test.get("/v1/customers"))["customers"] == []
    assert await count_events(db, merchant) == 0


async def test_the_longest_of_everything_fits(merchant: Merchant):
    body = {
        "external_id": "é" * 255,
        "name": "語" * 255,
        "tags": [f"{number:064}" for number in range(50)],
        "metadata": {f"{number:040}": "ü" * 500 for number in range(50)},
    }
    assert created(await merchant.test.post("/v1/customers", json=body)).items() >= body.items()


async def test_tags_keep_their_order_and_repeats_are_dropped(merchant: Merchant):
    customer = await merchant.customer(name="Ada", tags=["b", "a", "b", "ä", "a"])
    assert customer["tags"] == ["b", "a", "ä"]


async def test_an_empty_metadata_string_says_nothing(merchant: Merchant):
    assert (await merchant.customer(name="Ada", metadata={"a": "", "b": 0, "c": False}))["metadata"] == {
        "b": 0,
        "c": False,
    }


async def test_email_and_phone_may_be_shared(merchant: Merchant):
    family = {"email": "family@example.com", "phone": "+233501234567"}
    ids = {(await merchant.customer(**family, name=name))["id"] for name in ("Ada", "Byron")}
    assert len(ids) == 2


async def test_a_taken_external_id_is_a_conflict(db: Database, merchant: Merchant):
    first = await merchant.customer(external_id="usr_1", name="Ada")
    refusal = refused(
        await merchant.test.post("/v1/customers", json={"external_id": "usr_1", "name": "Byron"}),
        409,
        "external_id_taken",
    )
    assert refusal["error"] == "conflict"
    assert refusal["details"] == {"customer_id": first["id"]}
    assert ok(await merchant.test.get(f"/v1/customers/{first['id']}")) == first
    assert await types_of(db, merchant, first["id"]) == ["customer.created"]
    assert await count_events(db, merchant) == 1


async def test_of_twenty_parallel_creations_with_one_external_id_one_wins(db: Database, merchant: Merchant):
    answers = await asyncio.gather(
        *(merchant.test.post("/v1/customers", json={"external_id": "usr_1"}) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    [winner] = [answer.json() for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer.status_code == 409:
            assert refused(answer, 409, "external_id_taken")["details"] == {"customer_id": winner["id"]}
    assert ok(await merchant.test.get("/v1/customers?include_total=true"))["total"] == 1
    assert await count_events(db, merchant) == 1


async def test_repeating_a_creation_with_its_key_creates_nobody_else(db: Database, merchant: Merchant):
    key = {"Idempotency-Key": "signup-1"}
    first = await merchant.test.post("/v1/customers", json=EVERYTHING, headers=key)
    again = await merchant.test.post("/v1/customers", json=EVERYTHING, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert await count_events(db, merchant) == 1


async def test_white_space_around_a_name_is_dropped_and_what_names_a_thing_is_kept_byte_for_byte(
    merchant: Merchant,
):
    kept = {"external_id": " ", "tags": [" vip", "vip "], "metadata": {" ": " "}}
    customer = created(await merchant.test.post("/v1/customers", json={"name": " Ada\u3000L. ", **kept}))
    assert customer.items() >= {**kept, "name": "Ada\u3000L."}.items()
    by_external_id = await merchant.test.get("/v1/customers/lookup", params={"external_id": " "})
    assert ok(by_external_id)["id"] == customer["id"]
    address = f"/v1/customers/{customer['id']}"
    refused(await merchant.test.patch(address, json={"name": "  "}), 400, "validation_error")
    assert ok(await merchant.test.patch(address, json={"name": "\u200aAda "}))["name"] == "Ada"
    payment = await merchant.payment(reference=" ", description=" ", external_customer_id=" ")
    assert (payment["reference"], payment["description"]) == (" ", " ")
