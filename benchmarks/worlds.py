"""The customers and payments that questions are asked about: made by SQL, alike in shape whatever their number.

Customer 1 is the one that is measured: 20 payments and 2 refunds in every world. Customer 2 is the busiest: every
tenth payment is hers. The others share the rest unevenly, half of it going to a fifth of them.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import orjson

from ground import Ground, Merchant

MEASURED, BUSIEST = 1, 2
ID_BASE = 10**18  # so that a number and a prefix make an id of the product's length
_CUSTOMERS = """
    INSERT INTO customers (org_id, mode, id, external_id, email, phone, name, tags, metadata, search, created_at,
                           updated_at)
    SELECT $1, 'test', 'cus_0000000' || ($2::bigint + n), 'usr_' || n, 'buyer' || n || '@example.com',
           '+23350' || lpad((n % 10000000)::text, 7, '0'), initcap(first) || ' ' || initcap(last),
           ARRAY['shop-' || n % 20, 'newsletter'], jsonb_build_object('plan', 'pro', 'visits', n % 100),
           array_to_tsvector(ARRAY(
               SELECT $1 || '/test/' || word
               FROM unnest(ARRAY[first, last, 'usr', n::text, 'buyer' || n, 'example', 'com',
                                 'buyer' || n || '@example.com',
                                 '23350' || lpad((n % 10000000)::text, 7, '0'),
                                 '050' || lpad((n % 10000000)::text, 7, '0'),
                                 '50' || lpad((n % 10000000)::text, 7, '0')]) AS word
           )),
           now() - interval '740 days' + n * interval '10 days' / $3, now()
    FROM generate_series(1, $3::bigint) AS n,
         LATERAL (SELECT (ARRAY['ada', 'ama', 'kofi', 'kwame', 'esi', 'yaw', 'zainab', 'tunde', 'ngozi', 'chidi',
                                'amina', 'juma', 'wanjiru', 'otieno', 'fatou', 'moussa', 'aicha', 'thabo', 'lindiwe',
                                'sipho'])[n % 20 + 1] AS first,
                         (ARRAY['mensah', 'owusu', 'okafor', 'adeyemi', 'mwangi', 'diallo', 'traore', 'ndlovu',
                                'dlamini', 'boateng', 'sow', 'keita', 'hassan', 'abebe', 'tesfaye', 'banda', 'phiri',
                                'moyo', 'asante'])[n % 19 + 1] AS last) AS names
"""
# $4 payments; the one measured takes 20 of them, evenly; `place` is where in the two years a payment falls.
_PAYMENTS = """
    INSERT INTO payments (org_id, mode, id, customer_id, amount, amount_refunded, currency, status, method, reference,
                          metadata, provider, source, occurred_at, succeeded_at, created_at, updated_at)
    SELECT $1, 'test', 'pay_0000000' || ($2::bigint + n), 'cus_0000000' || ($2::bigint + customer), amount,
           CASE status WHEN 'partially_refunded' THEN 50 ELSE 0 END,
           CASE WHEN customer > 2 AND n % 20 = 7 THEN 'NGN' ELSE 'GHS' END,
           status, CASE n % 3 WHEN 0 THEN 'card' ELSE 'mobile_money' END, 'ord_' || n,
           jsonb_build_object('basket', n % 1000), 'external', 'api', at,
           CASE WHEN status <> 'failed' THEN at END, at, at
    FROM generate_series(1, $4::bigint) AS n,
         LATERAL (SELECT n % ($4 / 20) = 0 AS measured,
                         now() - interval '730 days' * (1 - n::float8 / $4) - interval '1 second' AS at,
                         100 + (n * 7919) % 49901 AS amount) AS facts,
         LATERAL (SELECT CASE WHEN measured THEN 1
                              WHEN n % 10 = 1 THEN 2
                              ELSE 3 + floor(($3 - 2) * random() ^ 2.3)::bigint END AS customer,
                         CASE WHEN measured THEN
                                  CASE WHEN n / ($4 / 20) IN (5, 15) THEN 'partially_refunded' ELSE 'succeeded' END
                              WHEN n % 97 = 5 THEN 'partially_refunded'
                              WHEN n % 25 = 3 THEN 'failed'
                              ELSE 'succeeded' END AS status) AS choice
