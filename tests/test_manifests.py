"""Manifests, honest and hostile: each line has its outcome, and none ends the file."""

import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import manifest_rows
from core.errors import BadManifest, ItemInvalid
from core.manifest_items import (
    LONGEST_ADDRESS,
    LONGEST_KEY,
    ManifestFault,
    ManifestItem,
    PersonNamed,
    Source,
    SourceKind,
)
from core.manifest_rows import COLUMNS, LONGEST_LINE, MOST_LINES
from core.manifests import Format, Limits, Outcome, count, entries
from core.settings import MIB, Settings
from core.texts import LARGEST_METADATA, LONGEST_NAME

LIMITS = Limits(items=100_000)
SHA256 = "ab" * 32

every_format = pytest.mark.parametrize("format", Format)


def read(data: bytes | str, format: Format) -> list[Outcome]:
    return list(entries(_file(data), format, LIMITS))


def ndjson(*lines: Any) -> list[Outcome]:
    texts = (line if isinstance(line, str | bytes) else json.dumps(line) for line in lines)
    return read(b"\n".join(_bytes(text) for text in texts), Format.NDJSON)


def csv(*lines: str) -> list[Outcome]:
    return read("\n".join(lines), Format.CSV)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _file(data: bytes | str) -> io.BytesIO:
    return io.BytesIO(_bytes(data))


def only(outcomes: list[Outcome]) -> ManifestItem:
    (outcome,) = outcomes
    assert isinstance(outcome, ManifestItem), outcome
    return outcome


def fault(outcomes: list[Outcome]) -> str:
    (outcome,) = outcomes
    assert isinstance(outcome, ManifestFault), outcome
    assert outcome.error.code == "item_invalid"
    return str(outcome.error)


def keys(outcomes: list[Outcome]) -> list[str | None]:
    return [outcome.key for outcome in outcomes]


# --- what an item may say -------------------------------------------------------------------


def test_a_line_may_say_all_of_a_photo() -> None:
    line = {
        "key": "1001",
        "url": "https://photos.example.org/ada.jpg",
        "sha256": SHA256.upper(),
        "person": {"name": " Ada Lovelace ", "external_id": " HR 1 "},
        "tags": [" staff ", "2024", "staff"],
        "captured_at": "2024-05-31T18:30:00+02:00",
        "external_id": "badge/1001",
        "metadata": {"floor": 3, "notes": {"door": "north"}},
    }

    assert only(ndjson(line)) == ManifestItem(
        line=1,
        bytes_read=len(json.dumps(line)),
        key="1001",
        source=Source(SourceKind.URL, "https://photos.example.org/ada.jpg"),
        sha256=bytes.fromhex(SHA256),
        person=PersonNamed("Ada Lovelace", " HR 1 "),
        tags=("staff", "2024"),
        captured_at=datetime(2024, 5, 31, 16, 30, tzinfo=UTC),
        external_id="badge/1001",
        metadata={"floor": 3, "notes": {"door": "north"}},
    )


def test_a_row_says_the_same_as_a_line() -> None:
    row = csv(
        "key,url,sha256,person_name,person_external_id,tags,captured_at,external_id,metadata.floor",
        f'1001,https://h.example/a.jpg,{SHA256},Ada Lovelace,HR 1,"staff, 2024",2024-05-31,b1,3',
    )
    (line,) = ndjson(
        {
            "key": "1001",
            "url": "https://h.example/a.jpg",
            "sha256": SHA256,
            "person": {"name": "Ada Lovelace", "external_id": "HR 1"},
            "tags": ["staff", "2024"],
            "captured_at": "2024-05-31",
            "external_id": "b1",
            "metadata": {"floor": "3"},
        }
    )

    assert isinstance(line, ManifestItem)
    assert _said(only(row)) == _said(line)


def _said(item: ManifestItem) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__ if name not in _WHERE}


_WHERE = {"line", "bytes_read"}


def test_a_key_alone_names_the_uploaded_file() -> None:
    for outcomes in (ndjson({"key": "a/b.jpg"}), csv("key", "a/b.jpg")):
        item = only(outcomes)

        assert item.source == Source(SourceKind.FILE, "a/b.jpg")
        assert (item.sha256, item.person, item.tags, item.captured_at) == (None, None, (), None)
        assert (item.external_id, item.metadata) == (None, {})


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("file", "x.jpg"),
        ("path", "/photos/x.jpg"),
        ("path", "below/x.jpg"),
        ("object", "s3://a-bucket/some/key with blanks.jpg"),
        ("url", "https://photos.example.org/x.jpg?size=1"),
        ("url", "http://old.example.org:8080/x.jpg"),
    ],
)
def test_the_bytes_come_from_one_of_four_sources(kind: str, name: str) -> None:
    expected = Source(SourceKind(kind), name)

    assert only(ndjson({"key": "k", kind: name})).source == expected
    assert only(csv(f"key,{kind}", f"k,{name}")).source == expected


