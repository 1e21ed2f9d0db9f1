"""What does the house cost a read? `GET /v1/customers/{id}` against a bare handler of the same statement."""

from collections.abc import Callable

from ground import Ground, app, floor
from load import Load
from report import Answer, Ratio
from rounds import Contest, Effort, alternate, medians, rate_ratios
from worlds import Gets, customer_id, fill

CUSTOMERS = 10_000
LIMITED_BY = (
    "the pool: taking and giving back a connection costs more than the statement's own work on the client (58 "
    "against 23 µs of CPU, one after another), on both sides; then rendering (8 µs), key, route and metrics."
)


def measure(ground: Ground, load: Load, effort: Effort, say: Callable[[str], None]) -> Answer:
    """At 16 connections; customers in turn, each with its totals."""
    merchant = ground.merchant("bench_get_customer")
    fill(ground, merchant, customers=CUSTOMERS, payments=5 * CUSTOMERS)
    targets = tuple(f"/v1/customers/{customer_id(number)}" for number in range(1, CUSTOMERS + 1))
    requests = Gets(merchant.key, targets)
    contest = Contest(ground, load)
    with app(merchant) as product, floor("get_customer", merchant) as bare:
        rounds = alternate(
            {
                "GET customer": lambda seconds: contest.turn(product, requests, seconds),
                "bare handler": lambda seconds: contest.turn(bare, requests, seconds),
            },
            effort,
            say,
        )
    ratio = Ratio("GET customer", "bare handler", 0.60, rate_ratios(rounds, "GET customer", "bare handler"))
    return Answer(
        question="get_customer",
        about="`GET /v1/customers/{id}` against a bare ASGI handler that runs the same prepared statement",
        ratios=[ratio],
        figures={name: medians(turns) for name, turns in rounds.items()},
        limited_by=LIMITED_BY,
    )
