"""`make bench`: asks every question, or those named, and keeps what was found in `results/`.

python benchmarks/run.py [--quick] [get_customer] [create_payment] [deliveries] [sdk] [import] [history] [scale]
"""

import argparse
import asyncio
import signal
import sys
import time

import asyncpg

import bench_create_payment
import bench_deliveries
import bench_get_customer
import bench_history
import bench_import
import bench_scale
import bench_sdk
import report
from ground import ground
from load import Load
from rounds import Effort

# In this order: the largest worlds come last, when their vacuums can disturb nobody.
QUESTIONS = {
    "get_customer": bench_get_customer,
    "create_payment": bench_create_payment,
    "deliveries": bench_deliveries,
    "sdk": bench_sdk,
    "import": bench_import,
    "history": bench_history,
    "scale": bench_scale,
}
_FULL, _QUICK = Effort(rounds=7, seconds=5), Effort(rounds=3, seconds=1.5, quick=True)


def say(line: str) -> None:
    """To whoever waits."""
    print(line, flush=True)  # noqa: T201 - a command's output


async def _postgres_version(dsn: str) -> str:
    conn = await asyncpg.connect(dsn)
    version: str = await conn.fetchval("SHOW server_version")
    await conn.close()
    return version


def _leave(*_: object) -> None:
    sys.exit(143)


def main(words: list[str]) -> int:
    """Exit status 1 when an aim is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="question", help=", ".join(QUESTIONS))
    parser.add_argument(
        "--quick", action="store_true", help="short rounds, to see that all works; keeps nothing"
    )
    chosen = parser.parse_args(words)
    if unknown := set(chosen.questions) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(unknown)}")
    effort = _QUICK if chosen.quick else _FULL
    signal.signal(signal.SIGTERM, _leave)  # as Ctrl-C does: whatever was started is stopped
    missed = 0
    with ground() as here, Load() as load:
        postgres = asyncio.run(_postgres_version(here.admin_dsn))
        for question in chosen.questions or QUESTIONS:
            began = time.monotonic()
            say(f"{question} ...")
            answer = QUESTIONS[question].measure(here, load, effort, say)
            for line in report.lines(answer):
                say(line)
            if not chosen.quick:
                report.keep(answer, postgres)
            missed += sum(ratio.met is False for ratio in answer.ratios)
            say(f"  {time.monotonic() - began:.0f} s")
    if not chosen.quick:
        report.summarize()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
