"""Every case of the contract, by both clients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reevit import AsyncReevit, Reevit, ReevitError
from tests.contract import KEY, Case, Wire, arguments, cases, check_error, check_result, method_of


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_a_case(case: Case):
    wire = Wire(case)
    with Reevit(KEY, transport=wire) as client, wire.without_waiting():
        _ask(client, case)
    wire.look_back()


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
async def test_a_case_awaited(case: Case):
    wire = Wire(case)
    async with AsyncReevit(KEY, transport=wire) as client:
        with wire.without_waiting():
            await _ask_and_wait(client, case)
    wire.look_back()


def _ask(client: Reevit, case: Case) -> None:
    args, named = arguments(case)
    try:
        found: Any = method_of(client, case)(*args, **named)
        if "rows" in case:
            assert json.loads(json.dumps(list(found))) == case["rows"]
            return
    except (ReevitError, ValueError) as error:
        if "error" not in case:
            raise
        check_error(case, error)
        return
    assert "error" not in case, found
    check_result(case, found)


async def _ask_and_wait(client: AsyncReevit, case: Case) -> None:
    args, named = arguments(case)
    try:
        asked: Any = method_of(client, case)(*args, **named)
        if "rows" in case:
            assert json.loads(json.dumps([row async for row in asked])) == case["rows"]
            return
        found = await asked
    except (ReevitError, ValueError) as error:
        if "error" not in case:
            raise
        check_error(case, error)
        return
    assert "error" not in case, found
    check_result(case, found)
