"""Subscriptions: what customers pay for again and again."""

from reevit_server.subscriptions.collecting import collect_in_sandbox, follow
from reevit_server.subscriptions.jobs import (
    COLLECT,
    RENEW,
    collect,
    on_event,
    queue_collections,
    queue_renewals,
    renew,
)
from reevit_server.subscriptions.renewing import renew as renew_in_sandbox
from reevit_server.subscriptions.schemas import SubscriptionOut
from reevit_server.subscriptions.store import count_of_customer, select_of_customer

__all__ = [
    "COLLECT",
    "RENEW",
    "SubscriptionOut",
    "collect",
    "collect_in_sandbox",
    "count_of_customer",
    "follow",
    "on_event",
    "queue_collections",
    "queue_renewals",
    "renew",
    "renew_in_sandbox",
    "select_of_customer",
]
