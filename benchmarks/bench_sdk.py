"""What does the SDK cost a call? `customers.get` by ours, by bare httpx, and by the client that merchants have today."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ground import Ground, app
from load import Load
from report import Answer, Ratio
from rounds import Effort, Round, alternate, medians
from worlds import customer_id, fill

CUSTOMERS = 1_000
LIMITED_BY = (
    "httpx, which makes and reads the request (most of the client's time), and the server's answer; of ours there "
    "are a generator step, the headers' merge and one dict."
)
_SIDE = Path(__file__).with_name("sdk_side.py")
_PUBLISHED = _SIDE.parents[1] / ".venv-published-client/bin/python"


def measure(ground: Ground, _: Load, effort: Effort, say: Callable[[str], None]) -> Answer:
    """One call after another on one kept connection; each turn is a process of its own."""
    merchant = ground.merchant("bench_sdk")
    fill(ground, merchant, customers=CUSTOMERS, payments=5 * CUSTOMERS)
    with app(merchant) as server:

        def side(name: str, python: str = sys.executable) -> Callable[[float], Round]:
            address = [f"http://127.0.0.1:{server.port}", merchant.key, customer_id(1)]
            return lambda seconds: _turn([python, str(_SIDE), name, *address, str(seconds)], seconds)

        rounds = alternate(
            {
                "SDK": side("sdk"),
                "httpx": side("httpx"),
                "SDK, awaited": side("sdk_async"),
                "httpx, awaited": side("httpx_async"),
                "published client": side("published", str(_PUBLISHED)),
            },
            effort,
            say,
        )
    return Answer(
        question="sdk",
        about="`customers.get` through the Python SDK against the same request by bare httpx, time against time",
        ratios=[
            _slower(rounds, "SDK", "httpx", 1.3),
            _slower(rounds, "SDK, awaited", "httpx, awaited", 1.3),
            _slower(rounds, "SDK", "published client", 1.0),
        ],
        figures={name: medians(turns) for name, turns in rounds.items()},
        limited_by=LIMITED_BY,
    )


def _turn(command: list[str], seconds: float) -> Round:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + seconds, check=True)
    told = json.loads(done.stdout)
    return Round(rate=told["answers"] / seconds, latency_ms=told["latency_ms"])


def _slower(rounds: dict[str, list[Round]], measured: str, against: str, at_most: float) -> Ratio:
    pairs = zip(rounds[measured], rounds[against], strict=True)
    samples = tuple(mine.latency_ms / theirs.latency_ms for mine, theirs in pairs)
    return Ratio(measured, against, at_most, samples, at_most=True)
