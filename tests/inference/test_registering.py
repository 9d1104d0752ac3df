"""Registering a recogniser: a pack that works and is written down, or nothing at all."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.make_r50 import R50, iresnet
from core.errors import DigestMismatch, ModelError, NameTaken, PackNotInstalled, SetupError
from core.inference import install
from core.inference.loading import load_models
from core.inference.packs import OWN_MANIFEST, Pack, load_manifest, read_manifest
from core.inference.registering import LICENCE_FILE, Registration, register, table
from core.settings import Device, Settings
from tests.inference.topologies import vit

NARROW = (8, 8, 16, 16)


@pytest.fixture
def models(tmp_path: Path, open_folder: Path) -> Path:
    """A models folder with the open pack and no sample photos."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "open").symlink_to(open_folder)
    return folder


@pytest.fixture
def settings(models: Path) -> Settings:
    return Settings(_env_file=None, models_dir=models, device=Device.CPU)


@pytest.fixture
def wish(tmp_path: Path) -> Registration:
    file = tmp_path / "ours (1).onnx"
    file.write_bytes(vit(768, blocks=2, name="data", channels_last=True))
    return Registration(file, "ours", colours="bgr", mean=(120.0, 110.0, 100.0), std=(128.0,))


def everything_in(models: Path) -> set[str]:
    return {path.name for path in models.iterdir()} - {install.WORK}


def test_a_registered_recogniser_is_a_pack_like_any_other(
    wish: Registration, settings: Settings
) -> None:
    added = register(wish, settings)

    pack = load_manifest(settings).pack("ours")
    assert pack == added.pack
    assert pack.detector == load_manifest(settings).pack("open").detector
    assert (pack.recogniser.dimension, pack.recogniser.layout) == (768, "nhwc")
    assert pack.recogniser.colours == "bgr"
    assert pack.recogniser.std == (128.0, 128.0, 128.0)
    assert install.verify(pack, settings.models_dir).files == added.installed.files
    crops = np.zeros((2, 112, 112, 3), np.uint8)
    assert load_models(pack, settings).embedder.embed(crops).shape == (2, 768)
    assert (added.probe.normalised, added.faces) == (False, None)


def test_a_static_batch_and_a_threshold_are_taken_as_given(
    wish: Registration, settings: Settings
) -> None:
    wish.file.write_bytes(iresnet(R50, NARROW, 128, batch=1))

    added = register(
        replace(wish, threshold=0.0, threshold_source="ours, FMR 1e-5", title="Ours", flip="sum"),
        settings,
    )

    assert added.shape.batch == 1
    assert (added.pack.threshold, added.pack.threshold_source) == (0.0, "ours, FMR 1e-5")
    assert (added.pack.title, added.pack.recogniser.flip) == ("Ours", "sum")


def test_a_threshold_that_was_not_given_says_that_it_is_a_guess(
    wish: Registration, settings: Settings
) -> None:
    assert "a guess" in register(wish, settings).pack.threshold_source
    assert (
        "a guess"
        not in register(replace(wish, name="second", threshold=0.0), settings).pack.threshold_source
    )


def test_what_stands_in_the_manifest_already_stays(wish: Registration, settings: Settings) -> None:
    register(wish, settings)
    own = settings.models_dir / OWN_MANIFEST
    own.write_text(own.read_text() + "# the first one is better\n")
    own.chmod(0o640)
    before = own.read_text()

    register(replace(wish, name="second", flip="sum"), settings)

    assert own.read_text().startswith(before)
    assert own.stat().st_mode & 0o777 == 0o640
    assert set(read_manifest(own).packs) == {"ours", "second"}


def test_a_manifest_that_the_settings_name_is_made(
    wish: Registration, settings: Settings, tmp_path: Path
) -> None:
    named = settings.model_copy(update={"extra_packs": tmp_path / "etc" / "mine.toml"})

    added = register(wish, named)

    assert added.manifest == named.extra_packs
    assert load_manifest(named).pack("ours") == added.pack
    assert everything_in(settings.models_dir) == {"open", "ours"}


