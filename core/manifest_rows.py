"""Lines of a manifest, NDJSON or CSV, read as hostile: bounded memory, and no line ends the file.

What a line says is judged in `core.manifest_items`; here it only becomes fields.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

from core.archive_entries import for_reports
from core.errors import BadManifest
from core.facets import SEPARATOR

LONGEST_LINE: Final = 256 * 1024
"""Bytes of one line, or of one CSV row with line breaks in it: metadata of 64 KiB, escaped."""

MOST_LINES: Final = 1000
"""Of one CSV row."""

COLUMNS: Final = (
    *("key", "file", "path", "object", "url", "sha256", "person_name", "person_external_id"),
    *("tags", "captured_at", "external_id"),
)
METADATA_COLUMN: Final = "metadata."

_CHUNK: Final = 1 << 16
_BOM: Final = b"\xef\xbb\xbf"
_OTHER_ENCODINGS: Final = (b"\xff\xfe", b"\xfe\xff", b"\0")
"""How UTF-16 and UTF-32 begin, with a mark or with an ASCII character."""

_PERSON: Final = {"person_name": "name", "person_external_id": "external_id"}


class BadLineError(ValueError):
    """This line cannot be taken apart; the message says why, the key is known at times."""

    def __init__(self, message: str, key: object = None) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes up to a line break.

    Attributes:
        number: From 1.
        data: With its line break; None where it is longer than `LONGEST_LINE`.
        end: Bytes of the file up to here.
    """

    number: int
    data: bytes | None
    end: int


@dataclass(frozen=True, slots=True)
class Row:
    """A line that holds something, or several lines that are one CSV row.

    Attributes:
        number: Of its first line, from 1.
        end: Bytes of the file up to its end.
        fields: Takes it apart. Raises `BadLineError`.
    """

    number: int
    end: int
    fields: Callable[[], Mapping[str, Any]]


def ndjson_rows(file: BinaryIO) -> Iterator[Row]:
    """Yield each line of an NDJSON file that is not blank.

    Raises:
        BadManifest: See `_lines`; or it is one array of JSON.
    """
    first = True
    for line in _lines(file):
        if line.data is not None and not line.data.strip():
            continue
        if first and line.data is not None and line.data.lstrip().startswith(b"["):
            raise BadManifest("This is a JSON array; a manifest has one object on each line.")
        first = False
        yield Row(line.number, line.end, partial(_object, line.data))


def csv_rows(file: BinaryIO) -> Iterator[Row]:
    """Yield each row of a CSV file below its header that is not blank.

    Where a row cannot be taken apart, reading goes on at its second line, so that a quote that is
    never closed costs one row. The lines that are read again are a row each, whatever quotes are
    in them, or a file could have each of its lines read a thousand times.

    Raises:
        BadManifest: See `_lines`; or the header cannot be read, lacks the column ``key``, or has
            one that is unknown or there twice.
    """
    lines = _Lines(_lines(file))
    table = _header(lines)
    while (begin := lines.begin()) is not None:
        if begin.data is not None and not begin.data.strip():
            continue
        try:
            cells = _parsed(lines.texts(), table.delimiter)
            fields = table.fields(cells)
        except BadLineError as error:
            yield Row(begin.number, lines.go_back(), partial(_fail, error))
        else:
            if any(cells):  # spreadsheets write rows of nothing but delimiters
                yield Row(begin.number, lines.end, partial(dict, fields))


