"""Lists in pages: a cursor remembers the last row seen, so that rows written meanwhile never shift a page."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field

from reevit_server.core.errors import ValidationError
from reevit_server.core.text import IN_DIGITS, utc


class InvalidCursor(ValidationError):
    """The cursor does not belong to this list; start again without one."""

    code = "invalid_cursor"


class PageQuery(BaseModel):
    """What every list accepts. `offset` is for old clients; cursors stay right while rows are written."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100), IN_DIGITS] = 20
    cursor: Annotated[
        str | None,
        Field(
            max_length=2000,
            description="The `next_cursor` of the page before.",
            json_schema_extra={"format": "cursor"},
        ),
    ] = None
    offset: Annotated[
        int, Field(ge=0, le=10_000, description="For old clients; prefer `cursor`."), IN_DIGITS
    ] = 0
    include_total: Annotated[bool, Field(description="Count all rows too; slower on large lists.")] = False

    def after(self, order: str, kinds: Sequence[type]) -> list[Any] | None:
        """The place in the list where the page begins, or None for its head.

        `order` names the list's order and `kinds` its keys' types; a cursor made for another order, or by
        another hand, raises InvalidCursor.
        """
        return None if self.cursor is None else _decode(self.cursor, order, kinds)


class Page(BaseModel):
    """The shell of a list's answer; each noun adds its own key for the rows."""

    has_more: bool
    next_cursor: str | None
    total: Annotated[
        int | None,
        Field(description="Only with `include_total=true`.", ge=0, exclude_if=lambda total: total is None),
    ] = None


class Cut(NamedTuple):
    """The rows of one page, and where the next begins."""

    rows: list[Any]
    has_more: bool
    next_cursor: str | None


def cut(rows: Sequence[Any], limit: int, order: str, *keys: str) -> Cut:
    """Cuts the row too many that was fetched to see whether there is more; `keys` are the order's columns."""
    page = list(rows[:limit])
    if len(rows) <= limit:
        return Cut(page, has_more=False, next_cursor=None)
    return Cut(page, has_more=True, next_cursor=encode(order, *(page[-1][key] for key in keys)))


def encode(order: str, *keys: Any) -> str:
    """An opaque cursor for the row with these keys. It is not secret and grants nothing."""
    return base64.urlsafe_b64encode(orjson.dumps([order, *keys])).rstrip(b"=").decode()


def _decode(cursor: str, order: str, kinds: Sequence[type]) -> list[Any]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found_order, *keys = orjson.loads(raw)
        if found_order != order or len(keys) != len(kinds):
            raise InvalidCursor
        return [_typed(key, kind) for key, kind in zip(keys, kinds, strict=True)]
    except (binascii.Error, ValueError, TypeError):
        raise InvalidCursor from None


def _typed(key: Any, kind: type) -> Any:
    if kind is datetime:
        return utc(datetime.fromisoformat(key))
    if type(key) is not kind or (isinstance(key, str) and "\0" in key):
        raise InvalidCursor
    return key
