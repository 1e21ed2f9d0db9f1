"""Is this delivery from Reevit, whole, and new? `construct_event` is the one call that a receiver makes.

Two signatures cover the raw body, as `docs/webhooks.md` says: ``X-Reevit-Signature``, hex HMAC-SHA256 keyed with the
secret as it is written, and those of Standard Webhooks (https://www.standardwebhooks.com), keyed with its bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime, timezone
from typing import overload

from pydantic import TypeAdapter, ValidationError

from reevit._call import parsed
from reevit._headers import Headers, named, text_of
from reevit.errors import WebhookVerificationError
from reevit.resources.events import Event

SIGNATURE_TIMESTAMP_FIELD = "signature_timestamp"
DEFAULT_TOLERANCE_SECONDS = 300

_DATED = re.compile(r"\d{4}-")  # a number of seconds is none of ours
_instant: TypeAdapter[datetime] = TypeAdapter(datetime)


@overload
def construct_event(
    raw_body: str | bytes,
    signature: Headers | str | bytes | None,
    secret: str,
    *,
    tolerance_seconds: int = ...,
    now: datetime | None = ...,
) -> Event: ...
@overload
def construct_event(
    raw_body: str | bytes,
    *,
    headers: Headers | str | bytes | None,
    secret: str,
    tolerance_seconds: int = ...,
    now: datetime | None = ...,
) -> Event: ...
def construct_event(
    raw_body: str | bytes,
    signature: Headers | str | bytes | None = None,
    secret: str = "",
    *,
    headers: Headers | str | bytes | None = None,
    tolerance_seconds: int = DEFAULT_TOLERANCE_SECONDS,
    now: datetime | None = None,
) -> Event:
    """The event of a delivery that is genuine and fresh.

    `raw_body` is the body as it came, bytes or text, before anybody parsed it; `signature` is among the request's
    headers, so give them all, as whatever your framework has (or the value of ``X-Reevit-Signature`` alone); by name,
    it may be called `headers` as well. `secret` is the endpoint's ``whsec_…``. Deliveries signed more than
    `tolerance_seconds` ago, or ahead, are refused: somebody may play an old one again.

    Raises WebhookVerificationError; answer 400 then, and Reevit tries again later.
    """
    if signature is not None and headers is not None:
        raise TypeError("construct_event takes `signature` or `headers`: they are two names of one thing.")
    body = _body(raw_body)
    _refuse_secret(secret)
    if not _is_signed(body, signature if headers is None else headers, secret):
        raise WebhookVerificationError(
            "The signature does not match the body. Is it this endpoint's secret, and the body as it came, not "
            "parsed and written again?",
            "invalid_signature",
        )
    event = _parsed(body)
    _refuse_old(event, tolerance_seconds, now)
    return event


def sign_webhook_payload(payload: str | bytes, secret: str) -> str:
    """The value of ``X-Reevit-Signature`` for a body; for tests of receivers."""
    body = payload.encode() if isinstance(payload, str) else payload
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify_webhook_signature(payload: str | bytes, signature: str | None, secret: str) -> bool:
    """Whether ``X-Reevit-Signature`` fits the body; how old it is, is not looked at."""
    if not signature or not secret:
        return False
    offered = signature.encode(errors="replace")
    return hmac.compare_digest(sign_webhook_payload(payload, secret).encode(), offered)


def verify_webhook_signature_with_tolerance(
    payload: str | bytes,
    signature: str | None,
    secret: str,
    *,
    tolerance_seconds: int = DEFAULT_TOLERANCE_SECONDS,
    now: datetime | None = None,
) -> bool:
    """Whether it fits, and is fresh."""
    try:
        construct_event(payload, signature, secret, tolerance_seconds=tolerance_seconds, now=now)
    except WebhookVerificationError:
        return False
    return True


def _body(raw_body: object) -> bytes:
    if isinstance(raw_body, str):
        try:
            return raw_body.encode()
        except UnicodeEncodeError as error:
            raise WebhookVerificationError(
                "The body is text that was decoded as something else than UTF-8: it holds half a character. Give the "
                "bytes as they came.",
                "invalid_payload",
            ) from error
    if not isinstance(raw_body, bytes | bytearray | memoryview):
        raise WebhookVerificationError(
            f"The body must be the bytes as they came, not a parsed {type(raw_body).__name__}: the signature "
            "is of the bytes. Take request.get_data() in Flask, await request.body() in FastAPI, request.body in "
            "Django.",
            "invalid_payload",
        )
    return bytes(raw_body)


def _refuse_secret(secret: object) -> None:
    if secret is not None and not isinstance(secret, str):
        told = (
            f"The signing secret must be text, not {type(secret).__name__}: `signing_secret` as it was shown."
        )
    elif not secret or not secret.strip():
        told = "The signing secret is empty, so nothing is verified: it is the endpoint's `signing_secret`, whsec_…"
    elif any("\ud800" <= character <= "\udfff" for character in secret):
        told = "The signing secret is text that was decoded wrongly: it holds half a character."
    else:
        return
    raise WebhookVerificationError(told, "missing_secret")


def _is_signed(body: bytes, headers: object, secret: str) -> bool:
    """Raises WebhookVerificationError when there is no signature to look at."""
    if headers is None or isinstance(headers, str | bytes):
        found = {"x-reevit-signature": [text_of(headers or "")]}
    else:
        try:
            found = named(headers)
        except TypeError as error:
            raise WebhookVerificationError(str(error), "invalid_signature") from error
    if not any(found.get("x-reevit-signature", [])) and not any(found.get("webhook-signature", [])):
        raise WebhookVerificationError(
            "The delivery has no signature, neither X-Reevit-Signature nor webhook-signature. Are these the headers "
            "of the request, and did a proxy take some away?",
            "invalid_signature",
        )
    if any(verify_webhook_signature(body, each, secret) for each in found.get("x-reevit-signature", [])):
        return True
    return _is_signed_by_standard(body, found, secret)


def _is_signed_by_standard(body: bytes, headers: dict[str, list[str]], secret: str) -> bool:
    """One of the signatures fits: while a secret is changed there are two."""
    parts = [headers.get(name, [""])[0] for name in ("webhook-id", "webhook-timestamp")]
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    if not key or not all(parts):
        return False
    signed = b".".join([*(part.encode(errors="replace") for part in parts), body])
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    offered = " ".join(headers.get("webhook-signature", [])).split(" ")
    return any(hmac.compare_digest(expected, each.encode(errors="replace")) for each in offered)


def _parsed(body: bytes) -> Event:
    try:
        found = parsed(body)
    except ValueError as error:
        raise WebhookVerificationError(f"The body is not JSON: {error}", "invalid_payload") from error
    if not isinstance(found, dict):
        raise WebhookVerificationError("The body is not a JSON object.", "invalid_payload")
    return Event(found)


def _refuse_old(event: Event, tolerance_seconds: int, now: datetime | None) -> None:
    """By the time inside the signed body, which both signatures cover."""
    told = event.get(SIGNATURE_TIMESTAMP_FIELD)
    try:
        signed_at = _instant.validate_python(told) if _DATED.match(str(told)) else None
    except ValidationError:
        signed_at = None
    if signed_at is None or signed_at.tzinfo is None:
        raise WebhookVerificationError(
            f"The body has no {SIGNATURE_TIMESTAMP_FIELD} that says when it was signed.",
            "missing_signature_timestamp",
        )
    now = now or datetime.now(timezone.utc)
    age = abs(((now if now.tzinfo else now.replace(tzinfo=timezone.utc)) - signed_at).total_seconds())
    if age > tolerance_seconds:
        raise WebhookVerificationError(
            f"The delivery was signed {age:.0f} seconds from now, more than {tolerance_seconds}. Is the clock right? "
            "If so, somebody plays an old delivery again.",
            "timestamp_out_of_tolerance",
        )
