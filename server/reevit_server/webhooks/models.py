"""Pure rules of telling: when to try again, when to give up, what a secret looks like."""

import base64
import re
import secrets
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from reevit_server.core.egress import Reply
from reevit_server.core.signatures import SECRET_PREFIX, secret_bytes

# Before each attempt; after the last of them failed, nothing more is tried. A little more than three days in all.
DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
JITTER = 0.2  # so that what failed together does not come back together
RETRY_AFTER_MAX = timedelta(days=1)
AT_ONCE_MAX = 10  # of one endpoint: who does not answer holds up nobody but itself
SENDING_SECONDS = 30  # an attempt and all that belongs to it is over by then
FAILING_DAYS_MAX = 5
ROTATION_HOURS = 24
LISTENER_SECONDS = 120  # a listener that has not asked for so long has gone
ENDPOINTS_MAX = 50  # of an organization and mode, listeners included

FINISHED = ("delivered", "exhausted", "disabled")

_SECRET_BYTES = 32


def next_try(
    failures: int, *, now: datetime, spread: float, retry_after: timedelta | None = None
) -> datetime | None:
    """When to try again after so many failures; None: not any more.

    `spread`, from -1 to 1, is where within the jitter this one falls. A receiver that asks for more time gets it.
    """
    assert failures > 0
    if failures >= len(DELAYS):
        return None
    asked_for = min(retry_after or timedelta(0), RETRY_AFTER_MAX)
    # Never before the instant that was asked for, but not all at that instant either.
    return now + max(DELAYS[failures] * (1 + JITTER * spread), asked_for * (1 + JITTER * abs(spread)))


class Standing(NamedTuple):
    """Where a delivery goes after an attempt; `disables` its endpoint for a reason."""

    status: str
    failures: int = 0
    next_attempt_at: datetime | None = None
    disables: str | None = None


def standing_after(
    reply: Reply,
    *,
    endpoint_is_disabled: bool,
    failing_since: datetime | None,
    failures: int,
    spread: float,
    now: datetime,
) -> Standing:
    """What follows from an attempt, of a delivery that has failed so often before."""
    if is_delivered(reply):
        return Standing("delivered")
    if endpoint_is_disabled:
        return Standing("disabled", failures=1)
    if reply.error == "gone":
        return Standing("disabled", failures=1, disables="gone")
    if failing_since is not None and now - failing_since >= timedelta(days=FAILING_DAYS_MAX):
        return Standing("disabled", failures=1, disables="failing")
    again = next_try(
        failures + 1, now=now, spread=spread, retry_after=retry_after(reply.retry_after, now=now)
    )
    if again is None:
        return Standing("exhausted", failures=1)
    return Standing("scheduled", failures=1, next_attempt_at=again)


def retry_after(text: str | None, *, now: datetime) -> timedelta | None:
    """What a Retry-After header says (RFC 9110, 10.2.3): seconds, or a date; None when it says neither."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return timedelta(seconds=int(text))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # an offset of more than any zone's
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta(0))


def is_delivered(reply: Reply) -> bool:
    """Only an answer of 2xx says that it arrived; a redirect does not."""
    return reply.error is None and reply.status_code is not None and 200 <= reply.status_code < 300


def explained(reply: Reply) -> Reply:
    """The reply with a reason for its failure, when all there was is a status."""
    if reply.error is not None or is_delivered(reply):
        return reply
    if reply.status_code == 410:
        return reply._replace(
            error="gone", error_message="The receiver answered 410: it wants to be told no more."
        )
    if reply.status_code is not None and 300 <= reply.status_code < 400:
        message = (
            f"The receiver answered {reply.status_code}; redirects are not followed. Name the final address."
        )
        return reply._replace(error="redirect", error_message=message)
    return reply._replace(
        error="http_status", error_message=f"The receiver answered {reply.status_code}, not 2xx."
    )


def new_secret() -> str:
    """A signing secret: 256 random bits."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def checked_secret(secret: str) -> str:
    """The secret, if it is one. Raises ValueError."""
    try:
        secret_bytes(secret)
    except ValueError as error:
        raise ValueError(f"{error}, or leave it out and a secret is made") from None
    return secret
