"""The loader of named queries, and that no query is without a caller."""

import re
from dataclasses import fields
from pathlib import Path
from typing import LiteralString

import pytest

from core.db import queries
from core.filters import Filter

FOLDER = Path(queries.__file__).parent
SUBJECTS = sorted({path.stem for path in FOLDER.glob("*.sql")} - {"filters"})


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_query_is_used_by_its_module(subject: str) -> None:
    module = (FOLDER.parent / f"{subject}.py").read_text()
    used = set(re.findall(r'SQL\["([a-z0-9_]+)"\]', module))
    beginnings = tuple(re.findall(r'SQL\[f"([a-z0-9_]+)\{', module))
    known = set(queries.load(subject))

    assert used | {name for name in known if beginnings and name.startswith(beginnings)} == known


def test_every_condition_of_a_filter_is_a_query() -> None:
    assert set(queries.load("filters")) == {field.name for field in fields(Filter)}


def test_a_comment_stays_with_its_query() -> None:
    found: LiteralString = queries.load("images")["lock"]

    assert found.startswith("-- In id order")
    assert found.endswith("FOR UPDATE;")


def test_an_unknown_subject_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        queries.load("nonsense")


@pytest.mark.parametrize(
    "text", ["SELECT 1;\n-- name: a\nSELECT 2;", "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;"]
)
def test_text_without_a_name_and_names_used_twice_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "wrong.sql").write_text(text)
    monkeypatch.setattr(queries.resources, "files", lambda _: tmp_path)

    with pytest.raises(ValueError, match=r"wrong\.sql"):
        queries.load.__wrapped__("wrong")
