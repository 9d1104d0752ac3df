"""The loader of named queries, and that no query is without a caller."""

import re
from pathlib import Path
from typing import LiteralString

import pytest

from core.db import queries

FOLDER = Path(queries.__file__).parent
SUBJECTS = sorted(path.stem for path in FOLDER.glob("*.sql"))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_query_is_used_by_its_module(subject: str) -> None:
    module = (FOLDER.parent / f"{subject}.py").read_text()
    used = set(re.findall(r'SQL\["([a-z0-9_]+)"\]', module))

    assert used == set(queries.load(subject))


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
