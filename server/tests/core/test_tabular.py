"""Tables in files: whatever is written is read back as it was, and nothing that is written is a formula."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.tabular import (
    CsvWriter,
    Fields,
    Format,
    JsonlWriter,
    Lines,
    Record,
    Refusal,
    UnreadableTable,
    records,
)

_FIELDS = Fields(names=("id", "note", "tags", "data"), required=("id",), lists=("tags",), maps=("data",))
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
_DANGEROUS = st.text("=+-@\t\r'\"\\;,\n x", min_size=1, max_size=8)
_CELL = _TEXT | _DANGEROUS
_TAG = (_TEXT | _DANGEROUS).map(str.strip).filter(bool)


def read(content: bytes, format: Format = "csv", **renamed: str) -> list[Record | Refusal]:
    return list(records(Lines(io.BytesIO(content)), format, _FIELDS, renamed))


@given(
    st.lists(
        st.fixed_dictionaries({"id": _CELL, "note": st.none() | _CELL, "tags": st.lists(_TAG), "k": _CELL})
    )
)
def test_csv_is_read_back_as_it_was_and_no_cell_is_a_formula(rows: list[dict[str, Any]]):
    out = io.StringIO(newline="")
    writer = CsvWriter(out, _FIELDS.names, map_name="data", keys=["k"])
    for row in rows:
        writer.write({**row, "data": {"k": row["k"]}})
    expected = [
        {
            "id": row["id"],
            **({"note": row["note"]} if row["note"] else {}),
            **({"tags": row["tags"]} if row["tags"] else {}),
            "data": {"k": row["k"]},
        }
        for row in rows
    ]
    assert [
        record.values for record in read(out.getvalue().encode()) if isinstance(record, Record)
    ] == expected
    for line in read(out.getvalue().encode(), id="note", note="id"):
        assert isinstance(line, Record)
    cells = [cell for row in csv.reader(io.StringIO(out.getvalue(), newline="")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r") and cell]


@given(st.lists(st.fixed_dictionaries({"id": _CELL, "note": st.none() | _CELL, "tags": st.lists(_CELL)})))
def test_json_lines_are_read_back_as_they_were(rows: list[dict[str, Any]]):
    out = io.StringIO(newline="")
    writer = JsonlWriter(out, ("id", "note", "tags"))
    for row in rows:
        writer.write(row)
    assert [
        record.values for record in read(out.getvalue().encode(), "jsonl") if isinstance(record, Record)
    ] == rows


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_refusals_or_an_unreadable_table(content: bytes):
    for format in ("csv", "jsonl"):
        try:
            for found in read(b"id,note\n" + content if format == "csv" else content, format):
                assert isinstance(found, Record | Refusal)
        except UnreadableTable as error:
            assert str(error)


def test_instants_numbers_and_booleans_are_written_as_json_would():
    out = io.StringIO(newline="")
    CsvWriter(out, ("id", "a", "b", "c")).write(
        {"id": datetime(2026, 1, 31, tzinfo=UTC), "a": True, "b": 2**62, "c": -0.5}
    )
    assert out.getvalue().splitlines()[1] == "2026-01-31T00:00:00Z,true,4611686018427387904,'-0.5"


def test_lines_are_counted_where_rows_begin():
    content = b'id,note\n\na,"1\n2\n3"\nc\nb,x\n'
    found = read(content)
    assert [record.line for record in found] == [3, 6, 7]
    assert isinstance(found[1], Refusal)


def test_a_swallowed_part_of_the_file_does_not_take_the_rest_with_it():
    content = b'id,note\na,"' + b"x" * 1000 + b"\n" + (b"y" * 1000 + b"\n") * 200 + b"z,1\n"
    found = read(content)
    assert isinstance(found[0], Refusal)
    assert "is not closed" in found[0].reason
    assert found[-1] == Record(203, {"id": "z", "note": "1"})


def test_mapping_to_a_field_that_is_not_there_names_those_that_are():
    with pytest.raises(UnreadableTable, match=r"no field 'x'. Known fields: id, note, tags, data.<key>"):
        read(b"id\n", id="x")
