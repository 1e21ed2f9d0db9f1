"""A cursor leads back to its row and to no other list; what was tampered with is refused in words."""

import base64
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.paging import InvalidCursor, PageQuery, cut, encode

# What can be stored: `core.text.utc` refuses the rest.
_INSTANTS = st.datetimes(timezones=st.just(UTC)).filter(lambda at: 2 <= at.year <= 9998)
_IDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def _after(cursor: str, order: str = "created_at", *kinds: type) -> list[object] | None:
    return PageQuery(cursor=cursor).after(order, kinds or (datetime, str))


def _of(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


@given(_INSTANTS, _IDS)
def test_a_cursor_remembers_its_row_exactly(at: datetime, id: str):
    assert _after(encode("created_at", at, id)) == [at, id]


def test_without_a_cursor_a_list_begins_at_its_head():
    assert PageQuery().after("created_at", (datetime, str)) is None


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("zzz", id="garbage"),
        pytest.param("%%%%", id="no base64"),
        pytest.param("\N{SNOWMAN}", id="not even ASCII"),
        pytest.param(base64.urlsafe_b64encode(b"\xff\xfe").decode(), id="no text inside"),
        pytest.param(_of({"order": "created_at"}), id="an object"),
        pytest.param(_of("created_at"), id="a string"),
        pytest.param(_of(7), id="a number"),
        pytest.param(_of(None), id="null"),
        pytest.param(_of([]), id="an empty list"),
        pytest.param(_of(["created_at"]), id="no keys"),
        pytest.param(_of(["created_at", "2026-01-01T00:00:00Z"]), id="a key too few"),
        pytest.param(_of(["created_at", "2026-01-01T00:00:00Z", "a", "b"]), id="a key too many"),
        pytest.param(_of(["occurred_at", "2026-01-01T00:00:00Z", "a"]), id="another list's"),
        pytest.param(_of(["created_at", "yesterday", "a"]), id="no instant"),
        pytest.param(_of(["created_at", 1767225600, "a"]), id="a number for an instant"),
        pytest.param(_of(["created_at", "2026-01-01T00:00:00Z", 7]), id="a number for an id"),
        pytest.param(_of(["created_at", "2026-01-01T00:00:00Z", None]), id="null for an id"),
        pytest.param(_of(["created_at", "2026-01-01T00:00:00Z", "a\0"]), id="NUL in an id"),
        pytest.param(_of(["created_at", "9999-12-31T23:59:59-23:59", "a"]), id="an instant after year 9999"),
        pytest.param(_of(["created_at", "0001-01-01T00:00:00+23:59", "a"]), id="an instant before year 1"),
    ],
)
def test_a_cursor_of_another_making_is_refused(cursor: str):
    with pytest.raises(InvalidCursor):
        _after(cursor)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_a_refusal(cursor: str):
    with pytest.raises(InvalidCursor):
        _after(cursor)


def test_a_page_is_cut_where_the_next_begins():
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    rows = [{"created_at": at, "id": str(number)} for number in range(4)]
    page = cut(rows, 3, "created_at", "created_at", "id")
    assert (page.rows, page.has_more) == (rows[:3], True)
    assert _after(page.next_cursor or "") == [at, "2"]


def test_the_last_page_has_no_next():
    assert cut([], 3, "created_at", "created_at", "id") == ([], False, None)
    assert cut([{"created_at": 1, "id": "a"}] * 3, 3, "created_at", "created_at", "id")[1:] == (False, None)
