"""What an API key is made of: `pfk_<mode>_<id>.<secret>`.

The id (12 characters) is public and found in an index; the secret is 256 random bits followed by a checksum
over the whole key, so that a mistyped key is refused without asking the database. Only its SHA-256 is kept:
for 256 random bits no slower hash is needed.
"""

import hashlib
import re
import secrets
import zlib
from typing import NamedTuple, Self

from reevit_server.core.scope import Mode

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz"
_KEY = re.compile(r"pfk_(test|live)_([0-9A-Za-z]{12})\.([0-9A-Za-z]{52})")
_CHECKSUM_LENGTH = 6

_NOUNS = (
    "customers",
    "payments",
    "subscriptions",
    "invoices",
    "webhooks",
    "workflows",
    "checkout",
    "api_keys",
)
SCOPES = tuple(f"{noun}:{right}" for noun in _NOUNS for right in ("read", "write"))


class SecretKey(NamedTuple):
    """A key in clear: seen once by its owner, and by us only while a request is checked."""

    mode: str
    public_id: str
    text: str

    @property
    def sha256(self) -> bytes:
        return sha256(self.text)

    @classmethod
    def new(cls, mode: Mode) -> Self:
        # 46 characters of a 54-letter alphabet carry 264 bits.
        public_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        secret = "".join(secrets.choice(_ALPHABET) for _ in range(46))
        text = f"pfk_{mode}_{public_id}.{secret}"
        return cls(mode, public_id, text + _checksum(text))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The key that `text` is, None when it cannot be one of ours."""
        match = _KEY.fullmatch(text)
        if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
            return None
        return cls(match[1], match[2], text)


def sha256(text: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(text.encode()).digest()


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
