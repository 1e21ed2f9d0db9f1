"""A receiver is down, or does not answer: it is told later, and others are told in time."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx

from reevit_server.app import create_app
from reevit_server.core import egress
from reevit_server.core.database import Database
from reevit_server.core.jobs import Tools
from reevit_server.core.sealing import Sealer
from reevit_server.settings import Settings
from tests.faults.conftest import Extent
from tests.faults.load import Load, Shop
from tests.faults.receiver import receiving
from tests.faults.stage import Stage, until
from tests.makers import MASTER_KEY, Api, make_merchant
from tests.webhooks.clockwork import Clock, Clockwork

_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
# After each failure, give or take a fifth. An event of the outage is told again at the latest after the fourth.
_DELAYS = [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2)]


async def test_a_receiver_that_was_down_for_an_hour_is_told_everything_by_the_schedule(
    stage_for_many: Stage, extent: Extent
):
    """And who was not down, at once: an outage is nobody else's."""
    stage, clock = stage_for_many, Clock(_START)
    dsn, master = stage.dsn(), Settings(master_key=MASTER_KEY, rate_limit=0, allow_private_webhooks=True)
    with receiving(stage.folder) as steady:
        stage.receivers.append(steady)
        async with (
            await Database.open(dsn) as db,
            egress.opened(private=True) as post,
            Api(create_app(master, dsn, now=clock)) as api,
        ):
            merchant = await make_merchant(db, api)
            stage.load = Load(
                [Shop(merchant.scope, merchant.test_key)], transport=httpx.ASGITransport(api.app)
            )
            await stage.open_endpoints(stage.receiver, ["*"])
            await stage.open_endpoints(steady, ["*"])
            clockwork = Clockwork(Tools(db, clock, Sealer(MASTER_KEY), post), clock, merchant.org_id)
            await stage.load.send(stage.base_url, 3)
            await clockwork.run_for(minutes=1)
            stage.receiver.go_down()
            for _ in range(extent.requests_while_down):
                await stage.load.send(stage.base_url, 1)
                await clockwork.run_for(seconds=3600 / extent.requests_while_down)
            back_at = clock.now
            stage.receiver.come_back()
            await clockwork.run_for(hours=3)
            await stage.check(now=clock.now)
            down, other = stage.endpoints
            for tries in (await _attempts(stage, other.id)).values():
                assert [(attempt["started_at"], attempt["error"]) for attempt in tries] == [
                    (tries[0]["created_at"], None)
                ]
            told_late = 0
            for tries in (await _attempts(stage, down.id)).values():
                _check_schedule(tries, back_at)
                told_late += len(tries) > 1
            assert told_late >= extent.requests_while_down


async def _attempts(stage: Stage, endpoint_id: str) -> dict[str, list[Any]]:
    """Of every delivery to an endpoint, with the instant of its event."""
    attempts: dict[str, list[Any]] = defaultdict(list)
    for row in await stage.fetch(
        f"""
        SELECT a.delivery_id, a.started_at, a.error, a.latency_ms, e.created_at
        FROM webhook_deliveries AS d
        JOIN events AS e ON e.id = d.event_id
        JOIN webhook_attempts AS a ON a.delivery_id = d.id
        WHERE d.endpoint_id = '{endpoint_id}'
        ORDER BY a.delivery_id, a.number
        """
    ):
        attempts[row["delivery_id"]].append(row)
    return attempts


def _check_schedule(tries: list[Any], back_at: datetime) -> None:
    """Tried at once and then by the schedule, refused while it was down, and told by the first that came later."""
    assert tries[0]["started_at"] == tries[0]["created_at"]
    assert len(tries) <= len(_DELAYS) + 1
    for (earlier, later), delay in zip(pairwise(tries), _DELAYS, strict=False):
        waited = later["started_at"] - earlier["started_at"]
        assert delay * 0.8 <= waited <= delay * 1.2, tries
    assert all(attempt["error"] == "connection_failed" for attempt in tries[:-1]), tries
    assert all(attempt["started_at"] <= back_at for attempt in tries[:-1]), tries
    assert tries[-1]["error"] is None
    assert len(tries) == 1 or tries[-1]["started_at"] >= back_at, tries


async def test_a_receiver_that_does_not_answer_holds_up_nobody_else(stage: Stage, extent: Extent):
    with receiving(stage.folder) as quick, stage.serving():
        stage.receivers.append(quick)
        await stage.open_shops()
        held = [endpoint.id for endpoint in stage.endpoints]
        await stage.open_endpoints(quick, ["payment.*"])
        stage.receiver.hold()
        await stage.load.send(stage.base_url, extent.requests_while_held)
        told = len(await stage.fetch("SELECT id FROM events WHERE type LIKE 'payment.%'"))
        await until(lambda: quick.count() == told)
        attempts = [tries for id in held for tries in (await _attempts(stage, id)).values()]
        assert len(attempts) > 10
        # Not one of them has ended: nobody had to wait until they are given up.
        assert {(attempt["error"], attempt["latency_ms"]) for (attempt,) in attempts} == {(None, None)}
        stage.receiver.answer()
        await stage.check()
