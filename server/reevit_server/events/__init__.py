"""Events: one per change, written in the change's own transaction."""

from reevit_server.events.actions import Change, erase, purge, record

__all__ = ["Change", "erase", "purge", "record"]
