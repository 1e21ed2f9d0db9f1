"""Events: one per change, written in the change's own transaction."""

from reevit_server.events.actions import (
    FAN_OUT,
    Change,
    erase,
    forget,
    get,
    purge,
    record,
    record_quietly,
    select,
    select_latest,
)
from reevit_server.events.errors import EventNotFound
from reevit_server.events.jobs import Listener, fan_out
from reevit_server.events.models import CHOICES, TEST, TYPES, chosen

__all__ = [
    "CHOICES",
    "FAN_OUT",
    "TEST",
    "TYPES",
    "Change",
    "EventNotFound",
    "Listener",
    "chosen",
    "erase",
    "fan_out",
    "forget",
    "get",
    "purge",
    "record",
    "record_quietly",
    "select",
    "select_latest",
]
