"""Does a long history cost more? Pages of the history of a customer with 100,000 payments, and of one with 100, in the
same table of 1,000,000.
"""

import asyncio
import json
import urllib.request
from collections.abc import Callable

import asyncpg

import bench_scale
from capture import Asking, capture
from ground import Ground, Merchant, Server, app
from load import Load
from report import Answer, Ratio
from rounds import Contest, Effort, Round, alternate, medians
from worlds import ID_BASE, Gets, customer_id, fill

AIM = 1.3
LIMITED_BY = (
    "the server's own work, two thirds of the time of a first page: five statements in a snapshot, one after "
    "another (the customer, then each kind), their rows, and rendering; a state has four. Each kind gives one row "
    "more than the page from its own index, from the cursor's place on, whatever lies before or behind it: 84 "
    "rows for the 20 that are shown. Three quarters of the buffers are the look-up of the customer's external_id "
    "for each of these rows. A page that is counted off reads all that it skips, of every kind; a count reads the "
    "whole index, 3,000 buffers for 100,000 payments. A state looks through all subscriptions and invoices of its "
    "customer for those that are open: 36 buffers for 300 invoices."
)
_SECONDS_MAX = 1.0  # of a turn: one answer takes a millisecond or two
_OTHERS, _THEIR_PAYMENTS = 100_000, 899_900
_SHORT, _LONG = _OTHERS + 1, _OTHERS + 2
_PAYMENTS = {_SHORT: 100, _LONG: 100_000}
_SMALL_PAGE = 8  # the short history has 53 pages of this size