def test_null_is_as_good_as_left_out() -> None:
    empty = {"url": None, "sha256": None, "person": None, "tags": None, "metadata": None}

    assert only(ndjson({"key": "k", **empty, "captured_at": None})).source.name == "k"
    assert only(ndjson({"key": "k", "person": {"name": "Ada", "external_id": None}})).person == (
        PersonNamed("Ada", None)
    )


def test_a_key_is_shown_as_names_in_archives_are() -> None:
    assert only(ndjson({"key": "e\u0301\n\u202egpj.jpg"})).key == "é%0A%E2%80%AEgpj.jpg"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({}, "key: is missing"),
        ({"key": None}, "key: is missing"),
        ({"key": ""}, "key: must have 1 to 1,000 characters"),
        ({"key": "x" * (LONGEST_KEY + 1)}, "key: must have 1 to 1,000 characters"),
        ({"key": 7}, "key: must be text"),
        ({"key": "k", "sha": "x"}, "sha: is no field; there are key, file, path, object, url"),
        ({"key": "k", "file": "a", "url": "https://h/a"}, "url: an item has one source, and file"),
        ({"key": "k", "path": "a\0b"}, "path: must not contain the character NUL"),
        ({"key": "k", "path": "x" * (LONGEST_ADDRESS + 1)}, "path: must have 1 to 4,096 char"),
        ({"key": "k", "object": "bucket/key"}, "object: must be s3://bucket/key"),
        ({"key": "k", "object": "s3://bucket/"}, "object: must be s3://bucket/key"),
        ({"key": "k", "object": "s3://B/x"}, "object: must be s3://bucket/key"),
        ({"key": "k", "object": "s3://bucket/" + "é" * 513}, "object: the key of an object has"),
        ({"key": "k", "url": "ftp://h/x"}, "url: must begin with https://"),
        ({"key": "k", "url": "https:///x"}, "url: must begin with https://"),
        ({"key": "k", "url": "https://[::1/x"}, "url: is no address"),
        ({"key": "k", "sha256": "ab"}, "sha256: must be 64 hex digits"),
        ({"key": "k", "sha256": "ab " * 32}, "sha256: must be 64 hex digits"),
        ({"key": "k", "person": "Ada"}, "person: must be an object with name, external_id or"),
        ({"key": "k", "person": {}}, "person: must have a name, an external_id or both"),
        ({"key": "k", "person": {"nam": "A"}}, "person: has name and external_id, and no nam"),
        ({"key": "k", "person": {"name": " "}}, "person: its name must have 1 to 200 characters"),
        ({"key": "k", "person": {"external_id": 1}}, "person: its external_id must be text"),
        ({"key": "k", "tags": "a,b"}, "tags: must be a list of texts"),
        ({"key": "k", "tags": ["a", 1]}, "tags: must be text"),
        ({"key": "k", "tags": ["a,b"]}, "tags: A tag has neither commas"),
        ({"key": "k", "captured_at": "yesterday"}, "captured_at: Give a date or a time"),
        ({"key": "k", "captured_at": "1700-01-01"}, "captured_at: No photo was taken then"),
        ({"key": "k", "captured_at": 1717171717}, "captured_at: must be text"),
        ({"key": "k", "external_id": ""}, "external_id: must have 1 to 200 characters"),
        ({"key": "k", "external_id": "x" * (LONGEST_NAME + 1)}, "external_id: must have 1 to"),
        ({"key": "k", "metadata": []}, "metadata: must be an object"),
        ({"key": "k", "metadata": {"x": "y" * LARGEST_METADATA}}, "metadata: has 65545 bytes"),
        ({"key": "k", "metadata": {"x": "\0"}}, "metadata: must not contain the character NUL"),
        ({"key": "k", "metadata": {"x": "\ud800"}}, "metadata: must not contain half of a"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(line: dict[str, Any], message: str) -> None:
    outcomes = ndjson({"key": "before"}, line, {"key": "behind"})

    assert fault(outcomes[1:2]).startswith(message)
    assert isinstance(outcomes[1], ManifestFault)
    assert outcomes[1].line == 2
    assert outcomes[1].error.details == {"field": message.partition(":")[0]}
    assert keys([outcomes[0], outcomes[2]]) == ["before", "behind"]


def test_a_fault_says_the_key_where_there_is_one() -> None:
    outcomes = ndjson(
        {"key": "wrong.jpg", "tags": 1},
        {"key": "a\nb", "tags": 1},
        {"key": "y" * 500, "tags": 1},
        {"key": 3},
        '{"key": "twice.jpg", "tags": [], "tags": []}',
        "nothing",
    )

    assert keys(outcomes) == ["wrong.jpg", "a%0Ab", "y" * 120 + "…", None, "twice.jpg", None]
    assert keys(csv("key,file", "short")) == ["short"]


# --- lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("photo.jpg", "The line is no JSON: Expecting value."),
        ('{"key": "k"', "The line is no JSON: Expecting ',' delimiter."),
        ('{"key": "k"} {}', "The line is no JSON: Extra data."),
        ('"photo.jpg"', "The line is JSON, and no object."),
        ("null", "The line is JSON, and no object."),
        ('{"key": "a", "key": "b"}', 'The member "key" is there twice.'),
        ('{"key": "a", "metadata": {"x": 1, "x": 1}}', 'The member "x" is there twice.'),
        ('{"key": "a", "metadata": {"x": NaN}}', "The line is no JSON: NaN is no number of it."),
        ('{"key": "a", "metadata": {"x": 1e999}}', "metadata: may hold finite numbers only"),
        (f'{{"metadata": {"9" * 5000}}}', "The line is no JSON: a number is too long."),
        ('{"metadata": ' + "[" * 100_000, "The line is nested too deeply."),
        ('{"metadata": ' + '{"a":' * 40_000, "The line is nested too deeply."),
        (f'{{"key": "k", "metadata": {{"a": {"[" * 40}{"]" * 40}}}}}', "metadata: is nested more"),
        (b'{"key": "\xff"}', "The line is not encoded as UTF-8."),
        (b'{"key": "' + b"x" * LONGEST_LINE, "The line has more than 262,144 bytes."),
    ],
)
def test_a_line_that_cannot_be_read_costs_itself(line: str | bytes, message: str) -> None:
    outcomes = ndjson({"key": "before"}, line, {"key": "behind"})

    assert fault(outcomes[1:2]).startswith(message)
    assert keys([outcomes[0], outcomes[2]]) == ["before", "behind"]
    assert [outcome.line for outcome in outcomes] == [1, 2, 3]


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_breaks_blank_lines_and_a_byte_order_mark_are_of_no_meaning(
    start: str, end: str
) -> None:
    lines = ['{"key": "a"}', "", "  \t", '{"key": "b"}', ""]
    rows = ["key;external_id", "a;1", "", ";;"[:1], '"b\n";2', ""]

    assert keys(read(start + end.join(lines), Format.NDJSON)) == ["a", "b"]
    assert keys(read(start + end.join(rows), Format.CSV)) == ["a", "b%0A"]


