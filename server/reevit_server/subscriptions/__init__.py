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
    tell_upcoming,
)
from reevit_server.subscriptions.models import NOTICE_DAYS
from reevit_server.subscriptions.renewing import renew as renew_in_sandbox
from reevit_server.subscriptions.schemas import SubscriptionOut
from reevit_server.subscriptions.store import UPCOMING, count_of_customer, select_of_customer
from reevit_server.subscriptions.upcoming import tell as tell_upcoming_in_sandbox

__all__ = [
    "COLLECT",
    "NOTICE_DAYS",
    "RENEW",
    "UPCOMING",
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
    "tell_upcoming",
    "tell_upcoming_in_sandbox",
]
