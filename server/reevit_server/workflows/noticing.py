"""What is built in: which notice follows from which event, by what it goes, and what it has to say."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reevit_server import messages, notices
from reevit_server.core.database import Row
from reevit_server.organizations import Seller
from reevit_server.workflows import models
from reevit_server.workflows.rendering import Message

_RECEIPTS = ("receipt_email", "receipt_sms")
# By what a customer can name it when they ask.
_REFERENCES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "payment": lambda data: data.get("reference") or data["id"],
    "invoice": lambda data: data["number"],
    "subscription": lambda data: None,  # noqa: ARG005 - there is no payment yet
}
NOBODY = {
    "receipt_email": "The customer has not given an e-mail address.",
    "receipt_sms": "The customer has an e-mail address, or no phone number.",
    "payment_failed": "The customer has given neither an e-mail address nor a phone number.",
    "renewal_upcoming": "The customer has given neither an e-mail address nor a phone number.",
}


def due(event: Row, switches: Row | None) -> list[str]:
    """The names of the notices that an event calls for."""
    if switches is None or event["customer_id"] is None:
        return []
    data = event["data"]
    customer = data.get("customer") or {}
    return [
        name
        for name, (_, types) in models.NOTICES.items()
        if switches[name]
        and event["type"] in types
        and _is_news(name, event)
        and (name not in _RECEIPTS or channel_of(name, customer) is not None)
    ]


def _is_news(name: str, event: Row) -> bool:
    """Whether to write at all: not of what was paid long ago and is only recorded now; of a subscription's charge,
    which is tried again and again, with its invoice, which knows when, and after the first failure and the last.
    """
    data = event["data"]
    if name in _RECEIPTS:
        paid_at = datetime.fromisoformat(data["succeeded_at"])
        since: timedelta = event["created_at"] - paid_at
        return since <= timedelta(days=models.NOTICE_DAYS_MAX)
    if event["type"] == "payment.failed":
        return bool(data.get("source") != "subscription")
    if event["type"] == "invoice.failed":
        return bool(data["retry_count"] == 0 or data["next_retry_at"] is None)
    return True


def channel_of(name: str, customer: Mapping[str, Any]) -> messages.Channel | None:
    """By what a notice reaches this customer: e-mail where there is one, and SMS where only a phone is known."""
    has_email, has_phone = bool(customer.get("email")), bool(customer.get("phone"))
    if has_email:
        return None if name == "receipt_sms" else "email"
    return "sms" if has_phone and name != "receipt_email" else None


def facts_of(event: Row, customer: Mapping[str, Any], seller: Seller, *, test_mode: bool) -> notices.Facts:
    """What a notice has to say of a payment that failed, or of a renewal that is near."""
    subject = models.subject_of(event["type"])
    upcoming = subject == "subscription"
    data = event["data"] | ((event["data"].get("pending_changes") or {}) if upcoming else {})
    at = data["current_period_end"] if upcoming else event["created_at"]
    retry_at = data.get("next_retry_at")
    return notices.Facts(
        kind="renewal_upcoming" if upcoming else "payment_failed",
        seller=seller,
        test_mode=test_mode,
        amount=data["amount"],
        currency=data["currency"],
        at=datetime.fromisoformat(at) if isinstance(at, str) else at,
        customer_name=customer.get("name"),
        customer_email=customer.get("email"),
        customer_phone=customer.get("phone"),
        customer_external_id=customer.get("external_id"),
        description=data.get("description"),
        payment_method=data.get("method"),
        payment_reference=_REFERENCES[subject](data),
        plan=data.get("plan_id") if upcoming else None,
        interval=data.get("interval") if upcoming else None,
        interval_count=data.get("interval_count", 1) if upcoming else 1,
        next_retry_at=datetime.fromisoformat(retry_at) if retry_at else None,
    )


def said(facts: notices.Facts, channel: messages.Channel) -> Message:
    """The notice, as its channel says it."""
    if channel == "sms":
        return Message(None, notices.sms(facts), None)
    letter = notices.letter(facts)
    return Message(letter.subject, letter.text, letter.html)