def _lines(file: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a file, of which none is kept.

    Raises:
        BadManifest: It begins as text of another encoding than UTF-8.
    """
    number = end = 0
    while data := file.readline(LONGEST_LINE + 1):
        number += 1
        end += len(data)
        if number == 1:
            if data.startswith(_OTHER_ENCODINGS) or data[1:2] == b"\0":
                raise BadManifest("This text is not encoded as UTF-8.")
            data = data.removeprefix(_BOM)
        if len(data) <= LONGEST_LINE:
            yield Line(number, data, end)
            continue
        while data and not data.endswith(b"\n"):
            data = file.readline(_CHUNK)
            end += len(data)
        yield Line(number, None, end)


def _text(data: bytes | None) -> str:
    if data is None:
        raise BadLineError(f"The line has more than {LONGEST_LINE:,} bytes.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadLineError("The line is not encoded as UTF-8.") from None


def _fail(error: BadLineError) -> Mapping[str, Any]:
    raise error


# --- NDJSON --------------------------------------------------------------------------------


def _object(data: bytes | None) -> Mapping[str, Any]:
    text = _text(data)
    try:
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_not_json)
    except BadLineError:
        raise
    except RecursionError:
        raise BadLineError("The line is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits is none of JSON's own
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"
        raise BadLineError(f"The line is no JSON: {reason}.") from None
    if not isinstance(value, dict):
        raise BadLineError("The line is JSON, and no object.")
    return value


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadLineError(f"The member {_quoted(twice)} is there twice.", members.get("key"))
    return members


def _not_json(word: str) -> Any:
    raise BadLineError(f"The line is no JSON: {word} is no number of it.")


# --- CSV -----------------------------------------------------------------------------------


class _Lines:
    """Lines that can be given back while the row they belong to is not complete."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._row: list[Line] = []
        self._again: list[Line] = []
        self._alone = False

    def begin(self) -> Line | None:
        """Return the first line of the next row; None at the end of the file."""
        self._alone = bool(self._again)
        line = self._again.pop() if self._again else next(self._source, None)
        self._row = [] if line is None else [line]
        return line

    @property
    def end(self) -> int:
        """Bytes of the file up to the end of the row as far as it was taken."""
        return self._row[-1].end

    def go_back(self) -> int:
        """Give back all but the first line of the row; return where that one ends."""
        self._again += reversed(self._row[1:])
        del self._row[1:]
        return self.end

    def texts(self) -> Iterator[str]:
        """Yield the text of the row's lines, taking more as long as they are asked for."""
        size = 0
        for number in range(MOST_LINES):
            if number:
                line = None if self._alone else next(self._source, None)
                if line is None:
                    return
                self._row.append(line)
            size += len(self._row[-1].data or b"")
            if size > LONGEST_LINE:
                break
            yield _text(self._row[-1].data)
        raise BadLineError("The row does not end; is a quote not closed?")


def _parsed(texts: Iterator[str], delimiter: str) -> list[str]:
    try:
        return next(csv.reader(texts, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise BadLineError(f"The row is no CSV: {error}.") from None


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of a file, and what stands between them."""

    columns: tuple[str, ...]
    delimiter: str

    def fields(self, cells: Sequence[str]) -> Mapping[str, Any]:
        """Return what the cells say, as a line of NDJSON would; empty ones say nothing."""
        row = dict(zip(self.columns, cells, strict=False))
        if len(cells) != len(self.columns):
            raise BadLineError(
                f"The row has {len(cells)} cells, and the header {len(self.columns)} columns.",
                row.get("key"),
            )
        fields: dict[str, Any] = {}
        for column, cell in row.items():
            if column == "key":
                fields["key"] = cell
            elif not cell:
                continue
            elif column.startswith(METADATA_COLUMN):
                name = column.removeprefix(METADATA_COLUMN)
                fields.setdefault("metadata", {})[name] = cell
            elif column in _PERSON:
                fields.setdefault("person", {})[_PERSON[column]] = cell
            elif column == "tags":
                fields["tags"] = [tag for tag in cell.split(SEPARATOR) if tag.strip()]
            else:
                fields[column] = cell
        return fields


def _header(lines: _Lines) -> _Table:
    first = lines.begin()
    if first is None:
        raise BadManifest("The manifest is empty; a CSV file begins with a header.")
    try:
        text = _text(first.data)
        tables = [
            _Table(tuple(cell.strip() for cell in _parsed(iter([text]), delimiter)), delimiter)
            for delimiter in (",", ";")
        ]
    except BadLineError as error:
        raise BadManifest(f"The header cannot be read. {error}") from None
    table = max(tables, key=lambda table: ("key" in table.columns, len(table.columns)))
    _require_known(table.columns)
    return table


def _require_known(columns: Sequence[str]) -> None:
    for column in columns:
        named = column.startswith(METADATA_COLUMN) and column != METADATA_COLUMN
        if not named and column not in COLUMNS:
            raise BadManifest(
                f"There is no column {_quoted(column)}. There are {', '.join(COLUMNS)}, and "
                f"{METADATA_COLUMN}NAME for metadata of yours.",
                column=column,
            )
        if columns.count(column) > 1:
            raise BadManifest(f"The column {_quoted(column)} is there twice.", column=column)
    if "key" not in columns:
        raise BadManifest("The column key is missing.", column="key")


def _quoted(name: str) -> str:
    return f'"{for_reports(name)}"'
