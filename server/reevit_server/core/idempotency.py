"""One effect per Idempotency-Key, whatever the network does: the answer is stored with the deed, in one commit.

The exact rules are in `docs/errors.md` under "Idempotency".
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import asyncpg
import orjson

from reevit_server.core.answer import Answer
from reevit_server.core.database import Connection, Database
from reevit_server.core.errors import AppError, Conflict, Gone, Unprocessable, ValidationError
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer, is_sealed

KEPT_HOURS = 72
_TRIES = 4
# A refusal is an answer too, and replayed like one, if it was decided by what is stored.
_KEPT_REFUSALS = frozenset({404, 409, 410, 422})


class KeyInUse(Conflict):
    """A request with this Idempotency-Key is still running; wait a second and send it again."""

    code = "idempotency_key_in_use"
    headers = ((b"retry-after", b"1"),)


class KeyReused(Unprocessable):
    """This Idempotency-Key was used for another request; use a new key for a new request."""

    code = "idempotency_key_reused"


class AnswerErased(Gone):
    """That request was carried out, but its answer is no longer kept; read the object instead."""

    code = "idempotent_answer_erased"


class Key(NamedTuple):
    """The client's key, and the SHA-256 of everything that makes its request that request."""

    value: str
    fingerprint: bytes

    @property
    def name(self) -> str:
        """Of the request: the same for the same key and the same request only."""
        return f"{self.value} {self.fingerprint.hex()}"


def key_of(header: bytes, *, method: str, path: list[str], query: list[tuple[str, str]], body: Any) -> Key:
    """The key in an `Idempotency-Key` header. Raises ValidationError unless 1-255 visible ASCII."""
    if not 1 <= len(header) <= 255 or not all(0x21 <= byte <= 0x7E for byte in header):
        raise ValidationError.of(
            "Idempotency-Key", "invalid_header", "Idempotency-Key must be 1 to 255 visible ASCII characters."
        )
    request = orjson.dumps([method, path, sorted(query), body], option=orjson.OPT_SORT_KEYS)
    return Key(header.decode(), hashlib.sha256(request).digest())


class Asked(Protocol):
    """What of a request decides about replays."""

    db: Database
    scope: Scope
    now: datetime
    request_id: str
    sealer: Sealer
    idempotency_key: Key | None


async def perform(request: Asked, deed: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    """Runs `deed` in one transaction; with a key, replays the stored answer instead of running it twice.

    Deadlocks and serialization failures run again by themselves. Raises KeyInUse, KeyReused, AnswerErased,
    and whatever the deed raises.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            return await _perform_once(request, deed)
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            if not tries_left:
                raise
        except asyncpg.UniqueViolationError as error:
            # The same key's first request committed between our snapshot and our lock: now we see its answer.
            if error.constraint_name != "idempotency_keys_pkey" or not tries_left:
                raise
        await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311 - jitter, not a secret
    raise AssertionError("the last try returns or raises")


async def find(request: Asked) -> Answer | None:
    """The stored answer to this request, if it was sent with a key before: for a deed of more than one transaction.

    Takes no lock, and so stands in nobody's way; that of two requests one waits is the deed's own business. Raises
    KeyReused, AnswerErased.
    """
    key = request.idempotency_key
    if key is None:
        return None
    async with request.db.read() as conn:
        row = await conn.fetchrow(
            "SELECT fingerprint, status, body FROM idempotency_keys WHERE org_id = $1 AND mode = $2 AND key = $3",
            request.scope.org_id,
            request.scope.mode,
            key.value,
        )
    return None if row is None else _replayed(request, key, row)


async def _perform_once(request: Asked, deed: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    key = request.idempotency_key
    if key is None:
        async with request.db.transaction() as conn:
            return await deed(conn)
    deciding = False
    try:
        async with request.db.transaction() as conn:
            if (stored := await _claim(conn, request, key)) is not None:
                return stored
            deciding = True
            answer = await deed(conn)
            await _keep(conn, request, key, answer)
            return answer
    except AppError as refusal:
        if not deciding or refusal.status not in _KEPT_REFUSALS:
            raise
        return await _refuse(request, key, refusal)


async def _refuse(request: Asked, key: Key, refusal: AppError) -> Answer:
    """Stores a refusal after its deed was rolled back. Whoever stored an answer meanwhile was first: it counts."""
    answer = Answer(refusal.status, refusal.body(request.request_id), refusal.headers)
    async with request.db.transaction() as conn:
        if (stored := await _claim(conn, request, key)) is not None:
            return stored
        await _keep(conn, request, key, answer)
    return answer


async def _claim(conn: Connection, request: Asked, key: Key) -> Answer | None:
    """Takes the key for this transaction; the stored answer if there is one.

    A lock that is tried, not an INSERT: the second of two requests hears "in use" at once, instead of
    waiting in line with a database connection in its hand.
    """
    scope = request.scope
    row = await conn.fetchrow(
        """
        SELECT pg_try_advisory_xact_lock(hashtextextended($1 || $2 || $3, 0)) AS locked,
               stored.fingerprint, stored.status, stored.body
        FROM (VALUES (1)) AS always
        LEFT JOIN idempotency_keys AS stored
               ON stored.org_id = $1 AND stored.mode = $2 AND stored.key = $3
        """,
        scope.org_id,
        scope.mode,
        key.value,
    )
    assert row is not None, "VALUES always gives a row"
    if row["status"] is None:
        if not row["locked"]:
            raise KeyInUse
        return None
    return _replayed(request, key, row)


def _replayed(request: Asked, key: Key, row: asyncpg.Record) -> Answer:
    if row["fingerprint"] != key.fingerprint:
        raise KeyReused
    if row["body"] is None:
        raise AnswerErased
    body = row["body"]
    if is_sealed(body):
        body = request.sealer.open(body, about=_place(request.scope, key))
    return Answer(row["status"], body, ((b"idempotent-replayed", b"true"),))


def _place(scope: Scope, key: Key) -> str:
    return f"idempotency_keys/{scope.org_id}/{scope.mode}/{key.value}"


async def _keep(conn: Connection, request: Asked, key: Key, answer: Answer) -> None:
    scope = request.scope
    body = request.sealer.seal(answer.body, about=_place(scope, key)) if answer.secret else answer.body
    await conn.execute(
        """
        INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, status, body, customer_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        scope.org_id,
        scope.mode,
        key.value,
        key.fingerprint,
        answer.status,
        None if answer.shown_once else body,
        answer.about_customer_id,
        request.now,
    )


async def erase(conn: Connection, scope: Scope, *, customer_id: str) -> None:
    """Forgets the stored answers that hold a customer's data; their replays answer 410, never run again."""
    await conn.execute(
        """
        UPDATE idempotency_keys
        SET body = NULL
        WHERE org_id = $1 AND mode = $2 AND customer_id = $3
        """,
        scope.org_id,
        scope.mode,
        customer_id,
    )


async def purge(conn: Connection, *, now: datetime, limit: int) -> int:
    """Deletes answers older than 72 hours, oldest first; how many. Call again while it returns `limit`."""
    status = await conn.execute(
        """
        DELETE FROM idempotency_keys
        WHERE (org_id, mode, key) IN (
            SELECT org_id, mode, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2
        )
        """,
        now - timedelta(hours=KEPT_HOURS),
        limit,
    )
    return int(status.rsplit(" ", 1)[1])
