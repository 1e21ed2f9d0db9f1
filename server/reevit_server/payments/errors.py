"""What can go wrong with a payment."""

from reevit_server.core.errors import Conflict, Forbidden, NotFound, Unprocessable


class PaymentNotFound(NotFound):
    """There is no such payment in this organization and mode."""

    code = "payment_not_found"


class ReferenceTaken(Conflict):
    """Another payment has this reference; `details.payment_id` names it. One reference is one payment."""

    code = "reference_taken"


class WrongPaymentState(Unprocessable):
    """This payment's status does not allow that; `details.status` tells it."""

    code = "wrong_payment_state"


class RefundTooLarge(Unprocessable):
    """The refund is more than what is left of the payment; `details.refundable` tells how much that is."""

    code = "refund_too_large"


class ClientSecretWrong(Forbidden):
    """The client_secret is not this payment's; it is in the answer that created the intent."""

    code = "client_secret_wrong"


class ProviderNotAvailable(Unprocessable):
    """No payment provider can take this; in live mode, record outside payments with `provider: "external"`."""

    code = "provider_not_available"


class UnknownSandboxScenario(Unprocessable):
    """The sandbox knows succeed, fail, fail:<code>, requires_action, processing and timeout."""

    code = "unknown_sandbox_scenario"
