"""The only place that asks what time it is. Doors call it and pass `now` down."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
