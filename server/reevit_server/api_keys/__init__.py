"""API keys: who may call, for which organization, in which mode."""

from reevit_server.api_keys.actions import create, every, revoke
from reevit_server.api_keys.authentication import Authenticator
from reevit_server.api_keys.models import SCOPES

__all__ = ["SCOPES", "Authenticator", "create", "every", "revoke"]
