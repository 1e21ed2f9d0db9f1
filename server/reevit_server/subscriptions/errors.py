"""What can go wrong with a subscription."""

from reevit_server.core.errors import NotFound, Unprocessable


class SubscriptionNotFound(NotFound):
    """There is no such subscription in this organization and mode."""

    code = "subscription_not_found"


class WrongSubscriptionState(Unprocessable):
    """This subscription's status does not allow that; `details.status` tells it."""

    code = "wrong_subscription_state"


class StartTooEarly(Unprocessable):
    """`start_at` is longer ago than one period; begin with the period that is running, or with the next one."""

    code = "start_too_early"


class RetryPolicyNotFound(NotFound):
    """There is no such retry policy in this organization and mode."""

    code = "retry_policy_not_found"