def test_the_text_of_the_licence_is_kept_and_verified(
    wish: Registration, settings: Settings, tmp_path: Path
) -> None:
    text = tmp_path / "terms"
    text.write_text("Do as you like.\n")

    added = register(replace(wish, licence="Ours", licence_file=text, commercial=True), settings)

    kept = added.installed.folder / LICENCE_FILE
    assert kept.read_text() == "Do as you like.\n"
    assert (added.pack.licence.title, added.pack.licence.commercial) == ("Ours", True)
    kept.write_text("Do nothing.\n")
    with pytest.raises(DigestMismatch, match=LICENCE_FILE):
        install.verify(added.pack, settings.models_dir)


def test_any_printable_title_can_be_read_back(wish: Registration, settings: Settings) -> None:
    title = 'Ünï "quoted" \\ 😀 # [x]'

    register(replace(wish, title=title), settings)

    assert load_manifest(settings).pack("ours").title == title


def test_every_pack_can_be_written_as_a_table(settings: Settings, tmp_path: Path) -> None:
    packs: list[Pack] = list(load_manifest(settings))
    path = tmp_path / "all.toml"

    path.write_text("version = 1\n" + "\n".join(map(table, packs)))

    assert list(read_manifest(path)) == packs


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"name": "open"}, NameTaken, "a pack open already"),
        ({"name": "samples"}, NameTaken, "a folder samples"),
        ({"name": "Ours!"}, ModelError, "small letters"),
        ({"name": "../ours"}, ModelError, "small letters"),
        ({"title": "two\nlines"}, ModelError, "one line of text"),
        ({"licence": "\udcff"}, ModelError, "one line of text"),
        ({"threshold": 1.5}, ModelError, "threshold: Input should be less than 1"),
        ({"std": (0.0,)}, ModelError, "std"),
        ({"mean": (1.0, 2.0)}, ModelError, "one number, or three"),
        ({"mean": (float("nan"),)}, ModelError, "cannot be used"),
        ({"side": 224}, ModelError, "112 x 112 pixels, not 224"),
        ({"detector": "buffalo_l"}, PackNotInstalled, "models install buffalo_l"),
        ({"file": Path("nowhere.onnx")}, ModelError, "No such file"),
        ({"licence_file": Path(os.devnull)}, ModelError, "licence file is empty"),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(
    wish: Registration,
    settings: Settings,
    changes: dict[str, object],
    error: type[Exception],
    reason: str,
) -> None:
    (settings.models_dir / "samples").mkdir()

    with pytest.raises(error, match=reason):
        register(replace(wish, **changes), settings)  # type: ignore[arg-type]

    assert everything_in(settings.models_dir) == {"open", "samples"}


def test_a_manifest_that_cannot_be_appended_to_is_left_alone(
    wish: Registration, settings: Settings
) -> None:
    own = settings.models_dir / OWN_MANIFEST
    own.write_text("version = 1\npacks = {}\n")

    with pytest.raises(SetupError, match="cannot be appended"):
        register(wish, settings)

    assert own.read_text() == "version = 1\npacks = {}\n"
    assert everything_in(settings.models_dir) == {"open", OWN_MANIFEST}


def test_a_run_that_was_killed_before_the_manifest_can_be_repeated(
    wish: Registration, settings: Settings
) -> None:
    register(wish, settings)
    (settings.models_dir / OWN_MANIFEST).unlink()

    added = register(wish, settings)

    assert load_manifest(settings).pack("ours") == added.pack


def test_a_folder_of_another_content_is_not_replaced(
    wish: Registration, settings: Settings
) -> None:
    register(wish, settings)
    (settings.models_dir / OWN_MANIFEST).unlink()

    with pytest.raises(NameTaken, match="a folder ours"):
        register(replace(wish, flip="sum"), settings)

    assert (settings.models_dir / "ours" / "ours.onnx").is_file()
