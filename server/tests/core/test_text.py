"""Instants are read in one format only, lines hold no control characters, metadata merges key by key."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reevit_server.core.text import Instant, Line, Metadata, Word, merged

_INSTANT = TypeAdapter(Instant)
_LINE = TypeAdapter(Line)
_METADATA = TypeAdapter(Metadata)
_SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)


@given(
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the zone is drawn beside it
        max_value=datetime(9998, 12, 31),  # noqa: DTZ001
        timezones=st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_an_rfc_3339_instant_is_read_exactly_and_kept_in_utc(at: datetime):
    read = _INSTANT.validate_python(at.isoformat())
    assert read == at
    assert read.tzinfo == UTC


def test_z_and_small_z_and_fractions_are_rfc_3339():
    expected = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    for text in ("2026-01-31T09:30:00Z", "2026-01-31t09:30:00z", "2026-01-31T09:30:00.000Z"):
        assert _INSTANT.validate_python(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(
            "2026-01-31",
            "2026-01-31T09:30:00",
            "2026-01-31T09:30Z",
            "20260131T093000Z",
            "31.01.2026",
            "now",
            "",
        ),
        *(0, 1769851800, 1769851800.5, True, None, "1769851800"),
        *("2026-02-30T09:30:00Z", "2026-01-31T25:00:00Z", "2026-01-31T09:30:00+25:00"),
        *("10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "-001-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2026-01-31T09:30:00Z\n"),
        "\u0662026-01-31T09:30:00Z",
    ],
)
def test_what_could_be_read_in_two_ways_or_in_none_is_no_instant(value: object):
    with pytest.raises(ValidationError):
        _INSTANT.validate_python(value)


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", *map(chr, range(0x80, 0xA0))])
def test_no_control_character_gets_into_a_line(character: str):
    with pytest.raises(ValidationError, match=f"U\\+{ord(character):04X}"):
        _LINE.validate_python(f"usr{character}1")


@pytest.mark.parametrize(
    "text", ["a", " a ", "x" * 255, "\N{GRINNING FACE}" * 255, "e\u0301", "\u200d", "a/b?c#d%2F", "\u202e"]
)
def test_every_other_character_is_kept_as_it_is(text: str):
    assert _LINE.validate_python(text) == text


@pytest.mark.parametrize("value", ["", "x" * 256, 7, None, b"a"])
def test_a_line_is_a_string_of_1_to_255_characters(value: object):
    with pytest.raises(ValidationError):
        _LINE.validate_python(value)


def test_a_word_has_at_most_64_characters():
    word = TypeAdapter(Word)
    assert word.validate_python("x" * 64) == "x" * 64
    with pytest.raises(ValidationError):
        word.validate_python("x" * 65)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40), _SCALARS
    )
)
def test_metadata_values_keep_their_types(metadata: dict[str, object]):
    read = _METADATA.validate_python(metadata)
    assert read == metadata
    assert [type(value) for value in read.values()] == [type(value) for value in metadata.values()]


@given(st.dictionaries(st.text(), _SCALARS), st.dictionaries(st.text(), _SCALARS))
def test_merging_replaces_adds_and_unsets_key_by_key(stored: dict[str, object], given: dict[str, object]):
    result = merged(stored, given)
    for key in stored.keys() | given.keys():
        value = given.get(key, stored.get(key))
        assert result.get(key, "") == value if value != "" else key not in result
    assert result.keys() <= stored.keys() | given.keys()


def test_null_clears_all_metadata():
    assert merged({"plan": "pro"}, None) == {}
