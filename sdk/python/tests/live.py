"""Plays the stories of `sdk/contract/live.json` against a real server, with both clients, each anew.

    REEVIT_API_KEY=pfk_test_… REEVIT_BASE_URL=http://localhost:8000 python tests/live.py

It needs the package and nothing else, so that it also tries what was installed from a wheel. The last story moves the
organization's test clock.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import reevit
from reevit import AsyncPage, AsyncReevit, Page, Reevit, ReevitError

STORIES = Path(__file__).parents[2] / "contract" / "live.json"

Step = dict[str, Any]

# How often a step is repeated that waits for background work, and after which pause.
REPEATS, PAUSE_SECONDS = 300, 0.1

# `$ada.id`, `$events.0.id`.
_REFERENCE = re.compile(r"\$([a-z0-9]+)((?:\.[a-z0-9_]+)*)")


class Stage:
    """What one telling of a story has come to know."""

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex[:12]
        self.saved: dict[str, Any] = {}

    def filled(self, value: Any) -> Any:
        """`value` with what is known in the place of what refers to it."""
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if not isinstance(value, str):
            return value
        text = value.replace("$run", self.run)
        reference = _REFERENCE.fullmatch(text)
        if reference is None:
            return text
        found = self.saved[reference[1]]
        for name in reference[2].split(".")[1:]:
            found = found[int(name) if isinstance(found, list) else name]
        return found

    def arguments(self, step: Step) -> tuple[list[Any], dict[str, Any]]:
        named = self.filled(step.get("fields", {}))
        if "from" in named:  # which is a word of Python's
            named["from_"] = named.pop("from")
        if "idempotency_key" in step:
            named["idempotency_key"] = self.filled(step["idempotency_key"])
        return self.filled(step.get("args", [])), named

    def check(self, step: Step, outcome: Any) -> None:
        """Raises AssertionError unless `outcome`, a result or an error, is what the step expects."""
        if isinstance(outcome, Exception):
            assert "error" in step, f"it was refused: {outcome!r}"
            _check_error(self.filled(step["error"]), outcome)
            return
        assert "error" not in step, f"it was not refused: {outcome!r}"
        if "text" in step:
            # The first bytes of a PDF are ASCII, the rest is in no encoding.
            text = outcome.decode("latin-1") if isinstance(outcome, bytes) else outcome
            assert text.startswith(step["text"]), f"it begins with {text[:50]!r}"
            return
        # A list is its first page, or all of its rows when they were gone over.
        rows = outcome.data if isinstance(outcome, Page | AsyncPage) else outcome
        found = json.loads(json.dumps(rows))
        for name in ("rows", "expect"):
            if name in step:
                fault = _fault(self.filled(step[name]), found, "it")
                assert fault is None, fault
        if "save" in step:
            self.saved[step["save"]] = found

    def is_as_told(self, step: Step, outcome: Any, *, left: int) -> bool:
        """Raises AssertionError unless `outcome` is what the step expects, or it can be repeated."""
        try:
            self.check(step, outcome)
        except AssertionError:
            if left:
                return False
            raise
        return True


def _check_error(expected: dict[str, Any], error: Exception) -> None:
    kind = expected.pop("class")
    assert isinstance(error, ValueError if kind == "ValueError" else getattr(reevit, kind)), repr(error)
    found = {name: getattr(error, name) for name in expected}
    assert found == expected, f"it was refused with {found}"


def _fault(expected: Any, found: Any, where: str) -> str | None:
    """Where `found` lacks something: an object may have more fields, a list has as many items."""
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = expected.keys() - found.keys()
        pairs = [(expected[key], found[key], f"{where}.{key}") for key in expected if key in found]
        faults = [f"{where} has no {key}" for key in sorted(missing)]
    elif isinstance(expected, list) and isinstance(found, list):
        pairs = [
            (one, other, f"{where}.{i}") for i, (one, other) in enumerate(zip(expected, found, strict=False))
        ]
        faults = [] if len(expected) == len(found) else [f"{where} has {len(found)} items: {found}"]
    else:
        same = expected == found and type(expected) is type(found)
        return None if same else f"{where} is {found!r}, not {expected!r}"
    faults += [fault for one, other, place in pairs if (fault := _fault(one, other, place))]
    return faults[0] if faults else None


def _method(client: Any, step: Step) -> Any:
    found = client
    for name in step["call"].split("."):
        found = getattr(found, name)
    return found


def play(client: Reevit, stage: Stage, step: Step) -> None:
    for left in _repeats(step):
        if stage.is_as_told(step, _outcome(client, stage, step), left=left):
            return
        time.sleep(PAUSE_SECONDS)


def _repeats(step: Step) -> Iterator[int]:
    """How often it can still be repeated, each time."""
    return reversed(range(REPEATS if "until" in step else 1))


def _outcome(client: Reevit, stage: Stage, step: Step) -> Any:
    args, named = stage.arguments(step)
    try:
        outcome = _method(client, step)(*args, **named)
        return list(outcome) if "rows" in step else outcome
    except (ReevitError, ValueError) as error:
        return error


async def play_awaited(client: AsyncReevit, stage: Stage, step: Step) -> None:
    for left in _repeats(step):
        if stage.is_as_told(step, await _outcome_awaited(client, stage, step), left=left):
            return
        await asyncio.sleep(PAUSE_SECONDS)


async def _outcome_awaited(client: AsyncReevit, stage: Stage, step: Step) -> Any:
    args, named = stage.arguments(step)
    try:
        asked = _method(client, step)(*args, **named)
        return [row async for row in asked] if "rows" in step else await asked
    except (ReevitError, ValueError) as error:
        return error


def play_all(stories: list[dict[str, Any]]) -> None:
    with Reevit() as client:
        for story in stories:
            stage = Stage()
            for number, step in enumerate(story["steps"], 1):
                with _named(client, story, number):
                    play(client, stage, step)
            _told(client, story)


async def play_all_awaited(stories: list[dict[str, Any]]) -> None:
    async with AsyncReevit() as client:
        for story in stories:
            stage = Stage()
            for number, step in enumerate(story["steps"], 1):
                with _named(client, story, number):
                    await play_awaited(client, stage, step)
            _told(client, story)


@contextmanager
def _named(client: Any, story: dict[str, Any], number: int) -> Iterator[None]:
    """Says which step it was that went wrong, before what went wrong is told."""
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            call = story["steps"][number - 1]["call"]
            print(f"{type(client).__name__}: {story['name']}: step {number}, {call}:", file=sys.stderr)  # noqa: T201


def _told(client: Any, story: dict[str, Any]) -> None:
    print(f"{type(client).__name__}: {story['name']} ({len(story['steps'])} steps)", flush=True)  # noqa: T201


if __name__ == "__main__":
    told = json.loads(STORIES.read_text(encoding="utf-8"))
    play_all(told)
    asyncio.run(play_all_awaited(told))
