"""A bucket empties, fills again by the clock, and never lends to its neighbour."""

import time

import pytest

from reevit_server.core.errors import RateLimited
from reevit_server.core.rate_limit import RateLimiter

_OURS = ("org_1", "test")


def _take_all(limiter: RateLimiter, bucket: tuple[str, str] = _OURS) -> int:
    taken = 0
    while True:
        try:
            limiter.take(bucket)
        except RateLimited:
            return taken
        taken += 1


def test_twice_the_rate_goes_in_a_burst_and_then_no_more():
    limiter = RateLimiter(0.001)
    assert _take_all(RateLimiter(2)) == 4
    first = limiter.take(_OURS)
    assert first is not None
    assert (first.limit, first.remaining) == (1, 0)


def test_the_refusal_says_how_long_to_wait():
    limiter = RateLimiter(0.5)
    _take_all(limiter)
    with pytest.raises(RateLimited) as caught:
        limiter.take(_OURS)
    headers = dict(caught.value.headers)
    assert headers[b"retry-after"] == b"2"
    assert headers[b"x-ratelimit-remaining"] == b"0"
    assert caught.value.details == {"retry_after_seconds": 2}


def test_waiting_fills_the_bucket_up_to_its_brim_and_not_beyond():
    limiter = RateLimiter(50)
    _take_all(limiter)
    time.sleep(0.05)
    assert limiter.take(_OURS) is not None
    time.sleep(0.05)
    full = RateLimiter(50)
    full.take(_OURS)
    time.sleep(0.1)
    allowance = full.take(_OURS)
    assert allowance is not None
    assert allowance.remaining == allowance.limit - 1


def test_every_organization_and_mode_has_a_bucket_of_its_own():
    limiter = RateLimiter(0.001)
    assert [_take_all(limiter, bucket) for bucket in (_OURS, ("org_1", "live"), ("org_2", "test"))] == [
        1,
        1,
        1,
    ]


def test_a_refused_request_costs_no_token():
    limiter = RateLimiter(20)
    for _ in range(10):
        _take_all(limiter)
    time.sleep(0.06)
    assert limiter.take(_OURS) is not None


def test_zero_switches_limits_off():
    assert RateLimiter(0).take(_OURS) is None
