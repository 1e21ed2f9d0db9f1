"""Comparing fairly: the sides take turns in one run on one machine, and only their ratios are claimed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from ground import Ground, Server
from load import Load


@dataclass(frozen=True)
class Effort:
    """How long a run takes: for every side so many rounds of so many seconds."""

    rounds: int
    seconds: float
    quick: bool = False  # only to see that all works


@dataclass(frozen=True)
class Round:
    """What one side did in one turn. CPU is in microseconds for each answer; None where there is no such process."""

    rate: float
    latency_ms: float
    latency_p95_ms: float | None = None
    server_cpu_us: float | None = None
    postgres_cpu_us: float | None = None
    client_busy: float | None = None


@dataclass(frozen=True)
class Contest:
    """The parties of a comparison under load."""

    ground: Ground
    load: Load
    connections: int = 16

    def turn(self, server: Server, requests: Iterable[bytes], seconds: float) -> Round:
        """Loads a server for so long, and reckons what each answer cost."""
        cpu, postgres_cpu = server.cpu_seconds(), self.ground.postgres_cpu_seconds()
        measured = self.load(server.port, requests, connections=self.connections, seconds=seconds)
        cpu, postgres_cpu = server.cpu_seconds() - cpu, self.ground.postgres_cpu_seconds() - postgres_cpu
        return Round(
            rate=measured.rate,
            latency_ms=measured.latency_ms,
            latency_p95_ms=measured.latency_p95_ms,
            server_cpu_us=cpu / measured.answers_in_all * 1e6,
            postgres_cpu_us=postgres_cpu / measured.answers_in_all * 1e6,
            client_busy=measured.busy,
        )


def alternate(
    sides: Mapping[str, Callable[[float], Round]],
    effort: Effort,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Round]]:
    """A B A B A B: whatever slows the machine for a while meets all sides. One short turn each goes before."""
    for take_turn in sides.values():
        take_turn(min(1.0, effort.seconds))
    rounds: dict[str, list[Round]] = {name: [] for name in sides}
    for number in range(1, effort.rounds + 1):
        for name, take_turn in sides.items():
            rounds[name].append(take_turn(effort.seconds))
        rates = ", ".join(f"{name} {rounds[name][-1].rate:,.0f}/s" for name in sides)
        say(f"  round {number} of {effort.rounds}: {rates}")
    return rounds


def rate_ratios(rounds: Mapping[str, list[Round]], measured: str, against: str) -> tuple[float, ...]:
    """Round by round, the rate of one side as a part of another's."""
    pairs = zip(rounds[measured], rounds[against], strict=True)
    return tuple(mine.rate / theirs.rate for mine, theirs in pairs)


def medians(rounds: list[Round]) -> dict[str, float]:
    """The median of each figure that there is."""
    return {
        name: round(median(values), 3)
        for name in Round.__dataclass_fields__
        if (values := [value for turn in rounds if (value := getattr(turn, name)) is not None])
    }
