"""How one call is sent, again if need be, and its answer read: the same steps for both clients.

The steps are a generator that talks to nobody: it yields a request to send, or the seconds to wait, and is given what
came back. `Reevit` and `AsyncReevit` each do the sending and the waiting in their own way, and nothing else.
"""

from __future__ import annotations

import logging
import math
import random
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any, TypeVar

import httpx

from reevit._call import Call, decoded
from reevit._model import Model
from reevit.errors import (
    ReevitAPIError,
    ReevitConnectionError,
    ReevitTimeoutError,
    UnexpectedAnswer,
    api_error,
)

T = TypeVar("T")

_log = logging.getLogger("reevit")

Outcome = httpx.Response | httpx.RequestError
Steps = Generator[httpx.Request | float, Outcome | None, T]

RETRIED = {408, 429, *range(500, 600)}
"""Statuses after which the same request may well succeed. None of them leaves a stored answer under its key."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 8.0
MOST_DOUBLINGS = 10
"""The longest pause is reached long before. Without a bound, the thousandth try is beyond what a float can hold."""

LONGEST_RETRY_AFTER_SECONDS = 60.0
"""A server that asks for more patience than this is not waited for: the caller is told, with `retry_after`."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")

# What cannot be mended by sending it again: the request itself, or the address, is wrong.
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one call, for logs and metrics. It holds no key, no body and no query.

    `status_code` is None when there was no answer, and `error` says why. `number` counts from 1; `wait_seconds` is
    the pause before the next try, None when there is none. `idempotency_key` and `request_id` find it in the
    server's log.
    """

    method: str
    path: str
    number: int
    latency_seconds: float
    status_code: int | None
    error: str | None
    request_id: str | None
    idempotency_key: str | None
    wait_seconds: float | None


def attempts(
    call: Call[T], request: httpx.Request, *, max_retries: int, observe: Callable[[Attempt], None]
) -> Steps[T]:
    """Sends `request` until it is answered for good. Raises what `reevit.errors` draws.

    The request is the same each time, its Idempotency-Key too: what was executed before a connection broke is
    replayed and not done twice.
    """
    number = 0
    while True:
        number += 1
        started = monotonic()
        outcome = yield request
        assert outcome is not None
        wait = _wait(outcome, number) if number <= max_retries else None
        _tell(observe, _attempt(call, request, outcome, number, monotonic() - started, wait))
        if wait is None:
            return _result(call, request, outcome)
        yield wait


def _tell(observe: Callable[[Attempt], None], attempt: Attempt) -> None:
    try:
        observe(attempt)
    except Exception:  # noqa: BLE001 - somebody else's code; the payment may be made by now, and its answer is here
        _log.warning("on_attempt failed; the call goes on.", exc_info=True)


def _result(call: Call[T], request: httpx.Request, outcome: Outcome) -> T:
    if isinstance(outcome, httpx.RequestError):
        raise _no_answer(request, outcome) from outcome
    try:
        return _answer(call, outcome)
    except ReevitAPIError as error:
        error.idempotency_key = request.headers.get("Idempotency-Key")
        raise


def _answer(call: Call[T], outcome: httpx.Response) -> T:
    if outcome.is_success:
        return _read(call, outcome)
    if outcome.status_code < 400:
        raise UnexpectedAnswer(outcome.status_code, outcome.headers.get("location", "").encode())
    try:
        answer = decoded(outcome.content, outcome.status_code)
    except UnexpectedAnswer:
        answer = None
    raise api_error(
        outcome.status_code,
        answer,
        request_id=outcome.headers.get("X-Request-Id"),
        retry_after=_retry_after(outcome),
        content=outcome.content,
    )


def _read(call: Call[T], response: httpx.Response) -> T:
    answer: Any = response.content
    if not call.read_bytes:
        answer = decoded(response.content, response.status_code) if response.content else None
    # A dict would be made of an empty list or text as well, and of a list of pairs.
    if isinstance(call.read, type) and issubclass(call.read, Model) and not isinstance(answer, dict):
        raise UnexpectedAnswer(response.status_code, response.content)
    try:
        return call.read(answer)
    except (TypeError, ValueError) as error:  # bytes that are no text, say
        raise UnexpectedAnswer(response.status_code, response.content) from error


def _no_answer(request: httpx.Request, error: httpx.RequestError) -> ReevitConnectionError:
    key = request.headers.get("Idempotency-Key")
    where = f"{request.url.scheme}://{request.url.netloc.decode()}"
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        message = f"Cannot connect to {where} ({error}). Does the server run there? base_url or REEVIT_BASE_URL says."
    elif isinstance(error, httpx.TimeoutException):
        message = f"{where} did not answer in time; `timeout` sets how long to wait."
    else:
        message = f"The connection to {where} broke before its answer ({error})."
    if key and not isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        message += (
            " It may have happened: the same call with this error's `idempotency_key` does nothing twice."
        )
    return (ReevitTimeoutError if isinstance(error, httpx.TimeoutException) else ReevitConnectionError)(
        message, key
    )


def _wait(outcome: Outcome, number: int) -> float | None:
    """Seconds until the next try, or None. Full jitter, so that a crowd of clients does not come back as one."""
    doublings = min(number - 1, MOST_DOUBLINGS)
    jitter = random.uniform(0, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**doublings))  # noqa: S311
    if isinstance(outcome, httpx.RequestError):
        return None if isinstance(outcome, _HOPELESS) else jitter
    if outcome.status_code not in RETRIED and not _still_running(outcome):
        return None
    asked = _retry_after(outcome)
    if asked is None:
        return jitter
    return None if asked > LONGEST_RETRY_AFTER_SECONDS else asked + jitter


def _still_running(response: httpx.Response) -> bool:
    """An earlier try of this very request is under way; its answer comes to whoever asks again."""
    return response.status_code == 409 and b'"idempotency_key_in_use"' in response.content


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds or a date, https://www.rfc-editor.org/rfc/rfc9110#field.retry-after, and decimals, which some proxies
    send; None when absent or unreadable.
    """
    value = response.headers.get("Retry-After", "")
    if _SECONDS.fullmatch(value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _attempt(
    call: Call[Any], request: httpx.Request, outcome: Outcome, number: int, latency: float, wait: float | None
) -> Attempt:
    answered = isinstance(outcome, httpx.Response)
    return Attempt(
        method=call.method,
        path=call.path,
        number=number,
        latency_seconds=latency,
        status_code=outcome.status_code if isinstance(outcome, httpx.Response) else None,
        error=None if answered else type(outcome).__name__,
        request_id=outcome.headers.get("X-Request-Id") if isinstance(outcome, httpx.Response) else None,
        idempotency_key=request.headers.get("Idempotency-Key"),
        wait_seconds=wait,
    )
