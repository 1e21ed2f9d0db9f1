"""Nobody takes everything: a token bucket per organization and mode, decided before a body is read."""

import math
import time
from typing import NamedTuple

from reevit_server.core.errors import RateLimited


class Allowance(NamedTuple):
    """What the `X-RateLimit-*` headers say."""

    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return (
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset_seconds),
        )


class RateLimiter:
    """`per_second` requests a second on average, twice as many in a burst; 0 switches it off.

    Buckets live in this process: with several API workers each gets an equal part of the whole.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = math.ceil(per_second * 2)
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, bucket: tuple[str, str]) -> Allowance | None:
        """One request's token; None when limits are off. Raises RateLimited, with `Retry-After`."""
        if not self._per_second:
            return None
        now = time.monotonic()
        tokens, at = self._buckets.get(bucket, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        if tokens < 1:
            wait = math.ceil((1 - tokens) / self._per_second)
            refusal = RateLimited(retry_after_seconds=wait)
            refusal.headers = (
                (b"retry-after", b"%d" % wait),
                *Allowance(self._burst, 0, wait).headers(),
            )
            raise refusal
        tokens -= 1
        self._buckets[bucket] = (tokens, now)
        return Allowance(self._burst, int(tokens), math.ceil((self._burst - tokens) / self._per_second))
