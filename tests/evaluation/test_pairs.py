"""Lists of pairs, as LFW writes them and as CSV."""

from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.evaluation.pairs import FOLDS, Pair, read_pairs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Ann_Lee", "Bob", "Cid"):
        (tmp_path / name).mkdir()
        for number in range(1, 13):
            (tmp_path / name / f"{name}_{number:04}.jpg").touch()
    return tmp_path


def written(folder: Path, text: str, name: str = "pairs.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_folds_follow_each_other_as_lfw_has_them(folder: Path) -> None:
    text = "2\t1\nAnn_Lee\t1\t2\nAnn_Lee\t1\tBob\t12\nBob\t3\t4\nBob\t1\tCid\t1\n"

    pairs = read_pairs(written(folder, text), folder)

    assert pairs == [
        Pair(folder / "Ann_Lee/Ann_Lee_0001.jpg", folder / "Ann_Lee/Ann_Lee_0002.jpg", True, 0),
        Pair(folder / "Ann_Lee/Ann_Lee_0001.jpg", folder / "Bob/Bob_0012.jpg", False, 0),
        Pair(folder / "Bob/Bob_0003.jpg", folder / "Bob/Bob_0004.jpg", True, 1),
        Pair(folder / "Bob/Bob_0001.jpg", folder / "Cid/Cid_0001.jpg", False, 1),
    ]


def test_a_list_without_folds_is_cut_into_ten_with_both_kinds_in_each(folder: Path) -> None:
    lines = [f"Bob\t{n % 12 + 1}\t{(n + 1) % 12 + 1}" for n in range(20)]
    lines += [f"Bob\t{n % 12 + 1}\tCid\t{n % 12 + 1}" for n in range(20)]

    pairs = read_pairs(written(folder, "20\n" + "\n".join(lines)), folder)

    for same in (True, False):
        folds = [pair.fold for pair in pairs if pair.same is same]
        assert folds == sorted(list(range(FOLDS)) * 2)


def test_csv_paths_are_relative_to_the_folder_or_to_the_list(folder: Path) -> None:
    (folder / "lists").mkdir()
    (folder / "lists" / "extra.jpg").touch()
    text = "file_a,file_b,same\nBob/Bob_0001.jpg,Bob/Bob_0002.jpg,1\nBob/Bob_0001.jpg,extra.jpg,0\n"
    text += "Bob/Bob_0003.jpg,Bob/Bob_0004.jpg,1\nextra.jpg,Cid/Cid_0001.jpg,0\n"

    pairs = read_pairs(written(folder, text, "lists/pairs.csv"), folder)

    assert [pair.second for pair in pairs[:2]] == [folder / "Bob/Bob_0002.jpg",
                                                   folder / "lists/extra.jpg"]  # fmt: skip
    assert [pair.same for pair in pairs] == [True, False, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("ten\t300\n", "line 1"),
        ("1\t1\nBob\t1\t2\n", "line 1"),
        ("1\t1\nBob\t1\t2\nBob\t1\tCid\t1\nBob\t1\tCid\t2\n", "line 1"),
        ("1\t1\nBob\t1\tCid\t2\nBob\t1\tCid\t1\n", "line 2: a pair of one person"),
        ("1\t1\nBob\t1\t2\nBob\t1\t2\n", "line 3: a pair of two people"),
        ("1\t1\nBob\t1\ttwo\nBob\t1\tCid\t1\n", "line 2: the number"),
        ("1\t1\nBob\t1\t2\nBob\t1\tCid\t1\n", "two pairs or more"),
        (
            "2\t1\nBob\t1\t99\nBob\t1\tCid\t1\nBob\t1\t2\nBob\t1\tCid\t1\n",
            "lacks 1 of the photos of pairs.txt: Bob_0099.jpg",
        ),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_pairs(written(folder, text), folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "file_a,file_b,same"),
        ("file_a,file_b,same\nx,y\n", "line 2"),
        ("file_a,file_b,same\nx,y,yes\n", "line 2"),
        ("file_a,file_b,same\nBob/Bob_0001.jpg,Bob/Bob_0002.jpg,1\n", "two pairs or more"),
        ("file_a,file_b,same\nx,y,1\nx,z,0\nx,y,1\nx,z,0\n", "lacks 3 of the photos of pairs.csv"),
    ],
)
def test_a_bad_csv_is_named_by_its_line(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_pairs(written(folder, text, "pairs.csv"), folder)


def test_the_ending_of_a_csv_file_may_be_in_capitals(folder: Path) -> None:
    text = "file_a,file_b,same\n" + 2 * (
        "Bob/Bob_0001.jpg,Bob/Bob_0002.jpg,1\nBob/Bob_0001.jpg,Cid/Cid_0001.jpg,0\n"
    )

    assert len(read_pairs(written(folder, text, "PAIRS.CSV"), folder)) == 4


@pytest.mark.parametrize(
    ("length", "message"), [(300, "lacks 2 of the photos"), (200_000, "cannot be read as CSV")]
)
def test_a_path_longer_than_any_file_s_is_a_photo_that_is_missing(
    folder: Path, length: int, message: str
) -> None:
    text = "file_a,file_b,same\n" + "".join(
        f"{length * 'a'}{number},Bob/Bob_0001.jpg,{same}\n" for number in "12" for same in "01"
    )

    with pytest.raises(InvalidRequest, match=message):
        read_pairs(written(folder, text, "pairs.csv"), folder)
