"""Secrets at rest: sealed with the installation's master key, so that a copy of the database alone opens none.

AES-256-GCM with a random nonce (NIST SP 800-38D). What a secret is about, such as its table and key, is sealed with
it: moved to another row, it does not open.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reevit_server.core.database import Connection

_VERSION = b"\x01"  # which also tells what is sealed from JSON, that never begins so
_NONCE_BYTES = 12
_PROOF = b"the master key of this database"


class WrongMasterKey(Exception):
    """This was sealed with another master key, or for another place."""


class Sealer:
    """Seals and opens with one master key: 32 random bytes in base64."""

    def __init__(self, master_key: str) -> None:
        key = base64.b64decode(master_key, validate=True)
        self._cipher = AESGCM(key)
        self._fingerprint_key = HKDF(SHA256(), 32, salt=None, info=b"fingerprints").derive(key)

    def seal(self, secret: bytes, *, about: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, about.encode())

    def open(self, sealed: bytes, *, about: str) -> bytes:
        """Raises WrongMasterKey."""
        nonce = sealed[1 : 1 + _NONCE_BYTES]
        if len(nonce) < _NONCE_BYTES:
            raise WrongMasterKey
        try:
            return self._cipher.decrypt(nonce, sealed[1 + _NONCE_BYTES :], about.encode())
        except InvalidTag:
            raise WrongMasterKey from None

    def fingerprint(self, text: str, *, about: str) -> bytes:
        """32 bytes, the same for the same text, by which it is found again and nobody without the key learns it."""
        return hmac.new(self._fingerprint_key, f"{about}\0{text}".encode(), hashlib.sha256).digest()

    async def prove(self, conn: Connection) -> None:
        """Makes sure that all who serve one database have one key; the first leaves a proof of it there.

        Raises WrongMasterKey.
        """
        proof = self.seal(_PROOF, about="master_key_proof")
        await conn.execute("INSERT INTO master_key_proof (sealed) VALUES ($1) ON CONFLICT DO NOTHING", proof)
        self.open(await conn.fetchval("SELECT sealed FROM master_key_proof"), about="master_key_proof")


def is_sealed(stored: bytes) -> bool:
    return stored[:1] == _VERSION


def new_master_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def master_key_in(file: Path) -> str:
    """The key in a file that only its owner reads; made if there is none."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(new_master_key() + "\n")
    except FileExistsError:
        pass
    return file.read_text().strip()
