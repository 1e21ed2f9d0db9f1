"""Tables in files: CSV from spreadsheets and JSON Lines from programs, read and written row by row at any size.

A file that cannot be understood is refused before its first row; a row that cannot, alone and with its line.
"""

import csv
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, Literal, NamedTuple, TextIO, TypeVar

import orjson
import pydantic

from reevit_server.core import json as strict_json
from reevit_server.core.database import Row
from reevit_server.core.errors import MalformedJson
from reevit_server.core.validation import invalid

Format = Literal["csv", "jsonl"]
FORMATS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

_LINE_BYTES_MAX = 1024 * 1024
# A spreadsheet would run these as formulas; a ' in front keeps them text. More of ' in front make it reversible.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_LIST_ITEM = re.compile(r"((?:\\[\\;]|[^;])*)(?:;|$)")
_Model = TypeVar("_Model", bound=pydantic.BaseModel)


class UnreadableTable(Exception):
    """The file as a whole cannot be understood; the message says why and what to do."""


class Fault(NamedTuple):
    """One thing that is wrong with a row."""

    field: str
    code: str
    reason: str


class RowRefused(Exception):
    """A row that cannot be taken, with everything that is wrong with it."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__(*faults)


class Refusal(NamedTuple):
    """A fault and the line where its row begins."""

    line: int
    field: str
    code: str
    reason: str


class Record(NamedTuple):
    """A row as it was written. Of CSV, empty cells are left out; of JSON Lines, null is a value."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Fields:
    """The columns of a noun's table. Lists are `a;b` in a CSV cell, maps are a column `map.key` for each key."""

    names: tuple[str, ...]
    required: tuple[str, ...]
    ignored: tuple[str, ...] = ()  # written by an export for its readers, not taken back
    lists: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()

    def place(self, name: str) -> tuple[str, str | None] | None:
        """The field that a column's name means, with the key if it is a map's; None if it means none."""
        outer, dot, key = name.partition(".")
        if dot and key and outer in self.maps:
            return outer, key
        return (name, None) if name in self.names or name in self.ignored else None

    def __str__(self) -> str:
        return ", ".join(f"{name}.<key>" if name in self.maps else name for name in self.names)


def validated(model: type[_Model], values: Mapping[str, Any], context: Any = None) -> _Model:
    """A row's values as a `model`. Raises RowRefused with the faults that the API would name."""
    try:
        return model.model_validate(values, context=context)
    except pydantic.ValidationError as error:
        raise RowRefused(
            *(
                Fault(fault["field"], fault["code"], fault["message"])
                for fault in invalid(error).details["fields"]
            )
        ) from None


