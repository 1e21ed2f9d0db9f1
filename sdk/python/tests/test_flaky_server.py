"""A payment is made once, however badly the server and the network behave."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle
from typing import Any

import anyio
import httpx
import pytest

from reevit import AsyncReevit, Attempt, Payment, Reevit, ReevitConnectionError, ReevitTimeoutError
from tests import flaky
from tests.answers import KEY, without_waiting
from tests.flaky import Shop, Trouble, shop

Pay = Callable[..., Payment]

ORDER: dict[str, Any] = {"amount": 15000, "currency": "GHS", "reference": "order-1001"}


def pay(shop: Shop, *, key: str | None = None, **settings: Any) -> Payment:
    with Reevit(KEY, base_url=shop.base_url, **settings) as reevit:
        return reevit.payments.create(ORDER, idempotency_key=key)


def pay_later(backend: str, shop: Shop, *, key: str | None = None, **settings: Any) -> Payment:
    async def story() -> Payment:
        async with AsyncReevit(KEY, base_url=shop.base_url, **settings) as reevit:
            return await reevit.payments.create(ORDER, idempotency_key=key)

    return anyio.run(story, backend=backend)


WAYS = {
    "sync": pay,
    **{f"async, {name}": partial(pay_later, name) for name in anyio.get_available_backends()},
}
EVERY_WAY = pytest.mark.parametrize("pay", WAYS.values(), ids=WAYS)

TROUBLES: dict[str, tuple[Trouble, ...]] = {
    "the connection is closed before it is read": (flaky.refuses_the_connection,),
    "the connection breaks before the answer": (flaky.says_nothing,),
    "the connection is reset before the answer": (flaky.resets,),
    "the connection breaks in the middle of the headers": (flaky.breaks_in_the_headers,),
    "the connection breaks between headers and body": (flaky.breaks_before_the_body,),
    "the connection breaks in the middle of the body": (flaky.breaks_in_the_body,),
    "the connection breaks before the last chunk": (flaky.breaks_between_chunks,),
    "the answer is no HTTP": (flaky.talks_nonsense,),
    "the server is busy": (flaky.is_busy,),
    "the server is busy twice": (flaky.is_busy, flaky.is_busy),
    "a proxy gives up on a server that did it": (flaky.is_behind_a_proxy_that_gives_up,),
    "one thing after the other": (flaky.breaks_in_the_body, flaky.is_busy),
}


@EVERY_WAY
@pytest.mark.parametrize("troubles", TROUBLES.values(), ids=TROUBLES)
def test_a_payment_is_made_once_when(troubles: tuple[Trouble, ...], pay: Pay):
    with shop(*troubles) as seen, without_waiting() as waits:
        payment = pay(seen)
    assert list(seen.payments.values()) == [payment]
    assert (payment.id, payment.amount, payment.reference) == ("pay_1", 15000, "order-1001")
    assert len(seen.tries) == len(troubles) + 1
    assert len(waits) == len(troubles)
    assert set(seen.tries) == set(seen.payments)


@EVERY_WAY
def test_an_answer_that_drips_is_waited_for(pay: Pay):
    with shop(flaky.drips) as seen:
        payment = pay(seen)
    assert list(seen.payments.values()) == [payment]
    assert len(seen.tries) == 1


@EVERY_WAY
def test_a_payment_is_made_once_when_its_answer_stops_half_way(pay: Pay):
    impatient = httpx.Timeout(30, read=0.3)
    with shop(flaky.stalls) as seen, without_waiting():
        payment = pay(seen, timeout=impatient, max_retries=10)  # more than needed, for a machine that is slow
    assert list(seen.payments.values()) == [payment]
    assert len(seen.tries) >= 2
    assert len(set(seen.tries)) == 1


@EVERY_WAY
def test_a_payment_is_made_once_when_the_second_try_overtakes_the_first(pay: Pay):
    impatient = httpx.Timeout(30, read=0.3)
    with shop(flaky.takes_too_long, flaky.is_still_at_it) as seen, without_waiting():
        payment = pay(seen, timeout=impatient, max_retries=10)
    assert list(seen.payments.values()) == [payment]
    assert len(seen.tries) >= 3
    assert len(set(seen.tries)) == 1


@EVERY_WAY
@pytest.mark.parametrize("trouble", [flaky.says_nothing, flaky.breaks_in_the_body])
def test_who_gives_up_can_ask_again_with_the_key_that_the_error_has(trouble: Trouble, pay: Pay):
    with shop(trouble) as seen:
        with pytest.raises(ReevitConnectionError, match="It may have happened") as raised:
            pay(seen, max_retries=0)
        assert len(seen.payments) == 1
        payment = pay(seen, key=raised.value.idempotency_key)
    assert list(seen.payments.values()) == [payment]


@EVERY_WAY
def test_a_server_that_never_answers_is_a_timeout_after_the_last_try(pay: Pay):
    told: list[Attempt] = []
    impatient = httpx.Timeout(30, read=0.05)
    with (
        shop(endless=cycle([flaky.stalls])) as seen,
        without_waiting(),
        pytest.raises(ReevitTimeoutError, match="in time") as raised,
    ):
        pay(seen, timeout=impatient, max_retries=1, on_attempt=told.append)
    assert [attempt.error for attempt in told] == ["ReadTimeout", "ReadTimeout"]
    assert {attempt.idempotency_key for attempt in told} == {raised.value.idempotency_key}


@EVERY_WAY
def test_a_body_that_never_ends_is_a_timeout_though_each_byte_comes_soon(pay: Pay):
    told: list[Attempt] = []
    with (
        shop(endless=cycle([flaky.drips_for_ever])) as seen,
        without_waiting(),
        pytest.raises(ReevitTimeoutError, match="in time") as raised,
    ):
        pay(seen, timeout=0.3, max_retries=1, on_attempt=told.append)
    assert [attempt.error for attempt in told] == ["ReadTimeout", "ReadTimeout"]
    assert seen.tries == [raised.value.idempotency_key] * 2
    assert len(seen.payments) == 1


@EVERY_WAY
def test_a_payment_is_made_once_when_the_first_answer_never_ends(pay: Pay):
    with shop(flaky.drips_for_ever) as seen, without_waiting():
        payment = pay(seen, timeout=0.5, max_retries=10)  # more than needed, for a machine that is slow
    assert list(seen.payments.values()) == [payment]
    assert len(set(seen.tries)) == 1


@EVERY_WAY
def test_an_answer_in_many_small_parts_is_whole_when_there_is_time(pay: Pay):
    with shop(flaky.drips) as seen:
        payment = pay(seen, timeout=60, max_retries=0)
    assert list(seen.payments.values()) == [payment]


@EVERY_WAY
def test_a_server_that_is_not_there_is_a_connection_error_and_nothing_happened(pay: Pay):
    with shop() as gone:
        pass
    with without_waiting() as waits, pytest.raises(ReevitConnectionError, match="Cannot connect") as raised:
        pay(gone)
    assert "It may have happened" not in str(raised.value)
    assert len(waits) == 2
    assert gone.payments == {}


def test_a_connection_that_died_while_idle_makes_no_second_payment():
    with (
        shop(flaky.closes_after_its_answer, flaky.closes_after_its_answer) as seen,
        without_waiting(),
        Reevit(KEY, base_url=seen.base_url) as reevit,
    ):
        made = [reevit.payments.create({**ORDER, "reference": f"order-{one}"}) for one in range(3)]
    assert list(seen.payments.values()) == made
    assert [payment.reference for payment in made] == ["order-0", "order-1", "order-2"]


def test_two_calls_are_two_payments():
    with shop(flaky.says_nothing) as seen, without_waiting():
        assert {pay(seen).id, pay(seen).id} == {"pay_1", "pay_2"}
    assert len(seen.payments) == 2


def test_twenty_threads_on_a_bad_day_make_each_payment_once():
    bad_day = cycle([flaky.says_nothing, flaky.well, flaky.breaks_in_the_body, flaky.is_busy, flaky.resets])
    amounts = range(1, 101)
    with (
        shop(endless=bad_day) as seen,
        without_waiting(),
        ThreadPoolExecutor(20) as threads,
        Reevit(KEY, base_url=seen.base_url, max_retries=200) as reevit,
    ):
        made = list(threads.map(lambda one: reevit.payments.create(amount=one, currency="GHS"), amounts))
    assert [payment.amount for payment in made] == list(amounts)
    assert len({payment.id for payment in made}) == len(seen.payments) == 100
    assert len(seen.tries) > 100
