"""What can go wrong with messages, and with those who send them."""

from reevit_server.core.errors import Conflict, NotFound, Unprocessable


class IntegrationNotFound(NotFound):
    """There is no such integration in this organization and mode."""

    code = "integration_not_found"


class IntegrationNameTaken(Conflict):
    """Another integration has this name; `details.integration_id` is it."""

    code = "integration_name_taken"


class IntegrationOff(Conflict):
    """This integration is off and sends nothing; turn it on first, with PATCH and `"enabled": true`."""

    code = "integration_off"


class TooManyIntegrations(Unprocessable):
    """An organization has at most 50 integrations in each mode; delete one first."""

    code = "too_many_integrations"


class MessageNotFound(NotFound):
    """There is no such message in this organization and mode; messages are kept as long as events."""

    code = "message_not_found"


class MessageNotResendable(Conflict):
    """Only what failed or stayed in the outbox can be sent again, and not to a customer who was deleted."""

    code = "message_not_resendable"


class SuppressionNotFound(NotFound):
    """There is no such suppression in this organization and mode."""

    code = "suppression_not_found"
