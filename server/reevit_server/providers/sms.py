"""Short messages by Twilio, Africa's Talking and Hubtel.

Twilio: https://www.twilio.com/docs/messaging/api/message-resource, error codes https://www.twilio.com/docs/api/errors.
Africa's Talking: https://developers.africastalking.com/docs/sms/sending/bulk. Hubtel:
https://businessdocs-developers.hubtel.com/docs/simple-messaging, codes https://hubtel.readme.io/reference/response-code.
None of them knows a repeat when it sees one: where nobody answered, another attempt may be a second message.
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from reevit_server.core.egress import Post
from reevit_server.providers.sending import (
    USER_AGENT,
    Outcome,
    Sent,
    Sms,
    answered,
    faults_of_keys,
    for_people,
    judged,
    reference,
    refused,
    sendable,
    unfit,
)

TWILIO = "https://api.twilio.com"
AFRICAS_TALKING = "https://api.africastalking.com"
AFRICAS_TALKING_SANDBOX = "https://api.sandbox.africastalking.com"
HUBTEL = "https://sms.hubtel.com"
# The phone cannot be reached by SMS, or its owner does not want to be: whatever the text, and by whatever provider.
REFUSED_RECIPIENT = "refused_recipient"

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_SENDER = re.compile(r"[!-~]([ -~]{0,38}[!-~])?")
_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
_SERVICE_SID = re.compile(r"MG[0-9a-fA-F]{32}")
# Searched for, not parsed: the answer repeats the text, and of a long one only the beginning is kept. What is within
# that text cannot be mistaken for it, for its quotation marks are escaped.
_MESSAGE_SID = re.compile(r'"sid": ?"((?:SM|MM)[0-9a-fA-F]{32})"')

# 21211 no phone number, 21610 has replied STOP, 21614 not a mobile, 21612 not to be reached from this sender.
_TWILIO_REFUSED = frozenset({21211, 21610, 21612, 21614})
# 20429 and 63017 too fast, 21611 queue full, 60728 and 63038 the hour's or the day's limit.
_TWILIO_LATER = frozenset({20429, 21611, 60728, 63017, 63038})

# 100 processed, 101 sent, 102 queued.
_AT_SENT = frozenset({100, 101, 102})
# 403 no phone number, 404 none that takes SMS, 406 has opted out, 409 do not disturb.
_AT_REFUSED = frozenset({403, 404, 406, 409})
# 405 no money left, and 500, 501, 502 of theirs or the network's. All others are for good: 401 held for its risk, 402
# a sender that is not the account's, 407 no way there.
_AT_LATER = frozenset({405, 500, 501, 502})

# 1 no phone number, 4 no way there. 12 no money left: it comes back when there is.
_HUBTEL_REFUSED = frozenset({1, 4})
_HUBTEL_LATER = frozenset({12})


@dataclass(frozen=True, kw_only=True)
class Twilio:
    """An account with Twilio; `sender` is a number, a name, or the sid of a messaging service."""

    account_sid: str
    auth_token: str = field(repr=False)
    sender: str

    def check(self, *, private: bool = False) -> dict[str, str]:  # noqa: ARG002 - its address is known
        faults = faults_of_keys(auth_token=self.auth_token) | _faults_of_sender(self.sender)
        if not _ACCOUNT_SID.fullmatch(self.account_sid):
            faults["account_sid"] = "Write the account's SID: AC and 32 digits of hexadecimal"
        return faults


@dataclass(frozen=True, kw_only=True)
class AfricasTalking:
    """An account with Africa's Talking, whose user `sandbox` plays; without a sender it takes its own."""

    username: str
    api_key: str = field(repr=False)
    sender: str | None = None

    def check(self, *, private: bool = False) -> dict[str, str]:  # noqa: ARG002 - its address is known
        faults = faults_of_keys(username=self.username, api_key=self.api_key)
        return faults if self.sender is None else faults | _faults_of_sender(self.sender)


@dataclass(frozen=True, kw_only=True)
class Hubtel:
    """An account with Hubtel; `sender` is a name that it has approved."""

    client_id: str
    client_secret: str = field(repr=False)
    sender: str

    def check(self, *, private: bool = False) -> dict[str, str]:  # noqa: ARG002 - its address is known
        faults = faults_of_keys(client_id=self.client_id, client_secret=self.client_secret)
        if ":" in self.client_id:
            faults["client_id"] = "Write the client_id as the provider shows it; it has no colon"
        return faults | _faults_of_sender(self.sender)


async def send_by_twilio(settings: Twilio, sms: Sms, *, post: Post, base_url: str = TWILIO) -> Sent:
    """Hands a message to Twilio."""
    if (fault := unfit(settings) or _fault(sms)) is not None:
        return fault
    sender = sms.sender or settings.sender
    by = "MessagingServiceSid" if _SERVICE_SID.fullmatch(sender) else "From"
    credentials = _basic(settings.account_sid, settings.auth_token)
    reply = await post(
        f"{base_url}/2010-04-01/Accounts/{settings.account_sid}/Messages.json",
        urlencode({"To": sms.to, by: sender, "Body": sms.text}).encode(),
        {
            "Accept": "application/json",
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": USER_AGENT,
        },
    )
    answer = answered(reply)
    code = _whole(answer.get("code"))
    sent = judged(
        reply, said=_named("Twilio", code, answer.get("message")), hide=(settings.auth_token, credentials)
    )
    if sent.outcome == "sent":
        sid = _MESSAGE_SID.search(reply.body or "")
        return sent._replace(provider_ref=sid[1] if sid else None)
    if code is None:
        return sent
    if code in _TWILIO_REFUSED:
        return sent._replace(outcome="never", code=REFUSED_RECIPIENT)
    return sent._replace(
        outcome="later" if code in _TWILIO_LATER else sent.outcome,
        code=sent.code if sent.outcome == "later" else f"twilio_{code}",
    )


