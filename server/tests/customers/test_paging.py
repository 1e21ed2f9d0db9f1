"""Lists in pages: every customer once and in order, whatever is sorted by, and whatever is written meanwhile."""

import asyncio
import itertools
from typing import Any

import pytest

from reevit_server.core.database import Database
from reevit_server.core.paging import encode
from tests.makers import Merchant, ok, refused

SORTS = ("created_at", "total_spent", "lifetime_value", "payment_count", "last_payment_at")
CROWD = 57


async def pages(merchant: Merchant, **query: Any) -> list[dict]:
    """All pages of a list, by cursor."""
    walked = []
    cursor: dict[str, str] = {}
    for _ in range(1000):
        walked.append(ok(await merchant.test.get("/v1/customers", params={**query, **cursor})))
        if not walked[-1]["has_more"]:
            assert walked[-1]["next_cursor"] is None
            return walked
        cursor = {"cursor": walked[-1]["next_cursor"]}
    raise AssertionError("the list has no end")


async def everybody(merchant: Merchant, **query: Any) -> list[dict]:
    return [customer for page in await pages(merchant, **query) for customer in page["customers"]]


async def crowd(db: Database, merchant: Merchant) -> list[str]:
    """57 customers with ties in everything: a third never paid, a third paid in two currencies."""
    ids = []
    for number in range(CROWD):
        ids.append((await merchant.customer(name=f"Person {number}"))["id"])
        outside = {"customer_id": ids[-1], "provider": "external"}
        at = f"2025-0{1 + number % 7}-01T00:00:00Z"
        if number % 3:
            payment = await merchant.payment(**outside, amount=100 * (1 + number % 5), occurred_at=at)
            if number % 4 == 0:
                await merchant.refund(payment["id"], amount=100)
        if number % 3 == 1:
            await merchant.payment(**outside, amount=7, currency="XOF", occurred_at=at)
            await merchant.payment(**outside, amount=number % 2 + 1, currency="XOF", occurred_at=at)
    async with db.transaction() as conn:
        await conn.execute(
            """
            UPDATE customers
            SET created_at = (SELECT created_at FROM customers WHERE id = $2)
            WHERE org_id = $1 AND id = ANY ($3)
            """,
            merchant.org_id,
            ids[20],
            ids[16:25],
        )
    return ids


def figure(customer: dict, sort: str, currency: str) -> Any:
    """What a customer is sorted by; one who never paid has paid least."""
    if sort == "created_at":
        return customer["created_at"]
    return next((row[sort] for row in customer["totals"] if row["currency"] == currency), None)


async def test_a_walk_by_cursor_meets_each_customer_once_in_the_order_asked_for(
    db: Database, merchant: Merchant
):
    ids = await crowd(db, merchant)
    for sort, order, currency in itertools.product(SORTS, ("asc", "desc"), ("GHS", "XOF")):
        query = {"sort_by": sort, "sort_order": order}
        if currency != "GHS":  # the organization's, which needs no saying
            query["currency"] = currency
        walked = await pages(merchant, limit=5, **query)
        assert [len(page["customers"]) for page in walked] == [5] * 11 + [2], query
        rows = [customer for page in walked for customer in page["customers"]]
        assert sorted(row["id"] for row in rows) == sorted(ids), query
        figures = [figure(row, sort, currency) for row in rows]
        paid = [value for value in figures if value is not None]
        assert paid == sorted(paid, reverse=order == "desc"), query
        never_paid = [None] * (CROWD - len(paid))
        assert figures == (paid + never_paid if order == "desc" else never_paid + paid), query
        whole = ok(await merchant.test.get("/v1/customers", params={**query, "limit": 100}))
        assert whole["customers"] == rows, query


async def test_the_default_is_twenty_newest_first(db: Database, merchant: Merchant):
    ids = [(await merchant.customer(name=f"Person {number}"))["id"] for number in range(23)]
    page = ok(await merchant.test.get("/v1/customers"))
    assert [row["id"] for row in page["customers"]] == ids[:-21:-1]
    assert (page["has_more"], set(page)) == (True, {"customers", "has_more", "next_cursor"})
    rest = ok(await merchant.test.get("/v1/customers", params={"cursor": page["next_cursor"]}))
    assert [row["id"] for row in rest["customers"]] == ids[2::-1]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)


async def test_a_page_that_ends_with_the_list_says_so(merchant: Merchant):
    for number in range(4):
        await merchant.customer(name=f"Person {number}")
    for sort in SORTS:
        assert [len(page["customers"]) for page in await pages(merchant, limit=2, sort_by=sort)] == [2, 2]
    empty = ok(await merchant.test.get("/v1/customers?tag=nobody&include_total=true"))
    assert empty == {"customers": [], "has_more": False, "next_cursor": None, "total": 0}


async def test_offset_steps_across_the_parts_of_a_sort(db: Database, merchant: Merchant):
    await crowd(db, merchant)
    for sort, order in itertools.product(SORTS, ("asc", "desc")):
        query = {"sort_by": sort, "sort_order": order}
        rows = await everybody(merchant, limit=100, **query)
        for offset in (0, 1, 17, 18, 19, 20, 37, 38, 39, 40, 55, 56, 57, 1000):
            page = ok(
                await merchant.test.get("/v1/customers", params={**query, "limit": 4, "offset": offset})
            )
            assert page["customers"] == rows[offset : offset + 4], (query, offset)
            assert page["has_more"] == (offset + 4 < CROWD)


