"""What can go wrong with webhooks."""

from reevit_server.core.errors import Conflict, Forbidden, NotFound, Unprocessable


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint in this organization and mode."""

    code = "webhook_endpoint_not_found"


class ConfigNotFound(NotFound):
    """No webhook is configured; POST /v1/webhooks/config sets one up."""

    code = "webhook_config_not_found"


class DeliveryNotFound(NotFound):
    """There is no such delivery in this organization and mode; deliveries are kept as long as their events."""

    code = "webhook_delivery_not_found"


class TooManyEndpoints(Unprocessable):
    """An organization has at most 50 webhook endpoints in each mode; delete one first."""

    code = "too_many_webhook_endpoints"


class EndpointDisabled(Conflict):
    """This endpoint is disabled and is told nothing; enable it first, with PATCH and `"enabled": true`."""

    code = "webhook_endpoint_disabled"


class ListenerNotFound(NotFound):
    """There is no such listener, or it did not ask for two minutes and is gone; start listening again."""

    code = "webhook_listener_not_found"


class TestModeOnly(Forbidden):
    """Only test-mode events can be listened to from elsewhere; use a test key."""

    code = "test_mode_only"
