"""What several resources speak of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

Metadata = Mapping[str, str | int | float | bool]
"""Up to 50 keys of up to 40 characters; strings up to 500. In an update, an empty string removes its key."""

Instant = datetime | str
"""A datetime with its time zone, or RFC 3339 text."""


class Paging(TypedDict, total=False):
    """`limit` rows a page, 1 to 100 (20 unless said). `cursor` starts after a page seen before. `offset` asks for one
    page by its place, as old clients do. `include_total` counts them all.
    """

    limit: int
    cursor: str
    offset: int
    include_total: bool


class Created(Paging, total=False):
    """Those created at or after the one, before the other."""

    created_after: Instant
    created_before: Instant


class OfCustomer(Created, total=False):
    """Those of one customer, by Reevit's id or by yours."""

    customer_id: str
    external_customer_id: str