"""
_REFUNDS = """
    INSERT INTO refunds (org_id, mode, id, payment_id, customer_id, amount, currency, status, occurred_at, created_at)
    SELECT org_id, mode, 'ref_' || right(id, 26), id, customer_id, amount_refunded, currency, 'succeeded',
           least(occurred_at + interval '1 day', now()), least(occurred_at + interval '1 day', now())
    FROM payments
    WHERE amount_refunded > 0
"""
_MOVES = """
    SELECT org_id, mode, customer_id, currency, amount AS spent, 0 AS refunded, 1 AS payments, succeeded_at AS at, method
    FROM payments
    WHERE succeeded_at IS NOT NULL
    UNION ALL
    SELECT org_id, mode, customer_id, currency, 0, amount, 0, occurred_at, NULL
    FROM refunds
"""
_TOTALS = f"""
    INSERT INTO customer_totals (org_id, mode, customer_id, currency, total_spent, total_refunded, payment_count,
                                 first_payment_at, last_payment_at, last_method)
    SELECT org_id, mode, customer_id, currency, sum(spent), sum(refunded), sum(payments),
           min(at) FILTER (WHERE payments = 1), max(at) FILTER (WHERE payments = 1), max(method)
    FROM ({_MOVES}) AS move
    GROUP BY org_id, mode, customer_id, currency
"""
_DAYS = f"""
    INSERT INTO customer_days (org_id, mode, currency, day, customer_id, spent, refunded, payment_count)
    SELECT org_id, mode, currency, (at AT TIME ZONE 'UTC')::date, customer_id, sum(spent), sum(refunded), sum(payments)
    FROM ({_MOVES}) AS move
    GROUP BY org_id, mode, currency, (at AT TIME ZONE 'UTC')::date, customer_id
    ORDER BY (at AT TIME ZONE 'UTC')::date  -- as they came
"""


def customer_id(number: int) -> str:
    """The id of a world's customer."""
    return f"cus_0000000{ID_BASE + number}"


def payment_body(customer: int, *, reference: str) -> bytes:
    """A payment as a shop would send it."""
    return orjson.dumps(
        {
            "customer_id": customer_id(customer),
            "amount": 15000,
            "currency": "GHS",
            "method": "mobile_money",
            "reference": reference,
            "description": "Order of 3 items",
            "metadata": {"basket": 4711, "channel": "app"},
        }
    )


def fill(ground: Ground, merchant: Merchant, *, customers: int, payments: int) -> None:
    """Makes a merchant's world, then leaves PostgreSQL as a server finds it after a while: analyzed and quiet."""
    asyncio.run(_fill(ground.admin_dsn_of(merchant), merchant.org_id, customers, payments))
    ground.settle()


async def _fill(admin_dsn: str, org_id: str, customers: int, payments: int) -> None:
    conn = await asyncpg.connect(admin_dsn)
    # The rows are right by construction; checking a million foreign keys would only take a run's time.
    await conn.execute("SET session_replication_role = replica; SELECT setseed(0.5)")
    await conn.execute(_CUSTOMERS, org_id, ID_BASE, customers)
    if payments:
        await conn.execute(_PAYMENTS, org_id, ID_BASE, customers, payments)
        for statement in (_REFUNDS, _TOTALS, _DAYS):
            await conn.execute(statement)
    await conn.execute("VACUUM (ANALYZE)")
    await conn.close()


@dataclass(frozen=True)
class Gets:
    """`GET`s of these targets, in turn and for ever."""

    key: str
    targets: tuple[str, ...]

    def __iter__(self) -> Iterator[bytes]:
        requests = [
            f"GET {target} HTTP/1.1\r\nHost: bench\r\nX-Reevit-Key: {self.key}\r\n\r\n".encode()
            for target in self.targets
        ]
        while True:
            yield from requests


@dataclass(frozen=True)
class Payments:
    """`POST /v1/payments` for customers at random, each with a reference and an Idempotency-Key of its own."""

    key: str
    customers: int
    name: str

    def __iter__(self) -> Iterator[bytes]:
        chance, number = random.Random(7), 0  # noqa: S311 - the same customers in every round
        while True:
            number += 1
            body = payment_body(chance.randint(1, self.customers), reference=f"{self.name}-{number}")
            head = (
                f"POST /v1/payments HTTP/1.1\r\nHost: bench\r\nX-Reevit-Key: {self.key}\r\n"
                f"Idempotency-Key: {self.name}-{number}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            yield head.encode() + body
