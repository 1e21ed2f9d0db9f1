"""Names of things: `<prefix>_<26 characters>`, a TypeID over a UUIDv7, so that ids sort by their birth."""

import random

from typeid import TypeID


def new_id(prefix: str) -> str:
    """A new id such as `cus_01jd8w…` (TypeID 0.3: Crockford base32 over a UUIDv7)."""
    return str(TypeID(prefix=prefix))


def id_pattern(prefix: str) -> str:
    """What every id with this prefix looks like: a UUID's 128 bits, five to a character."""
    return rf"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"


def new_request_id() -> str:
    """A request's name: random rather than sortable, because it is only ever looked up.

    It guards nothing, and so is spared the system call that a secret takes (a tenth of a short request).
    """
    return f"req_{random.getrandbits(96):024x}"
