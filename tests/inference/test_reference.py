"""What a pack gave on the CPU is kept, and made anew where it is of no use."""

import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import DeviceUnavailable
from core.inference import loading, reference
from core.inference.packs import Manifest, Pack
from core.inference.reference import FILE, MOST_FACES, SIDE, Networks, Reference
from core.settings import Device, Settings


@pytest.fixture(scope="module")
def pack(manifest: Manifest) -> Pack:
    return manifest.pack("open")


@pytest.fixture
def settings(open_folder: Path, tmp_path: Path) -> Settings:
    """Settings for a models folder of the test's own, with the open pack in it and no photos."""
    shutil.copytree(open_folder, tmp_path / "open", ignore=shutil.ignore_patterns(FILE))
    return Settings(_env_file=None, models_dir=tmp_path, device=Device.CPU)


@pytest.fixture(scope="module")
def networks(pack: Pack, open_folder: Path) -> Networks:
    settings = Settings(_env_file=None, models_dir=open_folder.parent)
    return loading._networks(pack, settings, Device.CPU)


def test_the_faces_of_the_photo_that_shows_most_people_are_the_reference(
    pack: Pack, networks: Networks
) -> None:
    samples = sorted((Path(__file__).parents[2] / "models" / "samples").glob("*.jpg"))
    if not samples:
        pytest.skip("the sample photos are not installed")

    made = reference.make(pack, networks, samples)

    assert made.crops.shape == (6, 150, 150, 3)
    assert made.vectors.shape == (6, 128)
    assert len(made.crops) <= MOST_FACES
    assert made.picture.shape == (SIDE, SIDE, 3)
    assert made.picture[:200].std() > 30  # the photo
    assert made.picture[-20:].max() == 0  # wider than high: filled up below
    assert [each.shape[1] for each in made.maps] == [1, 2, 2, 10]


def test_without_photos_drawn_pictures_do(pack: Pack, networks: Networks) -> None:
    made = reference.make(pack, networks, [])

    assert made.crops.shape == (4, 150, 150, 3)
    assert np.isfinite(made.vectors).all()
    again = reference.make(pack, networks, [])
    np.testing.assert_array_equal(made.crops, again.crops)


def test_the_first_load_keeps_the_reference_and_says_so(
    pack: Pack, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert reference.read(pack, settings.models_dir) is None

    with caplog.at_level("INFO"):
        loading.load_models(pack, settings)

    kept = reference.read(pack, settings.models_dir)
    assert kept is not None
    assert "open has no reference yet" in caplog.text
    path = settings.models_dir / "open" / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.glob("*.npz")] == [FILE]


def test_what_is_kept_is_what_was_made(pack: Pack, settings: Settings) -> None:
    made = loading.keep_reference(pack, settings)

    kept = reference.read(pack, settings.models_dir)

    assert kept is not None
    for name in ("crops", "vectors", "picture"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(made, name))
    for mine, other in zip(kept.maps, made.maps, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("place", ["packed numbers", "way of packing"])
def test_a_byte_that_has_changed_is_found(pack: Pack, settings: Settings, place: str) -> None:
    """numpy, zipfile and zlib each raise errors of their own."""
    path = settings.models_dir / "open" / FILE
    numbers = np.arange(4 * 128, dtype=np.float32).reshape(4, 128)
    small = np.zeros((4, 2, 2, 3), np.uint8)
    reference.keep(pack, settings.models_dir, Reference(small, numbers, small[0], (numbers,)))
    data = bytearray(path.read_bytes())
    if place == "packed numbers":
        at = data.index(b"vectors.npy") + 60
        data[at : at + 200] = b"\xff" * 200
    else:
        data[data.index(b"PK\x01\x02") + 10] = 99
    path.write_bytes(data)

    assert reference.read(pack, settings.models_dir) is None


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_made_anew(
    pack: Pack, settings: Settings, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = settings.models_dir / "open" / FILE
    path.write_bytes(content)

    loading.load_models(pack, settings)

    assert "cannot be read" in caplog.text
    assert reference.read(pack, settings.models_dir) is not None


def test_the_reference_of_another_space_or_form_is_made_anew(
    pack: Pack, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading.keep_reference(pack, settings)
    other = replace(pack, recogniser=replace(pack.recogniser, flip="none"))

    assert reference.read(pack, settings.models_dir) is not None
    assert reference.read(other, settings.models_dir) is None
    monkeypatch.setattr(reference, "VERSION", 2)
    assert reference.read(pack, settings.models_dir) is None


def test_a_folder_that_cannot_be_written_costs_only_a_warning(
    pack: Pack,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reference, "_write", refuse)
    before = sorted((settings.models_dir / "open").iterdir())

    models = loading.load_models(pack, settings)

    assert models.device is Device.CPU
    assert "cannot be kept: No space left on device" in caplog.text
    assert sorted((settings.models_dir / "open").iterdir()) == before


def test_processes_that_write_at_once_leave_one_whole_file(pack: Pack, settings: Settings) -> None:
    pictures = np.zeros((64, 64, 64, 3), np.uint8)
    made = [
        Reference(pictures, np.full((64, 128), n, np.float32), pictures[0], (pictures[0],))
        for n in range(4)
    ]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: reference.keep(pack, settings.models_dir, each), made * 3))
        found = list(pool.map(lambda _: reference.read(pack, settings.models_dir), range(4)))

    assert all(each is not None and np.ptp(each.vectors) == 0 for each in found)
    assert list((settings.models_dir / "open").glob(".*")) == []


def test_a_cpu_that_gives_something_else_than_before_is_refused(
    pack: Pack, settings: Settings
) -> None:
    made = loading.keep_reference(pack, settings)
    turned = Reference(made.crops, made.vectors[::-1], made.picture, made.maps)
    reference.keep(pack, settings.models_dir, turned)

    with pytest.raises(DeviceUnavailable, match="`facesearch models install open`"):
        loading.load_models(pack, settings)