async def test_the_total_counts_all_that_match(db: Database, merchant: Merchant):
    await crowd(db, merchant)
    for query, total in (
        ({}, 57),
        ({"min_spent": 1}, 38),
        ({"min_spent": 1, "currency": "XOF"}, 19),
        ({"search": "person"}, 57),
    ):
        for sort in SORTS:
            params = {**query, "sort_by": sort, "include_total": "true", "limit": 3, "offset": 2}
            assert ok(await merchant.test.get("/v1/customers", params=params))["total"] == total, params
    assert "total" not in ok(await merchant.test.get("/v1/customers?include_total=false"))


async def test_a_cursor_is_good_for_its_own_order_only(merchant: Merchant):
    for number in range(3):
        await merchant.customer(name=f"Person {number}")
    cursor = ok(await merchant.test.get("/v1/customers?limit=1"))["next_cursor"]
    for query in ("sort_order=asc", "sort_by=total_spent", "sort_by=payment_count&sort_order=asc"):
        refused(await merchant.test.get(f"/v1/customers?{query}&cursor={cursor}"), 400, "invalid_cursor")
    spent = ok(await merchant.test.get("/v1/customers?limit=1&sort_by=total_spent"))["next_cursor"]
    for query in ("sort_by=lifetime_value", "sort_by=total_spent&currency=XOF", ""):
        refused(await merchant.test.get(f"/v1/customers?{query}&cursor={spent}"), 400, "invalid_cursor")
    refused(await merchant.test.get(f"/v1/payments?cursor={cursor}"), 400, "invalid_cursor")


FORGED = {
    "no base64": ({}, "nonsense"),
    "nothing": ({}, ""),
    "no instant": ({}, encode("created_at:desc", "yesterday", "cus_1")),
    "too short": ({}, encode("created_at:desc", "2026-01-01T00:00:00Z")),
    "a number for an instant": ({}, encode("created_at:desc", 5, "cus_1")),
    "before the first year": ({}, encode("created_at:desc", "0001-01-01T00:00:00+14:00", "cus_1")),
    "after the last year": ({}, encode("created_at:desc", "9999-12-31T23:59:59-14:00", "cus_1")),
    "NUL in the id": ({}, encode("created_at:desc", "2026-01-01T00:00:00Z", "cus_\0")),
    "a list for an id": ({}, encode("created_at:desc", "2026-01-01T00:00:00Z", ["cus_1"])),
    "no number": ({"sort_by": "total_spent"}, encode("total_spent:desc:GHS", "paid", "NaN", "cus_1")),
    "a word for a number": (
        {"sort_by": "total_spent"},
        encode("total_spent:desc:GHS", "paid", "much", "cus_1"),
    ),
    "a vast number": (
        {"sort_by": "total_spent"},
        encode("total_spent:desc:GHS", "paid", "1e999999", "cus_1"),
    ),
    "no part of the list": (
        {"sort_by": "total_spent"},
        encode("total_spent:desc:GHS", "nowhere", "1", "cus_1"),
    ),
    "a number in the other part": (
        {"sort_by": "total_spent"},
        encode("total_spent:desc:GHS", "never_paid", "1", "cus_1"),
    ),
    "a vast count": ({"sort_by": "payment_count"}, encode("payment_count:desc:GHS", "paid", "1e30", "cus_1")),
    "a number for the last payment": (
        {"sort_by": "last_payment_at"},
        encode("last_payment_at:desc:GHS", "paid", "5", "cus_1"),
    ),
    "a last payment before the first year": (
        {"sort_by": "last_payment_at"},
        encode("last_payment_at:desc:GHS", "paid", "0001-01-01T00:00:00+14:00", "cus_1"),
    ),
}


@pytest.mark.parametrize(("query", "cursor"), FORGED.values(), ids=FORGED.keys())
async def test_a_forged_cursor_is_refused(merchant: Merchant, query: dict, cursor: str):
    await merchant.customer(name="Ada")
    refused(
        await merchant.test.get("/v1/customers", params={**query, "cursor": cursor}), 400, "invalid_cursor"
    )


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_writers_make_no_page_skip_or_repeat_a_customer(merchant: Merchant, order: str):
    """One client pages by creation while others create, pay, change and delete."""
    staying = [(await merchant.customer(name=f"Staying {number}"))["id"] for number in range(60)]
    leaving = [(await merchant.customer(name=f"Leaving {number}"))["id"] for number in range(20)]
    reading = asyncio.Event()

    async def write(turn: int) -> None:
        for step in itertools.count():
            if reading.is_set():
                return
            customer_id = staying[(turn * 17 + step * 7) % len(staying)]
            await merchant.customer(name=f"New {turn}.{step}")
            await merchant.payment(customer_id=customer_id)
            change = {"metadata": {"visits": step}}
            ok(await merchant.test.patch(f"/v1/customers/{customer_id}", json=change))
            if leaving:
                gone = await merchant.test.delete(f"/v1/customers/{leaving.pop()}")
                assert gone.status_code == 204

    writers = [asyncio.create_task(write(turn)) for turn in range(3)]
    met: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(
            await merchant.test.get("/v1/customers", params={"limit": 3, "sort_order": order, **cursor})
        )
        met += [row["id"] for row in page["customers"]]
        # Enough is proven once all who were there have been passed; in ascending order the new ones never end.
        if not page["has_more"] or set(staying) <= set(met):
            break
        cursor = {"cursor": page["next_cursor"]}
        await asyncio.sleep(0.005)
    reading.set()
    await asyncio.gather(*writers)
    assert len(met) == len(set(met))
    expected = staying if order == "asc" else staying[::-1]
    assert [id for id in met if id in set(staying)] == expected
