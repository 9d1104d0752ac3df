"""Measuring what this machine takes in: every photo counts once, and nothing is left behind."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from core.bare_networks import Bare, measure_bare
from core.images import PhotoLimits, decode
from core.inference.packs import load_manifest
from core.pipelines import Pipelines
from core.settings import Settings
from core.stages import Stage, Work
from core.throughput import Mark, Throughput, at_once, measure, photos_of, plain

LIMITS = PhotoLimits(max_bytes=2**20, max_pixels=10**6)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two photos and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for level in (50, 200):
        Image.new("RGB", (64, 48), (level, 9, 9)).save(folder / f"{level}.jpg")
    (folder / "text.jpg").write_text("no picture")
    return sorted(folder.iterdir())


@pytest.fixture
def own(tmp_path: Path, pipelines: Pipelines) -> Settings:
    """Settings with a data folder of the test's own."""
    assert pipelines, "without models the fixture skips"
    return Settings(_env_file=None, data_dir=tmp_path / "data", device="cpu", batch_photos=2)


def run(
    settings: Settings, pipelines: Pipelines, files: Sequence[Path], count: int, *, database: bool
) -> tuple[Throughput, list[int]]:
    pack = load_manifest(settings).pack("open")
    told: list[int] = []
    pipeline = pipelines[pack.space.id]
    found = measure(settings, pack, pipeline, files, count, database=database, tell=told.append)
    return found, told


@pytest.mark.parametrize("database", [True, False])
def test_every_photo_counts_and_nothing_is_left_behind(
    own: Settings, pipelines: Pipelines, files: list[Path], database: bool
) -> None:
    found, told = run(own, pipelines, files, 7, database=database)

    # A file that is no picture is refused before it is queued.
    assert sum(told) == (5 if database else 7)
    assert (found.photos, found.refused) == (7, 2)
    assert found.work.photos == 5
    assert found.photos_per_second > 0
    assert (Stage.WRITE in found.work.stages) == database
    assert found.marks[-1].rss > 0
    assert not database or list(own.data_dir.iterdir()) == []


def test_a_folder_without_a_readable_photo_is_measured_as_nothing_done(
    own: Settings, pipelines: Pipelines, tmp_path: Path
) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")

    found, told = run(own, pipelines, [text], 2, database=True)

    assert (found.photos, found.refused, sum(told)) == (2, 2, 0)
    assert plain(found)["memory_growth"] == 0


def test_where_one_thread_breaks_the_others_stop_too() -> None:
    calls: list[None] = []

    def work() -> bool:
        calls.append(None)
        if len(calls) == 2:
            raise OSError("the disk is full")
        time.sleep(0.01)
        return len(calls) < 500

    with pytest.raises(OSError, match="full"):
        at_once(work, 2)

    assert len(calls) < 50


def test_photos_are_repeated_with_other_bytes_and_the_same_picture(files: list[Path]) -> None:
    photos = list(photos_of(files[:2], 5))

    assert len(set(photos)) == 5
    assert photos[0] == files[0].read_bytes()
    assert (decode(photos[4], LIMITS).pixels == decode(photos[0], LIMITS).pixels).all()


def test_memory_grows_from_what_was_held_after_the_first_fifth() -> None:
    marks = tuple(
        Mark(n, rss) for n, rss in enumerate([50, 100, 100, 100, 104, 102, 100, 99, 98, 97])
    )

    assert Throughput(10, 0, 1.0, Work(), marks, None).growth == pytest.approx(0.04)


def test_both_networks_on_the_same_cores_are_slower_than_the_slowest() -> None:
    bare = Bare(detector=30, recogniser=60)

    assert bare.mean(Bare(detector=15, recogniser=60)) == Bare(pytest.approx(20), 60)
    assert bare.slowest == 30
    assert bare.both == pytest.approx(20)


def test_the_networks_alone_are_measured_on_photos_with_a_face(
    own: Settings, pipelines: Pipelines
) -> None:
    pipeline = pipelines[load_manifest(own).pack("open").space.id]
    sample = Path(__file__).parents[1] / "models" / "samples" / "obama.jpg"
    if not sample.exists():
        pytest.skip("the sample photos are not installed")

    bare = measure_bare(pipeline, [sample.read_bytes(), b"no picture"], own)

    assert bare is not None
    assert 0 < bare.both < bare.slowest
    assert measure_bare(pipeline, [b"no picture"], own) is None
