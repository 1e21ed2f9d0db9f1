"""When it is tried again, and when it is given up: the rules by themselves, and stories in time."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from reevit_server.core.egress import Reply
from reevit_server.webhooks import models
from tests.makers import Merchant
from tests.webhooks.clockwork import BROKEN, FINE, REFUSED, Clock, Clockwork, Outside
from tests.webhooks.wire import deliveries, delivery, do, endpoint, events, patch, seen

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GONE = Reply(1, 410, body="no more of this")
# Seconds before the second attempt, the third ...
DELAYS = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(("failures", "seconds"), list(enumerate(DELAYS, 1)))
def test_each_failure_is_followed_by_a_longer_wait(failures: int, seconds: int):
    assert models.next_try(failures, now=NOW, spread=0) == NOW + timedelta(seconds=seconds)
    for spread in (-1, -0.5, 0.5, 1):
        wait = (models.next_try(failures, now=NOW, spread=spread) - NOW).total_seconds()
        assert wait == pytest.approx(seconds * (1 + 0.2 * spread))


@pytest.mark.parametrize("failures", [10, 11, 1000])
def test_after_ten_failures_nothing_more_is_tried(failures: int):
    assert models.next_try(failures, now=NOW, spread=0) is None
    assert models.next_try(failures, now=NOW, spread=0, retry_after=timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("failures", "asked", "waited"),
    [
        (1, timedelta(0), 5),
        (1, timedelta(seconds=4), 5),
        (1, timedelta(seconds=600), 600),
        (2, timedelta(seconds=100), 300),
        (1, timedelta(days=1), 86_400),
        (1, timedelta(days=30), 86_400),
        (9, timedelta(hours=1), 86_400),
    ],
)
def test_who_asks_for_more_time_gets_it_but_no_more_than_a_day(failures: int, asked: timedelta, waited: int):
    assert models.next_try(failures, now=NOW, spread=0, retry_after=asked) == NOW + timedelta(seconds=waited)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, None),
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("999999999", 999_999_999),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120),
        ("Sun Mar  1 12:02:00 2026", 120),
        ("Sun, 01 Mar 2026 13:02:00 +0100", 120),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        (
            "Fri, 31 Dec 9999 23:59:59 GMT",
            round((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - NOW).total_seconds()),
        ),
        ("Fri, 31 Dec 9999 23:59:59 -9999999999999", None),
        ("Sun, 01 Mar 2026 25:61:00 GMT", None),
        ("9" * 5000, None),
        ("-120", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(said: str | None, meant: int | None):
    assert models.retry_after(said, now=NOW) == (None if meant is None else timedelta(seconds=meant))


def test_no_header_however_odd_is_more_than_a_header():
    """Whatever a receiver writes there, an attempt that failed is one that failed."""
    chance = random.Random(7)
    letters = "0123456789 ,:+-/()MonTueWedJanFebGMTUTC\0é٣"
    dates = [
        format_datetime(NOW, usegmt=True),
        "Sun Mar  1 12:02:00 2026",
        "Sun, 01-Mar-26 12:02:00 -99999999999",
    ]
    for _ in range(20_000):
        text = list(chance.choice(dates))
        for _ in range(chance.randrange(6)):
            text[chance.randrange(len(text))] = chance.choice(letters)
        found = models.retry_after("".join(text), now=NOW)
        assert found is None or found >= timedelta(0)


async def test_who_never_answers_is_tried_ten_times_and_then_given_up(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    await endpoint(merchant)
    outside.answer(REFUSED, BROKEN, Reply(15_000, error="timeout", error_message="No whole answer."))
    await merchant.customer(name="Ada")
    begun = clock()
    assert await clockwork.run_for(days=30) == 11, "one tells of the event, ten are attempts"
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"], told["next_attempt_at"]) == ("exhausted", 10, None)
    started = [at(attempt["started_at"]) for attempt in told["attempts"]]
    assert started[0] == begun
    for (earlier, later), seconds in zip(pairwise(started), DELAYS, strict=True):
        waited = (later - earlier).total_seconds()
        assert 0.8 * seconds <= waited <= 1.2 * seconds
    assert told["finished_at"] == told["attempts"][-1]["started_at"]
    assert [attempt["number"] for attempt in told["attempts"]] == list(range(1, 11))
    errors = [attempt["error"] for attempt in told["attempts"]]
    assert errors == ["connection_failed", "http_status", *["timeout"] * 8]
    sent = outside.take()
    assert [one.json["attempt"] for one in sent] == list(range(1, 11))
    assert len({one.headers["webhook-id"] for one in sent}) == 1


async def test_waits_differ_so_that_what_failed_together_does_not_come_back_together(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    await endpoint(merchant)
    outside.answer(BROKEN)
    for _ in range(8):
        await merchant.customer(name="Ada")
    await clockwork.run()
    nexts = {told["next_attempt_at"] for told in await deliveries(merchant)}
    assert len(nexts) == 8
    assert all(4 <= (at(next) - clock()).total_seconds() <= 6 for next in nexts)


@pytest.mark.parametrize("failures", [1, 2, 9])
async def test_one_success_ends_it_whatever_failed_before(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, failures: int
):
    made = await endpoint(merchant)
    outside.answer(*[BROKEN] * failures, FINE)
    await merchant.customer(name="Ada")
    await clockwork.run_for(days=30)
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"]) == ("delivered", failures + 1)
    assert [attempt["status_code"] for attempt in told["attempts"]] == [500] * failures + [200]
    assert told["attempts"][-1]["error"] is None
    assert (await seen(merchant, made))["failing_since"] is None
    assert len(outside.take()) == failures + 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_says_that_it_arrived(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, status: int
):
    await endpoint(merchant)
    outside.answer(Reply(1, status))
    await merchant.customer(name="Ada")
    await clockwork.run()
    assert (await delivery(merchant))["status"] == "delivered"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (100, "http_status"),
        (300, "redirect"),
        (301, "redirect"),
        (304, "redirect"),
        (307, "redirect"),
        (400, "http_status"),
        (404, "http_status"),
        (429, "http_status"),
        (500, "http_status"),
        (503, "http_status"),
        (599, "http_status"),
        (999, "http_status"),
    ],
)
async def test_nothing_else_says_that_it_arrived(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, status: int, error: str
):
    await endpoint(merchant)
    outside.answer(Reply(1, status, body="see elsewhere"))
    await merchant.customer(name="Ada")
    await clockwork.run()
    told = await delivery(merchant)
    (attempt,) = told["attempts"]
    assert (told["status"], attempt["status_code"], attempt["error"]) == ("scheduled", status, error)
    assert str(status) in attempt["error_message"]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_for_time_is_left_alone_for_so_long(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside, status: int
):
    await endpoint(merchant)
    an_hour_later = format_datetime((clock() + timedelta(hours=2)).replace(microsecond=0), usegmt=True)
    outside.answer(
        Reply(1, status, retry_after="3600"),
        Reply(1, status, retry_after=an_hour_later),
        Reply(1, status, retry_after="864000"),
        FINE,
    )
    await merchant.customer(name="Ada")
    begun = clock()
    await clockwork.run_for(days=30)
    told = await delivery(merchant)
    after = [(at(attempt["started_at"]) - begun).total_seconds() for attempt in told["attempts"]]
    assert told["status"] == "delivered"
    waits = [later - earlier for earlier, later in pairwise(after)]
    asked = [3600, 7200 - after[1], 86_400]  # a day is the most that is granted
    # Never sooner, and up to a fifth later, so that not all come back at that instant.
    assert all(wait - 1 <= waited <= 1.2 * wait + 1 for wait, waited in zip(asked, waits, strict=True))


async def test_failing_is_noted_from_the_first_failure_to_the_next_success(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(BROKEN)
    await merchant.customer(name="Ada")
    await clockwork.run()
    failed_at = clock()
    clock.advance(seconds=1)
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert at((await seen(merchant, made))["failing_since"]) == failed_at
    await clockwork.run_for(hours=1)
    assert at((await seen(merchant, made))["failing_since"]) == failed_at
    outside.answer(FINE)
    await merchant.customer(name="Ama")
    await clockwork.run()
    assert (await seen(merchant, made))["failing_since"] is None


async def test_after_five_days_of_nothing_but_failures_an_endpoint_is_disabled_and_others_are_told(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    dead = await endpoint(merchant, url="https://dead.example/", events=["customer.*"])
    well = await endpoint(merchant, url="https://well.example/", events=["webhook_endpoint.disabled"])
    outside.answer(BROKEN, url="https://dead.example/")
    begun = clock()
    for day in range(5):  # so that there is always something to try
        await merchant.customer(name=f"Ada {day}")
        await clockwork.run_until(begun + timedelta(days=day + 1, minutes=-1))
        assert (await seen(merchant, dead))["status"] == "active"
    assert [told["status"] for told in await deliveries(merchant, endpoint_id=well["id"])] == []
    await clockwork.run_until(begun + timedelta(days=7))
    after = await seen(merchant, dead)
    assert (after["enabled"], after["status"], after["disabled_reason"]) == (False, "disabled", "failing")
    assert after["failing_since"] is None
    gone = await deliveries(merchant, endpoint_id=dead["id"])
    assert {told["status"] for told in gone} == {"exhausted", "disabled"}
    last = max(at(attempt["started_at"]) for told in gone for attempt in told["attempts"])
    assert begun + timedelta(days=5) <= last <= begun + timedelta(days=6, hours=5)
    (event,) = await events(merchant, type="webhook_endpoint.disabled")
    assert (event["subject_id"], at(event["created_at"])) == (dead["id"], last)
    assert event["data"] == {**after, "signing_secret": None}
    (told,) = [sent for sent in outside.take() if sent.url == "https://well.example/"]
    assert told.json["data"] == event["data"]
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert outside.take() == []


async def test_an_endpoint_that_is_quiet_for_a_week_and_then_fails_is_not_disabled_for_it(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(FINE)
    await merchant.customer(name="Ada")
    await clockwork.run_for(days=7)
    outside.answer(BROKEN)
    await merchant.customer(name="Zoe")
    await clockwork.run_for(days=1)
    assert (await seen(merchant, made))["status"] == "active"


async def test_a_disabled_endpoint_that_is_turned_on_again_begins_anew(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant, events=["customer.*"])
    outside.answer(BROKEN)
    for _ in range(7):
        await merchant.customer(name="Ada")
        await clockwork.run_for(days=1)
    assert (await seen(merchant, made))["disabled_reason"] == "failing"
    on = await patch(merchant, made, enabled=True)
    assert (on["status"], on["disabled_reason"], on["failing_since"]) == ("active", None, None)
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert (await seen(merchant, made))["status"] == "active"
    assert at((await seen(merchant, made))["failing_since"]) == clock()


async def test_an_answer_of_410_disables_at_once_and_ends_all_that_waited(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant, events=["customer.*"])
    other = await endpoint(merchant, url="https://other.example/")
    outside.answer(BROKEN, BROKEN, GONE, url=made["url"])
    for name in ("Ada", "Zoe"):
        await merchant.customer(name=name)
    await clockwork.run()
    waiting = await deliveries(merchant, endpoint_id=made["id"], status="scheduled")
    assert len(waiting) == 2
    await merchant.customer(name="Ama")
    await clockwork.run()
    after = await seen(merchant, made)
    assert (after["status"], after["disabled_reason"]) == ("disabled", "gone")
    ended = await deliveries(merchant, endpoint_id=made["id"])
    assert [(told["status"], told["next_attempt_at"]) for told in ended] == [("disabled", None)] * 3
    assert all(told["finished_at"] for told in ended)
    assert [attempt["error"] for attempt in ended[0]["attempts"]] == ["gone"]
    outside.take()
    await clockwork.run_for(days=10)
    assert [sent.url for sent in outside.take()] == []
    told = await deliveries(merchant, endpoint_id=other["id"])
    assert {one["event_type"] for one in told} == {"customer.created", "webhook_endpoint.disabled"}
    assert {one["status"] for one in told} == {"delivered"}


async def test_turning_an_endpoint_off_tells_nobody(merchant: Merchant, clockwork: Clockwork):
    """Who did it knows; it is told of only when it happens by itself."""
    made = await endpoint(merchant)
    await patch(merchant, made, enabled=False)
    await clockwork.run()
    assert await events(merchant, type="webhook_endpoint.disabled") == []


async def test_ten_attempts_are_those_since_the_last_replay(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(BROKEN)
    await merchant.customer(name="Ada")
    await clockwork.run_for(days=4)
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"]) == ("exhausted", 10)
    answer = await do(merchant, made, "replay", {"from": told["created_at"]})
    assert answer.json()["replayed"] == 1
    replayed_at = clock()
    await clockwork.run()
    told = await delivery(merchant)
    assert (told["status"], told["attempt_count"], told["finished_at"]) == ("scheduled", 11, None)
    assert 4 <= (at(told["next_attempt_at"]) - replayed_at).total_seconds() <= 6
