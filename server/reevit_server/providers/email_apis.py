"""Mail by those who send it for others, over HTTP: Resend and SendGrid.

Resend: https://resend.com/docs/api-reference/emails/send-email, https://resend.com/docs/api-reference/errors (of 409,
only `concurrent_idempotent_requests` passes) and https://resend.com/docs/dashboard/emails/idempotency-keys (256
characters, remembered for 24 hours). SendGrid: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
and https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors; it knows no idempotency key, and Message-ID
is none of the headers that it reserves. Both take a picture's `content_id` with the attachment; Resend infers from it
that it is shown in line (https://resend.com/docs/dashboard/emails/embed-inline-images), SendGrid wants to be told.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from reevit_server.core.egress import Post
from reevit_server.providers import mail
from reevit_server.providers.sending import (
    USER_AGENT,
    Attachment,
    Email,
    Sent,
    answered,
    faults_of_keys,
    judged,
    reference,
    refused,
    unfit,
)

RESEND = "https://api.resend.com"
SENDGRID = "https://api.sendgrid.com"
_KEY_LENGTH_MAX = 256


@dataclass(frozen=True, kw_only=True)
class Resend:
    """An account with Resend."""

    api_key: str = field(repr=False)

    def check(self, *, private: bool = False) -> dict[str, str]:  # noqa: ARG002 - its address is known
        return faults_of_keys(api_key=self.api_key)


@dataclass(frozen=True, kw_only=True)
class SendGrid:
    """An account with SendGrid."""

    api_key: str = field(repr=False)

    def check(self, *, private: bool = False) -> dict[str, str]:  # noqa: ARG002 - its address is known
        return faults_of_keys(api_key=self.api_key)


async def send_by_resend(settings: Resend, email: Email, *, post: Post, base_url: str = RESEND) -> Sent:
    """Hands a letter to Resend; the same letter twice within a day is sent once."""
    if (fault := unfit(settings)) is not None:
        return fault
    try:
        email = mail.checked(email)
    except ValueError as error:
        return refused("invalid_message", str(error))
    if not 0 < len(email.idempotency_key) <= _KEY_LENGTH_MAX or not email.idempotency_key.isascii():
        return refused("invalid_message", "Resend takes idempotency keys of up to 256 characters, in ASCII.")
    letter: dict[str, Any] = {
        "from": mail.mailbox(email.from_name, email.from_address),
        "to": [email.to],
        "subject": email.subject,
        "headers": mail.headers_beyond(email),
    }
    if email.text is not None:
        letter["text"] = email.text
    if email.html is not None:
        letter["html"] = email.html
    if email.reply_to is not None:
        letter["reply_to"] = email.reply_to
    if email.attachments:
        letter["attachments"] = [_for_resend(attachment) for attachment in email.attachments]
    headers = {**_headers(settings.api_key), "Idempotency-Key": email.idempotency_key}
    reply = await post(f"{base_url}/emails", orjson.dumps(letter), headers)
    answer = answered(reply)
    sent = judged(reply, said=_said(answer), hide=(settings.api_key,))
    if sent.outcome == "sent":
        return sent._replace(provider_ref=reference(answer.get("id")))
    if answer.get("name") == "concurrent_idempotent_requests":
        return sent._replace(outcome="later")  # the first attempt is still under way there
    return sent


async def send_by_sendgrid(settings: SendGrid, email: Email, *, post: Post, base_url: str = SENDGRID) -> Sent:
    """Hands a letter to SendGrid. Its own id of it comes in a header of the answer, which is not read here."""
    if (fault := unfit(settings)) is not None:
        return fault
    try:
        email = mail.checked(email)
    except ValueError as error:
        return refused("invalid_message", str(error))
    sender = {"email": email.from_address}
    if email.from_name:
        sender["name"] = email.from_name
    content = []  # in this order, or it refuses
    if email.text is not None:
        content.append({"type": "text/plain", "value": email.text})
    if email.html is not None:
        content.append({"type": "text/html", "value": email.html})
    letter: dict[str, Any] = {
        "personalizations": [{"to": [{"email": email.to}]}],
        "from": sender,
        "subject": email.subject,
        "content": content,
        "headers": mail.headers_beyond(email),
    }
    if email.reply_to is not None:
        letter["reply_to"] = {"email": email.reply_to}
    if email.attachments:
        letter["attachments"] = [_for_sendgrid(attachment) for attachment in email.attachments]
    reply = await post(f"{base_url}/v3/mail/send", orjson.dumps(letter), _headers(settings.api_key))
    return judged(reply, said=_said_by_sendgrid(answered(reply)), hide=(settings.api_key,))


def _for_resend(attachment: Attachment) -> dict[str, str]:
    found = {
        "filename": attachment.filename,
        "content": base64.b64encode(attachment.content).decode(),
        "content_type": attachment.media_type,
    }
    return found if attachment.content_id is None else found | {"content_id": attachment.content_id}


def _for_sendgrid(attachment: Attachment) -> dict[str, str]:
    found = {
        "content": base64.b64encode(attachment.content).decode(),
        "filename": attachment.filename,
        "type": attachment.media_type,
    }
    if attachment.content_id is None:
        return found | {"disposition": "attachment"}
    return found | {"disposition": "inline", "content_id": attachment.content_id}


def _headers(api_key: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
    }


def _said(answer: Mapping[str, Any]) -> str | None:
    """`{"statusCode": 422, "name": "validation_error", "message": "..."}` in one line."""
    found = [text for text in (answer.get("name"), answer.get("message")) if isinstance(text, str)]
    return ": ".join(found) or None


def _said_by_sendgrid(answer: Mapping[str, Any]) -> str | None:
    """The sentences of `{"errors": [{"message": "...", "field": "..."}]}`."""
    errors = answer.get("errors")
    if not isinstance(errors, list):
        return None
    found = [error.get("message") for error in errors if isinstance(error, dict)]
    return " ".join(text for text in found if isinstance(text, str)) or None
