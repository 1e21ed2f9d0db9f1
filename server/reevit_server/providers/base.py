"""What a payment provider can say about a payment."""

from typing import Any, Literal, NamedTuple

OutcomeStatus = Literal["succeeded", "failed", "requires_action", "processing", "canceled"]


class Outcome(NamedTuple):
    """How an attempt to charge went. A provider that did not answer is `processing`, never `failed`."""

    status: OutcomeStatus
    failure_code: str | None = None
    failure_message: str | None = None
    next_action: dict[str, Any] | None = None
    provider_ref_id: str | None = None


SUCCEEDED = Outcome("succeeded")

# Declines that another attempt cannot mend: the card or the account is gone, or its owner has forbidden the charge.
# Card networks fine merchants who try again (Stripe, "Decline codes" and "Smart Retries"; Mastercard Transaction
# Processing Excellence).
HARD_DECLINES = frozenset(
    {
        "account_closed",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    }
)
