"""From a message as it is kept to a message as a sender takes it."""

from datetime import datetime
from typing import NamedTuple

import email_validator
import orjson

from reevit_server import notices, organizations
from reevit_server.core import pictures
from reevit_server.core.database import Row
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer, WrongMasterKey
from reevit_server.providers import senders
from reevit_server.providers.sending import (
    Attachment,
    Call,
    Credentials,
    Email,
    Message,
    Note,
    Sent,
    Sms,
    refused,
)

_LOGO = "logo"  # what HTML names by `cid:logo`


class Prepared(NamedTuple):
    """Everything that an attempt needs, read in one transaction."""

    message: Row
    integration: Row
    attempt: int
    seller: organizations.Seller
    receipt: notices.Facts | None
    unsubscribe_url: str | None
    at: datetime


def sealed(sealer: Sealer, scope: Scope, integration_id: str, credentials: dict[str, object]) -> bytes:
    return sealer.seal(orjson.dumps(credentials), about=_place(scope, integration_id))


def credentials_of(sealer: Sealer, scope: Scope, integration: Row, *, private: bool) -> Credentials | Sent:
    """Those of an integration; or, where they cannot be used any more, what comes of sending by them."""
    try:
        opened = sealer.open(integration["credentials"], about=_place(scope, integration["id"]))
        return senders.credentials_of(integration["provider"], orjson.loads(opened), private=private)
    except WrongMasterKey:
        return refused(
            "invalid_settings",
            "The credentials were sealed with another master key; give them to the integration again.",
        )
    except senders.BadCredentials as error:
        return refused("invalid_settings", str(error))


def written(prepared: Prepared) -> Message:
    """As its channel's senders take it. The same at every attempt, so that a repeat is known as one; only a call is
    signed anew, for its receiver refuses what was signed long ago.

    May take some milliseconds for a receipt's PDF: who calls it does so in a thread.
    """
    message, key = prepared.message, prepared.message["id"]
    match message["channel"]:
        case "email":
            return _email(prepared)
        case "sms":
            return Sms(sender=None, to=message["recipient"], text=message["text"], idempotency_key=key)
        case "notification":
            return Note(text=message["text"], idempotency_key=key)
    return Call(id=key, body=_signed_part(prepared), idempotency_key=key, written_at=prepared.at)


def _signed_part(prepared: Prepared) -> bytes:
    """What a receiver checks, as webhooks have it: when this attempt was signed, within the signed bytes."""
    said = orjson.loads(prepared.message["text"])
    said |= {
        "signature_timestamp": prepared.at.replace(microsecond=0),
        "delivery_id": prepared.message["id"],
        "attempt": prepared.attempt,
    }
    return orjson.dumps(said, option=orjson.OPT_UTC_Z)


def _email(prepared: Prepared) -> Email:
    message, integration, seller = prepared.message, prepared.integration, prepared.seller
    domain = email_validator.validate_email(
        integration["from_address"], check_deliverability=False, globally_deliverable=False
    ).ascii_domain
    return Email(
        message_id=f"<{message['id']}@{domain}>",
        from_name=integration["from_name"] or seller.name,
        from_address=integration["from_address"],
        reply_to=integration["reply_to"],
        to=message["recipient"],
        subject=message["subject"],
        text=message["text"],
        html=message["html"],
        list_unsubscribe_url=prepared.unsubscribe_url,
        attachments=tuple(_attachments(prepared)),
        idempotency_key=message["id"],
        written_at=message["created_at"],
    )


def _attachments(prepared: Prepared) -> list[Attachment]:
    found = []
    logo = prepared.seller.logo
    if logo is not None and f"cid:{_LOGO}" in (prepared.message["html"] or ""):
        kind = pictures.kind_of(logo)
        found.append(Attachment(f"logo.{kind}", f"image/{kind}", logo, content_id=_LOGO))
    if prepared.receipt is not None:
        found.append(
            Attachment(
                f"receipt-{prepared.message['receipt_of']}.pdf",
                "application/pdf",
                notices.receipt_pdf(prepared.receipt),
            )
        )
    return found


def _place(scope: Scope, integration_id: str) -> str:
    return f"integrations/{scope.org_id}/{scope.mode}/{integration_id}"
