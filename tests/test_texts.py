"""Names, external ids and metadata: what is stored of them, and what is refused."""

from typing import Any

import pytest

from core.errors import InvalidRequest
from core.texts import (
    DEEPEST_METADATA,
    LARGEST_METADATA,
    LONGEST_NAME,
    clean_external_id,
    clean_metadata,
    clean_name,
)


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"a": inner}
    return inner


def test_blanks_around_a_name_are_dropped_and_around_an_external_id_kept() -> None:
    assert clean_name("\t Ada Lovelace \n") == "Ada Lovelace"
    assert clean_external_id(" HR 1 ") == " HR 1 "


@pytest.mark.parametrize("text", ["", "x" * (LONGEST_NAME + 1), "a\0b", "a\ud800", "\udfffa"])
def test_what_cannot_be_stored_is_no_name_and_no_external_id(text: str) -> None:
    for clean in (clean_name, clean_external_id):
        with pytest.raises(InvalidRequest):
            clean(text)


def test_metadata_are_whatever_json_says() -> None:
    metadata = {"a": [1, 2.5, None, True, {"b": "é"}], "": ""} | nested(DEEPEST_METADATA)

    assert clean_metadata(metadata) == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        nested(DEEPEST_METADATA + 1),
        {"a": "x" * LARGEST_METADATA},
        {"a": "é" * (LARGEST_METADATA // 2)},
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": 10**5000},
        {"a\0": 1},
        {"a": ["\ud800"]},
    ],
)
def test_metadata_that_cannot_be_stored_are_refused(metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        clean_metadata(metadata)
