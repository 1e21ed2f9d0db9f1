"""What a door gives back: a finished answer, as the bytes that are sent, stored and replayed."""

from typing import NamedTuple

from pydantic import BaseModel

Headers = tuple[tuple[bytes, bytes], ...]


class Answer(NamedTuple):
    """A finished answer."""

    status: int
    body: bytes
    headers: Headers = ()
    content_type: bytes = b"application/json"
    # Whose personal data the body holds: erasing that customer erases the stored copy of this answer.
    about_customer_id: str | None = None
    # A secret that is shown once must not lie in the idempotency table: its replay answers 410 instead.
    shown_once: bool = False
    # A secret that a replay must repeat lies there sealed.
    secret: bool = False


def reply(out: BaseModel, *, status: int = 200, about_customer_id: str | None = None) -> Answer:
    """The answer that says `out`."""
    return Answer(status, to_json(out), about_customer_id=about_customer_id)


def no_content() -> Answer:
    return Answer(204, b"")


def to_json(out: BaseModel) -> bytes:
    """The wire form of a model: what clients, events and stored answers hold."""
    body: bytes = out.__pydantic_serializer__.to_json(out, by_alias=True)
    return body
