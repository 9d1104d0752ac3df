"""Reports as files: whole, true to names that would break out of them, and bounded."""

import csv
import json
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from threading import Event
from uuid import UUID

import numpy as np
import pytest

from core import people, reporting
from core.blobs import Kind
from core.db import reports as rows
from core.db.reports import Report
from core.errors import ReportNotFound, WrongState
from core.pictures import encode_crop
from core.reports import plotted
from core.reports.files import content, layout, paper, pictures
from core.reports.files.content import Content
from core.reports.files.formats import Format, name_of, write
from tests import pdfs
from tests.casts import Cast, directions, near
from tests.conftest import RecordingDoorbell

SCRIPT = "<script>alert('Zoë')</script>"
FORMULA = "=1+1"
LONG = "Ω" * 200

Make = Callable[..., Report]


@pytest.fixture
def make(town: Cast, doorbell: RecordingDoorbell) -> Make:
    """Make a report of the town."""

    def made(name: str = "two-names") -> Report:
        reporting.ask(town.services, doorbell, town.collection.id, [name], actor="test")
        reporting.work(town.services, lambda: None, Event())
        [report] = [
            each for each in rows.latest(town.conn, town.collection.id) if each.name == name
        ]
        return report

    return made


@pytest.fixture
def hostile(town: Cast) -> Cast:
    """The town, where Eve and Eva have names that files must not believe."""
    for old, new in (("Eve", SCRIPT), ("Eva", FORMULA)):
        people.change(town.conn, town.people[old], name=new, actor="test")
    return town


def keep_crops(town: Cast, *people: str) -> None:
    """Store a crop of each face of somebody, each another picture."""
    for face, owner in town.owners().items():
        if owner in {town.people[name] for name in people}:
            pixels = np.random.default_rng(face.int % 2**32).integers(
                0, 256, (150, 150, 3), np.uint8
            )
            town.services.blobs.put(Kind.CROP, face.hex, encode_crop(pixels))


def file(town: Cast, report: Report, form: Format, *, only_new: bool = False) -> bytes:
    return b"".join(write(Content.of(town.services, report.id, only_new=only_new), form))


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(data.decode(), newline="")))