class Lines:
    """A file's lines as text, one at a time. What is wrong with a line is kept in `fault` until it is cleared."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        self.bytes_read = 0
        self.fault: Fault | None = None

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(_LINE_BYTES_MAX + 1):
            self.number += 1
            self.bytes_read += len(raw)
            if len(raw) > _LINE_BYTES_MAX:
                raise UnreadableTable(f"Line {self.number} is longer than 1 MiB; this is no table of rows.")
            if self.number == 1:
                if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise UnreadableTable(
                        "The file is UTF-16; save it as UTF-8 (in a spreadsheet: CSV UTF-8)."
                    )
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            try:
                line = raw.decode()
            except UnicodeDecodeError as error:
                wrong = raw[error.start]
                self.fault = Fault(
                    "",
                    "not_utf8",
                    f"The byte 0x{wrong:02X} is not UTF-8; save the file as UTF-8 and import it again",
                )
                line = raw.decode(errors="replace")
            if "\0" in line:
                self.fault = Fault("", "nul_character", "A NUL character cannot be stored; leave it out")
            yield line

    def take_fault(self) -> Fault | None:
        """The fault of the lines read since the last call."""
        fault, self.fault = self.fault, None
        return fault


def records(
    lines: Lines, format: Format, fields: Fields, renamed: Mapping[str, str]
) -> Iterator[Record | Refusal]:
    """The rows of a file. `renamed` says what columns mean: a field, or "" for nothing.

    Raises UnreadableTable, at the first row, when the columns are not what `fields` knows.
    """
    for column, meant in renamed.items():
        if meant and fields.place(meant) is None:
            raise UnreadableTable(
                f"--map {column}={meant}: there is no field {meant!r}. Known fields: {fields}."
            )
    return (_csv_records if format == "csv" else _jsonl_records)(lines, fields, renamed)


def _csv_records(lines: Lines, fields: Fields, renamed: Mapping[str, str]) -> Iterator[Record | Refusal]:
    reader = csv.reader(lines, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise UnreadableTable(f"The header is not CSV: {error}.") from None
    if (fault := lines.take_fault()) is not None:
        raise UnreadableTable(f"The header cannot be read. {fault.reason}.")
    row = _CsvRow(_columns(header, fields, renamed), fields)
    while True:
        line = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            lines.take_fault()
            reason = (
                f"Not CSV from line {line} to {lines.number}, perhaps for a quote that is not closed: {error}"
            )
            yield Refusal(line, "", "malformed_csv", reason)
            continue
        if cells is None:
            return
        if (fault := lines.take_fault()) is not None:
            yield Refusal(line, *fault)
        elif not any(cells):
            continue  # spreadsheets leave such rows at the end
        elif len(cells) != len(header):
            reason = f"The row has {len(cells)} cells and the header {len(header)}"
            yield Refusal(line, "", "malformed_csv", reason)
        else:
            yield Record(line, row.values(cells))


def _columns(
    header: list[str], fields: Fields, renamed: Mapping[str, str]
) -> list[tuple[str, str | None] | None]:
    """What each column means; None for those that are left out. Raises UnreadableTable."""
    if not any(header):
        raise UnreadableTable("The file has no header; its first line names the columns.")
    if missing := [column for column in renamed if column not in header]:
        raise UnreadableTable(
            f"--map names the column {missing[0]!r}, and the file has: {', '.join(header)}."
        )
    places: list[tuple[str, str | None] | None] = []
    for column in header:
        name = renamed.get(column, column)
        place = fields.place(name) if name else None
        if place is None and (name or column not in renamed):
            raise _unknown_column(column, fields)
        if place is not None and place[0] in fields.maps and place[1] is None:
            raise UnreadableTable(f"In CSV, {name!r} is a column for each key, such as {name}.plan.")
        if place is not None and place[0] in fields.ignored:
            place = None
        if place is not None and place in places:
            raise UnreadableTable(f"Two columns give {name!r}; drop one with --map '{column}='.")
        places.append(place)
    for name in fields.required:
        if (name, None) not in places:
            raise UnreadableTable(f"No column gives {name!r}; say which one with --map column={name}.")
    return places


def _unknown_column(column: str, fields: Fields) -> UnreadableTable:
    return UnreadableTable(
        f"The column {column!r} is no field. Known fields: {fields}. "
        f"Say what it means with --map '{column}=field', or drop it with --map '{column}='."
    )


class _CsvRow:
    """Turns a row's cells into values by field; what a column means is settled once for the whole file."""

    def __init__(self, columns: list[tuple[str, str | None] | None], fields: Fields) -> None:
        self._plain: list[tuple[int, str]] = []
        self._lists: list[tuple[int, str]] = []
        self._maps: list[tuple[int, str, str]] = []
        for index, place in enumerate(columns):
            if place is None:
                continue
            name, key = place
            if key is not None:
                self._maps.append((index, name, key))
            else:
                (self._lists if name in fields.lists else self._plain).append((index, name))

    def values(self, cells: list[str]) -> dict[str, Any]:
        values: dict[str, Any] = {name: _said(cells[index]) for index, name in self._plain if cells[index]}
        for index, name in self._lists:
            if cells[index]:
                values[name] = _listed(_said(cells[index]))
        for index, name, key in self._maps:
            if cells[index]:
                values.setdefault(name, {})[key] = _said(cells[index])
        return values


def _said(cell: str) -> str:
    """A cell without the ' that kept it from being a formula."""
    return cell[1:] if cell[0] == "'" and _GUARDED.match(cell) else cell