# A subscription for everybody, and an invoice for every third payment.
_THEIR_SUBSCRIPTIONS = """
    INSERT INTO subscriptions (org_id, mode, id, customer_id, plan_id, amount, currency, interval, interval_count,
                               status, start_at, anchor_at, period_number, current_period_start, current_period_end,
                               canceled_at, created_at, updated_at)
    SELECT c.org_id, c.mode, 'sub_' || right(c.id, 26), c.id, 'team', 15000, 'GHS', 'monthly', 1,
           CASE WHEN living THEN 'active' ELSE 'canceled' END, c.created_at, c.created_at, 1, c.created_at,
           c.created_at + interval '30 days', CASE WHEN NOT living THEN c.created_at END, c.created_at, c.created_at
    FROM customers AS c, LATERAL (SELECT right(c.id, 1) < '6' AS living) AS choice
"""
_THEIR_INVOICES = """
    INSERT INTO invoices (org_id, mode, id, number, customer_id, subscription_id, plan_id, description, amount, currency,
                          method, status, period_start, period_end, due_at, payment_id, attempt_count, paid_at,
                          created_at, updated_at)
    SELECT p.org_id, p.mode, 'inv_' || right(p.id, 26), number, p.customer_id, 'sub_' || right(p.customer_id, 26), 'team',
           'team', p.amount, p.currency, p.method, CASE p.status WHEN 'failed' THEN 'failed' ELSE 'paid' END,
           p.created_at, p.created_at + interval '30 days', p.created_at, p.id, 1, p.succeeded_at, p.created_at,
           p.created_at
    FROM payments AS p, LATERAL (SELECT right(p.id, 19)::bigint AS number) AS its
    WHERE number % 3 = 0
"""
# The last hundred days of both are alike: a payment a day, every twentieth refunded in part, a subscription every four
# days, an invoice every eight hours. The long history goes on from there, for two years.
_COMPARED = """
    CREATE TEMPORARY TABLE compared (org_id text, id text, number bigint, payments bigint, first bigint)
"""
_CUSTOMERS = """
    INSERT INTO customers (org_id, mode, id, external_id, created_at, updated_at)
    SELECT c.org_id, 'test', c.id, 'usr_' || c.number, now() - interval '740 days', now()
    FROM compared AS c
"""
_PAYMENTS_OF_BOTH = """
    INSERT INTO payments (org_id, mode, id, customer_id, amount, amount_refunded, currency, status, method, reference,
                          metadata, provider, source, occurred_at, succeeded_at, created_at, updated_at)
    SELECT c.org_id, 'test', 'pay_0000000' || (c.first + n), c.id, 15000, CASE n % 20 WHEN 0 THEN 50 ELSE 0 END, 'GHS',
           CASE n % 20 WHEN 0 THEN 'partially_refunded' ELSE 'succeeded' END, 'card', 'ord_' || (c.first + n),
           jsonb_build_object('basket', n % 1000), 'external', 'api', at, at, at, at
    FROM compared AS c, generate_series(1, c.payments) AS n,
         LATERAL (SELECT now() - interval '1 day' * (least(n, 100) + 600.0 * greatest(n - 100, 0) / c.payments) AS at)
             AS dated
"""
_REFUNDS = """
    INSERT INTO refunds (org_id, mode, id, payment_id, customer_id, amount, currency, status, occurred_at, created_at)
    SELECT p.org_id, p.mode, 'ref_' || right(p.id, 26), p.id, p.customer_id, p.amount_refunded, p.currency, 'succeeded',
           p.occurred_at + interval '1 hour', p.occurred_at + interval '1 hour'
    FROM compared AS c
    JOIN payments AS p ON p.org_id = c.org_id AND p.mode = 'test' AND p.customer_id = c.id
    WHERE p.amount_refunded > 0
"""
_TOTALS = """
    INSERT INTO customer_totals (org_id, mode, customer_id, currency, total_spent, total_refunded, payment_count,
                                 first_payment_at, last_payment_at, last_method)
    SELECT p.org_id, p.mode, p.customer_id, p.currency, sum(p.amount), sum(p.amount_refunded), count(*),
           min(p.succeeded_at), max(p.succeeded_at), 'card'
    FROM compared AS c
    JOIN payments AS p ON p.org_id = c.org_id AND p.mode = 'test' AND p.customer_id = c.id
    GROUP BY p.org_id, p.mode, p.customer_id, p.currency
"""
# 24 each, of which 4 live.
_SUBSCRIPTIONS = """
    INSERT INTO subscriptions (org_id, mode, id, customer_id, plan_id, amount, currency, interval, interval_count,
                               status, start_at, anchor_at, period_number, current_period_start, current_period_end,
                               canceled_at, created_at, updated_at)
    SELECT c.org_id, 'test', 'sub_0000000' || (c.first + n), c.id, 'team', 15000, 'GHS', 'weekly', 1,
           CASE WHEN n % 6 = 0 THEN 'active' ELSE 'canceled' END, at, at, 1, at, at + interval '7 days',
           CASE WHEN n % 6 <> 0 THEN at END, at, at
    FROM compared AS c, generate_series(1, 24) AS n, LATERAL (SELECT now() - interval '4 days' * n AS at) AS dated
"""
# 300 each: a third is paid, by the hundred latest payments, 4 were given up, the rest is canceled.
_INVOICES = """
    INSERT INTO invoices (org_id, mode, id, number, customer_id, subscription_id, plan_id, description, amount, currency,
                          method, status, period_start, period_end, due_at, payment_id, attempt_count, paid_at,
                          canceled_at, created_at, updated_at)
    SELECT c.org_id, 'test', 'inv_0000000' || (c.first + n), c.first + n, c.id,
           'sub_0000000' || (c.first + 1 + n % 24), 'team', 'team', 15000, 'GHS', 'card', status, at,
           at + interval '7 days', at, CASE status WHEN 'paid' THEN 'pay_0000000' || (c.first + n / 3) END, 1,
           CASE status WHEN 'paid' THEN at END, CASE status WHEN 'canceled' THEN at END, at, at
    FROM compared AS c, generate_series(1, 300) AS n,
         LATERAL (SELECT now() - interval '8 hours' * n AS at,
                         CASE WHEN n % 3 = 0 THEN 'paid' WHEN n % 50 = 1 THEN 'failed' ELSE 'canceled' END AS status)
             AS dated
"""


