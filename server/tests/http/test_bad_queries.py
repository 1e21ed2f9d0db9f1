"""Parameters in an address that are not what they should be, and cursors of another making."""

import base64
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Merchant, ok, refused

LISTS = [
    "/v1/customers",
    "/v1/payments",
    "/v1/api-keys",
    "/v1/customers/{customer}/payments",
    "/v1/customers/{customer}/history",
    "/v1/customers/{customer}/value?explain=true",
    "/v1/payments/{payment}/refunds",
    "/v1/subscriptions",
    "/v1/invoices",
    "/v1/customers/{customer}/subscriptions",
    "/v1/customers/{customer}/invoices",
    "/v1/policies/retry",
]
NO_INTEGERS = ("1_0", "1.0", "%201", "1%20", "%2B1", "%D9%A3", "9" * 5000, "1%0A")


def cursor_of(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def with_query(path: str, query: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{query}"


async def existing(merchant: Merchant, path: str) -> str:
    if "{customer}" in path:
        return path.replace("{customer}", (await merchant.customer())["id"])
    return path.replace("{payment}", (await merchant.payment())["id"]) if "{payment}" in path else path


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(
            (f"limit={value}", "limit")
            for value in ("0", "101", "-1", "x", "1.5", "", "1e1", "null", "9" * 30, *NO_INTEGERS)
        ),
        *((f"offset={value}", "offset") for value in ("-1", "10001", "x", "1.5", "", "9" * 30, *NO_INTEGERS)),
        *((f"include_total={value}", "include_total") for value in ("maybe", "", "2")),
        *(("limit=1&limit=2", "limit"), ("limit=5&limit=5", "limit"), ("cursor=a&cursor=b", "cursor")),
        *(("offset=0&offset=1", "offset"), ("include_total=true&include_total=true", "include_total")),
        *(
            ("page=2", "page"),
            ("Limit=5", "Limit"),
            ("=5", ""),
            ("limit[]=5", "limit[]"),
            ("org_id=1", "org_id"),
        ),
    ],
    ids=lambda value: value[:40],
)
async def test_a_list_parameter_is_what_it_says(merchant: Merchant, path: str, query: str, field: str):
    there = with_query(await existing(merchant, path), query)
    body = refused(await merchant.test.get(there), 400, "validation_error")
    assert [fault["field"] for fault in body["details"]["fields"]] == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *((f"sort_by={value}", "sort_by") for value in ("name", "", "created_at;", "CREATED_AT", "id")),
        *((f"sort_order={value}", "sort_order") for value in ("up", "", "DESC")),
        *(
            (f"created_after={quote(value)}", "created_after")
            for value in (
                "2026-01-31",
                "yesterday",
                "",
                "1769851800",
                "2026-01-31T09:30:00",
                "10000-01-01T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "2026-13-01T00:00:00Z",
                "2026-02-30T00:00:00Z",
                "2026-01-31T09:30:00+99:99",
                "2026-01-31T09:30:00 Z",
            )
        ),
        *(
            (f"created_before={quote(value)}", "created_before")
            for value in ("tomorrow", "9999-12-31T23:59:60-24:00")
        ),
        *((f"min_spent={value}", "min_spent") for value in ("-1", "x", "1.5", "", "9223372036854775808")),
        *((f"min_spent={value}", "min_spent") for value in NO_INTEGERS),
        *((f"currency={value}", "currency") for value in ("ghs", "GH", "XXX", "")),
        *((f"tag={value}", "tag.0") for value in ("", "x" * 65, "%07")),
        ("tag=vip&" + "&".join(f"tag={number}" for number in range(50)), "tag"),
        *(("search=x&search=y", "search"), ("search=" + "x" * 201, "search"), ("search=%20-%20", "search")),
        *(("external_id=", "external_id"), ("external_id=" + "x" * 256, "external_id")),
        *(("external_id=a&external_id=b", "external_id"), ("email=" + "x" * 255, "email")),
        *(("metadata=pro", "metadata"), ("metadata[plan=pro", "metadata[plan"), ("tags=vip", "tags")),
        ("&".join(f"metadata[{number}]=1" for number in range(11)), "metadata"),
        ("status=succeeded", "status"),
    ],
    ids=lambda value: value[:40],
)
async def test_a_filter_of_customers_is_what_it_says(merchant: Merchant, query: str, field: str):
    body = refused(await merchant.test.get(f"/v1/customers?{query}"), 400, "validation_error")
    assert [fault["field"] for fault in body["details"]["fields"]] == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *((f"status={value}", "status") for value in ("paid", "", "SUCCEEDED")),
        *(
            ("currency=ghs", "currency"),
            ("currency=XAU", "currency"),
            ("created_after=2026", "created_after"),
        ),
        *(("customer_id=" + "x" * 256, "customer_id"), ("sort_by=amount", "sort_by")),
    ],
)
async def test_a_filter_of_payments_is_what_it_says(merchant: Merchant, query: str, field: str):
    body = refused(await merchant.test.get(f"/v1/payments?{query}"), 400, "validation_error")
    assert [fault["field"] for fault in body["details"]["fields"]] == [field]


