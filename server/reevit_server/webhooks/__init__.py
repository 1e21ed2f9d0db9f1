"""Webhooks: merchants' servers are told of events. Nobody imports this noun; it listens (`worker.py`)."""

from reevit_server.webhooks.actions import purge
from reevit_server.webhooks.fan_out import on_event
from reevit_server.webhooks.jobs import deliver, queue_due, tend
from reevit_server.webhooks.listening import stop_gone
from reevit_server.webhooks.telling import DELIVER

__all__ = ["DELIVER", "deliver", "on_event", "purge", "queue_due", "stop_gone", "tend"]
