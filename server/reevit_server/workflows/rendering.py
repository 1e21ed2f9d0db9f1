"""What a template says of an event: the data that it may name, and the parts of the message that come of it."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from babel import Locale

from reevit_server.core import liquid, locales
from reevit_server.core.database import Row
from reevit_server.core.liquid import Fault, TemplateFault, Vocabulary
from reevit_server.core.liquid_filters import Amount
from reevit_server.organizations import Seller
from reevit_server.workflows import models
from reevit_server.workflows.errors import TemplateFails

_CHANNEL_OF: dict[str, liquid.Channel] = {"subject": "text", "text": "text", "body": "text", "html": "html"}
_PARTS = ("subject", "text", "html")
_KEPT = 32  # parsed templates: all parts of all actions of a rule, which a simulation renders again and again


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent. No line of a subject ends before the subject does."""

    subject: str | None
    text: str | None
    html: str | None


def faults(
    parts: Mapping[str, str | None], *, vocabulary: Vocabulary = models.VOCABULARY
) -> list[tuple[str, Fault]]:
    """Everything that is wrong with the parts of a template, by the name of the part."""
    found: list[tuple[str, Fault]] = []
    for part, source in parts.items():
        if source is not None:
            try:
                liquid.parse(source, channel=_CHANNEL_OF[part], vocabulary=vocabulary)
            except TemplateFault as fault:
                found += [(part, each) for each in fault.faults]
    return found


def render(
    template: Row,
    event: Row,
    seller: Seller,
    *,
    customer: Mapping[str, Any] | None = None,
    unsubscribe_url: str | None = None,
) -> Message:
    """To this customer, or else to the one that the event knew. Raises TemplateFails, also when nothing is said."""
    data, locale = data_of(event, seller), locales.locale_of(seller.locale)
    if customer is not None:
        data["customer"] = _person(customer)
    data["unsubscribe_url"] = unsubscribe_url
    said = {part: _said(template, part, data, locale) for part in _PARTS}
    if said["subject"] is not None:
        said["subject"] = " ".join(said["subject"].split())
    message = Message(**said)
    _check_readable(message)
    # An empty part beside one that says something is left out: some senders refuse it.
    return replace(message, text=message.text or None) if message.html else message


def data_of(event: Row, seller: Seller) -> dict[str, Any]:
    """What a template may name. What the event is not about is there, and nothing."""
    subject = models.subject_of(event["type"])
    data: dict[str, Any] = {name: models.named({}, name) for name in models.VOCABULARY}
    if subject in data:
        data[subject] = _richer(models.named(event["data"], subject))
    data["customer"] = _person(customer_of(event))
    data["organization"] = {"name": seller.name, "address": seller.address}
    data["event"] = models.named(dict(event), "event")
    return data


def customer_of(event: Row) -> Mapping[str, Any]:
    """Whom the event is about, as known then; empty when it is about nobody, or the person was erased."""
    if models.subject_of(event["type"]) == "customer":
        found: Mapping[str, Any] = event["data"]
        return found
    return event["data"].get("customer") or {}


def _person(customer: Mapping[str, Any]) -> dict[str, Any]:
    """Nobody has no tags: what joins them says nothing, where it would fail of what is no list."""
    return {**models.named(customer, "customer"), "tags": customer.get("tags") or []}


def _said(template: Row, part: str, data: Mapping[str, Any], locale: Locale) -> str | None:
    source = template[part]
    if source is None:
        return None
    try:
        return _parsed(part, source).render(data, locale=locale)
    except TemplateFault as fault:
        (first, *_) = fault.faults
        raise TemplateFails(
            f"`{part}`, line {first.line}: {first.message}",
            part=part,
            line=first.line,
            column=first.column,
        ) from None


def _check_readable(message: Message) -> None:
    """Raises TemplateFails for what nobody could read: some senders refuse it, and the others would send it."""
    if message.subject == "":
        empty = "subject"
    elif not f"{message.text or ''}{message.html or ''}".strip():
        empty = "html" if message.text is None else "text"
    else:
        return
    raise TemplateFails(f"`{empty}` comes out empty with this event.", part=empty, line=1, column=1)


@functools.lru_cache(maxsize=_KEPT)
def _parsed(part: str, source: str) -> liquid.Template:
    return liquid.parse(source, channel=_CHANNEL_OF[part], vocabulary=models.VOCABULARY)


def _richer(data: Mapping[str, Any]) -> dict[str, Any]:
    """Amounts know their currency, and instants are instants."""
    currency = data.get("currency")
    return {name: _rich(name, value, currency) for name, value in data.items()}


def _rich(name: str, value: Any, currency: str | None) -> Any:
    if value is None:
        return None
    if name.endswith(("_at", "_start", "_end")):
        return datetime.fromisoformat(value)
    if name.startswith("amount") and currency is not None:
        return Amount(value, currency)
    return value
