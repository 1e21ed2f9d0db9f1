"""Messages: what is sent to people, who sends it, and who is not written to any more."""

from reevit_server.messages.actions import Draft, chosen_integration, create, purge
from reevit_server.messages.integrations import find as find_integration
from reevit_server.messages.jobs import deliver, on_event, queue_due
from reevit_server.messages.models import Channel, Purpose
from reevit_server.messages.schemas import MessageListed, checked_recipient
from reevit_server.messages.sending import DELIVER, Way, lock_and_release
from reevit_server.messages.store import select_statuses
from reevit_server.messages.suppressing import link, reason_against

__all__ = [
    "DELIVER",
    "Channel",
    "Draft",
    "MessageListed",
    "Purpose",
    "Way",
    "checked_recipient",
    "chosen_integration",
    "create",
    "deliver",
    "find_integration",
    "link",
    "lock_and_release",
    "on_event",
    "purge",
    "queue_due",
    "reason_against",
    "select_statuses",
]
