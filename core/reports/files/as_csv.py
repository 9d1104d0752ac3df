"""A report as CSV: a row for each finding. What a spreadsheet would compute is made text."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Final

from core.reports import words
from core.reports.files.content import Content, Told
from core.spreadsheets import cell

FIRST: Final = ("position", "kind", "new", "score", "sentence")
SIDE: Final = ("name", "person_id", "image_id", "face_id", "faces")
"""Of each side: whose it is, the photo, the face that is shown first, and how many there are."""

MOST_SIDES: Final = 3


def write(content: Content) -> Iterator[bytes]:
    """Yield the rows, the names of their columns first; facts have the names that the API gives them."""
    facts = tuple(words.fact_words(content.report.name))
    sides = [f"{name}_{number}" for number in range(1, MOST_SIDES + 1) for name in SIDE]
    yield _row([*FIRST, *sides, *facts])
    for told in content.findings():
        yield _row([*_cells(told), *(told.finding.facts.get(name) for name in facts)])


def _cells(told: Told) -> list[object]:
    finding = told.finding
    first = [finding.position, finding.kind, finding.is_new, finding.score, told.sentence]
    sides: list[object] = []
    for side in told.sides:
        face = side.faces[0] if side.faces else None
        sides += [told.name(side), side.person_id, side.image_id, face, side.count]
    missing = [None] * (len(SIDE) * (MOST_SIDES - len(told.sides)))
    return [*first, *sides, *missing]


def _row(cells: list[object]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([cell(each) for each in cells])
    return text.getvalue().encode()
