"""The manifest: what it says of the packs, and how it answers to mistakes."""

from pathlib import Path

import pytest

from core.errors import PackNotFound, SetupError
from core.gates import Floors, Gate
from core.inference.packs import (
    DLIB_CONVERTER_VERSION,
    OWN_MANIFEST,
    ArchiveSource,
    Manifest,
    load_manifest,
    read_manifest,
    tracked_manifest,
)
from core.settings import Settings

DIGEST = "0" * 64

GOOD = f"""
version = 1
[licences.free]
id = "MIT"
title = "MIT"
url = "https://example.org/"
summary = "Free."
commercial = true
acceptance = false
[packs.mine]
title = "Mine"
summary = "A pack."
threshold = 0.4
threshold_source = "a guess"
licence = "free"
detector = {{ kind = "scrfd", file = "det.onnx" }}
recogniser = {{ kind = "arcface", file = "rec.onnx", dimension = 512 }}
[[packs.mine.sources]]
kind = "local"
files = [{{ name = "det.onnx", sha256 = "{DIGEST}" }}, {{ name = "rec.onnx", sha256 = "{DIGEST}" }}]
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "packs.toml"


def test_the_packs_of_the_design_are_there(manifest: Manifest) -> None:
    assert set(manifest.packs) == {
        "open", "buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2"
    }  # fmt: skip


def test_only_research_weights_need_an_acceptance(manifest: Manifest) -> None:
    for pack in manifest:
        assert pack.licence.acceptance is (pack.name != "open")
        assert pack.licence.commercial is (pack.name == "open")


def test_the_release_archives_are_pinned_where_their_digest_is_known(manifest: Manifest) -> None:
    sources = {pack.name: pack.sources[0] for pack in manifest if pack.name != "open"}
    pinned = {
        name: each.sha256 for name, each in sources.items() if isinstance(each, ArchiveSource)
    }

    assert pinned["buffalo_l"].startswith("80ffe37d8a5940d5")
    assert [name for name, digest in pinned.items() if digest is None] == ["buffalo_s"]


def test_an_unknown_pack_is_answered_with_the_known_ones(manifest: Manifest) -> None:
    with pytest.raises(PackNotFound, match="'buffalo'; known are antelopev2, buffalo_l"):
        manifest.pack("buffalo")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('file = "det.onnx" }', 'file = "det.onnx", turned_threshold = 1 }'),
        ("dimension = 512", "dimension = 512, min_face = 40"),
        ('licence = "free"', 'licence = "free"\ngates = { strict = { score = 0.7, norm = 9 } }'),
    ],
)
def test_which_faces_are_chosen_is_no_part_of_the_space(
    written: Path, before: str, after: str
) -> None:
    written.write_text(GOOD)
    plain = read_manifest(written).pack("mine")
    written.write_text(GOOD.replace(before, after))
    choosing = read_manifest(written).pack("mine")

    assert choosing != plain
    assert choosing.space.id == plain.space.id


def test_a_gate_asks_of_a_space_what_its_pack_says_and_nothing_where_it_says_nothing(
    written: Path,
) -> None:
    gates = "gates = { standard = { norm = 7 }, strict = { score = 0.7, norm = 9 } }"
    written.write_text(GOOD.replace('licence = "free"', f'licence = "free"\n{gates}'))
    manifest = read_manifest(written)
    space = manifest.pack("mine").space.id

    assert manifest.floors(space, Gate.STANDARD) == Floors(score=0, norm=7)
    assert manifest.floors(space, Gate.STRICT) == Floors(score=0.7, norm=9)
    assert manifest.floors(space, Gate.OFF) == manifest.floors("other", Gate.STRICT) == Floors()


def test_the_space_of_the_open_pack_never_changes_by_accident(manifest: Manifest) -> None:
    # Stored vectors belong to this id: a change here makes every collection unsearchable.
    assert manifest.pack("open").space.id == "sp_4a2975d3524e0cf929ea4b64c0679403"
    assert manifest.pack("buffalo_l").space.id == "sp_56ace7c5bbbbcb536b7264333a32e0fc"


def test_the_space_names_everything_that_shapes_a_vector(manifest: Manifest) -> None:
    pack = manifest.pack("open")

    contract = pack.space.contract

    assert contract["detector"]["sha256"] == pack.file("centerface.onnx").sha256
    assert contract["recogniser"]["sha256"] == pack.file(pack.recogniser.file).sha256
    assert contract["recogniser"]["flip"] == "sum"
    assert contract["recogniser"]["converter"] == DLIB_CONVERTER_VERSION
    assert contract["alignment"]["template"] == "dlib-150-v1"
    assert contract["dimension"] == pack.space.dimension == 128


def test_packs_of_the_same_networks_share_a_space(manifest: Manifest) -> None:
    assert manifest.pack("buffalo_s").space.id == manifest.pack("buffalo_sc").space.id


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "arcface"', 'kind = "arcface", flip = "sum"'),
        ('kind = "arcface"', 'kind = "arcface", colours = "bgr"'),
        ('kind = "arcface"', 'kind = "arcface", mean = [0, 0, 0]'),
        ('kind = "arcface"', 'kind = "arcface", std = 128.0'),
        ('kind = "arcface"', 'kind = "arcface", std = [127.5, 127.5, 128.0]'),
        ("dimension = 512", "dimension = 128"),
        (f'"rec.onnx", sha256 = "{DIGEST}"', f'"rec.onnx", sha256 = "1{DIGEST[1:]}"'),
        (f'"det.onnx", sha256 = "{DIGEST}"', f'"det.onnx", sha256 = "1{DIGEST[1:]}"'),
    ],
)
def test_whatever_shapes_a_vector_changes_the_space(written: Path, old: str, new: str) -> None:
    written.write_text(GOOD)
    before = read_manifest(written).pack("mine").space.id

    written.write_text(GOOD.replace(old, new))

    assert read_manifest(written).pack("mine").space.id != before


def test_thresholds_and_passes_leave_the_space_alone(written: Path) -> None:
    written.write_text(GOOD)
    before = read_manifest(written).pack("mine").space.id

    written.write_text(
        GOOD.replace("threshold = 0.4", "threshold = 0.5").replace(
            'file = "det.onnx" }', 'file = "det.onnx", sides = [640] }'
        )
    )

    assert read_manifest(written).pack("mine").space.id == before


def test_one_number_for_all_channels_is_the_same_as_three(written: Path) -> None:
    written.write_text(GOOD)
    before = read_manifest(written).pack("mine")

    written.write_text(
        GOOD.replace(
            'kind = "arcface"', 'kind = "arcface", mean = 127.5, std = [127.5, 127.5, 127.5]'
        )
    )

    assert read_manifest(written).pack("mine") == before
    assert read_manifest(written).pack("mine").space.id == before.space.id


def test_a_licence_can_stand_in_its_pack_and_needs_no_address(written: Path) -> None:
    table = GOOD.split("[licences.free]\n")[1].split("[packs.mine]", maxsplit=1)[0]
    written.write_text(
        GOOD.replace("[licences.free]\n" + table, "").replace('licence = "free"\n', "")
        + "[packs.mine.licence]\n"
        + table.replace('url = "https://example.org/"\n', "")
    )

    licence = read_manifest(written).pack("mine").licence

    assert (licence.id, licence.url) == ("MIT", None)


def test_every_fault_is_named_at_once(written: Path) -> None:
    text = GOOD.replace("dimension = 512", "dimension = 0").replace(DIGEST, "abc", 1)
    written.write_text(text.replace('title = "Mine"', 'tittle = "Mine"'))

    with pytest.raises(SetupError) as caught:
        read_manifest(written)

    message = str(caught.value)
    for place in ("recogniser.dimension", "files.0.sha256", "mine.title", "mine.tittle"):
        assert place in message


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('kind = "local"', 'kind = "archive"\nurl = "http://example.org/a.zip"', "https://"),
        ('"rec.onnx", sha', '"other.onnx", sha', "no source for the file rec.onnx"),
        ('"rec.onnx", sha', '"det.onnx", sha', "two files named det.onnx"),
        ('"rec.onnx", sha', '"../rec.onnx", sha', "should match pattern"),
        (
            "dimension = 512",
            'dimension = 512, template = "x"',
            "one of arcface-112-v1, arcface-128-v1, arcface-224-v1, dlib-150-v1",
        ),
        ('file = "det.onnx" }', 'file = "det.onnx", sides = [640, 320] }', "must ascend"),
        ('file = "det.onnx" }', 'file = "det.onnx", sides = [100] }', "multiple of 32"),
        ("[packs.mine]", '[packs."../mine"]', "should match pattern"),
        ('licence = "free"', 'licence = "none"', "licence"),
        ('summary = "A', 'gates = { off = { norm = 1 } }\nsummary = "A', "judges nothing"),
        ('summary = "A', 'gates = { strict = { nrom = 1 } }\nsummary = "A', "gates.strict.nrom"),
        (
            'summary = "A',
            'gates = { standard = { norm = 1 } }\nsummary = "A',
            "at least what standard does",
        ),
        ("version = 1", "version = 2", "version"),
        ("version = 1", "version = ", "is not TOML"),
    ],
)
def test_a_wrong_manifest_stops_with_its_reason(
    written: Path, old: str, new: str, fault: str
) -> None:
    written.write_text(GOOD.replace(old, new))

    with pytest.raises(SetupError) as caught:
        read_manifest(written)

    assert fault in str(caught.value)


def test_own_packs_come_beside_the_tracked_ones(written: Path) -> None:
    written.write_text(GOOD)

    manifest = load_manifest(Settings(_env_file=None, extra_packs=written))

    assert manifest.pack("mine").title == "Mine"
    assert manifest.pack("open").recogniser.dimension == 128


def test_own_packs_among_the_models_need_no_setting(tmp_path: Path) -> None:
    (tmp_path / OWN_MANIFEST).write_text(GOOD)

    manifest = load_manifest(Settings(_env_file=None, models_dir=tmp_path))

    assert manifest.pack("mine").title == "Mine"


def test_an_own_pack_cannot_take_the_place_of_a_tracked_one(written: Path) -> None:
    written.write_text(GOOD.replace("packs.mine", "packs.open"))

    with pytest.raises(SetupError, match="exist already: open"):
        load_manifest(Settings(_env_file=None, extra_packs=written))


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"none\.toml cannot be read"):
        load_manifest(Settings(_env_file=None, extra_packs=tmp_path / "none.toml"))


def test_no_manifest_names_a_package_index() -> None:
    assert "pypi" not in tracked_manifest().read_text().lower()
