"""Fields that are not what they should be: each is refused by name, with a sentence that helps, and leaves
nothing behind.
"""

import json
from typing import Any

import httpx
import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored, rows_of
from tests.makers import Merchant, created, refused

# A good body for every address; each case spoils one field of it.
GOOD: dict[str, dict[str, Any]] = {
    "POST /v1/customers": {"external_id": "usr_1"},
    "PUT /v1/customers/external/usr_2": {"name": "Ada"},
    "PATCH /v1/customers/{customer}": {"name": "Ada"},
    "POST /v1/customers/{customer}/tags": {"tags": ["vip"]},
    "POST /v1/payments": {"amount": 15000, "currency": "GHS"},
    "POST /v1/payments/intents": {"amount": 15000, "currency": "GHS"},
    "PATCH /v1/payments/intents/{intent}": {"amount": 15000},
    "POST /v1/payments/{payment}/refund": {"amount": 1},
    "POST /v1/api-keys": {"name": "till"},
    "POST /v1/sandbox/payments/{waiting}/complete": {"outcome": "succeed"},
    "POST /v1/subscriptions": {
        "external_customer_id": "usr_1",
        "amount": 15000,
        "currency": "GHS",
        "interval": "monthly",
    },
    "PATCH /v1/subscriptions/{subscription}": {"method": "card"},
    "POST /v1/subscriptions/{subscription}/cancel": {"at_period_end": True},
    "POST /v1/policies/retry": {"delays": ["1h"]},
    "PATCH /v1/invoices/{invoice}": {"metadata": {"ledger": "2026-11"}},
    "POST /v1/sandbox/clock/advance": {"by": "1h"},
}
MONEY = [address for address, body in GOOD.items() if "amount" in body]
PROFILES = list(GOOD)[:3]
NOTED = [
    *PROFILES,
    "POST /v1/payments",
    "PATCH /v1/payments/intents/{intent}",
    "POST /v1/subscriptions",
    "PATCH /v1/subscriptions/{subscription}",
    "PATCH /v1/invoices/{invoice}",
]


async def send(merchant: Merchant, address: str, raw: str | bytes) -> httpx.Response:
    method, _, path = address.partition(" ")
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"bad-input-{path}"}
    return await merchant.test.request(method, path, content=raw, headers=headers)


async def existing(merchant: Merchant, address: str) -> str:
    """The address with its placeholder filled in: a refusal must be for the body, not for a missing object."""
    if "{customer}" in address:
        return address.replace("{customer}", (await merchant.customer())["id"])
    if "{payment}" in address:
        return address.replace("{payment}", (await merchant.payment())["id"])
    if "{waiting}" in address:
        payment = await merchant.payment(metadata={"sandbox": "requires_action"})
        return address.replace("{waiting}", payment["id"])
    if "{intent}" in address:
        intent = await merchant.test.post("/v1/payments/intents", json={"amount": 1, "currency": "GHS"})
        return address.replace("{intent}", intent.json()["id"])
    if "{subscription}" in address or "{invoice}" in address:
        body = {**GOOD["POST /v1/subscriptions"], "external_customer_id": "usr_0"}
        await merchant.customer(external_id="usr_0")
        made = created(await merchant.test.post("/v1/subscriptions", json=body))
        there = address.replace("{subscription}", made["id"])
        return there.replace("{invoice}", made["latest_invoice_id"])
    return address


def spoilt(address: str, field: str, value: str) -> str:
    """The good body with one field's value put in as raw JSON."""
    rest = {name: given for name, given in GOOD[address].items() if name != field}
    return json.dumps({**rest, field: "?!"}).replace('"?!"', value)


def check_names(body: dict[str, Any], field: str) -> None:
    """The refusal names this field and no other, and speaks to a person."""
    fields = body["details"]["fields"]
    assert [fault["field"] for fault in fields] == [field]
    assert fields[0]["code"]
    assert fields[0]["message"]
    assert f"`{field}`" in body["message"]
    assert "pattern '" not in body["message"], "no regular expressions for people"


