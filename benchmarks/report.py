"""What a run found out, kept in `results/`: one JSON file for each question and day, and a table over the latest."""

import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
_LIBRARIES = ("granian", "uvloop", "asyncpg", "orjson", "pydantic", "fastapi", "aiohttp", "pgqueuer")
_HEADER = """# What `make bench` found

Ratios between two sides that took turns in one run on one machine (A B A B A B): the median over the rounds, with the
smallest and the largest in brackets. Rates and times are in the JSON files beside this page; they speak of one
machine and are no promise. PostgreSQL is the embedded one with its default durability (`fsync`, `full_page_writes`
and `synchronous_commit` on). The client, the server and PostgreSQL share the machine's cores.

Written by `benchmarks/run.py`; change the text there.
"""


@dataclass(frozen=True)
class Ratio:
    """One side against the other, round by round. `at_most`: the aim is a ceiling, not a floor."""

    measured: str
    against: str
    aim: float | None
    samples: tuple[float, ...]
    at_most: bool = False

    @property
    def reached(self) -> float:
        return median(self.samples)

    @property
    def met(self) -> bool | None:
        if self.aim is None:
            return None
        return self.reached <= self.aim if self.at_most else self.reached >= self.aim


@dataclass(frozen=True)
class Answer:
    """What was found about one question."""

    question: str
    about: str
    ratios: list[Ratio]
    figures: dict[str, Any]
    limited_by: str
    pages: dict[str, str] = field(default_factory=dict)  # further files, by the end of their names


def machine() -> dict[str, Any]:
    """Where this ran, and on which versions."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "commit": _commit(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=RESULTS,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def lines(answer: Answer) -> list[str]:
    """The answer for whoever waits."""
    ratios = [
        f"  {ratio.measured} : {ratio.against} = {_reached(ratio.samples)}, aim {_aim(ratio.aim, ratio.at_most)}"
        for ratio in answer.ratios
    ]
    return [*ratios, *(f"  {name}: {figures}" for name, figures in answer.figures.items())]


def keep(answer: Answer, postgres: str) -> None:
    """Writes the answer's files; those of an earlier run on the same day give way."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    name = f"{now:%Y-%m-%d}-{answer.question}"
    found = {
        "question": answer.question,
        "about": answer.about,
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "machine": {**machine(), "postgresql": postgres},
        "ratios": [
            {
                "measured": ratio.measured,
                "against": ratio.against,
                "aim": ratio.aim,
                "at_most": ratio.at_most,
                "reached": round(ratio.reached, 3),
                "met": ratio.met,
                "samples": [round(sample, 3) for sample in ratio.samples],
            }
            for ratio in answer.ratios
        ],
        "figures": answer.figures,
        "limited_by": answer.limited_by,
        "pages": [f"{name}-{page}" for page in answer.pages],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    for page, text in answer.pages.items():
        (RESULTS / f"{name}-{page}").write_text(text)


def summarize() -> None:
    """The table over the latest answer to each question."""
    latest: dict[str, dict[str, Any]] = {}
    for file in sorted(RESULTS.glob("????-??-??-*.json")):
        found = json.loads(file.read_text())
        latest[found["question"]] = {**found, "file": file.name}
    parts = [_HEADER]
    for found in latest.values():
        parts.append(_section(found))
    notes = sorted(RESULTS.glob("????-??-??-note-*.md"))
    if notes:
        parts.append("## Notes\n\n" + "\n".join(f"- [{note.stem}]({note.name})" for note in notes) + "\n")
    (RESULTS / "README.md").write_text("\n".join(parts))


def _section(found: dict[str, Any]) -> str:
    on = dict(found["machine"])
    libraries = ", ".join(f"{name} {on[name]}" for name in _LIBRARIES if name in on)
    rows = [
        f"| {ratio['measured']} | {ratio['against']} | {_aim(ratio['aim'], ratio['at_most'])} | "
        f"{_reached(tuple(ratio['samples']))} | {_verdict(ratio['met'])} |"
        for ratio in found["ratios"]
    ]
    files = ", ".join(f"[{name}]({name})" for name in (found["file"], *found["pages"]))
    return "\n".join(
        [
            f"## {found['about']}",
            "",
            "| measured | against | aim | ratio | |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"What limits it: {found['limited_by']}",
            "",
            f"{found['at']}, {on['cores']} cores ({on['processor']}), {on['system']}, Python {on['python']}, "
            f"PostgreSQL {on['postgresql']}, {libraries}, commit {on['commit']}. {files}",
            "",
        ]
    )


def _reached(samples: tuple[float, ...]) -> str:
    return f"{median(samples):.2f} ({min(samples):.2f}-{max(samples):.2f})"


def _aim(aim: float | None, at_most: bool) -> str:
    if aim is None:
        return "none"
    return f"at most {aim:.2f}" if at_most else f"at least {aim:.2f}"


def _verdict(met: bool | None) -> str:
    return {True: "met", False: "not met", None: ""}[met]