async def send_by_africas_talking(
    settings: AfricasTalking, sms: Sms, *, post: Post, base_url: str | None = None
) -> Sent:
    """Hands a message to Africa's Talking, which answers 201 whatever became of it: what counts is said within."""
    if (fault := unfit(settings) or _fault(sms)) is not None:
        return fault
    if base_url is None:
        base_url = AFRICAS_TALKING_SANDBOX if settings.username == "sandbox" else AFRICAS_TALKING
    form = {"username": settings.username, "to": sms.to, "message": sms.text}
    if sender := sms.sender or settings.sender:
        form["from"] = sender
    reply = await post(
        f"{base_url}/version1/messaging",
        urlencode(form).encode(),
        {
            "Accept": "application/json",
            "apiKey": settings.api_key,
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": USER_AGENT,
        },
    )
    hide = (settings.api_key,)
    sent = judged(reply, hide=hide)
    if sent.outcome != "sent":
        return sent
    data = answered(reply).get("SMSMessageData")
    if not isinstance(data, dict):
        return _not_understood(sent, reply.body, hide)
    recipients = data.get("Recipients")
    recipient = recipients[0] if isinstance(recipients, list) and recipients else None
    if not isinstance(recipient, dict):
        # It leaves the list empty when the sender is not the account's, and says so in `Message`.
        said = _named("Africa's Talking", None, data.get("Message"))
        return sent._replace(
            outcome="never", code="africas_talking_rejected", message=for_people(said, hide=hide)
        )
    code = _whole(recipient.get("statusCode"))
    if code in _AT_SENT:
        return sent._replace(provider_ref=reference(recipient.get("messageId")))
    if code is None:
        return _not_understood(sent, reply.body, hide)
    outcome: Outcome = "later" if code in _AT_LATER else "never"
    return sent._replace(
        outcome=outcome,
        code=REFUSED_RECIPIENT if code in _AT_REFUSED else f"africas_talking_{code}",
        message=for_people(_named("Africa's Talking", code, recipient.get("status")), hide=hide),
    )


async def send_by_hubtel(settings: Hubtel, sms: Sms, *, post: Post, base_url: str = HUBTEL) -> Sent:
    """Hands a message to Hubtel, whose `status` of 0 says that it was taken."""
    if (fault := unfit(settings) or _fault(sms)) is not None:
        return fault
    credentials = _basic(settings.client_id, settings.client_secret)
    reply = await post(
        f"{base_url}/v1/messages/send",
        orjson.dumps(
            {"From": sms.sender or settings.sender, "To": sms.to.removeprefix("+"), "Content": sms.text}
        ),
        {
            "Accept": "application/json",
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        },
    )
    # Some of its answers begin the names of their fields in upper case.
    answer = {name.lower(): value for name, value in answered(reply).items()}
    code = _whole(answer.get("status"))
    hide = (settings.client_secret, credentials)
    said = _named("Hubtel", code, answer.get("statusdescription") or answer.get("message"))
    sent = judged(reply, said=said, hide=hide)
    if sent.outcome == "sent":
        if code is None:
            return _not_understood(sent, reply.body, hide)
        if code == 0:
            return sent._replace(provider_ref=reference(answer.get("messageid")))
        sent = sent._replace(outcome="never", message=for_people(said, hide=hide))
    elif reply.status_code == 402:
        return sent._replace(outcome="later")  # the account has run out of money, which comes back
    elif reply.status_code == 403:
        return sent._replace(code=REFUSED_RECIPIENT)  # who has not agreed to be written to
    elif sent.outcome == "later" or not code:
        return sent
    if code in _HUBTEL_REFUSED:
        return sent._replace(code=REFUSED_RECIPIENT)
    return sent._replace(outcome="later" if code in _HUBTEL_LATER else "never", code=f"hubtel_{code}")


def _fault(sms: Sms) -> Sent | None:
    """What no provider needs to be asked about."""
    if not _E164.fullmatch(sms.to):
        return refused(
            REFUSED_RECIPIENT, "The recipient is not one phone number as E.164, such as +233501234567."
        )
    if sms.sender is not None and not _SENDER.fullmatch(sms.sender):
        return refused("invalid_message", "The sender is neither a phone number nor a short name in ASCII.")
    try:
        sendable(sms.text, what="text")
    except ValueError as error:
        return refused("invalid_message", str(error))
    return None


def _faults_of_sender(sender: str) -> dict[str, str]:
    if _SENDER.fullmatch(sender):
        return {}
    return {"sender": "Write the sender as the provider knows it: a phone number, or a short name in ASCII"}


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _whole(value: Any) -> int | None:
    """A code that some write as a number and some as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else None


def _named(provider: str, code: int | None, said: Any) -> str | None:
    """`Twilio 21211: The 'To' number is not valid.`"""
    if code is None and not isinstance(said, str):
        return None
    head = provider if code is None else f"{provider} {code}"
    return f"{head}: {said}" if isinstance(said, str) else head


def _not_understood(sent: Sent, body: str | None, hide: tuple[str, ...]) -> Sent:
    """An answer of 2xx that does not say whether the message was taken."""
    return sent._replace(outcome="later", code="bad_answer", message=for_people(body, hide=hide))
