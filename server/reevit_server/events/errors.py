"""What can go wrong with an event."""

from reevit_server.core.errors import NotFound


class EventNotFound(NotFound):
    """There is no such event in this organization and mode; events are kept for 30 days."""

    code = "event_not_found"