@pytest.mark.parametrize(
    "value", ["9" * 26, "-" + "9" * 26, "1e400", "-1e400", "nan", "Infinity", "4.5", "1_0"]
)
async def test_a_metadata_filter_finds_nothing_where_no_such_value_can_be(merchant: Merchant, value: str):
    await merchant.customer(external_id="usr_1", metadata={"seats": 4})
    found = ok(await merchant.test.get("/v1/customers", params={"metadata[seats]": value}))
    assert found["customers"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers",
        "/v1/payments",
        "/v1/api-keys",
        "/v1/subscriptions",
        "/v1/invoices",
        "/v1/policies/retry",
    ],
)
@pytest.mark.parametrize(
    ("query", "named"),
    [
        *(("search=%00", "NUL"), ("%00=1", "NUL"), ("cursor=a%00", "NUL"), ("metadata[%00]=1", "NUL")),
        *(
            ("search=%ff", "UTF-8"),
            ("%ff=1", "UTF-8"),
            ("search=%ed%a0%80", "UTF-8"),
            ("search=caf%e9", "UTF-8"),
        ),
        ("&".join(f"tag={number}" for number in range(101)), "100"),
    ],
    ids=lambda value: value[:30],
)
async def test_characters_that_cannot_be_stored_are_refused(
    merchant: Merchant, path: str, query: str, named: str
):
    response = await merchant.test.get(f"{path}?{query}")
    assert named in refused(response, 400, "validation_error")["message"]


async def test_a_route_without_parameters_refuses_any(merchant: Merchant, db: Database):
    payment = await merchant.payment()
    async with nothing_stored(db, merchant):
        for path in (f"/v1/payments/{payment['id']}?expand=customer", "/healthz?verbose=1", "/metrics?x="):
            refused(await merchant.test.get(path), 400, "validation_error")
        refused(
            await merchant.test.post("/v1/customers?notify=1", json={"name": "Ada"}), 400, "validation_error"
        )
        path = f"/v1/payments/{payment['id']}/refund?amount=1"
        refused(await merchant.test.post(path), 400, "validation_error")


@pytest.mark.parametrize("secret", ["", "?client_secret=", "?client_secret=" + "x" * 201])
async def test_confirming_by_secret_needs_a_secret(merchant: Merchant, db: Database, secret: str):
    intent = (await merchant.test.post("/v1/payments/intents", json={"amount": 1, "currency": "GHS"})).json()
    async with nothing_stored(db, merchant):
        path = f"/v1/payments/{intent['id']}/confirm-intent{secret}"
        assert "client_secret" in refused(await merchant.test.post(path), 400, "validation_error")["message"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("zzz", id="garbage"),
        pytest.param("\N{SNOWMAN}", id="not ASCII"),
        pytest.param(cursor_of({"a": 1}), id="an object"),
        pytest.param(cursor_of(["created_at"]), id="no keys"),
        pytest.param(cursor_of(["created_at:desc", "2026-01-31T09:30:00Z", 7]), id="a number for an id"),
        pytest.param(cursor_of(["created_at", "2026-01-31T09:30:00Z", 7]), id="the same, another order"),
        pytest.param(cursor_of(["name", "Ada", "cus_1"]), id="another list's"),
        pytest.param("A" * 1999, id="long"),
    ],
)
async def test_a_cursor_of_another_making_is_refused(merchant: Merchant, path: str, cursor: str):
    there = with_query(await existing(merchant, path), f"cursor={quote(cursor)}")
    body = refused(await merchant.test.get(there), 400, "invalid_cursor")
    assert "start again" in body["message"]


async def test_a_huge_cursor_is_refused(merchant: Merchant):
    refused(await merchant.test.get("/v1/customers?cursor=" + "A" * 20_000), 400, "validation_error")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("/v1/customers", "created_at:desc"),
        ("/v1/payments", "created_at"),
        ("/v1/api-keys", "created_at"),
        ("/v1/subscriptions", "created_at"),
        ("/v1/invoices", "created_at"),
    ],
)
async def test_an_instant_in_a_cursor_that_no_database_holds_is_refused(
    merchant: Merchant, path: str, order: str, at: str
):
    """Cursors are not secret: anybody can write one."""
    cursor = cursor_of([order, at, "x"])
    refused(await merchant.test.get(path, params={"cursor": cursor}), 400, "invalid_cursor")


@pytest.mark.parametrize(
    "key",
    [
        "0001-01-01T00:00:00+23:59",
        "NaN",
        "Infinity",
        "-Infinity",
        "sNaN",
        "x",
        "",
        "1e99999",
        "1e200000",
        "9" * 1500,
        "1.5",
        "\u0664",
    ],
)
@pytest.mark.parametrize("sort_by", ["total_spent", "payment_count", "last_payment_at"])
async def test_a_value_in_a_cursor_that_no_total_has_is_no_server_error(
    merchant: Merchant, sort_by: str, key: str
):
    await merchant.payment(customer={"external_id": "usr_1"})
    for part in ("paid", "never_paid", "nowhere"):
        cursor = cursor_of([f"{sort_by}:desc:GHS", part, key, "cus_1"])
        response = await merchant.test.get("/v1/customers", params={"sort_by": sort_by, "cursor": cursor})
        assert response.status_code in (200, 400), response.text


async def test_a_cursor_is_good_for_its_own_list_and_order_only(merchant: Merchant):
    for number in range(3):
        await merchant.customer(external_id=f"usr_{number}")
    cursor = ok(await merchant.test.get("/v1/customers?limit=1"))["next_cursor"]
    ok(await merchant.test.get("/v1/customers", params={"cursor": cursor}))
    for other in ("payments?", "customers?sort_order=asc&", "customers?sort_by=total_spent&", "api-keys?"):
        refused(await merchant.test.get(f"/v1/{other}cursor={cursor}"), 400, "invalid_cursor")


@pytest.mark.parametrize("limit", [*NO_INTEGERS, "0", "101"])
async def test_the_limit_of_a_ranking_is_what_it_says(merchant: Merchant, limit: str):
    body = refused(await merchant.test.get(f"/v1/customers/top?limit={limit}"), 400, "validation_error")
    assert [fault["field"] for fault in body["details"]["fields"]] == ["limit"]