@pytest.mark.parametrize("address", MONEY)
@pytest.mark.parametrize(
    ("value", "code"),
    [
        *((value, "validation_error") for value in ("1.0", "1.5", "1e5", "true", "false", '"100"', '""')),
        *((value, "validation_error") for value in ("0", "-0", "-1", "1000000000000", "[1]", "{}")),
        *((value, "malformed_json") for value in ("9223372036854775808", "1e400", "-1e400", "9" * 1000)),
        *((value, "malformed_json") for value in ("NaN", "Infinity", "-Infinity", "0x10", "1_000", "01", "")),
    ],
    ids=lambda value: value[:20],
)
async def test_an_amount_is_an_integer_within_limits(
    merchant: Merchant, db: Database, address: str, value: str, code: str
):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        body = refused(await send(merchant, there, spoilt(address, "amount", value)), 400, code)
    assert body["error"] == "validation_error"
    if code == "validation_error":
        check_names(body, "amount")


@pytest.mark.parametrize("address", [address for address in MONEY if "refund" not in address])
@pytest.mark.parametrize("value", ["ghs", "Ghs", "GH", "GHSS", "GHS ", "GHS\n", "", "XXX", "BTC", 936, True])
async def test_a_currency_is_an_upper_case_code_of_iso_4217(
    merchant: Merchant, db: Database, address: str, value: object
):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        body = refused(
            await send(merchant, there, spoilt(address, "currency", json.dumps(value))),
            400,
            "validation_error",
        )
    check_names(body, "currency")


@pytest.mark.parametrize("address", GOOD)
@pytest.mark.parametrize("typo", ["amonut", "Amount", "", "amount ", "__class__", "org_id", "mode"])
async def test_an_unknown_field_is_named(merchant: Merchant, db: Database, address: str, typo: str):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        raw = json.dumps({**GOOD[address], typo: 1})
        body = refused(await send(merchant, there, raw), 400, "validation_error")
    (fault,) = body["details"]["fields"]
    assert (fault["field"], fault["code"]) == (typo, "unknown_field")


@pytest.mark.parametrize("address", GOOD)
@pytest.mark.parametrize("raw", ["[]", '"usr_1"', "null", "1", "true", "1.5", '[{"external_id": "usr_1"}]'])
async def test_a_body_is_an_object(merchant: Merchant, db: Database, address: str, raw: str):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        body = refused(await send(merchant, there, raw), 400, "validation_error")
    assert "JSON object" in body["message"]


@pytest.mark.parametrize("raw", ["", "{}"])
@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("POST /v1/customers", "external_id"),
        ("POST /v1/customers/{customer}/tags", "`tags`"),
        ("POST /v1/payments", "`amount`"),
        ("POST /v1/payments/intents", "`amount`"),
        ("POST /v1/subscriptions", "`amount`"),
        ("POST /v1/policies/retry", "`delays`"),
        ("POST /v1/sandbox/clock/advance", "with to or with by"),
    ],
)
async def test_a_body_that_says_nothing_is_told_what_is_missing(
    merchant: Merchant, db: Database, address: str, named: str, raw: str
):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        assert named in refused(await send(merchant, there, raw), 400, "validation_error")["message"]


async def test_the_last_identity_of_a_customer_is_not_cleared(merchant: Merchant, db: Database):
    customer = await merchant.customer(external_id="usr_1", name="Ada")
    for address, body in (
        (f"PATCH /v1/customers/{customer['id']}", {"name": None, "external_id": None, "rekey": True}),
        (f"PATCH /v1/customers/{(await merchant.customer(name='Eva'))['id']}", {"name": None}),
    ):
        before = await rows_of(db, merchant.org_id)
        said = refused(await send(merchant, address, json.dumps(body)), 422, "identity_required")
        assert said["error"] == "unprocessable"
        after = await rows_of(db, merchant.org_id)
        assert {**after, "idempotency_keys": 0} == {**before, "idempotency_keys": 0}


