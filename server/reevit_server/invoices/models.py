"""Pure rules about invoices: which state may follow which, and how one is numbered."""

# Which states a deed may start from; every other one is refused.
RETRYABLE = ("due", "failed")
CANCELABLE = ("draft", "due", "failed")
COLLECTIBLE = ("draft", "due")

_PREFIX = "INV-"
_DIGITS = 6


def number_text(number: int) -> str:
    """The number as people read it: `INV-000042`."""
    return f"{_PREFIX}{number:0{_DIGITS}d}"
