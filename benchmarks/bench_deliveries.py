"""How quickly are merchants told? Deliveries a second against a bare sender, which has no database and no memory; and
what one endpoint that never answers does to the other 49.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles

import aiohttp
import psutil
import uvloop
from reevit_server import events
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer, new_master_key
from reevit_server.webhooks import actions
from reevit_server.webhooks.actions import Rules
from reevit_server.webhooks.schemas import EndpointCreate

from ground import Ground, Merchant, reevit
from load import Load
from receiver import Receiver, receiver
from report import Answer, Ratio
from rounds import Effort, Round, alternate, medians, rate_ratios

ENDPOINTS, DEAD_AMONG = 20, 50
EVENTS_A_SECOND = 3  # of which each goes to 50 endpoints
AT_ONCE = 10  # of one endpoint
_LONGER = 5  # so many times as many requests, or the bare sender would be done before it has begun
_STARTING_SECONDS_MAX, _DRAINING_SECONDS_MAX = 60, 120
LIMITED_BY = (
    "the worker's one core (1.2 ms a delivery) and PostgreSQL's (1.6 ms). Beside the request itself a delivery is two "
    "short transactions (begun and settled, four and five statements), a job put into the queue and taken out of it, "
    "and two HMACs. Those of one endpoint take turns at its row, which is locked while the statements go to and fro. "
    "More workers take more cores."
)


def measure(ground: Ground, load: Load, effort: Effort, say: Callable[[str], None]) -> Answer:
    """Bursts of events to 20 endpoints; then a steady trickle to 50, of which one may be dead."""
    del load  # nobody asks anything here
    with receiver() as there:
        burst = Burst(ground.merchant("bench_deliveries"), there, events=60 if effort.quick else 150)
        with burst.endpoints.worker():
            rounds = alternate({"deliveries": burst.deliver, "bare sender": burst.send}, effort, say)
        steady = Steady(ground.merchant("bench_dead_endpoint"), there)
        with steady.endpoints.worker():
            lags = steady.alternate(effort, say)
    ratios = [Ratio("deliveries", "bare sender", None, rate_ratios(rounds, "deliveries", "bare sender"))]
    pairs = list(zip(lags["one of 50 dead"], lags["all 50 alive"], strict=True))
    ratios += [
        Ratio(
            "p99 of the others, one of 50 dead",
            "p99, all 50 alive",
            1.10,
            tuple(_p99(dead) / _p99(alive) for dead, alive in pairs),
            at_most=True,
        ),
    ]
    figures: dict[str, object] = {name: medians(turns) for name, turns in rounds.items()}
    for name, turns in lags.items():
        figures[f"lag, {name}"] = {
            "p50_ms": round(median(median(turn) for turn in turns) * 1000, 1),
            "p99_ms": round(median(_p99(turn) for turn in turns) * 1000, 1),
        }
    return Answer(
        question="deliveries",
        about="Deliveries of one worker against a bare sender to the same receiver, and one dead endpoint among 50",
        ratios=ratios,
        figures=figures,
        limited_by=LIMITED_BY,
    )


def _p99(lags: list[float]) -> float:
    return quantiles(lags, n=100)[-1]


class Endpoints:
    """A merchant's endpoints, and whoever tells them."""

    def __init__(self, merchant: Merchant) -> None:
        self.merchant = merchant
        self.scope = Scope(merchant.org_id, "test")
        self._master_key = new_master_key()

    async def create(self, urls: list[str]) -> list[str]:
        """Their ids."""
        rules = Rules(Sealer(self._master_key), private=True)
        ids = []
        async with await Database.open(self.merchant.dsn) as db, db.transaction() as conn:
            for url in urls:
                row, _ = await actions.create(conn, self.scope, rules, EndpointCreate(url=url), now=utc_now())
                ids.append(row["id"])
        return ids

    @contextmanager
    def worker(self) -> Iterator[None]:
        """`reevit work`, as an operator runs it."""
        command = [reevit(), "work", "--database-url", self.merchant.dsn]
        words = {"REEVIT_MASTER_KEY": self._master_key, "REEVIT_ALLOW_PRIVATE_WEBHOOKS": "1"}
        process = subprocess.Popen(command, env={**os.environ, **words}, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None, "it is a pipe"
            while "Working" not in process.stderr.readline():
                if process.poll() is not None:
                    raise RuntimeError("the worker ended")
            self.process = psutil.Process(process.pid)
            yield
        finally:
            process.terminate()
            process.wait(_STARTING_SECONDS_MAX)

    async def happen(self, db: Database, number: int) -> None:
        """So many events, each in a transaction of its own."""
        data = (
            b'{"id":"pay_x","amount":15000,"currency":"GHS","customer":{"id":"cus_x","external_id":"usr_1"}}'
        )
        for _ in range(number):
            async with db.transaction() as conn:
                change = events.Change("payment.succeeded", "pay_x", None, data)
                await events.record(conn, self.scope, change, now=utc_now())


class Burst:
    """Many events at once: how many deliveries a second, from the first to the last."""

    def __init__(self, merchant: Merchant, there: Receiver, *, events: int) -> None:
        self.endpoints = Endpoints(merchant)
        self._there, self._events = there, events
        urls = [f"http://127.0.0.1:{there.port}/{number}" for number in range(ENDPOINTS)]
        uvloop.run(self.endpoints.create(urls))

    def deliver(self, _: float) -> Round:
        """One burst through events, queue and worker."""
        cpu = self.endpoints.process.cpu_times()
        uvloop.run(self._happen())
        arrived = _drain(self._there, self._events * ENDPOINTS)
        used = self.endpoints.process.cpu_times()
        return _round(arrived, used.user + used.system - cpu.user - cpu.system)

    async def _happen(self) -> None:
        async with await Database.open(self.endpoints.merchant.dsn) as db:
            await self.endpoints.happen(db, self._events)

    def send(self, _: float) -> Round:
        """The same requests from a client that does nothing else."""
        began = time.process_time()
        uvloop.run(self._send())
        arrived = _drain(self._there, self._events * ENDPOINTS * _LONGER)
        return _round(arrived, time.process_time() - began)

    async def _send(self) -> None:
        body = b'{"created_at":"%s","data":"%s"}' % (utc_now().isoformat().encode(), b"x" * 800)
        headers = {"webhook-signature": "v1," + "x" * 44, "X-Reevit-Signature": "sha256=" + "x" * 64}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def sender(number: int) -> None:
                for _ in range(self._events // AT_ONCE * _LONGER):
                    url = f"http://127.0.0.1:{self._there.port}/{number}"
                    async with session.post(url, data=body, headers=headers) as response:
                        await response.read()

            await asyncio.gather(*(sender(number) for number in range(ENDPOINTS) for _ in range(AT_ONCE)))


class Steady:
    """A few events a second to 50 endpoints: how late each delivery is."""

    def __init__(self, merchant: Merchant, there: Receiver) -> None:
        self.endpoints = Endpoints(merchant)
        self._there = there
        base = f"http://127.0.0.1:{there.port}"
        urls = [f"{base}/{number}" for number in range(DEAD_AMONG - 1)]
        uvloop.run(self.endpoints.create(urls))
        self._ends = {"all 50 alive": f"{base}/last", "one of 50 dead": f"{base}/dead"}

    def alternate(self, effort: Effort, say: Callable[[str], None]) -> dict[str, list[list[float]]]:
        """The lags of the 49 in each round, in seconds, by what the fiftieth does."""
        lags: dict[str, list[list[float]]] = {name: [] for name in self._ends}
        for number in range(1, effort.rounds + 1):
            for name, url in self._ends.items():
                lags[name].append(uvloop.run(self._turn(url, max(effort.seconds, 4))))
            told = ", ".join(f"{name}: p99 {_p99(turns[-1]) * 1000:.0f} ms" for name, turns in lags.items())
            say(f"  round {number} of {effort.rounds}: {told}")
        return lags

    async def _turn(self, url: str, seconds: float) -> list[float]:
        (id,) = await self.endpoints.create([url])
        number = round(EVENTS_A_SECOND * seconds)
        async with await Database.open(self.endpoints.merchant.dsn) as db:
            for _ in range(number):
                await self.endpoints.happen(db, 1)
                await asyncio.sleep(1 / EVENTS_A_SECOND)
            told = DEAD_AMONG if url.endswith("last") else DEAD_AMONG - 1
            arrived = _drain(self._there, number * told)
            async with db.transaction() as conn:
                await actions.delete(conn, self.endpoints.scope, id=id, now=utc_now())
        return [lag for _, lag in arrived]


def _drain(there: Receiver, number: int) -> list[tuple[float, float]]:
    """Waits until so many deliveries have come."""
    arrived: list[tuple[float, float]] = []
    deadline = time.monotonic() + _DRAINING_SECONDS_MAX
    while len(arrived) < number:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {len(arrived)} of {number} deliveries came")
        time.sleep(0.05)
        arrived += there.arrivals()
    return arrived


def _round(arrived: list[tuple[float, float]], cpu_seconds: float) -> Round:
    instants = [at for at, _ in arrived]
    return Round(
        rate=len(arrived) / (max(instants) - min(instants)),
        latency_ms=median(lag for _, lag in arrived) * 1000,
        server_cpu_us=cpu_seconds / len(arrived) * 1e6,
    )
