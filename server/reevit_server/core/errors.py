"""What can go wrong, as the merchant sees it.

    AppError
    ├── ValidationError     400   the request does not say what it means
    │   ├── BodyTooLarge    413
    │   ├── MethodNotAllowed  405
    │   ├── RequestTimeout  408
    │   └── UnsupportedMediaType  415
    ├── Unauthorized        401   no key, or a key that is none
    ├── Forbidden           403   a good key that may not do this
    ├── NotFound            404   there is no such thing in this organization and mode
    │   └── Gone            410   there was, and it was erased
    ├── Conflict            409   true of the request, but not with what is stored
    ├── Unprocessable       422   well-formed, and against a business rule
    ├── RateLimited         429
    ├── ProviderError       502   a payment provider did not answer as it should
    ├── Unavailable         503   try again: nothing was done
    └── ServerError         500   a bug of ours

Nouns subclass these in their own `errors.py`; a class's docstring is its default message, `code` is stable
for ever, and `docs/errors.md` explains each (a test sees to that).
"""

from typing import Any, ClassVar

import orjson


class AppError(Exception):
    """Something went wrong."""

    error: ClassVar[str] = "server_error"
    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 500
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.details = details
        super().__init__(self.message)

    def body(self, request_id: str) -> bytes:
        """The one shape of every refusal."""
        return orjson.dumps(
            {
                "error": self.error,
                "code": self.code,
                "message": self.message,
                "details": self.details,
                "request_id": request_id,
            }
        )


class ValidationError(AppError):
    """The request is not valid; `details.fields` names each field that needs a change."""

    error = "validation_error"
    code = "validation_error"
    status = 400

    @classmethod
    def of(cls, field: str, code: str, message: str) -> "ValidationError":
        """The refusal of a single field."""
        return cls(message, fields=[{"field": field, "code": code, "message": message}])


class MalformedJson(ValidationError):
    """The body is not valid JSON."""

    code = "malformed_json"


class MalformedForm(ValidationError):
    """The form could not be read: at most 100 fields, in UTF-8, without NUL characters."""

    code = "malformed_form"


class BodyTooLarge(ValidationError):
    """The request body is larger than 256 KiB; send less in one request, or use `reevit import`."""

    code = "body_too_large"
    status = 413


class MethodNotAllowed(ValidationError):
    """This address does not answer that method; the Allow header lists those it does."""

    code = "method_not_allowed"
    status = 405


class RequestTimeout(ValidationError):
    """The request's body did not arrive within 30 seconds; send it again."""

    code = "request_timeout"
    status = 408


class UnsupportedMediaType(ValidationError):
    """The body must be JSON; send it with `Content-Type: application/json`."""

    code = "unsupported_media_type"
    status = 415


class Unauthorized(AppError):
    """No valid API key was sent; put it in `X-Reevit-Key` or `Authorization: Bearer`."""

    error = "unauthorized"
    code = "invalid_api_key"
    status = 401
    headers = ((b"www-authenticate", b'Bearer realm="reevit"'),)


class Forbidden(AppError):
    """This API key may not do that."""

    error = "forbidden"
    code = "forbidden"
    status = 403


class OrgMismatch(Forbidden):
    """`X-Org-Id` names another organization than the API key's; leave it out or use that one's key."""

    code = "org_mismatch"


class InsufficientScope(Forbidden):
    """This API key lacks the scope for that; create a key that has it."""

    code = "insufficient_scope"


class NotFound(AppError):
    """There is no such thing here."""

    error = "not_found"
    code = "not_found"
    status = 404


class RouteNotFound(NotFound):
    """There is nothing at this address; `/docs` lists every one."""

    code = "route_not_found"


class Gone(NotFound):
    """This was erased."""

    code = "gone"
    status = 410


class Conflict(AppError):
    """This conflicts with what is stored."""

    error = "conflict"
    code = "conflict"
    status = 409


class Unprocessable(AppError):
    """This is well-formed, but cannot be done."""

    error = "unprocessable"
    code = "unprocessable"
    status = 422


class TooMuchMetadata(Unprocessable):
    """Metadata has at most 50 keys; unset some first, by sending an empty string."""

    code = "too_much_metadata"


class RateLimited(AppError):
    """Too many requests; wait as long as `Retry-After` says and send it again."""

    error = "rate_limited"
    code = "rate_limited"
    status = 429


class ProviderError(AppError):
    """The payment provider did not answer as it should; the payment stays `processing`."""

    error = "provider_error"
    code = "provider_error"
    status = 502


class Unavailable(AppError):
    """The service is busy or restarting; send the request again, a write with the same Idempotency-Key."""

    error = "unavailable"
    code = "unavailable"
    status = 503
    headers = ((b"retry-after", b"1"),)


class NotDurable(Unavailable):
    """Live mode is refused while a crash of the database could lose payments that were acknowledged."""

    code = "not_durable"


class ServerError(AppError):
    """Something went wrong on our side; the request id finds it in the server's log."""