class Page(HTMLParser):
    """What a page shows and asks for."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in {"src", "srcset", "href"}
        ]

    def handle_data(self, data: str) -> None:
        self.texts.append(" ".join(data.split()))


def test_json_has_the_report_and_all_of_its_findings(town: Cast, make: Make) -> None:
    report = make()

    told = json.loads(file(town, report, Format.JSON))

    [found] = told["items"]
    assert (told["id"], told["name"], told["findings"]) == (str(report.id), "two-names", 1)
    assert told["collection"]["name"] == town.collection.name
    assert told["summary"] == report.summary
    assert {side["person"]["name"] for side in found["sides"]} == {"Eve", "Eva"}
    assert [side["face_count"] for side in found["sides"]] == [4, 4]
    assert found["sentence"].endswith("would do.")


def test_csv_has_a_row_for_each_finding(town: Cast, make: Make) -> None:
    report = make()
    [stored] = reporting.findings(town.conn, report, limit=9)

    [row] = table(file(town, report, Format.CSV))

    assert {row["name_1"], row["name_2"]} == {"Eve", "Eva"}
    assert row["person_id_1"] == stored.sides[0]["person_id"]
    assert row["face_id_1"] == stored.sides[0]["faces"][0]
    assert (row["faces_1"], row["new"], row["name_3"]) == ("4", "False", "")
    assert float(row["mean_cosine"]) == pytest.approx(stored.facts["mean_cosine"])


@pytest.mark.parametrize(
    "name", ["duplicates", "two-names", "wrong-labels", "unnamed", "poor-enrolments", "health"]
)
def test_rows_are_as_long_as_their_heading(town: Cast, make: Make, name: str) -> None:
    town.add(near(directions(4)[1], 0.9, seed=40), "Ann")
    report = make(name)

    lines = list(csv.reader(StringIO(file(town, report, Format.CSV).decode(), newline="")))

    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines) == 1 + report.findings


def test_cells_that_a_spreadsheet_would_compute_are_text(hostile: Cast, make: Make) -> None:
    [row] = table(file(hostile, make(), Format.CSV))

    assert {row["name_1"], row["name_2"]} == {SCRIPT, f"'{FORMULA}"}


def test_html_needs_nothing_else_and_runs_nothing(hostile: Cast, make: Make) -> None:
    keep_crops(hostile, "Eve", "Eva")
    data = file(hostile, make(), Format.HTML)

    page = Page(data)

    assert "script" not in page.tags
    assert not {"link", "iframe", "object", "form", "a"} & set(page.tags)
    assert page.tags.count("img") == 8
    assert all(each.startswith("data:image/jpeg;base64,") for each in page.addresses)
    assert b"http:" not in data
    assert b"https:" not in data
    assert b"url(" not in data
    assert b"@import" not in data
    assert {SCRIPT, FORMULA} <= set(page.texts)


def test_pictures_that_are_not_kept_have_a_place(town: Cast, make: Make) -> None:
    keep_crops(town, "Eve")

    page = Page(file(town, make(), Format.HTML))
    printed = file(town, make(), Format.PDF)

    assert page.tags.count("img") == 4
    assert page.texts.count("no picture") == 4
    assert pdfs.pictures(printed) == 4
    assert pdfs.text(printed).count("no picture") == 4


def test_html_and_pdf_tell_the_same(hostile: Cast, make: Make) -> None:
    report = make()
    [card] = layout.cards(Content.of(hostile.services, report.id))

    page = " ".join(Page(file(hostile, report, Format.HTML)).texts)
    printed = " ".join(pdfs.text(file(hostile, report, Format.PDF)).split())

    head = layout.head(Content.of(hostile.services, report.id))
    for told in (
        head.title,
        head.about,
        card.kind,
        card.sentence,
        *(each for each, _ in card.facts),
    ):
        assert told in page
        assert told in printed


def test_long_names_break_lines_and_letters_without_a_font_are_told(town: Cast, make: Make) -> None:
    people.change(town.conn, town.people["Eve"], name=LONG, actor="test")
    people.change(town.conn, town.people["Eva"], name="山田", actor="test")

    printed = pdfs.text(file(town, make(), Format.PDF))

    assert printed.count("Ω") == 400
    assert "□□" in printed
    assert "□ stands for letters that this file has no font for" in printed


@pytest.mark.parametrize("form", [Format.HTML, Format.PDF])
def test_files_with_pictures_are_bounded_and_say_so(
    town: Cast, make: Make, form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    report = make()
    for module in (pictures, layout):
        monkeypatch.setattr(module, "MOST_FINDINGS", 1)

    data = file(town, report, form)

    shown = pdfs.text(data) if form is Format.PDF else " ".join(Page(data).texts)
    assert report.findings == 2
    assert shown.count("look like one person") == 1
    assert "Shown are the first 1 of 2 findings" in " ".join(shown.split())
    assert len(table(file(town, report, Format.CSV))) == 2


def test_many_findings_are_read_in_parts(
    town: Cast, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(["Anna", "Anne"]):
        town.add(near(directions(4)[number], 0.9, 4, seed=20 + number), name)
    report = make()
    monkeypatch.setattr(content, "PART", 2)
    monkeypatch.setattr(pictures, "AT_ONCE", 2)

    told = json.loads(file(town, report, Format.JSON))
    page = Page(file(town, report, Format.HTML))

    assert [each["position"] for each in told["items"]] == [0, 1, 2]
    assert page.tags.count("article") == 3


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("unbreakable", ["unbrea", "kable"]),
        ("a unbreakable b", ["a", "unbrea", "kable b"]),
        ("seven77", ["seven77"]),
        ("", [""]),
    ],
)
def test_lines_are_broken_between_words_else_anywhere(text: str, lines: list[str]) -> None:
    assert paper.broken(text, 7.0, lambda letter: 1.2 if letter == "u" else 1.0) == lines


def test_findings_go_on_over_pages_with_their_numbers(
    town: Cast, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        town.add(near(directions(9)[number], 0.9, 3, seed=50 + number), f"A{number}")
        town.add(near(directions(9)[number], 0.9, 3, seed=60 + number), f"B{number}")

    printed = file(town, make(), Format.PDF)

    assert pdfs.pages(printed) > 1
    lines = pdfs.text(printed).splitlines()
    assert lines.count(f"page {pdfs.pages(printed)} of ") == 1


def test_only_what_is_new_is_told_where_that_is_wanted(town: Cast, make: Make) -> None:
    make()
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    report = make()

    [row] = table(file(town, report, Format.CSV, only_new=True))
    page = Page(file(town, report, Format.HTML, only_new=True))

    assert {row["name_1"], row["name_2"]} == {"Ann", "Anna"}
    assert page.tags.count("article") == 1
    assert "Findings that the version before has, too, are left out." in page.texts
    assert any(each.startswith("2 findings: 1 new since ") for each in page.texts)


def test_a_report_that_is_not_made_has_no_file(town: Cast, doorbell: RecordingDoorbell) -> None:
    [asked] = reporting.ask(town.services, doorbell, town.collection.id, ["health"], actor="test")

    with pytest.raises(WrongState):
        Content.of(town.services, asked.id)
    with pytest.raises(ReportNotFound):
        Content.of(town.services, UUID(int=7))


def test_a_file_whose_report_is_deleted_meanwhile_does_not_look_whole(
    town: Cast, make: Make
) -> None:
    report = make()
    writing = write(Content.of(town.services, report.id), Format.JSON)
    next(writing)

    reporting.delete(town.conn, report.id)

    with pytest.raises(ReportNotFound):
        list(writing)


def test_files_are_called_by_what_they_are(town: Cast, make: Make) -> None:
    report = make()

    assert report.finished_at is not None
    assert name_of(report, Format.PDF) == f"two-names-{report.finished_at:%Y-%m-%d}.pdf"


def test_plots_are_inside_for_light_and_for_dark(town: Cast, make: Make) -> None:
    report = make("health")
    titles = list(plotted.titles("health", report.summary).values())

    page = Page(file(town, report, Format.HTML))
    printed = file(town, report, Format.PDF)

    assert page.tags.count("picture") == page.tags.count("source") == len(titles) == 3
    assert all(each.startswith("data:image/png;base64,") for each in page.addresses)
    assert len(set(page.addresses)) == 6
    assert printed.count(b"/Subtype /Image") == 3
    assert set(titles) <= set(pdfs.text(printed).splitlines())


def test_photos_stand_side_by_side_by_their_names(town: Cast, make: Make) -> None:
    one, other = near(directions(9)[7], 0.999, 2, seed=70)
    for vector in (one, other):
        town.add(vector[None])
    report = make("duplicates")

    [card] = layout.cards(Content.of(town.services, report.id))

    assert [panel.is_photo for panel in card.panels] == [True, True]
    assert {panel.note for panel in card.panels} == {"made-up.jpg, 8 × 8 pixels"}  # noqa: RUF001
    assert [panel.pictures for panel in card.panels] == [(None,), (None,)]