def _listed(cell: str) -> list[str]:
    r"""The items of `a;b`, where `\;` is a semicolon of an item and `\\` a backslash."""
    items = [re.sub(r"\\([\\;])", r"\1", item.strip()) for item in _LIST_ITEM.findall(cell)]
    return [item for item in items if item]


def _jsonl_records(lines: Lines, fields: Fields, renamed: Mapping[str, str]) -> Iterator[Record | Refusal]:
    first = True
    for text in lines:
        line = lines.number
        if (fault := lines.take_fault()) is not None:
            yield Refusal(line, *fault)
            continue
        if text.isspace():
            continue
        try:
            given = _json_object(text)
            values: dict[str, Any] = {}
            for key, value in given.items():
                _put(values, key, value, fields, renamed)
        except _UnknownKey as unknown:
            if first:  # as a header would be: likely every row has it
                raise _unknown_column(unknown.key, fields) from None
            yield Refusal(
                line, unknown.key, "unknown_field", f"There is no such field. Known fields: {fields}"
            )
        except RowRefused as refused:
            yield from (Refusal(line, *fault) for fault in refused.faults)
        else:
            yield Record(line, values)
        first = False


class _UnknownKey(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _json_object(text: str) -> dict[str, Any]:
    """A line's object. Its own decimal numbers come as Decimal, exactly as written: one may be an amount."""
    try:
        value = strict_json.loads(text.encode())
    except MalformedJson as error:
        raise RowRefused(
            Fault("", error.code, error.message.replace("The body", "The line").rstrip("."))
        ) from None
    if not isinstance(value, dict):
        raise RowRefused(Fault("", "malformed_json", "The line is not a JSON object"))
    if any(type(item) is float for item in value.values()):
        exact = json.loads(text, parse_float=Decimal)
        return {key: exact[key] if type(item) is float else item for key, item in value.items()}
    return value


def _put(values: dict[str, Any], key: str, value: Any, fields: Fields, renamed: Mapping[str, str]) -> None:
    name = renamed.get(key, key)
    if not name and key in renamed:
        return
    if (place := fields.place(name)) is None:
        raise _UnknownKey(key)
    outer, inner = place
    if outer in fields.ignored:
        return
    if inner is None and outer not in values:
        values[outer] = value
    elif inner is not None and isinstance(values.setdefault(outer, {}), dict) and inner not in values[outer]:
        values[outer][inner] = float(value) if isinstance(value, Decimal) else value
    else:
        raise RowRefused(Fault(outer, "repeated", f"{name!r} is given twice"))


class CsvWriter:
    """Writes rows as CSV: a header, UTF-8, lines that end in CRLF, and no cell that a spreadsheet would run."""

    def __init__(
        self, out: TextIO, columns: Iterable[str], *, map_name: str = "", keys: Collection[str] = ()
    ) -> None:
        self._writer = csv.writer(out)
        self._columns = [column for column in columns if column != map_name]
        self._map_name = map_name
        self._keys = list(keys)
        self._writer.writerow([*self._columns, *(f"{map_name}.{key}" for key in self._keys)])

    def write(self, row: Row) -> None:
        cells = [_cell(row[column]) for column in self._columns]
        if self._keys:
            given = row[self._map_name]
            cells += [_cell(given.get(key)) for key in self._keys]
        self._writer.writerow(cells)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = ";".join(item.replace("\\", "\\\\").replace(";", "\\;") for item in value)
    elif isinstance(value, datetime):
        value = _instant(value)
    elif not isinstance(value, str):
        value = orjson.dumps(value).decode()
    return f"'{value}" if _FORMULA.match(value) else value


class JsonlWriter:
    """Writes rows as JSON Lines: an object a line, every column in each."""

    def __init__(self, out: TextIO, columns: Iterable[str]) -> None:
        self._out = out
        self._columns = list(columns)

    def write(self, row: Row) -> None:
        line = {
            name: _instant(row[name]) if isinstance(row[name], datetime) else row[name]
            for name in self._columns
        }
        self._out.write(orjson.dumps(line).decode() + "\n")


def _instant(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")