@every_format
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_another_encoding_is_a_fault_of_the_manifest(format: Format, encoding: str) -> None:
    text = "key,file\n1,2\n" if format is Format.CSV else '{"key": "a"}\n'

    with pytest.raises(BadManifest, match="UTF-8"):
        read(text.encode(encoding), format)


def test_an_array_is_no_manifest() -> None:
    with pytest.raises(BadManifest, match="one object on each line"):
        read('\n [\n{"key": "a"}]', Format.NDJSON)


def test_nothing_in_ndjson_is_no_items_and_in_csv_a_fault() -> None:
    assert read("", Format.NDJSON) == []
    assert read("key\n", Format.CSV) == []
    with pytest.raises(BadManifest, match="empty"):
        read("", Format.CSV)


# --- CSV ------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_what_separates_the_cells_is_seen_in_the_header(delimiter: str) -> None:
    header = delimiter.join(["sha256", " key ", "tags", "metadata.Müller;x"[:15]])
    row = delimiter.join([SHA256, "a.jpg", '"x, y"', "Köln"])
    item = only(csv(header, row))

    assert (item.key, item.tags, item.metadata) == ("a.jpg", ("x", "y"), {"Müller": "Köln"})


def test_the_usual_header_has_all_columns() -> None:
    one_source = [column for column in COLUMNS if column not in {"path", "object", "url"}]
    cells = dict.fromkeys(one_source, "x") | {"sha256": SHA256, "captured_at": "2020-01-01"}
    item = only(csv(",".join(cells), ",".join(cells.values())))

    assert (item.key, item.person, item.tags) == ("x", PersonNamed("x", "x"), ("x",))


