"""What it means to send: a message to one person, and how that went.

Whoever sends says so in these words, whatever the road: mail server, web API, chat. A failure is a fact to write
down, never an exception.
"""

import base64
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple, Protocol
from urllib.parse import quote

import orjson

from reevit_server.core.egress import Reply

Outcome = Literal["sent", "later", "never"]

USER_AGENT = "Reevit/1.0"  # Resend refuses whoever does not say its name
RETRY_AFTER_SECONDS_MAX = 86_400
_SAID_BYTES_MAX = 512
_REF_LENGTH_MAX = 200
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_NOT_FOR_PEOPLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_KEY = re.compile(r"[!-~]{1,512}")

# The only codes of 4xx that pass by themselves; all of 5xx do.
_HTTP_LATER = frozenset({408, 425, 429})
# What no answer says whether it was done: the message had left us, or may have.
_UNSURE = frozenset({"timeout", "connection_lost", "bad_answer", "http_502", "http_504"})


class Attachment(NamedTuple):
    """A file that goes with a letter; with a `content_id`, a picture that its HTML shows as `cid:<content_id>`."""

    filename: str
    media_type: str
    content: bytes
    content_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Email:
    """A letter to one address."""

    message_id: (
        str  # `<id@domain>`, the same at every attempt: a mailbox that has it already drops the second
    )
    from_name: str
    from_address: str
    reply_to: str | None = None
    to: str
    subject: str
    text: str | None
    html: str | None = None
    list_unsubscribe_url: str | None = None
    attachments: tuple[Attachment, ...] = ()
    idempotency_key: str
    written_at: datetime | None = None  # its Date, the same at every attempt; else when it is sent


@dataclass(frozen=True, kw_only=True)
class Sms:
    """A short message to one phone."""

    sender: str | None  # else whom the account names
    to: str  # E.164
    text: str
    idempotency_key: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """A few lines to a chat channel."""

    text: str
    idempotency_key: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """JSON for a merchant's own server."""

    id: str  # the same at every attempt: the receiver knows a repeat by it
    body: bytes
    idempotency_key: str
    # Of this attempt, not of the message: it is signed, and receivers refuse what was signed minutes ago (Standard
    # Webhooks, "Webhook metadata").
    written_at: datetime


Message = Email | Sms | Note | Call


class Sent(NamedTuple):
    """How an attempt went. `later`: the same message may yet get through; `never`: it will not."""

    outcome: Outcome
    provider_ref: str | None = None
    code: str | None = None  # for programs
    message: str | None = None  # for people, at most 1 kB; what the other side said, without our credentials
    retry_after: int | None = None  # seconds that the other side asked for
    latency_ms: int = 0

    @property
    def is_unsure(self) -> bool:
        """Whether it may have been sent all the same: it had left us, and nobody said what became of it.

        Another attempt may then be a second message, unless the receiver knows a repeat when it sees one: mail has
        its Message-ID, Resend its key and a webhook its id, but no SMS provider here has any of them.
        """
        return self.outcome == "later" and self.code in _UNSURE


class Credentials(Protocol):
    """What it takes to send by somebody; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def check(self, *, private: bool = False) -> dict[str, str]:
        """What is missing or malformed, by field; empty when all is well. `private`: what local work may use too."""
        ...


def outcome_of_smtp(code: int) -> Outcome:
    """What a refusal of SMTP means (RFC 5321, 4.2.1): 4xx passes (421 closing, 451 and 452 for now), 5xx does not
    (535 wrong password, 550 no mailbox, 552 too big). What is neither is no refusal but nonsense.
    """
    return "never" if 500 <= code < 600 else "later"


def outcome_of_http(status: int) -> Outcome:
    """What an answer of HTTP means. Redirects are not followed, so that they never lead anywhere."""
    if 200 <= status < 300:
        return "sent"
    return "later" if status in _HTTP_LATER or status >= 500 else "never"


def outcome_of_silence(error: str) -> Outcome:
    """What it means when there was no answer: the line may be back later, a denied address is one for good."""
    return "never" if error == "address_denied" else "later"


def judged(reply: Reply, *, said: str | None = None, hide: Iterable[str] = ()) -> Sent:
    """How a request went, by its status alone. `said` is what the provider said of it, if not all it answered."""
    if reply.status_code is None:
        assert reply.error is not None, "a reply is an answer or an error"
        return Sent(
            outcome_of_silence(reply.error),
            code=reply.error,
            message=for_people(reply.error_message, hide=hide),
            latency_ms=reply.latency_ms,
        )
    outcome = outcome_of_http(reply.status_code)
    if outcome == "sent":
        return Sent("sent", latency_ms=reply.latency_ms)
    return Sent(
        outcome,
        code=f"http_{reply.status_code}",
        message=for_people(said or reply.body, hide=hide) or f"The answer was {reply.status_code}.",
        retry_after=seconds(reply.retry_after),
        latency_ms=reply.latency_ms,
    )


def unfit(credentials: Credentials, *, private: bool = True) -> Sent | None:
    """What comes of credentials that are none; None when they are. They were looked at when they were stored, too."""
    faults = credentials.check(private=private)
    if not faults:
        return None
    return refused("invalid_settings", " ".join(f"{field}: {fault}." for field, fault in faults.items()))


def refused(code: str, message: str) -> Sent:
    """A message that nobody was even asked to send."""
    return Sent("never", code=code, message=for_people(message))


def for_people(text: str | None, *, hide: Iterable[str] = ()) -> str | None:
    """What the other side said: on one line, not long, and without the secrets it may have repeated.

    A mail server may well answer `535 wrong password hunter2`.
    """
    if text is None:
        return None
    for secret in sorted(filter(None, hide), key=len, reverse=True):
        for spelling in (secret, base64.b64encode(secret.encode()).decode(), quote(secret, safe="")):
            text = text.replace(spelling, "***")
    line = _NOT_FOR_PEOPLE.sub(" ", text).strip().encode(errors="replace")
    return line[:_SAID_BYTES_MAX].decode(errors="ignore") or None


def reference(value: Any) -> str | None:
    """A provider's name for what it sent, if it is one."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value[:_REF_LENGTH_MAX] or None


def seconds(retry_after: str | None) -> int | None:
    """What Retry-After asks for, up to a day. Providers here write seconds; a date would need a clock."""
    if retry_after is None or not _SECONDS.fullmatch(retry_after.strip()):
        return None
    return min(math.ceil(float(retry_after)), RETRY_AFTER_SECONDS_MAX)


def answered(reply: Reply) -> Mapping[str, Any]:
    """What was answered, if it is a JSON object that came whole; else an empty one."""
    try:
        found = orjson.loads(reply.body or "")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def sendable(text: str, *, what: str) -> str:
    """The text, if it can be written down at all. Raises ValueError, which says what is wrong with it."""
    if "\0" in text:
        raise ValueError(f"The {what} has a NUL character in it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"The {what} has half a character in it (a lone surrogate).") from None
    return text


def faults_of_keys(**values: str) -> dict[str, str]:
    """Which of these are no keys as providers give them out: letters, digits and signs without a blank."""
    return {
        field: f"Write the {field} as the provider shows it, without blanks"
        for field, value in values.items()
        if not _KEY.fullmatch(value)
    }
