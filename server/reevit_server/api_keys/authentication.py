"""Whom a key speaks for, remembered for half a second: a revoked key stops within one, without a broadcast."""

import hmac
import time

from reevit_server.api_keys import store
from reevit_server.api_keys.models import SecretKey, sha256
from reevit_server.core.database import Database
from reevit_server.core.front import Principal

_REMEMBERED_SECONDS = 0.5


class Authenticator:
    """Checks keys; one per API process. Only good keys are remembered, so it grows no larger than their number."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[Principal, float]] = {}

    async def __call__(self, db: Database, token: str) -> Principal | None:
        """The principal of a valid key; None when it is malformed, unknown or revoked."""
        digest = sha256(token)
        seen = self._seen.get(digest)
        if seen is not None and seen[1] > time.monotonic():
            return seen[0]
        key = SecretKey.parse(token)
        if key is None:
            return None
        async with db.read() as conn:
            asked_at = time.monotonic()
            row = await store.find_by_public_id(conn, key.public_id)
        if row is None or row["mode"] != key.mode or not hmac.compare_digest(row["secret_sha256"], digest):
            self._seen.pop(digest, None)
            return None
        principal = Principal(row["org_id"], row["mode"], frozenset(row["scopes"]))
        self._seen[digest] = (principal, asked_at + _REMEMBERED_SECONDS)
        return principal
