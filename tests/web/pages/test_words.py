"""Every code that the page may meet has words."""

import re
from collections.abc import Iterator
from pathlib import Path

from core import errors
from core.gates import Gate, Reason
from web import pages
from web.pages import words

SOURCES = Path(pages.__file__).parents[2]


def _all(family: type[errors.FaceSearchError]) -> Iterator[type[errors.FaceSearchError]]:
    if family.__module__ == errors.__name__:  # not the failures of the command line alone
        yield family
    for kind in family.__subclasses__():
        yield from _all(kind)


def test_every_error_code_has_words() -> None:
    codes = {kind.code for kind in _all(errors.FaceSearchError)}

    assert codes - words.ERRORS.keys() - words.REASONS.keys() == set()


def test_every_reason_that_core_gives_has_words() -> None:
    given = {
        "face_too_small",
        "exceeds_max_faces",
        "bad_landmarks",
        "bad_embedding",
        "not_selected",
        "worker_lost",
        "no_usable_face",
        *Reason,
    }
    for source in (SOURCES / "core").rglob("*.py"):
        given.update(re.findall(r'reason="([a-z_]+)"', source.read_text(encoding="utf-8")))

    given -= {"bytes", "order"}  # what a bucket does wrong; operators are told

    assert {reason for reason in given if words.in_words(reason) is words.UNKNOWN} == set()


def test_every_gate_has_words() -> None:
    assert list(words.GATES) == list(Gate)


def test_every_note_has_words() -> None:
    used = set()
    for source in (SOURCES / "web" / "pages").glob("*.py"):
        used.update(re.findall(r'note="([a-z_]+)"|, "(face_[a-z]+)"\)', source.read_text("utf-8")))

    notes = {note for pair in used for note in pair if note}
    assert notes - words.NOTES.keys() == set()
