"""Lists of photo pairs: LFW's own ``pairs.txt``, and CSV."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from core.errors import InvalidRequest

FOLDS: Final = 10
"""Into which lists without folds are cut, as LFW's list of 6,000 pairs is."""

COLUMNS: Final = ("file_a", "file_b", "same")

SAME_WORDS, OTHER_WORDS = 3, 4
"""In a line of ``pairs.txt``: ``name n1 n2`` and ``name1 n1 name2 n2``."""

NAMED: Final = 3
"""Photos that are missing and named in the message."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, whether they are said to show one person, and the fold they are judged in."""

    first: Path
    second: Path
    same: bool
    fold: int


def read_pairs(file: Path, folder: Path) -> list[Pair]:
    """Read a list of pairs, and find the photos.

    A file whose name ends in ``.csv`` has the columns ``file_a,file_b,same``, with paths relative
    to *folder* or to the list itself, and 1 or 0. Any other is read as LFW's: a first line of
    ``folds pairs`` (or ``pairs`` for one fold) and as many lines of each kind in each fold,
    ``name n1 n2`` before ``name1 n1 name2 n2``, for ``folder/name/name_000n.jpg``.

    Raises:
        InvalidRequest: A line cannot be read, a photo is missing, or there are fewer than two pairs
            of a kind.
    """
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    read = _from_csv if file.suffix.lower() == ".csv" else _from_lfw
    pairs = read(text, file, folder)
    if any(len(_folds(pairs, same)) < 2 for same in (True, False)):  # noqa: PLR2004  one to test
        raise InvalidRequest(f"{file.name} needs two pairs or more of each kind.")
    gone = sorted(path for path in _photos_of(pairs) if not _is_there(path))
    if gone:
        names = ", ".join(path.name for path in gone[:NAMED]) + (" …" if gone[NAMED:] else "")
        raise InvalidRequest(f"{folder} lacks {len(gone)} of the photos of {file.name}: {names}")
    return pairs


def _folds(pairs: Sequence[Pair], same: bool) -> set[int]:
    return {pair.fold for pair in pairs if pair.same is same}


def _photos_of(pairs: Sequence[Pair]) -> set[Path]:
    return {path for pair in pairs for path in (pair.first, pair.second)}


def _from_lfw(text: str, file: Path, folder: Path) -> list[Pair]:
    lines = [line.split() for line in text.splitlines()]
    folds, each = _header(lines[0] if lines else [])
    wanted = folds * each * 2
    body = lines[1 : wanted + 1]
    if not wanted or len(body) < wanted or any(lines[wanted + 1 :]):
        _refuse(file, 1, "it announces another number of pairs than follow")
    pairs = []
    for number, words in enumerate(body):
        same = number % (2 * each) < each
        fold = number // (2 * each) if folds > 1 else number % each * FOLDS // each
        pairs.append(Pair(*_photos(words, same, file, number + 2, folder), same, fold))
    return pairs


def _header(words: Sequence[str]) -> tuple[int, int]:
    """Return folds, and pairs of each kind in each; noughts where the line says neither."""
    numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
    if len(numbers) != len(words):
        return 0, 0
    match numbers:
        case [each]:
            return 1, each
        case [folds, each]:
            return folds, each
        case _:
            return 0, 0


def _photos(
    words: Sequence[str], same: bool, file: Path, line: int, folder: Path
) -> tuple[Path, Path]:
    if len(words) != (SAME_WORDS if same else OTHER_WORDS):
        _refuse(file, line, "a pair of one person should be here" if same
                else "a pair of two people should be here")  # fmt: skip
    names = (words[0], words[0]) if same else (words[0], words[2])
    numbers = (words[1], words[-1])
    if not all(number.isascii() and number.isdigit() for number in numbers):
        _refuse(file, line, "the number of a photo is none")
    first, second = (
        folder / name / f"{name}_{int(number):04}.jpg"
        for name, number in zip(names, numbers, strict=True)
    )
    return first, second


def _from_csv(text: str, file: Path, folder: Path) -> list[Pair]:
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise InvalidRequest(f"{file.name} cannot be read as CSV: {error}.") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        _refuse(file, 1, f"the columns should be {','.join(COLUMNS)}")
    found: list[tuple[Path, Path, bool]] = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS) or row[2] not in {"0", "1"}:
            _refuse(file, number, "two paths and 1 or 0 should be here")
        first, second = (_resolve(path, file, folder) for path in row[:2])
        found.append((first, second, row[2] == "1"))
    return list(_dealt(found))


def _resolve(path: str, file: Path, folder: Path) -> Path:
    """Return the photo; one that is nowhere is named by its place in *folder*."""
    beside = file.parent / path
    return beside if not _is_there(folder / path) and _is_there(beside) else folder / path


def _is_there(photo: Path) -> bool:
    try:
        return photo.is_file()
    except OSError:  # a name longer than any file's, from a list of something else
        return False


def _dealt(pairs: Sequence[tuple[Path, Path, bool]]) -> Iterator[Pair]:
    """Cut a list into `FOLDS`, each with its share of both kinds."""
    totals = {kind: sum(same is kind for *_, same in pairs) for kind in (True, False)}
    seen = {True: 0, False: 0}
    for first, second, same in pairs:
        yield Pair(first, second, same, seen[same] * FOLDS // totals[same])
        seen[same] += 1


def _refuse(file: Path, line: int, why: str) -> Never:
    raise InvalidRequest(f"{file.name}, line {line}: {why}.")
