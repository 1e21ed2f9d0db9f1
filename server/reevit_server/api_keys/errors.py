"""What can go wrong with an API key."""

from reevit_server.core.errors import NotFound


class ApiKeyNotFound(NotFound):
    """There is no such API key in this organization and mode."""

    code = "api_key_not_found"