def test_empty_cells_say_nothing() -> None:
    item = only(csv("key,file,sha256,person_name,tags,metadata.a,metadata.b", "k,,,,,,x"))

    assert (item.source.name, item.sha256, item.person) == ("k", None, None)
    assert (item.tags, item.metadata) == ((), {"b": "x"})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("file,sha256", "The column key is missing."),
        ("Key", 'There is no column "Key".'),
        ("key,person", 'There is no column "person".'),
        ("key;tag", 'There is no column "tag".'),
        ("key,", 'There is no column "".'),
        ("key,metadata.", 'There is no column "metadata.".'),
        ("key,tags,key", 'The column "key" is there twice.'),
        ('key,"tags', "The header cannot be read. The row is no CSV"),
        ("a photo of Ada\n", 'There is no column "a photo of Ada".'),
        (b"key,metadata.M\xfcller", "The header cannot be read. The line is not encoded as UTF-8."),
        ("key," + "x" * LONGEST_LINE, "The header cannot be read. The line has more than"),
        ("\n", "The column key is missing."),
    ],
)
def test_a_header_that_cannot_be_meant_is_a_fault_of_the_manifest(
    header: str | bytes, message: str
) -> None:
    with pytest.raises(BadManifest) as raised:
        read(_bytes(header) + b"\na,b\n", Format.CSV)

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("k", "The row has 1 cells, and the header 2 columns."),
        ("k,a,b", "The row has 3 cells, and the header 2 columns."),
        ('k,"a"b', "The row is no CSV: ',' expected after '\"'."),
        (",a", "key: must have 1 to 1,000 characters"),
        ("k,a\rb", "The row is no CSV: new-line character seen in unquoted field"),
        ("k," + "a" * LONGEST_LINE, "The line has more than 262,144 bytes."),
        ("k," + "a" * 140_000, "The row is no CSV: field larger than field limit"),
    ],
)
def test_a_row_that_cannot_be_read_costs_itself(row: str, message: str) -> None:
    outcomes = csv("key,file", "before,", row, "behind,")

    assert fault(outcomes[1:2]).startswith(message)
    assert keys([outcomes[0], outcomes[2]]) == ["before", "behind"]


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    rows = [f"{number}.jpg," for number in range(3 * MOST_LINES)]
    rows[5] = '5.jpg,"open'
    outcomes = csv("key,file", *rows)

    faults = [outcome for outcome in outcomes if isinstance(outcome, ManifestFault)]
    assert [outcome.line for outcome in faults] == [7]
    assert len(outcomes) == len(rows)
    assert [outcome.line for outcome in outcomes] == list(range(2, 2 + len(rows)))


def test_bytes_that_are_no_utf_8_inside_of_quotes_cost_the_rows_they_are_in() -> None:
    outcomes = read(b'key,file\na,"x\n\xff",\nb,\n', Format.CSV)

    assert [type(outcome) for outcome in outcomes] == [ManifestFault, ManifestFault, ManifestItem]


