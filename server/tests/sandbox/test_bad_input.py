"""Where a test clock cannot be moved to: refused by name, and it goes on with the world as before."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Merchant, ok, refused

ADVANCE = "/v1/sandbox/clock/advance"
FARTHEST = timedelta(days=5 * 366)


async def stands_at(merchant: Merchant) -> datetime:
    return datetime.fromisoformat(ok(await merchant.test.get("/v1/sandbox/clock"))["now"])


async def is_untouched(merchant: Merchant) -> bool:
    """Whether the clock goes with the world, as one does that was never moved."""
    return ok(await merchant.test.get("/v1/sandbox/clock"))["stands_still"] is False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("by", value) for value in ("30", "d", "", "0d", "-1d", "+1d", "1.5h", "1y", "1M", "30D", "30 d")),
        *(
            ("by", value)
            for value in ("30d\n", " 30d", "1h30m", "100000000s", "\u0663d", "P30D", 30, True, ["1d"])
        ),
        *(("to", value) for value in ("2026-01-31", "2030-01-31T09:30:00", "tomorrow", "", 1769851800, True)),
        *(
            ("to", value)
            for value in ("2030-02-30T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00Z")
        ),
        *((field, "30d") for field in ("until", "By", "now")),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_move_is_what_it_says(merchant: Merchant, db: Database, field: str, value: object):
    async with nothing_stored(db, merchant):
        body: dict[str, Any] = {field: value}
        said = refused(await merchant.test.post(ADVANCE, json=body), 400, "validation_error")
    assert [fault["field"] for fault in said["details"]["fields"]] == [field]
    assert f"`{field}`" in said["message"]
    assert await is_untouched(merchant)


@pytest.mark.parametrize(
    "body",
    [{}, {"to": None}, {"by": None, "to": None}, {"to": "2100-01-01T00:00:00Z", "by": "1d"}],
    ids=repr,
)
async def test_a_move_says_once_where_to(merchant: Merchant, db: Database, body: dict[str, Any]):
    async with nothing_stored(db, merchant):
        assert (
            "once"
            in refused(await merchant.test.post(ADVANCE, json=body), 400, "validation_error")["message"]
        )
    assert await is_untouched(merchant)


@pytest.mark.parametrize(
    "body",
    [
        {"to": "0002-01-01T00:00:00Z"},
        {"to": "9998-12-31T23:59:59Z"},
        {"by": "1831d"},
        {"by": "262w"},
        {"by": "99999999h"},
        {"by": "99999999w"},
    ],
    ids=repr,
)
async def test_a_clock_that_goes_with_the_world_cannot_go_back_or_too_far(
    merchant: Merchant, db: Database, body: dict[str, str]
):
    async with nothing_stored(db, merchant):
        said = refused(await merchant.test.post(ADVANCE, json=body), 422, "clock_out_of_reach")
    assert said["error"] == "unprocessable"
    assert datetime.fromisoformat(said["details"]["now"]) <= await stands_at(merchant)
    assert await is_untouched(merchant)


async def test_a_refusal_says_where_the_clock_stands_and_writes_it_as_every_instant(merchant: Merchant):
    now = ok(await merchant.test.post(ADVANCE, json={"by": "1h"}))["now"]
    said = refused(await merchant.test.post(ADVANCE, json={"by": "2000d"}), 422, "clock_out_of_reach")
    assert said["details"] == {"now": now}


async def test_a_clock_that_was_moved_stays_where_it_is_when_a_move_is_refused(merchant: Merchant):
    moved = ok(await merchant.test.post(ADVANCE, json={"by": "1h"}))
    now = datetime.fromisoformat(moved["now"])
    step = timedelta(microseconds=1)
    for to in (now - step, now + FARTHEST + step):
        said = refused(
            await merchant.test.post(ADVANCE, json={"to": to.isoformat()}), 422, "clock_out_of_reach"
        )
        assert datetime.fromisoformat(said["details"]["now"]) == now
        assert await stands_at(merchant) == now
    # To where it stands, and to the farthest that it can go at once, it goes.
    for to in (now, now + FARTHEST):
        ok(await merchant.test.post(ADVANCE, json={"to": to.isoformat()}))
        assert await stands_at(merchant) == to


async def test_live_mode_has_no_clock(merchant: Merchant, db: Database):
    async with nothing_stored(db, merchant):
        refused(await merchant.live.get("/v1/sandbox/clock"), 422, "provider_not_available")
        for body in ({"by": "1h"}, {"to": "2000-01-01T00:00:00Z"}):
            refused(await merchant.live.post(ADVANCE, json=body), 422, "provider_not_available")
    assert await is_untouched(merchant)


async def test_the_time_cannot_be_asked_for_in_other_ways(merchant: Merchant):
    refused(await merchant.test.get("/v1/sandbox/clock?at=now"), 400, "validation_error")
    refused(await merchant.test.get(ADVANCE), 405, "method_not_allowed")
    refused(await merchant.test.post(f"{ADVANCE}?by=1h", json={"by": "1h"}), 400, "validation_error")
