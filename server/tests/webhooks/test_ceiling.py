"""No endpoint is sent more than ten at once, and none of them is lost when a worker dies or two do the same."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from reevit_server.core.database import PASSING, Database
from reevit_server.core.egress import Reply
from reevit_server.core.jobs import NotYet, scope_and_ids
from reevit_server.webhooks import telling
from tests.makers import Merchant, ok
from tests.webhooks import rows
from tests.webhooks.clockwork import BROKEN, FINE, Clock, Clockwork, Outside, Queued
from tests.webhooks.wire import HOOKS, deliveries, delivery, do, endpoint, seen

_PATIENCE_SECONDS = 30


@dataclass
class Slow:
    """Receivers that answer when they are told to."""

    held: list[tuple[str, asyncio.Future[Reply]]] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:  # noqa: ARG002
        answer = asyncio.get_running_loop().create_future()
        self.held.append((url, answer))
        self.most[url] = max(self.most.get(url, 0), len(self.at(url)))
        self.reached.set()
        return await answer

    def at(self, url: str) -> list[asyncio.Future[Reply]]:
        return [answer for held, answer in self.held if held == url]

    def answer(self, url: str, reply: Reply = FINE) -> None:
        """To the one that has waited longest."""
        first = next(pair for pair in self.held if pair[0] == url)
        self.held.remove(first)
        first[1].set_result(reply)


class Crowd:
    """Many workers at once: each job of the queue in a task of its own."""

    def __init__(self, clockwork: Clockwork) -> None:
        self._clockwork = clockwork
        self._begun: dict[int, asyncio.Task[None]] = {}

    async def begin(self) -> None:
        """Begins every job that nobody does yet."""
        for job in await self._clockwork.queued():
            if job.id not in self._begun:
                self._begun[job.id] = asyncio.create_task(self._do(job))

    async def until(self, true: Callable[[], bool]) -> None:
        """Works on until something is so, and a little longer: nothing else must come of it."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not true():
                await self.begin()
                await asyncio.sleep(0.01)
        for _ in range(5):
            await self.begin()
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Waits for all that was begun."""
        await asyncio.gather(*self._begun.values())

    async def die(self) -> None:
        for task in self._begun.values():
            task.cancel()
        await asyncio.gather(*self._begun.values(), return_exceptions=True)

    async def _do(self, job: Queued) -> None:
        while True:
            try:
                await self._clockwork.do(job)
            except PASSING:  # on a slow machine, so many may wait too long for each other
                await asyncio.sleep(0.1)
            else:
                break
        await self._clockwork.take_out(job)


@pytest.fixture
def slow(clockwork: Clockwork) -> Slow:
    slow = Slow()
    clockwork.tools = clockwork.tools._replace(post=slow)
    return slow


async def told_of_one(clockwork: Clockwork) -> Queued:
    """Tells of the only event; the job of its delivery."""
    (fan_out,) = await clockwork.queued()
    await clockwork.do(fan_out)
    await clockwork.take_out(fan_out)
    (job,) = await clockwork.queued()
    return job


async def begin_one(clockwork: Clockwork, slow: Slow) -> tuple[str, Queued]:
    """A worker begins the only delivery, and dies before it knows the answer; the delivery and its job."""
    job = await told_of_one(clockwork)
    task = asyncio.create_task(clockwork.do(job))
    await asyncio.wait_for(slow.reached.wait(), _PATIENCE_SECONDS)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    slow.held.clear()
    return scope_and_ids(job.payload)[1][0], job


async def test_ten_are_under_way_and_the_rest_waits_its_turn(
    db: Database, merchant: Merchant, clockwork: Clockwork, slow: Slow
):
    await endpoint(merchant)
    for number in range(25):
        await merchant.customer(name=f"No. {number}")
    crowd = Crowd(clockwork)
    await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
    assert await rows.statuses(db, merchant) == {"sending": 10, "waiting": 15}
    for answered in range(1, 16):
        slow.answer(HOOKS)
        await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
        waiting = {"waiting": 15 - answered} if answered < 15 else {}
        assert await rows.statuses(db, merchant) == {"sending": 10, "delivered": answered, **waiting}
    for _ in range(10):
        slow.answer(HOOKS)
    await crowd.end()
    assert slow.most == {HOOKS: 10}
    assert await rows.statuses(db, merchant) == {"delivered": 25}
    assert await clockwork.queued() == []


async def test_failures_make_room_like_successes(
    db: Database, merchant: Merchant, clockwork: Clockwork, slow: Slow
):
    await endpoint(merchant)
    for _ in range(13):
        await merchant.customer(name="Ada")
    crowd = Crowd(clockwork)
    await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
    for _ in range(3):
        slow.answer(HOOKS, BROKEN)
    await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
    assert await rows.statuses(db, merchant) == {"sending": 10, "scheduled": 3}
    for _ in range(10):
        slow.answer(HOOKS, BROKEN)
    await crowd.end()
    assert await rows.statuses(db, merchant) == {"scheduled": 13}


async def test_an_endpoint_that_does_not_answer_holds_up_no_other(
    db: Database, merchant: Merchant, clockwork: Clockwork, slow: Slow
):
    await endpoint(merchant)
    await endpoint(merchant, url="https://quick.example/")
    for _ in range(12):
        await merchant.customer(name="Ada")
    crowd = Crowd(clockwork)
    for _ in range(12):
        await crowd.until(lambda: len(slow.at("https://quick.example/")) > 0)
        slow.answer("https://quick.example/")
    await crowd.until(lambda: slow.at("https://quick.example/") == [])
    assert await rows.statuses(db, merchant) == {"sending": 10, "waiting": 2, "delivered": 12}
    for _ in range(2):
        slow.answer(HOOKS)
    await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
    for _ in range(10):
        slow.answer(HOOKS)
    await crowd.end()
    assert await rows.statuses(db, merchant) == {"delivered": 24}


async def test_a_pause_that_comes_while_others_wait_holds_them(
    db: Database, merchant: Merchant, clockwork: Clockwork, slow: Slow
):
    made = await endpoint(merchant)
    for _ in range(14):
        await merchant.customer(name="Ada")
    crowd = Crowd(clockwork)
    await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
    ok(await do(merchant, made, "pause"))
    for _ in range(10):
        slow.answer(HOOKS)
    await crowd.end()
    assert await rows.statuses(db, merchant) == {"delivered": 10, "waiting": 4}
    ok(await do(merchant, made, "resume"))
    await crowd.until(lambda: len(slow.at(HOOKS)) == 4)
    for _ in range(4):
        slow.answer(HOOKS)
    await crowd.end()
    assert await rows.statuses(db, merchant) == {"delivered": 14}


async def test_resuming_while_some_are_under_way_sends_no_more_than_ten(
    db: Database, merchant: Merchant, clockwork: Clockwork, slow: Slow
):
    made = await endpoint(merchant)
    for _ in range(30):
        await merchant.customer(name="Ada")
    crowd = Crowd(clockwork)
    await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
    for deed in ("pause", "resume", "pause", "resume"):
        ok(await do(merchant, made, deed))
    for _ in range(30):
        await crowd.until(lambda: len(slow.at(HOOKS)) > 0)
        slow.answer(HOOKS)
    await crowd.end()
    assert slow.most == {HOOKS: 10}
    assert await rows.statuses(db, merchant) == {"delivered": 30}


async def test_a_dead_workers_delivery_is_taken_over_when_its_time_is_over(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside, slow: Slow
):
    await endpoint(merchant)
    await merchant.customer(name="Ada")
    id, job = await begin_one(clockwork, slow)
    assert (await delivery(merchant))["status"] == "sending"
    clockwork.tools = clockwork.tools._replace(post=outside)
    with pytest.raises(NotYet) as later:
        await clockwork.do(job)
    assert later.value.seconds == 30
    clock.advance(seconds=29)
    with pytest.raises(NotYet) as later:
        await clockwork.do(job)
    assert later.value.seconds == 1
    assert outside.take() == []
    await clockwork.run_for(seconds=1)
    (sent,) = outside.take()
    assert (sent.json["attempt"], sent.json["delivery_id"]) == (2, id)
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"]) == ("delivered", 2)
    interrupted, second = told["attempts"]
    assert (interrupted["error"], interrupted["latency_ms"], interrupted["status_code"]) == (
        "interrupted",
        None,
        None,
    )
    assert "may have arrived" in interrupted["error_message"]
    assert (second["number"], second["status_code"], second["error"]) == (2, 200, None)


async def test_an_interrupted_attempt_is_none_of_the_ten_failures(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, slow: Slow
):
    await endpoint(merchant)
    await merchant.customer(name="Ada")
    await begin_one(clockwork, slow)
    outside.answer(BROKEN)
    clockwork.tools = clockwork.tools._replace(post=outside)
    await clockwork.run_for(days=30)
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"]) == ("exhausted", 11)
    assert [attempt["error"] for attempt in told["attempts"]] == ["interrupted", *["http_status"] * 10]


async def test_what_a_dead_worker_was_sending_takes_no_place_for_ever(
    db: Database, merchant: Merchant, clockwork: Clockwork, clock: Clock, slow: Slow
):
    """Ten workers die with ten deliveries; the place of each is free when its time is over."""
    await endpoint(merchant)
    for _ in range(15):
        await merchant.customer(name="Ada")
    crowd = Crowd(clockwork)
    await crowd.until(lambda: len(slow.at(HOOKS)) == 10)
    await crowd.die()
    slow.held.clear()
    assert await rows.statuses(db, merchant) == {"sending": 10, "waiting": 5}
    clock.advance(seconds=30)
    crowd = Crowd(clockwork)
    for _ in range(15):
        await crowd.until(lambda: len(slow.at(HOOKS)) > 0)
        slow.answer(HOOKS)
    await crowd.end()
    assert slow.most == {HOOKS: 10}
    assert await rows.statuses(db, merchant) == {"delivered": 15}


async def test_a_dead_workers_delivery_to_an_endpoint_that_was_disabled_meanwhile_is_given_up(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, slow: Slow
):
    made = await endpoint(merchant)
    await merchant.customer(name="Ada")
    await begin_one(clockwork, slow)
    ok(await merchant.test.patch(f"/v1/webhooks/endpoints/{made['id']}", json={"enabled": False}))
    assert (await delivery(merchant))["status"] == "sending", "nobody knows yet whether it arrived"
    clockwork.tools = clockwork.tools._replace(post=outside)
    await clockwork.run_for(minutes=1)
    assert (await delivery(merchant))["status"] == "disabled"
    assert outside.take() == []


async def test_of_two_workers_with_one_delivery_one_sends_and_the_other_comes_back(
    merchant: Merchant, clockwork: Clockwork, slow: Slow
):
    await endpoint(merchant)
    await merchant.customer(name="Ada")
    job = await told_of_one(clockwork)
    tasks = [asyncio.create_task(clockwork.do(job)) for _ in range(6)]
    pending = set(tasks)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while len(pending) > 1:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        await slow.reached.wait()
    slow.answer(HOOKS)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["NoneType", *["NotYet"] * 5]
    assert (await delivery(merchant))["attempt_count"] == 1


async def test_who_is_too_late_says_what_became_of_its_attempt_and_changes_nothing_else(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside, slow: Slow
):
    """An attempt lasted longer than it may; another worker took over and was done before it."""
    made = await endpoint(merchant)
    await merchant.customer(name="Ada")
    late = asyncio.create_task(clockwork.do(await told_of_one(clockwork)))
    await asyncio.wait_for(slow.reached.wait(), _PATIENCE_SECONDS)
    clockwork.tools = clockwork.tools._replace(post=outside)
    clock.advance(seconds=31)
    await clockwork.run()
    before = await delivery(merchant)
    assert (before["status"], before["attempt_count"]) == ("delivered", 2)
    slow.answer(HOOKS, BROKEN)
    await late
    after = await delivery(merchant)
    assert after["attempts"][0]["status_code"] == 500
    assert {**after, "attempts": None} == {**before, "attempts": None}
    assert after["attempts"][1] == before["attempts"][1]
    assert (await seen(merchant, made))["failing_since"] is None
    assert await clockwork.queued() == []


@pytest.mark.parametrize("reply", [FINE, BROKEN])
async def test_an_attempt_that_is_settled_twice_is_settled_once(
    db: Database, merchant: Merchant, clockwork: Clockwork, slow: Slow, reply: Reply
):
    """A worker that lost its connection while it committed does not know whether it did."""
    await endpoint(merchant)
    await merchant.customer(name="Ada")
    id, _ = await begin_one(clockwork, slow)

    async def settle() -> dict[str, Any]:
        async with db.transaction() as conn:
            await telling.settle(conn, merchant.scope, id=id, attempt=1, reply=reply, now=clockwork.clock())
        return {**await delivery(merchant), "jobs": await clockwork.queued()}

    once = await settle()
    assert once["attempt_count"] == 1
    assert await settle() == once
    (told,) = await deliveries(merchant)
    assert told["status"] == ("delivered" if reply is FINE else "scheduled")