@pytest.mark.parametrize("line", ['a","', 'a,"', '"', '""","', '"a"b'])
def test_no_line_is_read_more_than_twice_whatever_quotes_are_in_it(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 5 * MOST_LINES
    reads = 0
    decode = manifest_rows._text

    def counting(data: bytes | None) -> str:
        nonlocal reads
        reads += 1
        return decode(data)

    monkeypatch.setattr(manifest_rows, "_text", counting)
    csv("key,file", *[line] * lines)

    assert lines <= reads <= 2 * lines + 1


# --- all of it ------------------------------------------------------------------------------


@every_format
def test_bytes_read_grow_up_to_the_size_of_the_file(format: Format) -> None:
    lines = {
        Format.NDJSON: '\ufeff{"key": "a"}\r\nwrong\n\n{"key": "é"}\n',
        Format.CSV: '\ufeffkey,file\r\na,"b\nc"\nwrong\nd,\n',
    }
    data = lines[format].encode()
    outcomes = read(data, format)
    places = [outcome.bytes_read for outcome in outcomes]

    assert len(outcomes) == 3
    assert all(before < after for before, after in pairwise(places))
    assert places[-1] == len(data)
    for outcome, place in zip(outcomes, places, strict=True):
        assert data[place - 1 : place] == b"\n", outcome


@every_format
def test_more_items_than_the_limit_are_left_out_in_words(format: Format) -> None:
    text = "key\na\nb\nc\n" if format is Format.CSV else '{"key": "a"}\n' * 3
    found = entries(_file(text), format, Limits(items=2))

    assert [next(found).line, next(found).line]
    with pytest.raises(BadManifest, match="more than 2 items"):
        next(found)


def test_the_limit_is_a_setting() -> None:
    assert Limits.of(Settings(max_archive_entries=7)) == Limits(items=7)


class Endless(io.RawIOBase):
    """A file of so many bytes that are made while it is read."""

    def __init__(self, start: bytes, pattern: bytes, size: int) -> None:
        self._made = self._make(start, pattern, size)

    @staticmethod
    def _make(start: bytes, pattern: bytes, size: int) -> Iterator[bytes]:
        if start:
            yield start
        block = pattern * (MIB // 64 // len(pattern) + 1)
        for _ in range(size // len(block)):
            yield block

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = next(self._made, b"")
        buffer[: len(block)] = block
        return len(block)


@pytest.mark.parametrize(
    ("format", "pattern"),
    [
        (Format.NDJSON, b'{"key": "photo.jpg", "path": "' + b"x" * 400 + b'"}\n'),
        (Format.NDJSON, b"x"),
        (Format.CSV, b"photo.jpg," + b"x" * 400 + b"\n"),
        (Format.CSV, b"x"),
        (Format.CSV, b'x,"' + (b"y" * 400 + b"\n") * 9),
    ],
)
def test_memory_does_not_grow_with_the_manifest(format: Format, pattern: bytes) -> None:
    small, large = (_most_memory(format, pattern, size) for size in (MIB // 2, 2 * MIB))

    assert large < small + MIB // 8


def _most_memory(format: Format, pattern: bytes, size: int) -> int:
    start = b"key,file\n" if format is Format.CSV else b""
    file = io.BufferedReader(Endless(start, pattern, size), buffer_size=MIB // 32)
    tracemalloc.start()
    try:
        assert sum(1 for _ in entries(file, format, LIMITS)) > 0  # type: ignore[arg-type]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


PIECES = [b"key", b"file", b",", b";", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf",
          b"metadata.x", b"tags", b"a", b"\xc3\xa9", b'{"key":', b"}", b"[", b"null", b":", b"1e9",
          b'"key":"a"', b"key,file\n", b'{"key":"a"}\n', b"\xed\xa0\x80", b"\\ud800"]  # fmt: skip

anything = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join),
    st.lists(st.sampled_from(PIECES), max_size=40).map(lambda made: b"key,file\n" + b"".join(made)),
)


@every_format
@given(data=anything)
@example(data=b'key,file\na,"b\nc,d\n"e",f\n')
def test_whatever_the_bytes_are_each_outcome_is_typed_and_counted(
    format: Format, data: bytes
) -> None:
    try:
        outcomes = read(data, format)
    except BadManifest as error:
        with pytest.raises(BadManifest, match=f"^{re.escape(str(error))}$"):
            count(_file(data), format, LIMITS)
        return
    places = [(outcome.line, outcome.bytes_read) for outcome in outcomes]

    assert count(_file(data), format, LIMITS) == len(outcomes)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(places))
    assert all(end <= len(data) for _, end in places)
    for outcome in outcomes:
        if isinstance(outcome, ManifestFault):
            assert isinstance(outcome.error, ItemInvalid)
            assert str(outcome.error).encode()
        else:
            assert outcome.key.encode()


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"key": words.filter(lambda key: len(key) < 300)},
            optional={
                "external_id": words.filter(lambda text: len(text) <= LONGEST_NAME),
                "metadata": st.dictionaries(words, words, max_size=3),
            },
        ),
        max_size=5,
    )
)
def test_what_programs_write_is_read_as_it_was_meant(lines: list[dict[str, Any]]) -> None:
    outcomes = ndjson(*lines)

    assert len(outcomes) == len(lines)
    for outcome, line in zip(outcomes, lines, strict=True):
        assert isinstance(outcome, ManifestItem)
        assert outcome.external_id == line.get("external_id")
        assert outcome.metadata == line.get("metadata", {})
