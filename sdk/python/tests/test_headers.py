"""A delivery is found genuine by whatever a web framework calls the headers of its request."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from email.message import Message
from typing import Any

import pytest
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import EnvironHeaders
from werkzeug.datastructures import Headers as WerkzeugHeaders

from reevit import WebhookVerificationError, construct_event, sign_webhook_payload

SECRET = "whsec_c2VjcmV0"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
BODY = json.dumps({"id": "evt_1", "signature_timestamp": "2026-03-01T12:00:00Z"})
SIGNATURE = sign_webhook_payload(BODY, SECRET)
META = {
    "REQUEST_METHOD": "POST",
    "HTTP_X_REEVIT_SIGNATURE": SIGNATURE,
    "wsgi.version": (1, 0),
    "wsgi.input": object(),
}


def message() -> Message:
    """As http.server and http.client have them."""
    found = Message()
    found["X-Reevit-Signature"] = SIGNATURE
    return found


KINDS: dict[str, Any] = {
    "a dict": {"X-Reevit-Signature": SIGNATURE},
    "a dict in small letters": {"x-reevit-signature": SIGNATURE},
    "a dict of lists": {"X-Reevit-Signature": [SIGNATURE], "Accept": ["a", "b"]},
    "a dict of several, one of which fits": {"X-Reevit-Signature": ["sha256=00", SIGNATURE]},
    "a dict of bytes": {b"X-Reevit-Signature": SIGNATURE.encode()},
    "Werkzeug's": WerkzeugHeaders([("X-Reevit-Signature", SIGNATURE)]),
    "Werkzeug's of WSGI": EnvironHeaders(META),
    "Starlette's": StarletteHeaders({"X-Reevit-Signature": SIGNATURE}),
    "Django's META": META,
    "http.server's": message(),
    "pairs": [("Host", "shop"), ("X-Reevit-Signature", SIGNATURE)],
    "an ASGI scope's": [(b"host", b"shop"), (b"x-reevit-signature", SIGNATURE.encode())],
    "an ASGI scope's, as lists": [[b"x-reevit-signature", SIGNATURE.encode()]],
    "an iterator of pairs": iter([("X-Reevit-Signature", SIGNATURE)]),
    "the value": SIGNATURE,
    "the value as bytes": SIGNATURE.encode(),
}


@pytest.mark.parametrize("headers", KINDS.values(), ids=KINDS)
def test_a_delivery_is_taken_with(headers: Any):
    assert construct_event(BODY, headers, SECRET, now=NOW).id == "evt_1"


@pytest.mark.parametrize("name", ["headers", "signature"])
@pytest.mark.parametrize("given", [SIGNATURE, {"X-Reevit-Signature": SIGNATURE}], ids=["text", "mapping"])
def test_they_may_be_given_by_either_name(name: str, given: Any):
    assert construct_event(BODY, secret=SECRET, now=NOW, **{name: given}).id == "evt_1"


def test_they_are_not_given_twice():
    with pytest.raises(TypeError, match="two names of one thing"):
        construct_event(BODY, SIGNATURE, SECRET, headers={"X-Reevit-Signature": SIGNATURE})  # type: ignore[call-overload]


def refused(body: Any = BODY, headers: Any = SIGNATURE, secret: Any = SECRET) -> WebhookVerificationError:
    with pytest.raises(WebhookVerificationError) as raised:
        construct_event(body, headers, secret, now=NOW)
    return raised.value


@pytest.mark.parametrize("headers", [5, object(), ["X-Reevit-Signature"], [SIGNATURE], [5], dict])
def test_what_are_no_headers_is_refused_in_words(headers: Any):
    error = refused(headers=headers)
    assert error.code == "invalid_signature"
    assert f"not {type(headers).__name__}" in str(error)


@pytest.mark.parametrize(
    "headers", [None, "", b"", {}, [], {"Host": "shop"}, {"X-Reevit-Signature": ""}], ids=repr
)
def test_a_delivery_without_any_signature_is_told_so(headers: Any):
    error = refused(headers=headers)
    assert error.code == "invalid_signature"
    assert "has no signature" in str(error)


@pytest.mark.parametrize(
    "headers",
    [
        "sha256=00",
        "sha256=\ud800",
        {"webhook-signature": "v1,\ud800", "webhook-id": "\ud800", "webhook-timestamp": "1"},
    ],
    ids=ascii,
)
def test_one_with_another_signature_is_told_that_it_does_not_match(headers: Any):
    error = refused(headers=headers)
    assert error.code == "invalid_signature"
    assert "does not match" in str(error)


def test_a_body_that_holds_half_a_character_is_told_so():
    error = refused(body='{"id": "\ud800"}')
    assert (error.code, "half a character" in str(error)) == ("invalid_payload", True)


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (SECRET.encode(), "must be text, not bytes"),
        ("whsec_\ud800", "half a character"),
        ("", "empty"),
        (None, "empty"),
    ],
    ids=ascii,
)
def test_a_secret_that_cannot_be_is_told_as_it_is(secret: Any, says: str):
    error = refused(secret=secret)
    assert (error.code, says in str(error)) == ("missing_secret", True)


def test_a_secret_in_any_script_is_a_secret():
    assert construct_event(BODY, sign_webhook_payload(BODY, "清風"), "清風", now=NOW).id == "evt_1"
    assert "does not match" in str(refused(headers={"webhook-signature": "v1,x"}, secret="清風"))


@pytest.mark.parametrize("body", ["[" * 100_000, '{"id": NaN}'], ids=["too deep", "no number"])
def test_a_body_that_is_no_json_is_an_invalid_payload(body: str):
    assert refused(body=body, headers=sign_webhook_payload(body, SECRET)).code == "invalid_payload"