@pytest.mark.parametrize("address", PROFILES)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("email", value)
            for value in ("nobody", "", "@example.com", "ada@", "a b@example.com", "a@@b.com")
        ),
        *(
            ("email", value)
            for value in ("ada@exam ple.com", "ada@example..com", "a" * 250 + "@example.com", 7)
        ),
        *(
            ("email", value)
            for value in ("Ada <ada@example.com>", "ada@example.com\n", "ada@example.com,b@c.de")
        ),
        *(("phone", value) for value in ("+2335012", "0501234567", "233501234567", "+233 50 123 4567", "")),
        *(
            ("phone", value)
            for value in ("+233-501234567", "+233(50)1234567", "+23350abc4567", "+999123456789")
        ),
        *(
            ("phone", value)
            for value in ("+1", "+", "+2335012345678901234", "tel:+233501234567", 233501234567)
        ),
        *(
            ("phone", value)
            for value in ("+233501234567;ext=5", "\uff0b233501234567", "+\u0662\u0663\u0663501234567")
        ),
        *(
            ("name", value)
            for value in ("", "x" * 256, "Ada\u0000", "Ada\nLovelace", "\u001b[31mAda", "Ada\u0085", 7)
        ),
        *(("tags", value) for value in ([str(number) for number in range(51)], "vip", {"vip": True}, 7)),
        *(("metadata", value) for value in ([], "plan", 7, {str(key): key for key in range(51)})),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_profile_field_is_what_it_says(
    merchant: Merchant, db: Database, address: str, field: str, value: object
):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        response = await send(merchant, there, spoilt(address, field, json.dumps(value)))
        if isinstance(value, str) and "\0" in value:
            assert "NUL" in refused(response, 400, "malformed_json")["message"]
        else:
            check_names(refused(response, 400, "validation_error"), field)


@pytest.mark.parametrize("address", [*PROFILES, "POST /v1/customers/{customer}/tags"])
@pytest.mark.parametrize("tag", ["", "x" * 65, "v\u0007ip", 7, None, ["vip"], True], ids=str)
async def test_a_tag_is_a_short_line(merchant: Merchant, db: Database, address: str, tag: object):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        raw = spoilt(address, "tags", json.dumps(["vip", tag]))
        check_names(refused(await send(merchant, there, raw), 400, "validation_error"), "tags.1")


@pytest.mark.parametrize("address", NOTED)
@pytest.mark.parametrize("value", [None, {"a": 1}, [1], "x" * 501], ids=lambda value: str(value)[:20])
async def test_a_metadata_value_is_a_string_a_number_or_a_boolean(
    merchant: Merchant, db: Database, address: str, value: object
):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        raw = spoilt(address, "metadata", json.dumps({"plan": value}))
        body = refused(await send(merchant, there, raw), 400, "validation_error")
    check_names(body, "metadata.plan")
    assert ("500" if isinstance(value, str) else "string") in body["message"]


@pytest.mark.parametrize("address", NOTED)
@pytest.mark.parametrize("key", ["", "x" * 41, "pl\tan"])
async def test_a_metadata_key_is_a_short_line(merchant: Merchant, db: Database, address: str, key: str):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        raw = spoilt(address, "metadata", json.dumps({key: "pro"}))
        body = refused(await send(merchant, there, raw), 400, "validation_error")
    (fault,) = body["details"]["fields"]
    assert fault["field"].startswith("metadata")


