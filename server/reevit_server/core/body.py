"""What a request carries: read only after its sender was let in, and never more than there is room for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from reevit_server.core import json as strict_json
from reevit_server.core.errors import BodyTooLarge, MalformedForm, RequestTimeout, UnsupportedMediaType

BODY_BYTES_MAX = 256 * 1024
_READ_SECONDS = 30

# What a page's form is sent as. The second is one way to unsubscribe by one click (RFC 8058, 3.2), whose body says
# nothing that its address does not; no page here sends it.
_FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data")
_FIELDS_MAX = 100

Receive = Callable[[], Awaitable[dict[str, Any]]]


def _fields(raw: bytes) -> dict[str, str]:
    """The fields of a form; of one that is there twice, the last."""
    try:
        pairs = parse_qsl(
            raw.decode("latin-1"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_FIELDS_MAX,
        )
    except ValueError:
        raise MalformedForm from None
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise MalformedForm
    return dict(pairs)


class ClientLeft(Exception):
    """The client closed the connection before its request was whole; there is nobody to answer."""


class Body:
    """A request's body, read once, at most 256 KiB of it, whatever Content-Length said."""

    __slots__ = ("_headers", "_receive", "unread")

    def __init__(self, method: str, headers: dict[bytes, bytes], receive: Receive) -> None:
        self._headers = headers
        self._receive = receive
        sent = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        # What was not read would be taken for the next request on the same connection.
        self.unread = sent and method not in ("GET", "HEAD")

    async def json(self, *, forms: bool = False) -> Any:
        """The parsed body; an empty one is an empty object. `forms` takes what a page sends, too."""
        declared = self._headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
            raise BodyTooLarge
        try:
            async with asyncio.timeout(_READ_SECONDS):
                raw = await self._read()
        except TimeoutError:
            raise RequestTimeout from None
        if not raw:
            return {}
        media_type = self._headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if forms and media_type in _FORMS:
            return _fields(raw) if media_type == _FORMS[0] else {}
        if media_type != b"application/json":
            raise UnsupportedMediaType
        return strict_json.loads(raw)

    async def _read(self) -> bytes:
        chunks = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > BODY_BYTES_MAX:
                raise BodyTooLarge
            chunks.append(chunk)
            if not message.get("more_body"):
                self.unread = False
                return b"".join(chunks)
