"""What the figures of an evaluation count."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core.alignment import similarity
from core.errors import BadImage, ImageEmpty, InvalidRequest
from core.evaluation.people import Gallery, Report, evaluate
from core.evaluation.photos import find_people
from core.evaluation.scores import Share
from core.faces import AnalysedFace, DetectedFace, unit_embedding
from core.images import PhotoHeader
from core.inference.templates import ARCFACE_112
from core.pipeline import AnalysedPhoto
from core.quality import measure
from core.stages import Timings

CENTRE, CORNER = (40, 40, 60, 60), (0, 0, 10, 10)


class Stored:
    """Reads the faces from the file itself: one a line, a box and a vector."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def analyse(self, photos: Sequence[bytes]) -> list[AnalysedPhoto | BadImage]:
        self.batches.append(len(photos))
        return [self._photo(data) for data in photos]

    def _photo(self, data: bytes) -> AnalysedPhoto | BadImage:
        if not data:
            return ImageEmpty("empty")
        faces = [self._face(line) for line in data.decode().splitlines() if line != "nobody"]
        header = PhotoHeader("png", 100, 100, len(data))
        return AnalysedPhoto(header, tuple(faces), (), b"", b"", None, Timings(1, 2, 3, 4))

    def _face(self, line: str) -> AnalysedFace:
        numbers = [float(word) for word in line.split()]
        face = DetectedFace(tuple(numbers[:4]), ARCFACE_112.landmarks, 0.9)  # type: ignore[arg-type]
        vector, norm = unit_embedding(np.array(numbers[4:]), 2)
        level = similarity(ARCFACE_112.landmarks, ARCFACE_112.landmarks)
        assert level is not None
        crop = np.zeros((112, 112, 3), dtype=np.uint8)
        return AnalysedFace(face, vector, norm, measure(face, crop, level), crop)


def face(degrees: float, box: tuple[int, ...] = CENTRE) -> str:
    angle = np.radians(degrees)
    return " ".join(map(str, (*box, np.cos(angle), np.sin(angle))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ann stands at 0 degrees and Bob at 40; Cid, at 90, has one photo only."""
    photos = {
        "ann/1.png": face(0),
        "ann/2.png": face(5),
        "ann/3.png": face(30),  # nearer to Bob
        "ann/4.png": "nobody",
        "bob/1.png": face(40),
        "bob/2.png": f"{face(0, CORNER)}\n{face(42)}",  # Ann walks through the picture
        "bob/3.png": face(85),  # nearer to Cid
        "bob/4.png": "",
        "cid/1.png": face(90),
        "bob/.hidden": "not a photo",
        "bob/Thumbs.db": "nor this",
    }
    for name, text in photos.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "readme.txt").write_text("no person")
    (tmp_path / "empty").mkdir()
    return tmp_path


def run(
    folder: Path, gallery: Gallery, *, threshold_degrees: float = 20, batch: int = 4
) -> tuple[Report, Stored, list[int]]:
    analyser, progress = Stored(), list[int]()
    report = evaluate(
        analyser,
        find_people(folder),
        threshold=float(np.cos(np.radians(threshold_degrees))),
        gallery=gallery,
        batch=batch,
        progress=progress.append,
    )
    return report, analyser, progress


def test_a_gallery_of_mates_holds_who_has_a_second_photo(folder: Path) -> None:
    report, _, _ = run(folder, Gallery.MATED)

    found = report.accuracy
    assert found.enrolled == 2
    assert found.rank_1 == Share(3, 6)  # ann/2, bob/2, and bob/3 while Cid is not enrolled
    assert found.found == Share(2, 6)
    assert found.mates_passed == Share(2, 6)
    assert found.false_alarms == Share(1, 4)  # ann/3 looks like Bob
    assert found.impostors_passed == Share(1, 4)


def test_a_gallery_of_all_holds_people_to_be_mistaken_for(folder: Path) -> None:
    report, _, _ = run(folder, Gallery.ALL)

    found = report.accuracy
    assert found.enrolled == 3
    assert found.rank_1 == Share(2, 6)
    assert found.false_alarms == Share(2, 4)  # and bob/3 looks like Cid
    assert found.impostors_passed == Share(2, 8)


def test_a_mate_may_pass_without_being_first(folder: Path) -> None:
    report, _, _ = run(folder, Gallery.MATED, threshold_degrees=31)

    assert report.accuracy.mates_passed == Share(3, 6)
    assert report.accuracy.found == Share(2, 6)


def test_photos_without_a_usable_face_are_counted_by_reason_and_as_misses(folder: Path) -> None:
    report, _, _ = run(folder, Gallery.MATED)

    assert (report.people, report.photos, report.faces) == (3, 9, 8)
    assert report.failures == {"no_face_found": 1, "image_empty": 1}
    assert report.accuracy.rank_1.total == 6


def test_a_person_whose_first_photo_fails_is_missed_by_every_probe(folder: Path) -> None:
    (folder / "ann" / "1.png").write_text("nobody")

    report, _, _ = run(folder, Gallery.MATED)

    assert report.accuracy.enrolled == 1
    assert report.accuracy.rank_1 == Share(2, 6)


def test_nobody_enrolled_is_nobody_found(folder: Path) -> None:
    for person in ("ann", "bob"):
        (folder / person / "1.png").write_text("nobody")

    report, _, _ = run(folder, Gallery.MATED)

    assert report.accuracy.enrolled == 0
    assert report.accuracy.rank_1 == Share(0, 6)
    assert report.accuracy.impostors_passed.rate == 0


def test_photos_are_analysed_in_batches_and_told_as_progress(folder: Path) -> None:
    report, analyser, progress = run(folder, Gallery.MATED, batch=4)

    assert analyser.batches == progress == [4, 4, 1]
    assert report.stages == Timings(8, 16, 24, 32)
    assert report.photos_per_second == pytest.approx(9 / report.seconds)


def test_a_folder_without_two_photos_of_anybody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "1.png").write_text(face(0))

    with pytest.raises(InvalidRequest, match="two or more photos"):
        find_people(tmp_path)


def test_one_person_alone_is_refused_for_nobody_is_there_to_be_mistaken_for(folder: Path) -> None:
    for name in ("bob", "cid"):
        (folder / name).rename(folder / f".{name}")

    for searched in (True, False):
        with pytest.raises(InvalidRequest, match="two people or more"):
            find_people(folder, searched=searched)


def test_one_photo_of_each_is_enough_to_compare_strangers(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_text(face(0))

    assert list(find_people(tmp_path, searched=False)) == ["ann", "bob"]
    with pytest.raises(InvalidRequest, match="two or more photos"):
        find_people(tmp_path)
