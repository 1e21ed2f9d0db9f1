"""However much happened with a customer, a page of its history is read from indexes, and only what is on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from reevit_server import organizations
from reevit_server.analytics import history, state
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Connection, Database
from reevit_server.core.paging import PageQuery
from reevit_server.core.scope import Scope
from reevit_server.customers import CustomerId

# Of customer 1. A hundred others together have as many payments, and nine times as much of the rest.
_PAYMENTS, _INVOICES, _SUBSCRIPTIONS = 3_000, 400, 200
_LIMIT = 20
_WORLD = (
    """
    INSERT INTO customers (org_id, mode, id, external_id, created_at, updated_at)
    SELECT $1, 'test', 'cus_' || n, 'usr_' || n, now(), now()
    FROM generate_series(1, 101) AS n
    """,
    f"""
    INSERT INTO payments (org_id, mode, id, customer_id, amount, amount_refunded, currency, status, provider, source,
                          occurred_at, succeeded_at, created_at, updated_at)
    SELECT $1, 'test', 'pay_' || n, 'cus_' || CASE n % 2 WHEN 0 THEN 1 ELSE 2 + n % 100 END, 1000,
           CASE n % 5 WHEN 0 THEN 10 ELSE 0 END, 'GHS',
           CASE n % 5 WHEN 0 THEN 'partially_refunded' ELSE 'succeeded' END, 'sandbox', 'api', at, at, at, at
    FROM generate_series(1, {2 * _PAYMENTS}) AS n, LATERAL (SELECT now() - n * interval '1 hour' AS at) AS dated
    """,
    """
    INSERT INTO refunds (org_id, mode, id, payment_id, customer_id, amount, currency, status, occurred_at, created_at)
    SELECT org_id, mode, 'ref_' || id, id, customer_id, amount_refunded, currency, 'succeeded', occurred_at,
           created_at
    FROM payments
    WHERE org_id = $1 AND amount_refunded > 0
    """,
    f"""
    INSERT INTO subscriptions (org_id, mode, id, customer_id, amount, currency, interval, interval_count, status,
                               start_at, anchor_at, period_number, current_period_start, current_period_end,
                               canceled_at, created_at, updated_at)
    SELECT $1, 'test', 'sub_' || n, 'cus_' || CASE n % 10 WHEN 0 THEN 1 ELSE 2 + n % 100 END, 1000, 'GHS', 'daily', 1,
           CASE WHEN n <= 100 THEN 'active' ELSE 'canceled' END, at, at, 1, at, at + interval '1 day',
           CASE WHEN n > 100 THEN at END, at, at
    FROM generate_series(1, {10 * _SUBSCRIPTIONS}) AS n, LATERAL (SELECT now() - n * interval '2 days' AS at) AS dated
    """,
    f"""
    INSERT INTO invoices (org_id, mode, id, number, customer_id, subscription_id, description, amount, currency,
                          status, period_start, period_end, due_at, payment_id, paid_at, created_at, updated_at)
    SELECT $1, 'test', 'inv_' || n, n, s.customer_id, s.id, 'Subscription', 1000, 'GHS',
           CASE WHEN n <= 100 THEN 'failed' ELSE 'paid' END, at, at + interval '1 day', at, 'pay_' || n,
           CASE WHEN n > 100 THEN at END, at, at
    FROM generate_series(1, {10 * _INVOICES}) AS n, LATERAL (SELECT now() - n * interval '5 hours' AS at) AS dated,
         LATERAL (SELECT 'sub_' || 1 + n % {10 * _SUBSCRIPTIONS} AS id) AS its
    JOIN subscriptions AS s ON s.org_id = $1 AND s.mode = 'test' AND s.id = its.id
    """,
    "ANALYZE",
)


@pytest.fixture
async def world(empty_dsn: str) -> AsyncIterator[tuple[Database, Scope]]:
    """One customer with many of everything, in tables whose statistics PostgreSQL knows."""
    async with await Database.open(empty_dsn, connections_max=1) as db, db.transaction() as conn:
        org = await organizations.create(conn, name="Shop", currency="GHS", now=utc_now())
        for statement in _WORLD:
            await conn.execute(statement, *([org["id"]] if "$1" in statement else []))
    async with await Database.open(empty_dsn, connections_max=1) as db:
        yield db, Scope(org["id"], "test")


async def explained(conn: Connection, deed: Callable[[], Awaitable[Any]]) -> list[dict[str, Any]]:
    """How PostgreSQL answers each statement of a deed, with the rows that it reads."""
    asked: list[Any] = []
    await deed()  # at the first time the driver also asks for the types of its values
    with conn.query_logger(asked.append):
        await deed()
        await asyncio.sleep(0)  # its log comes a turn of the loop later
    return [
        (await conn.fetchval(f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {it.query}", *it.args))[0]["Plan"]
        for it in asked
    ]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_read(plan: dict[str, Any]) -> int:
    """How many rows a statement looks at, those among them that it drops: without an index, all that there are."""
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan)
        if "Scan" in node["Node Type"]
    )


def check(plans: list[dict[str, Any]], *, statements: int, rows_max: int) -> None:
    assert len(plans) == statements
    for plan in plans:
        assert rows_read(plan) <= rows_max, plan


async def test_a_page_of_a_history_reads_what_is_on_it(world: tuple[Database, Scope]):
    db, scope = world
    async with db.read() as conn:
        whole = _PAYMENTS * 6 // 5 + _INVOICES + _SUBSCRIPTIONS
        for place in (0, whole // 2, whole - 2 * _LIMIT):
            cursor = None
            if place:
                before = PageQuery(limit=1, offset=place)
                cursor = (await history.get(conn, scope, CustomerId("cus_1"), before)).next_cursor
                assert cursor is not None
            query = PageQuery(limit=_LIMIT, cursor=cursor)
            plans = await explained(
                conn, lambda query=query: history.get(conn, scope, CustomerId("cus_1"), query)
            )
            # The customer, and of each kind one row more than a page, with up to three things looked up for each row.
            check(plans, statements=5, rows_max=4 * (_LIMIT + 1))


async def test_a_state_reads_what_is_this_customers(world: tuple[Database, Scope]):
    db, scope = world
    async with db.read() as conn:
        plans = await explained(conn, lambda: state.get(conn, scope, CustomerId("cus_1")))
        check(plans, statements=4, rows_max=_INVOICES + _SUBSCRIPTIONS)
