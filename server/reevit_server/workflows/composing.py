"""What an action sends because of an event: to whom, and what it says. Nothing is read or written here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reevit_server import messages, notices
from reevit_server.core.database import Row
from reevit_server.organizations import Seller
from reevit_server.workflows import models, noticing, rendering
from reevit_server.workflows.matching import default_purpose

CHANNELS: dict[str, messages.Channel] = {
    "send_email": "email",
    "send_sms": "sms",
    "send_notification": "notification",
    "webhook": "webhook",
}
_ADDRESS = {"email": ("email", "an e-mail address"), "sms": ("phone", "a phone number")}


class NotSent(Exception):
    """Nothing is sent, and that is no failure: there is nobody to send to, or nothing to say."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Why something is written: an event that a workflow waited for, and whom it is about, as known now."""

    workflow_id: str
    workflow_name: str
    event: Row
    customer: Mapping[str, Any] | None
    seller: Seller
    test_mode: bool
    execution_id: str | None  # None: nothing happens, it is only shown


def channel_of(action: Mapping[str, Any], customer: Mapping[str, Any] | None) -> messages.Channel | None:
    """By what an action sends; a notice by what is known of the customer, and perhaps by nothing."""
    if action["type"] != "send_notice":
        return CHANNELS.get(action["type"])
    return noticing.channel_of(action["notice"], customer or {})


def purpose_of(action: Mapping[str, Any], event_type: str) -> messages.Purpose:
    """Marketing, if the action or else its trigger says so; what goes to the merchant's own people never is."""
    if action["type"] not in ("send_email", "send_sms"):
        return "transactional"
    named: messages.Purpose | None = action.get("purpose")
    return named or ("transactional" if action.get("to") else default_purpose(event_type))


def recipient_of(
    action: Mapping[str, Any], channel: str | None, customer: Mapping[str, Any] | None
) -> str | None:
    """To whom; None where the integration says it. Raises NotSent when nobody is known."""
    if channel in ("notification", "webhook"):
        return None
    if action.get("to"):
        named: str = action["to"]
        return named
    if customer is None:
        raise NotSent("no_customer", "The event is about no customer, or about one who was deleted.")
    if channel is None:
        told = noticing.NOBODY[action["notice"]]
        raise NotSent("no_recipient", told)
    field, words = _ADDRESS[channel]
    address: str | None = customer.get(field)
    if address is None:
        raise NotSent(f"no_{field}", f"The customer has not given {words}.")
    return address


def compose(
    action: Mapping[str, Any],
    template: Row | None,
    occasion: Occasion,
    *,
    channel: messages.Channel,
    receipt: notices.Facts | None,
    unsubscribe_url: str | None,
) -> rendering.Message:
    """What it says. `template` is the one that the action names. Raises TemplateFails."""
    if action["type"] == "send_notice":
        facts = receipt or noticing.facts_of(
            occasion.event, occasion.customer or {}, occasion.seller, test_mode=occasion.test_mode
        )
        return noticing.said(facts, channel)
    if channel == "webhook":
        return rendering.Message(None, _call(occasion), None)
    parts = template or {
        "subject": action.get("subject"),
        "text": action.get("body"),
        "html": action.get("html"),
    }
    return rendering.render(
        parts,
        occasion.event,
        occasion.seller,
        customer=occasion.customer,
        unsubscribe_url=unsubscribe_url,
    )


def receipt_of(action: Mapping[str, Any], event: Row) -> str | None:
    """The payment whose receipt goes along."""
    wants = action.get("attach_receipt") or action.get("notice") == "receipt_email"
    return event["subject_id"] if wants and models.subject_of(event["type"]) == "payment" else None


def _call(occasion: Occasion) -> str:
    """The event, as a webhook endpoint would be told of it, and why this receiver is.

    Of a customer who was deleted only our id, also in the event that tells of it: what is sent is kept for long.
    """
    event = occasion.event
    data = event["data"]
    if occasion.customer is None and data.get("customer") is not None:
        data = {**data, "customer": {"id": data["customer"]["id"]}}
    told = {
        "id": event["id"],
        "type": event["type"],
        "event": event["type"],
        "org_id": event["org_id"],
        "mode": event["mode"],
        "created_at": event["created_at"],
        "workflow": {"id": occasion.workflow_id, "name": occasion.workflow_name},
        "execution_id": occasion.execution_id,
        "data": data,
    }
    return orjson.dumps(told, option=orjson.OPT_UTC_Z).decode()
