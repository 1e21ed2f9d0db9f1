"""What proves that a request is ours: signatures over its bytes, with a secret that the receiver knows too.

There are two: `X-Reevit-Signature`, as the published clients check it, keyed with the secret as it is written; and
Standard Webhooks' (https://www.standardwebhooks.com), keyed with what the secret stands for.
"""

import base64
import hashlib
import hmac
from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
_EXPECTED = "Write whsec_ and 24 to 64 random bytes in base64"


def secret_bytes(secret: str) -> bytes:
    """What the Standard Webhooks signature is keyed with. Raises ValueError."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(_EXPECTED)
    written = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(written, validate=True)
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if base64.b64encode(key).decode() != written:
        raise ValueError(_EXPECTED)  # Python forgives it, receivers in other languages do not
    # https://github.com/standard-webhooks/standard-webhooks, "Symmetric": 24 to 64 bytes.
    if not 24 <= len(key) <= 64:
        raise ValueError(_EXPECTED)
    return key


def reevit_signature(body: bytes, secret: str) -> str:
    """`sha256=` and the HMAC in hexadecimal. An empty secret is refused by whoever stores one."""
    assert secret
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard_signature(body: bytes, secret: str, *, id: str, at: datetime) -> str:
    """One `v1,…` of Standard Webhooks, over `id.timestamp.body`."""
    signed = b"%s.%d.%s" % (id.encode(), int(at.timestamp()), body)
    digest = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
