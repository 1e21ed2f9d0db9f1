"""Workflows: the right message to the right customer. They listen to events; nobody imports them."""

from reevit_server.workflows.executing import execute
from reevit_server.workflows.triggering import EXECUTE, on_event

__all__ = ["EXECUTE", "execute", "on_event"]