def measure(ground: Ground, load: Load, effort: Effort, say: Callable[[str], None]) -> Answer:
    """One request after another, of the two customers in turn."""
    effort = Effort(effort.rounds, min(effort.seconds, _SECONDS_MAX), quick=effort.quick)
    merchant = ground.merchant("bench_history")
    say("  making 1,000,000 payments")
    fill(ground, merchant, customers=_OTHERS, payments=_THEIR_PAYMENTS)
    asyncio.run(_add(ground.admin_dsn_of(merchant), merchant.org_id))
    ground.settle()
    with app(merchant) as server:
        pages = {customer: _pages(server, merchant, customer) for customer in _PAYMENTS}
        rounds = {
            name: _compare(Contest(ground, load, connections=1), server, merchant, targets, effort)
            for name in pages[_SHORT]
            if (targets := {side: pages[side][name] for side in pages})
        }
    promised = [name for name in rounds if "counted" not in name]
    return Answer(
        question="history",
        about="History and state of a customer with 100,000 payments against those of one with 100, among 1,000,000",
        ratios=[
            Ratio(
                f"{name}, 100,000 payments",
                f"{name}, 100 payments",
                AIM if name in promised else None,
                tuple(
                    long.latency_ms / short.latency_ms
                    for short, long in zip(turns[_SHORT], turns[_LONG], strict=True)
                ),
                at_most=True,
            )
            for name, turns in rounds.items()
        ],
        figures={
            name: {f"{_PAYMENTS[side]:,} payments": _cost(turns[side]) for side in turns}
            for name, turns in rounds.items()
        },
        limited_by=LIMITED_BY,
        pages={"plans.md": asyncio.run(_plans(merchant, pages[_LONG]))},
    )


def _cost(turns: list[Round]) -> dict[str, float]:
    """What an answer takes: its time, and the server's and PostgreSQL's part of the work."""
    told = medians(turns)
    return {name: told[name] for name in ("latency_ms", "server_cpu_us", "postgres_cpu_us")}


async def _add(admin_dsn: str, org_id: str) -> None:
    """What all subscribe to, and the two customers that are compared."""
    conn = await asyncpg.connect(admin_dsn)
    await conn.execute("SET session_replication_role = replica")
    for statement in (_THEIR_SUBSCRIPTIONS, _THEIR_INVOICES, _COMPARED):
        await conn.execute(statement)
    for number, payments in _PAYMENTS.items():
        first = ID_BASE + 1_000_000 * number  # behind the numbers of all others
        known = (org_id, customer_id(number), number, payments, first)
        await conn.execute("INSERT INTO compared VALUES ($1, $2, $3, $4, $5)", *known)
    for statement in (_CUSTOMERS, _PAYMENTS_OF_BOTH, _REFUNDS, _TOTALS, _SUBSCRIPTIONS, _INVOICES):
        await conn.execute(statement)
    await conn.execute("VACUUM (ANALYZE)")
    await conn.close()


def _pages(server: Server, merchant: Merchant, customer: int) -> dict[str, str]:
    """What is asked about a customer. The place of its 50th page is learnt from the page before."""
    there = f"/v1/customers/{customer_id(customer)}"
    before = 49 * _SMALL_PAGE
    asked = f"http://127.0.0.1:{server.port}{there}/history?limit=1&offset={before - 1}"
    with urllib.request.urlopen(urllib.request.Request(asked, headers=merchant.headers)) as answer:
        cursor = json.load(answer)["next_cursor"]
    return {
        "first page": f"{there}/history",
        "50th page": f"{there}/history?limit={_SMALL_PAGE}&cursor={cursor}",
        "50th page, counted off": f"{there}/history?limit={_SMALL_PAGE}&offset={before}",
        "first page, all counted": f"{there}/history?include_total=true",
        "state": f"{there}/state",
    }


def _compare(
    contest: Contest, server: Server, merchant: Merchant, targets: dict[int, str], effort: Effort
) -> dict[int, list[Round]]:
    def turner(target: str) -> Callable[[float], Round]:
        return lambda seconds: contest.turn(server, Gets(merchant.key, (target,)), seconds)

    sides = {str(customer): turner(target) for customer, target in targets.items()}
    return {int(side): turns for side, turns in alternate(sides, effort).items()}


async def _plans(merchant: Merchant, pages: dict[str, str]) -> str:
    """How PostgreSQL answers each page of the long history."""
    asked = [Asking("GET", target, merchant.headers) for target in pages.values()]
    await capture(merchant.dsn, *asked)  # so that the driver knows all types at the second time
    conn = await asyncpg.connect(merchant.dsn)
    parts = [
        "# Plans of the history and state of a customer with 100,000 payments\n\n"
        "`EXPLAIN (ANALYZE, BUFFERS)` of every statement, with 1,000,000 payments in the table.\n"
    ]
    for (name, target), found in zip(pages.items(), await capture(merchant.dsn, *asked), strict=True):
        parts.append(f"## {name}\n\n`GET {target}`\n")
        parts += await bench_scale._explained(conn, found)
    await conn.close()
    return "\n".join(parts)
