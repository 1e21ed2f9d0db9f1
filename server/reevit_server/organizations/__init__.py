"""Organizations: the merchants of this installation, each with a world of its own."""

from reevit_server.organizations.actions import create, every, get
from reevit_server.organizations.errors import OrganizationNotFound

__all__ = ["OrganizationNotFound", "create", "every", "get"]
