"""Addresses, methods and headers that are not what they should be."""

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Api, Merchant, ok, refused


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/customers", "GET, HEAD, POST"),
        ("PUT", "/v1/customers", "GET, HEAD, POST"),
        ("OPTIONS", "/v1/customers", "GET, HEAD, POST"),
        ("BREW", "/v1/customers", "GET, HEAD, POST"),
        ("POST", "/v1/customers/cus_1", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/v1/customers/external/usr_1", "DELETE, GET, HEAD, PATCH, PUT"),
        ("DELETE", "/v1/payments/pay_1", "GET, HEAD"),
        ("GET", "/v1/payments/pay_1/refund", "POST"),
        ("HEAD", "/v1/payments/pay_1/refund", "POST"),
        ("GET", "/v1/api-keys/key_1", "DELETE"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    merchant: Merchant, db: Database, method: str, path: str, allowed: str
):
    async with nothing_stored(db, merchant):
        response = await merchant.test.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    if method != "HEAD":
        assert refused(response, 405, "method_not_allowed")["error"] == "validation_error"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1", "/v2/customers", "/v1/customer", "/customers", "/v1/Customers", "/V1/customers"),
        *("/v1/customers/cus_1/payments/pay_1", "/v1/customers/cus_1/x", "/v1/payments/pay_1/refunds/ref_1"),
        *(
            "/v1//customers",
            "/v1/customers//payments",
            "/v1/customers/%2E%2E/x",
            "/.env",
            "/v1/customers%2Fcus_1",
        ),
        *("/v1/customers/external/usr_1/tags/vip/x", "/healthz/x", "/v1/payments/intents/pay_1/confirm"),
    ],
)
async def test_an_unknown_address_says_where_the_known_ones_are(merchant: Merchant, path: str):
    body = refused(await merchant.test.get(path), 404, "route_not_found")
    assert body["error"] == "not_found"
    assert "/docs" in body["message"]


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/customers/%00", "/v1/customers/cus%00_1", "/v1/customers/external/%00", "/v1/customers/%ff"),
        *("/v1/customers/external/%ED%A0%80", "/v1/customers/external/caf%E9", "/v1/payments/%C0%80"),
        *("/v1/payments/pay_1%00/refunds", "/v1/customers/cus_1/tags/%00"),
    ],
)
async def test_an_address_holds_text_that_can_be_stored(merchant: Merchant, db: Database, path: str):
    method = "DELETE" if "tags" in path else "GET"
    async with nothing_stored(db, merchant):
        response = await merchant.test.request(method, path)
    body = refused(response, 400, "validation_error")
    assert ("NUL" if "%00" in path else "UTF-8") in body["message"]


@pytest.mark.parametrize("external_id", ["x" * 256, "a%07b", "%C2%85", "a%0Ab"])
async def test_an_external_id_in_an_address_obeys_the_rules_of_one_in_a_body(
    merchant: Merchant, db: Database, external_id: str
):
    async with nothing_stored(db, merchant):
        response = await merchant.test.put(
            f"/v1/customers/external/{external_id}", json={"name": "Ada"}, headers={"Idempotency-Key": "x"}
        )
    body = refused(response, 400, "validation_error")
    assert body["details"]["fields"][0]["field"] == "external_id"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *(("/v1/customers/cus_1", "customer_not_found"), ("/v1/customers/pay_1", "customer_not_found")),
        *(
            ("/v1/customers/" + "x" * 5000, "customer_not_found"),
            ("/v1/customers/'%20OR%201=1", "customer_not_found"),
        ),
        *(
            ("/v1/customers/%F0%9F%98%80", "customer_not_found"),
            ("/v1/customers/external/x", "customer_not_found"),
        ),
        *(("/v1/payments/pay_1", "payment_not_found"), ("/v1/payments/external", "payment_not_found")),
    ],
)
async def test_an_id_of_nothing_is_not_found_whatever_it_looks_like(merchant: Merchant, path: str, code: str):
    assert refused(await merchant.test.get(path), 404, code)["error"] == "not_found"


@pytest.mark.parametrize(
    "external_id",
    ["a/b", "a/b/payments", "..", "a b", "a?b=c", "a#b", "100%", "%2F", "external", "a+b", "\N{SNOWMAN}"],
)
async def test_an_external_id_with_any_characters_is_found_by_its_address(
    merchant: Merchant, external_id: str
):
    quoted = "".join(f"%{byte:02X}" for byte in external_id.encode())
    customer = await merchant.customer(external_id=external_id)
    assert ok(await merchant.test.get(f"/v1/customers/external/{quoted}")) == customer
    assert (
        ok(await merchant.test.get("/v1/customers/lookup", params={"external_id": external_id})) == customer
    )


@pytest.mark.parametrize(
    ("header", "value"),
    [
        *(
            ("Idempotency-Key", value)
            for value in (b"", b"x" * 256, b"two words", b"caf\xc3\xa9", b"a\tb", b"\x7f")
        ),
        *(("X-Actor-Id", value) for value in (b"x" * 501, b"a\tb", b"\xff", "a\u2028b".encode())),
        *(("X-Reason", value) for value in (b"x" * 501, b"\xc3\x28", "\u0085".encode())),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_header_is_what_it_says(merchant: Merchant, db: Database, header: str, value: bytes):
    async with nothing_stored(db, merchant):
        response = await merchant.test.post(
            "/v1/customers", json={"external_id": "usr_1"}, headers=[(header.encode(), value)]
        )
    body = refused(response, 400, "validation_error")
    assert [fault["field"] for fault in body["details"]["fields"]] == [header]
    assert header in body["message"]


async def test_the_longest_idempotency_key_and_every_visible_character_are_good(merchant: Merchant):
    for key in ("x" * 255, "".join(map(chr, range(0x21, 0x7F)))):
        response = await merchant.test.post(
            "/v1/customers", json={"name": "Ada"}, headers={"Idempotency-Key": key}
        )
        assert response.status_code == 201


async def test_actor_and_reason_are_kept_with_the_audit_trail(merchant: Merchant, db: Database):
    headers = [(b"X-Actor-Id", "Kofi Ünal".encode()), (b"X-Reason", "Übergabe \N{SNOWMAN}".encode())]
    await merchant.test.post("/v1/customers", json={"name": "Ada"}, headers=headers)
    async with db.read() as conn:
        row = await conn.fetchrow("SELECT actor_id, reason FROM events WHERE org_id = $1", merchant.org_id)
    assert row == ("Kofi Ünal", "Übergabe \N{SNOWMAN}")


async def test_a_wrong_address_is_told_before_a_missing_key(api: Api):
    async with api.client() as nobody:
        refused(await nobody.get("/v1/nowhere"), 404, "route_not_found")
        refused(await nobody.put("/v1/payments"), 405, "method_not_allowed")
