"""What is refused while a body is read, so that nothing further on trips over it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core import json as strict_json
from reevit_server.core.errors import MalformedJson

_INT64 = st.integers(-(2**63), 2**63 - 1)
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
_VALUES = st.recursive(
    st.none() | st.booleans() | _INT64 | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES, st.booleans())
def test_whatever_is_strict_json_is_read_as_the_standard_library_reads_it(value: object, ascii_only: bool):
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert strict_json.loads(raw) == json.loads(raw) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_refusal(raw: bytes):
    try:
        strict_json.loads(raw)
    except MalformedJson as refusal:
        assert refusal.message.endswith(".")


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        pytest.param(b"", "line 1, column 1", id="nothing"),
        pytest.param(b'{"amount": 1', "line 1, column 13", id="cut off"),
        pytest.param(b'{"amount": 1} 2', "Extra data", id="more after the end"),
        pytest.param(b"{'amount': 1}", "line 1, column 2", id="single quotes"),
        pytest.param(b'{"amount": 1,}', "line 1", id="a comma too many"),
        pytest.param(b'{"amount": 01}', "line 1", id="a leading zero"),
        pytest.param(b'{"amount": +1}', "line 1", id="a plus sign"),
        pytest.param(b'"a\nb"', "line 1", id="a raw line end in a string"),
        pytest.param(b"\xff", "UTF-8", id="no UTF-8"),
        pytest.param(b'"\xed\xa0\x80"', "UTF-8", id="a surrogate in the bytes"),
        pytest.param(b"[NaN]", "NaN", id="NaN"),
        pytest.param(b"[Infinity]", "Infinity", id="Infinity"),
        pytest.param(b"[-Infinity]", "-Infinity", id="minus Infinity"),
        pytest.param(b"[1e400]", "1e400", id="a float too large"),
        pytest.param(b"[-1e400]", "-1e400", id="a float too small"),
        pytest.param(b"[%d]" % 2**63, "64 bits", id="an integer too large"),
        pytest.param(b"[%d]" % (-(2**63) - 1), "64 bits", id="an integer too small"),
        pytest.param(b"[" + b"9" * 100_000 + b"]", "64 bits", id="an integer of 100,000 digits"),
        pytest.param(b'{"a": 1, "a": 1}', "'a'", id="a key twice"),
        pytest.param(
            b'[{"b": {"a": 1, "\\u0061": 2}}]', "'a'", id="a key twice, further in, spelt differently"
        ),
        pytest.param(b'["\\u0000"]', "NUL", id="NUL in a string"),
        pytest.param(b'{"\\u0000": 1}', "NUL", id="NUL in a key"),
        pytest.param(b'["\\ud800"]', "surrogate", id="half a pair"),
        pytest.param(b'["\\udc00\\ud800"]', "surrogate", id="a pair the wrong way round"),
        pytest.param(b'{"a": {"\\udfff": 1}}', "surrogate", id="half a pair in a key"),
    ],
)
def test_what_is_no_strict_json_is_refused_with_the_reason(raw: bytes, named: str):
    with pytest.raises(MalformedJson) as caught:
        strict_json.loads(raw)
    assert named in caught.value.message


def test_the_edges_of_64_bits_are_kept_exactly():
    assert strict_json.loads(b"[9223372036854775807, -9223372036854775808]") == [2**63 - 1, -(2**63)]


def test_a_pair_of_surrogates_is_the_character_it_stands_for():
    assert strict_json.loads(b'["\\ud83d\\ude00"]') == ["\N{GRINNING FACE}"]


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_32_levels_are_read_and_33_are_refused(opening: bytes, closing: bytes):
    strict_json.loads(opening * 32 + b"1" + closing * 32)
    for levels in (33, 10_000):
        with pytest.raises(MalformedJson, match="deeper than 32"):
            strict_json.loads(opening * levels + b"1" + closing * levels)
    with pytest.raises(MalformedJson, match="deeper than 32"):
        strict_json.loads(opening * 10_000)


def test_brackets_in_strings_and_side_by_side_are_no_depth():
    assert strict_json.loads(b'["' + b"[" * 40 + b'"]') == ["[" * 40]
    assert strict_json.loads(b'["\\"' + b"{" * 40 + b'"]') == ['"' + "{" * 40]
    assert strict_json.loads(b"[" + b"[]," * 40 + b"[]]") == [[]] * 41
