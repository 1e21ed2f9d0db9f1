"""What does the house cost a write? `POST /v1/payments` against a bare handler of the same statements, and against
pgbench, which has nothing but them.
"""

import asyncio
import itertools
from collections.abc import Callable

import pgbench
from ground import Ground, Server, app, floor
from load import Load
from recipe import payment_recipe
from report import Answer, Ratio
from rounds import Contest, Effort, Round, alternate, medians, rate_ratios
from worlds import Payments, fill

CUSTOMERS = 10_000
LIMITED_BY = (
    "nine round trips to PostgreSQL (begin, key, customer, payment, events, job, totals, stored answer, commit) and the "
    "commit's fsync, on both sides; the rest is validation and rendering. PostgreSQL's own work is more than half of "
    "all CPU, and shares the two cores with the client and the server; and, beside the product, with the worker, which "
    "does a job for each payment."
)


def measure(ground: Ground, load: Load, effort: Effort, say: Callable[[str], None]) -> Answer:
    """At 16 connections; customers at random, every reference and Idempotency-Key fresh."""
    merchant = ground.merchant("bench_create_payment")
    fill(ground, merchant, customers=CUSTOMERS, payments=0)
    recipe = asyncio.run(payment_recipe(merchant.dsn, merchant.headers))
    database = pgbench.of_recipe(ground, merchant, recipe, customers=CUSTOMERS)
    contest, numbers = Contest(ground, load), itertools.count()

    def turn(server: Server, seconds: float) -> Round:
        return contest.turn(server, Payments(merchant.key, CUSTOMERS, f"turn-{next(numbers)}"), seconds)

    with app(merchant) as product, floor("create_payment", merchant) as bare:
        rounds = alternate(
            {
                "POST payments": lambda seconds: turn(product, seconds),
                "bare handler": lambda seconds: turn(bare, seconds),
                "pgbench": database.turn,
            },
            effort,
            say,
        )
    return Answer(
        question="create_payment",
        about="`POST /v1/payments` against a bare ASGI handler that runs the same statements, and against pgbench",
        ratios=[
            Ratio(name, against, aim, rate_ratios(rounds, name, against))
            for name, against, aim in (
                ("POST payments", "bare handler", 0.65),
                ("POST payments", "pgbench", 0.30),
                ("bare handler", "pgbench", None),
            )
        ],
        figures={name: medians(turns) for name, turns in rounds.items()},
        limited_by=LIMITED_BY,
    )
