"""Retry policies that cannot be: refused by name, and none is stored or changed."""

from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Merchant, ok, refused


async def policies_of(merchant: Merchant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(await merchant.test.get("/v1/policies/retry"))["policies"]
    return found


@pytest.mark.parametrize(
    ("body", "field"),
    [
        *(({"delays": value}, "delays") for value in ("15m", None, {}, 15, ["1h"] * 16)),
        *(
            ({"delays": ["1h", value]}, "delays.1")
            for value in (
                "15",
                "m",
                "",
                "0m",
                "00m",
                "-1h",
                "1.5h",
                "15s",
                "1w",
                "15M",
                "15 m",
                " 15m",
                "15m ",
            )
        ),
        *(({"delays": ["1h", value]}, "delays.1") for value in ("15m\n", "1h30m", "100000m", "\u0661h")),
        *(({"delays": ["1h", value]}, "delays.1") for value in (15, None, True, ["15m"])),
        *(({"delays": ["1h"], "max_retries": value}, "max_retries") for value in (-1, 16, 1.5, "3", True)),
        *(({"delays": ["1h"], "on_exhausted": value}, "on_exhausted") for value in ("retry", "", None, 7)),
        *(
            ({"delays": ["1h"], "plan_id": value}, "plan_id")
            for value in ("", "x" * 256, "te\x07am", "a\n", 7)
        ),
        ({"max_retries": 0}, "delays"),
        ({"delays": ["1h"], "plan": "team"}, "plan"),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_a_field_of_a_policy_is_what_it_says(
    merchant: Merchant, db: Database, body: dict[str, Any], field: str
):
    async with nothing_stored(db, merchant):
        said = refused(await merchant.test.post("/v1/policies/retry", json=body), 400, "validation_error")
    assert [fault["field"] for fault in said["details"]["fields"]] == [field]
    assert f"`{field}`" in said["message"]
    assert "pattern" not in said["message"], "no regular expressions for people"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        *(({"delays": ["1h", delay]}, "30 days") for delay in ("31d", "721h", "43201m", "99999d")),
        ({"delays": [], "max_retries": 1}, "at least one delay"),
    ],
    ids=repr,
)
async def test_delays_are_bearable_and_enough(
    merchant: Merchant, db: Database, body: dict[str, Any], said: str
):
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post("/v1/policies/retry", json=body)
        assert said in refused(answer, 400, "validation_error")["message"]


async def test_what_is_refused_leaves_the_policy_that_is_there(merchant: Merchant):
    good = {"plan_id": "team", "delays": ["1h", "30d", "720h", "43200m"], "on_exhausted": "cancel"}
    ok(await merchant.test.post("/v1/policies/retry", json=good))
    before = await policies_of(merchant)
    assert before[0]["delays"] == good["delays"]
    for wrong in ({"delays": ["31d"]}, {"max_retries": 16}, {"on_exhausted": "retry"}):
        answer = await merchant.test.post("/v1/policies/retry", json={**good, **wrong})
        refused(answer, 400, "validation_error")
    assert await policies_of(merchant) == before


async def test_what_is_not_there_cannot_be_deleted(merchant: Merchant, other: Merchant):
    ok(await other.test.post("/v1/policies/retry", json={"plan_id": "theirs", "delays": ["1h"]}))
    ok(await merchant.test.post("/v1/policies/retry", json={"plan_id": "mine", "delays": ["1h"]}))
    for query in ("", "?plan_id=theirs", "?plan_id=Mine", "?plan_id=mine%20", "?plan_id=%07"):
        answer = await merchant.test.delete(f"/v1/policies/retry{query}")
        refused(answer, 404, "retry_policy_not_found")
    for query in ("?plan=mine", "?plan_id=mine&plan_id=mine", "?plan_id=" + "x" * 256, "?limit=1"):
        refused(await merchant.test.delete(f"/v1/policies/retry{query}"), 400, "validation_error")
    refused(await merchant.live.delete("/v1/policies/retry?plan_id=mine"), 404, "retry_policy_not_found")
    assert [policy["plan_id"] for policy in await policies_of(merchant)] == ["mine"]


async def test_a_plan_without_a_name_does_not_delete_the_policy_of_all(merchant: Merchant):
    """A program whose variable is empty means some plan, and no plan has an empty name."""
    ok(await merchant.test.post("/v1/policies/retry", json={"delays": ["1h"]}))
    refused(await merchant.test.delete("/v1/policies/retry?plan_id="), 400, "validation_error")
    assert [policy["plan_id"] for policy in await policies_of(merchant)] == [None]