@pytest.mark.parametrize(
    "value", ["", "x" * 256, "usr\u0007", "usr\n1", "\u009f", 7, True, ["usr"]], ids=ascii
)
@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("POST /v1/customers", "external_id"),
        ("PATCH /v1/customers/{customer}", "external_id"),
        ("POST /v1/payments", "reference"),
        ("POST /v1/payments", "external_customer_id"),
        ("POST /v1/payments", "customer_id"),
        ("POST /v1/payments/intents", "reference"),
        ("POST /v1/subscriptions", "customer_id"),
        ("POST /v1/subscriptions", "external_customer_id"),
        ("POST /v1/subscriptions", "plan_id"),
        ("PATCH /v1/subscriptions/{subscription}", "plan_id"),
        ("POST /v1/policies/retry", "plan_id"),
    ],
)
async def test_an_id_of_yours_is_a_line_of_1_to_255_characters(
    merchant: Merchant, db: Database, address: str, field: str, value: object
):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        raw = spoilt(address, field, json.dumps(value))
        check_names(refused(await send(merchant, there, raw), 400, "validation_error"), field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("country", value) for value in ("gh", "GHA", "G", "", "G1", "ZZ", "XX", "UK", "AC", 7)),
        *(("method", value) for value in ("", "x" * 65, "card\n", 7)),
        *(("description", value) for value in ("x" * 1001, 7, ["a"])),
        *(("provider", value) for value in ("stripe", "SANDBOX", "", 7)),
        *(("customer", value) for value in ("usr_1", ["usr_1"], {}, {"name": None})),
        *(("fee_amount", value) for value in (-1, 1.5, "1", True, 10**12)),
        *(
            ("occurred_at", value)
            for value in ("2026-01-31", "yesterday", "", 1769851800, "10000-01-01T00:00:00Z")
        ),
        *(("occurred_at", value) for value in ("2026-13-01T00:00:00Z", "2099-01-01T00:00:00Z", 7, True)),
        *(("provider_ref_id", value) for value in ("", "x" * 256, "a\u0000")),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_payment_field_is_what_it_says(merchant: Merchant, db: Database, field: str, value: object):
    address = "POST /v1/payments"
    body = {**GOOD[address], "provider": "external", field: value}
    async with nothing_stored(db, merchant):
        response = await send(merchant, address, json.dumps(body))
        if isinstance(value, str) and "\0" in value:
            refused(response, 400, "malformed_json")
        else:
            assert f"`{field}`" in refused(response, 400, response.json()["code"])["message"]
            assert response.json()["details"]["fields"][0]["field"] == field


@pytest.mark.parametrize(
    ("address", "more", "named"),
    [
        ("POST /v1/payments", {"customer_id": "cus_1", "external_customer_id": "usr_1"}, "once"),
        ("POST /v1/payments", {"customer_id": "cus_1", "customer": {"name": "Ada"}}, "once"),
        (
            "POST /v1/payments/intents",
            {"external_customer_id": "u", "customer": {"external_id": "u"}},
            "once",
        ),
        ("PATCH /v1/payments/intents/{intent}", {"customer_id": "c", "external_customer_id": "u"}, "once"),
        ("PATCH /v1/payments/intents/{intent}", {"amount": None}, "amount"),
        ("PATCH /v1/payments/intents/{intent}", {"currency": None}, "currency"),
        ("POST /v1/payments", {"provider": "external", "fee_amount": 15001}, "fee_amount"),
        ("POST /v1/payments", {"fee_amount": 1}, "fee_amount"),
        ("POST /v1/payments", {"provider": "sandbox", "occurred_at": "2026-01-31T09:30:00Z"}, "occurred_at"),
        ("POST /v1/payments", {"provider_ref_id": "x"}, "provider_ref_id"),
        ("POST /v1/customers", {"external_id": None}, "external_id, email, phone and name"),
        ("POST /v1/customers", {"external_id": None, "tags": ["vip"]}, "external_id, email, phone and name"),
    ],
)
async def test_fields_that_contradict_each_other_are_refused(
    merchant: Merchant, db: Database, address: str, more: dict[str, Any], named: str
):
    there = await existing(merchant, address)
    async with nothing_stored(db, merchant):
        raw = json.dumps({**GOOD[address], **more})
        assert named in refused(await send(merchant, there, raw), 400, "validation_error")["message"]


async def test_every_fault_is_named_at_once(merchant: Merchant, db: Database):
    raw = json.dumps({"amount": 0, "currency": "ghs", "country": "gh", "colour": "red"})
    async with nothing_stored(db, merchant):
        body = refused(await send(merchant, "POST /v1/payments", raw), 400, "validation_error")
    assert {fault["field"] for fault in body["details"]["fields"]} == {
        "amount",
        "currency",
        "country",
        "colour",
    }
    assert "3 more" in body["message"]
