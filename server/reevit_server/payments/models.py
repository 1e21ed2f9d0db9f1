"""Pure rules about payments: which state may follow which."""

import hashlib
import secrets
from datetime import timedelta

CAPTURED = ("succeeded", "partially_refunded", "refunded")

# Which states a deed may start from; every other one is refused.
CONFIRMABLE = ("pending",)
EDITABLE = ("pending", "failed")
CANCELABLE = ("pending", "requires_action")  # once it is processing, only the provider can say how it ends
RETRYABLE = ("failed",)
COMPLETABLE = ("requires_action", "processing")
REFUNDABLE = ("succeeded", "partially_refunded")

# When the provider of a payment that is processing is asked how it ended: after it began, and after each time that it
# was asked; the last one repeats. Time does not tell: who did not answer may have moved the money all the same.
RECONCILE_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))


def status_after_refund(*, amount: int, amount_refunded: int) -> str:
    """A captured payment's status when `amount_refunded` of it has gone back."""
    assert 0 < amount_refunded <= amount
    return "refunded" if amount_refunded == amount else "partially_refunded"


def new_client_secret(payment_id: str) -> str:
    """Shows that whoever asks for a payment's confirmation was given this payment. 192 random bits."""
    return f"{payment_id}_secret_{secrets.token_hex(24)}"


def sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
