"""Does it stay quick? Reads and rankings with 1,000 payments and with 1,000,000, each in a database of its own, one
request after another.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import asyncpg

from capture import Asking, Captured, capture
from ground import Ground, Merchant, Server, app
from load import Load
from report import Answer, Ratio
from rounds import Contest, Effort, Round, alternate, medians
from worlds import BUSIEST, MEASURED, Gets, customer_id, fill

AIM = 1.3
LIMITED_BY = (
    "rankings of a window add up its days: 31,000 customer-days in the last 30, 397,000 in the last 365. A search reads "
    "the 2,000 newest customers before it asks the index of words, which is as many in any larger world. Everything "
    "else reads as many index entries as it returns rows."
)
_SECONDS_MAX = 1.0  # of a turn: there are many questions, and one answer takes a millisecond or two


class World(NamedTuple):
    """How much there is of everything."""

    customers: int
    payments: int


SMALL, LARGE = World(100, 1_000), World(100_000, 1_000_000)
_MEASURED = f"/v1/customers/{customer_id(MEASURED)}"
_BUSIEST = f"/v1/customers/{customer_id(BUSIEST)}"


class Read(NamedTuple):
    """A read, and whether the aim speaks of it: what must add up a window's days, or show the busiest customer (100
    payments in the small world, 100,000 in the large) or finds more in the large world (a first name: 5 customers, and a
    page), is told but not promised.
    """

    target: str
    promised: bool = True


READS = {
    "get": Read(_MEASURED),
    "history": Read(f"{_MEASURED}/history"),
    "payments of a customer": Read(f"{_MEASURED}/payments"),
    "value": Read(f"{_MEASURED}/value"),
    "value, explained": Read(f"{_MEASURED}/value?explain=true"),
    "history of the busiest": Read(f"{_BUSIEST}/history", promised=False),
    "top": Read("/v1/customers/top"),
    "top of 30 days": Read("/v1/customers/top?period=30d", promised=False),
    "top of 365 days": Read("/v1/customers/top?period=365d", promised=False),
    "payments": Read("/v1/payments"),
    "customers": Read("/v1/customers"),
    "customers by total_spent": Read("/v1/customers?sort_by=total_spent"),
    "search, one e-mail": Read("/v1/customers?search=buyer77@example.com", promised=False),
    "search, a first name": Read("/v1/customers?search=ama", promised=False),
}


def measure(ground: Ground, load: Load, effort: Effort, say: Callable[[str], None]) -> Answer:
    """Customer 1 has the same 20 payments in both worlds."""
    effort = Effort(effort.rounds, min(effort.seconds, _SECONDS_MAX), quick=effort.quick)
    merchants = {}
    for name, world in (("small", SMALL), ("large", LARGE)):
        merchants[name] = ground.merchant(f"bench_scale_{name}")
        say(f"  making {world.payments:,} payments of {world.customers:,} customers")
        fill(ground, merchants[name], customers=world.customers, payments=world.payments)
    with app(merchants["small"]) as small, app(merchants["large"]) as large:
        rounds = {
            name: _compare(
                Contest(ground, load, connections=1),
                {"small": (small, merchants["small"]), "large": (large, merchants["large"])},
                read,
                effort,
            )
            for name, read in READS.items()
        }
    plans = asyncio.run(_plans(merchants["large"]))
    return Answer(
        question="scale",
        about="Latency with 1,000,000 payments against latency with 1,000, one request after another",
        ratios=[
            Ratio(
                f"{name}, 1,000,000 payments",
                f"{name}, 1,000 payments",
                AIM if READS[name].promised else None,
                tuple(
                    large.latency_ms / small.latency_ms
                    for small, large in zip(turns["small"], turns["large"], strict=True)
                ),
                at_most=True,
            )
            for name, turns in rounds.items()
        ],
        figures={
            name: {f"{side}_ms": round(medians(turns)["latency_ms"], 3) for side, turns in both.items()}
            for name, both in rounds.items()
        },
        limited_by=LIMITED_BY,
        pages={"plans.md": plans},
    )


def _compare(
    contest: Contest, sides: dict[str, tuple[Server, Merchant]], read: Read, effort: Effort
) -> dict[str, list[Round]]:
    def turner(server: Server, requests: Iterable[bytes]) -> Callable[[float], Round]:
        return lambda seconds: contest.turn(server, requests, seconds)

    return alternate(
        {
            name: turner(server, Gets(merchant.key, (read.target,)))
            for name, (server, merchant) in sides.items()
        },
        effort,
    )


async def _plans(merchant: Merchant) -> str:
    """How PostgreSQL answers each read with a million payments."""
    asked = [Asking("GET", read.target, merchant.headers) for read in READS.values()]
    await capture(merchant.dsn, *asked)  # so that the driver knows all types at the second time
    captured = await capture(merchant.dsn, *asked)
    conn = await asyncpg.connect(merchant.dsn)
    parts = [
        "# Plans with 1,000,000 payments\n\n`EXPLAIN (ANALYZE, BUFFERS)` of every statement of each read.\n"
    ]
    for (name, read), found in zip(READS.items(), captured, strict=True):
        parts.append(f"## {name}\n\n`GET {read.target}`\n")
        parts += await _explained(conn, found)
    await conn.close()
    return "\n".join(parts)


async def _explained(conn: asyncpg.Connection, found: Captured) -> list[str]:
    plans = []
    for text, values in found.statements:
        explain = f"EXPLAIN (ANALYZE, BUFFERS) {text}"
        await conn.fetch(explain, *values)  # the second time shows a warm cache, as the measurement had it
        rows = await conn.fetch(explain, *values)
        plans.append("```\n" + "\n".join(row[0] for row in rows) + "\n```\n")
    return plans
