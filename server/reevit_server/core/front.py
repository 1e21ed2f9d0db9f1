"""The front of the house: one plain ASGI application that every request passes, in an order read top to bottom.

request id -> route -> key, organization and scope -> rate limit -> body -> Idempotency-Key -> door.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from reevit_server.core import idempotency, metrics
from reevit_server.core.answer import Answer
from reevit_server.core.body import Body, ClientLeft, Receive
from reevit_server.core.database import LOST_CONNECTION, Database, withhold_data
from reevit_server.core.errors import (
    AppError,
    InsufficientScope,
    NotDurable,
    OrgMismatch,
    ServerError,
    Unauthorized,
    Unavailable,
    ValidationError,
)
from reevit_server.core.http import Request
from reevit_server.core.ids import new_request_id
from reevit_server.core.rate_limit import RateLimiter
from reevit_server.core.routing import Door, Routes, parse_query
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer

_KEY_CHECK_SECONDS = 0.5
_NOBODY = Scope("", "test")

Send = Callable[[dict[str, Any]], Awaitable[None]]

log = structlog.get_logger("reevit.http")


class Principal(NamedTuple):
    """Whom a key speaks for, and what it may do."""

    org_id: str
    mode: Any
    permissions: frozenset[str]


class Front:
    """Answers every request. `routes` are its doors; `authenticate` tells whom an API key speaks for."""

    def __init__(
        self,
        routes: Routes,
        *,
        open_database: Callable[[], Awaitable[Database]],
        authenticate: Callable[[Database, str], Awaitable[Principal | None]],
        rate_limiter: RateLimiter,
        sealer: Sealer,
        clock: Callable[[], datetime],
        log_requests: bool = False,
        private_webhooks: bool = False,
    ) -> None:
        self._routes = routes
        self._open_database = open_database
        self._authenticate = authenticate
        self._rate_limiter = rate_limiter
        self._sealer = sealer
        self._clock = clock
        self._log_requests = log_requests
        self._private_webhooks = private_webhooks
        self._db: Database | None = None
        self._unsafe_settings: list[str] | None = None  # asked for with the first live request
        self._leaving = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    def leave(self) -> None:
        """Says from now on that this server is about to stop: /readyz with 503, and every answer by closing its
        connection, so that no client sends its next request to nobody. All requests are served as before.
        """
        self._leaving = True

    async def _live(self, receive: Receive, send: Send) -> None:
        """Opens the database when the server starts, closes it when it stops."""
        await receive()
        self._db = await self._open_database()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._db.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = new_request_id()
        headers = dict(scope["headers"])
        extra: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id.encode())]
        body = Body(scope["method"], headers, receive)
        door: Door | None = None
        try:
            door, path = self._routes.match(scope["method"], _raw_path(scope))
            answer = await self._answer(door, path, scope, headers, body, request_id, extra)
        except AppError as refusal:
            answer = Answer(refusal.status, refusal.body(request_id), refusal.headers)
        except LOST_CONNECTION as error:
            log.warning("database_unavailable", request_id=request_id, error=type(error).__name__)
            unavailable = Unavailable()
            answer = Answer(503, unavailable.body(request_id), unavailable.headers)
        except ClientLeft:
            return
        except Exception as error:  # the last resort: a bug is logged whole, and told without its details
            withhold_data(error)
            log.exception("unexpected_error", request_id=request_id, path=door and door.template)
            answer = Answer(500, ServerError().body(request_id))
        seconds = time.perf_counter() - started
        template = door.template if door else "unmatched"
        metrics.observe(scope["method"] if door else "any", template, answer.status, seconds)
        if self._log_requests:
            log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                route=template,
                status=answer.status,
                ms=round(seconds * 1000, 2),
            )
        if (body.unread or self._leaving) and scope["http_version"].startswith("1"):
            extra.append((b"connection", b"close"))
        await _send(send, answer, extra, head=scope["method"] == "HEAD")

    async def _answer(
        self,
        door: Door,
        path: list[str],
        scope: dict[str, Any],
        headers: dict[bytes, bytes],
        body: Body,
        request_id: str,
        extra: list[tuple[bytes, bytes]],
    ) -> Answer:
        assert self._db is not None, "the server sends lifespan.startup before the first request"
        call = Request(
            self._db,
            self._clock(),
            request_id,
            _NOBODY,
            self._sealer,
            leaving=self._leaving,
            private_webhooks=self._private_webhooks,
        )
        if door.permission is not None:
            await self._admit(call, door, headers)
            if (allowance := self._rate_limiter.take((call.scope.org_id, call.scope.mode))) is not None:
                extra.extend(allowance.headers())
        query = parse_query(scope["query_string"])
        given = None
        if scope["method"] not in ("GET", "HEAD"):
            asked = time.monotonic()
            given = await body.json(forms=door.permission is None)
            if door.permission is not None and time.monotonic() - asked > _KEY_CHECK_SECONDS:
                await self._admit(call, door, headers)  # a slow sender's key may have been revoked meanwhile
            call.now = self._clock()
            if (key := headers.get(b"idempotency-key")) is not None and door.permission is not None:
                call.idempotency_key = idempotency.key_of(
                    key, method=scope["method"], path=[door.template, *path], query=query, body=given
                )
        return await door(call, path, query, given)

    async def _admit(self, call: Request, door: Door, headers: dict[bytes, bytes]) -> None:
        """Puts the key's organization and mode on the call. Raises Unauthorized, OrgMismatch, InsufficientScope."""
        principal = await self._authenticate(call.db, _token(headers))
        if principal is None:
            raise Unauthorized("This API key is not valid: it is malformed, unknown or revoked.")
        if (org := headers.get(b"x-org-id")) is not None and org != principal.org_id.encode():
            raise OrgMismatch
        if door.permission not in principal.permissions:
            raise InsufficientScope(
                f"This API key lacks the scope {door.permission}; create a key that has it.",
                required_scope=door.permission,
            )
        if principal.mode == "live":
            await self._check_durable(call.db)
        call.scope = Scope(
            principal.org_id,
            principal.mode,
            _note(headers, b"x-actor-id"),
            _note(headers, b"x-reason"),
        )
        call.permissions = principal.permissions

    async def _check_durable(self, db: Database) -> None:
        """Raises NotDurable: no live payment is taken that a crash of the database could forget."""
        if self._unsafe_settings is None:
            self._unsafe_settings = await db.unsafe_settings()
        if self._unsafe_settings:
            off = ", ".join(self._unsafe_settings)
            raise NotDurable(
                f"Live mode is refused: PostgreSQL runs with {off} off. Turn that on and restart the server.",
                settings=self._unsafe_settings,
            )


def _raw_path(scope: dict[str, Any]) -> bytes:
    """The path before percent-decoding, where the server gives it."""
    raw: bytes | None = scope.get("raw_path")
    return raw.partition(b"?")[0] if raw is not None else scope["path"].encode()


def _token(headers: dict[bytes, bytes]) -> str:
    """The API key sent. Raises Unauthorized when there is none."""
    token = headers.get(b"x-reevit-key")
    if token is None:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise Unauthorized
    return token.strip().decode("latin-1")


def _note(headers: dict[bytes, bytes], name: bytes) -> str | None:
    """An audit header's text. Raises ValidationError when Postgres could not keep it."""
    if (raw := headers.get(name)) is None:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if len(text) > 500 or not text.isprintable():
        header = name.decode().title()
        raise ValidationError.of(
            header, "invalid_header", f"{header} must be at most 500 printable UTF-8 characters."
        )
    return text


async def _send(send: Send, answer: Answer, extra: list[tuple[bytes, bytes]], *, head: bool) -> None:
    headers = [*answer.headers, *extra]
    if answer.status != 204:
        headers.append((b"content-type", answer.content_type))
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})
