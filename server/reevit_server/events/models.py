"""What can happen: the types of events, and the words that stand for several of them."""

from collections.abc import Iterable

EVERYTHING = "*"
TEST = "webhook.test"  # sent to one endpoint when it asks for it

# What can be listened to, in the order in which the documentation tells of it.
TYPES = (
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "payment.created",
    "payment.updated",
    "payment.requires_action",
    "payment.processing",
    "payment.succeeded",
    "payment.failed",
    "payment.canceled",
    "payment.refunded",
    "subscription.created",
    "subscription.updated",
    "subscription.canceled",
    "subscription.paused",
    "subscription.resumed",
    "subscription.past_due",
    "subscription.renewed",
    "subscription.renewal_upcoming",
    "invoice.created",
    "invoice.updated",
    "invoice.paid",
    "invoice.failed",
    "invoice.canceled",
    "checkout.completed",
    "webhook_endpoint.disabled",
)
KNOWN_TYPES = frozenset((*TYPES, TEST))
FAMILIES = tuple(dict.fromkeys(f"{type.partition('.')[0]}.*" for type in TYPES))
CHOICES = (EVERYTHING, *FAMILIES, *TYPES)


def chosen(choices: Iterable[str], type: str) -> bool:
    """Whether a type is among these: by its name, by `payment.*`, or by `*`, which is everything."""
    return not {EVERYTHING, f"{type.partition('.')[0]}.*", type}.isdisjoint(choices)
