"""What can go wrong.

::

    ReevitError
    ├── ReevitAPIError               the API answered, and said no
    │   ├── InvalidRequestError      400, 405, 413, 415   mend the request: `fields` says where
    │   ├── AuthenticationError      401   the key is missing, wrong or revoked
    │   ├── PermissionDeniedError    403   the key may not do this, or is another organization's
    │   ├── NotFoundError            404, 410   there is no such thing here (any more)
    │   ├── ConflictError            409   it is taken, or its state does not allow this
    │   ├── UnprocessableError       422   understood, but what it refers to does not fit
    │   ├── RateLimitError           429   `retry_after` seconds
    │   ├── ServerError              500   a fault of the server; quote `request_id`
    │   │   ├── ProviderError        502   a payment provider did not answer as it should
    │   │   └── UnavailableError     503, 504   busy or restarting; it was retried already
    │   └── UnexpectedAnswer         an answer that is not Reevit's: a proxy's page, a redirect
    ├── ReevitConnectionError        no answer: it was retried already
    │   └── ReevitTimeoutError       none in time
    ├── ConfigurationError           a setting that is missing or cannot be: no API key, say
    └── WebhookVerificationError     a delivery that cannot be trusted (also a ValueError)

After a ReevitConnectionError, a ServerError or an UnexpectedAnswer, a write may have happened. Repeat it with the
`idempotency_key` that is on the error, and it will not happen twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class ReevitError(Exception):
    """Anything that this package raises about a call or a delivery."""

    def __reduce__(self) -> tuple[Any, ...]:  # an exception is made again from its message alone otherwise
        return _unpickled, (type(self), self.args, self.__dict__)


def _unpickled(kind: type[ReevitError], args: tuple[Any, ...], state: dict[str, Any]) -> ReevitError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(ReevitError):
    """The client cannot be made, or set, as it was asked for."""


class ReevitConnectionError(ReevitError):
    """The server could not be reached, or the connection broke before its answer.

    `idempotency_key` is the one that the write carried; give it to the same call to ask again safely. None for reads.
    """

    def __init__(self, message: str, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class ReevitTimeoutError(ReevitConnectionError):
    """The server did not answer in time."""


class ReevitAPIError(ReevitError):
    """The API answered with an error.

    `status_code` and the stable `code` say what it is, `message` what to do about it, `details` more;
    `request_id` is the handle by which the operator finds the request. `retry_after` is in seconds, if the server
    said when to ask again. `idempotency_key` is the one that the write carried; None for reads.
    """

    def __init__(
        self,
        status_code: int,
        message: str,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.message = message
        self.code = code or "api_error"
        self.details = dict(details or {})
        self.request_id = request_id
        self.retry_after = retry_after
        self.idempotency_key = idempotency_key

    @property
    def fields(self) -> list[dict[str, str]]:
        """The faults of a refused body or query: ``[{"field": …, "code": …, "message": …}]``."""
        found = self.details.get("fields")
        return found if isinstance(found, list) else []

    def __str__(self) -> str:
        return f"{self.message} (request_id={self.request_id})" if self.request_id else self.message


class InvalidRequestError(ReevitAPIError):
    """The request is not one that the API can read."""


class AuthenticationError(ReevitAPIError):
    """The API key is missing, wrong or revoked."""


class PermissionDeniedError(ReevitAPIError):
    """The API key may not do this."""


class NotFoundError(ReevitAPIError):
    """There is no such thing in this organization and mode, or it was deleted."""


class ConflictError(ReevitAPIError):
    """Something with this id exists already, or its state does not allow this."""


class UnprocessableError(ReevitAPIError):
    """The request is well formed, but what it refers to does not fit."""


class RateLimitError(ReevitAPIError):
    """Too many requests."""


class ServerError(ReevitAPIError):
    """A fault of the server."""


class ProviderError(ServerError):
    """A payment provider did not answer as it should."""


class UnavailableError(ServerError):
    """The server is busy, or restarting."""


class UnexpectedAnswer(ReevitAPIError):
    """An answer that is not Reevit's."""

    def __init__(self, status_code: int, content: bytes) -> None:
        super().__init__(status_code, _not_ours(status_code, content), "unexpected_response_shape")


class WebhookVerificationError(ReevitError, ValueError):
    """A delivery that cannot be trusted. `code` tells why:

    ``invalid_signature`` (it does not match, or is missing), ``invalid_payload`` (the body is no JSON object, or was
    parsed before it came here), ``missing_signature_timestamp``, ``timestamp_out_of_tolerance`` (an old delivery
    played again), ``missing_secret``.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


_KEY = re.compile(r"pfk_(test|live)_[\w.~-]+")
_BY_STATUS: dict[int, type[ReevitAPIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    422: UnprocessableError,
    429: RateLimitError,
    502: ProviderError,
    503: UnavailableError,
    504: UnavailableError,
}


def api_error(
    status: int, answer: Any, *, request_id: str | None, retry_after: float | None, content: bytes
) -> ReevitAPIError:
    """The error that an answer of `status` stands for; `answer` is its JSON, if it had any."""
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequestError)
    if not isinstance(answer, Mapping) or not isinstance(answer.get("code"), str):  # a proxy's page, say
        return kind(status, _not_ours(status, content), None, None, request_id, retry_after)
    details = answer.get("details")
    return kind(
        status,
        str(answer.get("message") or "The request failed."),
        answer["code"],
        details if isinstance(details, Mapping) else None,
        request_id,
        retry_after,
    )


def _not_ours(status: int, content: bytes) -> str:
    """Whoever answers may repeat the request, and errors are logged: no key is shown."""
    start = _KEY.sub("pfk_…", content[:1000].decode("utf-8", "replace"))[:100]
    return f"The answer ({status}) is not Reevit's: {start!r}. Is base_url right, and does a proxy stand between?"
