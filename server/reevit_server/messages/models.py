"""Pure rules of messages: when to try again, who is not written to any more, what may be shown of an address."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from reevit_server.providers.sending import Sent
from reevit_server.providers.sms import REFUSED_RECIPIENT

Channel = Literal["email", "sms", "notification", "webhook"]
Purpose = Literal["transactional", "marketing", "test"]
Covers = Literal["marketing", "everything"]

# After each failed attempt; after the last of them nothing more is tried. A little less than a day in all: what
# comes later than that, a receipt or a notice, is no news any more.
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (30, 300, 1800, 7200, 21_600, 43_200))
JITTER = 0.2  # so that what failed together does not come back together
ATTEMPTS_MAX = 30  # those included that a dying worker left behind
AT_ONCE_MAX = 10  # of one integration: a mail server that does not answer holds up nobody but itself
AT_ONCE_OF_ALL_MAX = 40  # of an organization and mode: its servers that hang hold up nobody else's money
SENDING_SECONDS = 60  # an attempt, 30 seconds at most, and all that belongs to it is over by then
WAIT_MAX = timedelta(days=3)  # for an integration that is off: what is older is no news any more
INTEGRATIONS_MAX = 50  # of an organization and mode
WITH_RECIPIENT = ("email", "sms")  # the others go where their integration says

# What is wrong with the integration and not with the message: it gets through when somebody has mended that. A login
# that is refused (RFC 4954, 6), a key that is (HTTP 401 and 403), an account that is off until it is paid for
# (https://www.twilio.com/docs/api/errors), and settings that were good once.
_OF_THE_INTEGRATION = frozenset(
    (
        "530",
        "534",
        "535",
        "538",
        "http_401",
        "http_403",
        "twilio_10001",
        "twilio_20003",
        "twilio_20403",
        "invalid_settings",
        "auth_unsupported",
        "starttls_unsupported",
    )
)
# RFC 3463: what is wrong with the mailbox itself, and not with the letter, its sender or the day.
_NO_SUCH_MAILBOX = frozenset(("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"))
_ENHANCED_CODE = re.compile(r"\b5\.\d{1,3}\.\d{1,3}\b")
_MAILBOX_WORDS = re.compile(
    r"\b(user|mailbox|recipient|account)\b.*\b(unknown|not found|disabled|does not exist)|no such (user|mailbox)"
)


class Standing(NamedTuple):
    """Where a message goes after an attempt."""

    status: str
    reason: str | None = None
    reason_message: str | None = None
    next_attempt_at: datetime | None = None


def standing_after(channel: str, sent: Sent, *, failures: int, spread: float, now: datetime) -> Standing:
    """What follows from an attempt, of a message that has failed so often before.

    `spread`, from -1 to 1, is where within the jitter the next attempt falls. An SMS that may have arrived is not
    sent again: no provider of them knows a repeat when it sees one, and a second SMS costs money and trust.
    What an integration is refused for is tried again like what passes by itself: somebody may mend it meanwhile.
    """
    if sent.outcome == "sent":
        return Standing("sent")
    passes = sent.outcome == "later" or sent.code in _OF_THE_INTEGRATION
    if not passes or (channel == "sms" and sent.is_unsure) or failures >= len(DELAYS):
        return Standing("failed", sent.code or "failed", sent.message)
    delay = DELAYS[failures] * (1 + JITTER * spread)
    asked_for = timedelta(seconds=sent.retry_after or 0) * (1 + JITTER * abs(spread))
    return Standing("scheduled", next_attempt_at=now + max(delay, asked_for))


def refuses_everything(channel: str, sent: Sent) -> Literal["bounced", "opted_out"] | None:
    """Why this recipient is never to be written to again; None if nothing says so.

    A 550 may as well be about spam, or about who sends: the enhanced code says, or else the words beside it do. A
    server that could not verify the sender says so with the words and the code of a mailbox that is not there.
    """
    if sent.outcome != "never":
        return None
    if channel == "sms":
        return "opted_out" if sent.code == REFUSED_RECIPIENT else None
    if channel != "email" or sent.code not in ("550", "551", "553", "521"):
        return None
    said = (sent.message or "").lower()
    if "sender" in said:
        return None
    if (enhanced := _ENHANCED_CODE.search(said)) is not None:
        return "bounced" if enhanced[0] in _NO_SUCH_MAILBOX else None
    return "bounced" if _MAILBOX_WORDS.search(said) else None


def covered(covers: str, purpose: str) -> bool:
    """Whether a suppression holds back a message with this purpose."""
    return covers == "everything" or purpose == "marketing"


def may_leave(recipient: str | None, allowed: Sequence[str]) -> bool:
    """Whether a message of test mode may go to this address: an operator has listed it, or all of its domain."""
    if recipient is None:
        return True  # a chat, or a receiver of webhooks: somebody has named it in test mode for that
    address = recipient.casefold()
    domain = f"@{address.rpartition('@')[2]}"
    return any(entry.casefold() in (address, domain) for entry in allowed)


def normalized(channel: str, address: str) -> str:
    """What two ways to write one address have in common."""
    return address.casefold() if channel == "email" else address


def hint(channel: str, address: str) -> str:
    """As much of an address as tells its owner's friends which it is: `a***@example.com`, `+23350***67`."""
    if channel == "email":
        local, _, domain = address.rpartition("@")
        return f"{local[:1]}***@{domain}"
    # Some countries' numbers have no more than seven digits: four of any number stay hidden.
    return f"{address[: min(6, len(address) - 6)]}***{address[-2:]}"
