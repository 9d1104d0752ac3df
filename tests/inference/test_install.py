"""Installing packs: whole or not at all, whatever goes wrong on the way."""

import errno
import hashlib
import io
import multiprocessing
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.errors import (
    DigestMismatch,
    DiskFull,
    DownloadFailed,
    LicenceNotAccepted,
    ModelError,
    PackNotInstalled,
)
from core.inference import archives, install
from core.inference.packs import (
    ArchiveSource,
    Licence,
    LocalSource,
    Manifest,
    Pack,
    PinnedFile,
    RecogniserSpec,
    ScrfdSpec,
)
from tests.inference.conftest import WebServer

CONTENT = {"det.onnx": b"detector" * 5000, "rec.onnx": b"recogniser" * 5000}
PINNED = tuple(
    PinnedFile(name, hashlib.sha256(content).hexdigest(), len(content))
    for name, content in CONTENT.items()
)
LICENCE = Licence("X", "Research only", "For research.", False, True, "https://example.org/")


def make_pack(source: ArchiveSource | LocalSource) -> Pack:
    return Pack(
        name="mine",
        title="Mine",
        summary="A pack.",
        threshold=0.4,
        threshold_source="a guess",
        licence=LICENCE,
        detector=ScrfdSpec("scrfd", "det.onnx"),
        recogniser=RecogniserSpec("arcface", "rec.onnx", 512),
        sources=(source,),
    )


@pytest.fixture
def pack() -> Pack:
    return make_pack(LocalSource("local", PINNED))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def whole(models: Path) -> list[str]:
    """What lies in the models folder, without locks."""
    return sorted(
        str(path.relative_to(models)) for path in models.rglob("*") if path.suffix != ".lock"
    )


NOTHING = [".work"]


def test_a_pack_is_installed_with_a_record_of_what_it_is(
    pack: Pack, files: Path, models: Path
) -> None:
    installed = install.install(pack, models, source=files, accept_licence=True)

    assert whole(models) == [
        ".work",
        "mine",
        "mine/det.onnx",
        "mine/installed.json",
        "mine/rec.onnx",
    ]
    assert installed == install.show(pack, models)
    assert installed.space == pack.space.id
    assert (installed.licence, installed.licence_accepted) == ("X", True)
    assert [(file.name, file.sha256, file.pinned) for file in installed.files] == [
        (pinned.name, pinned.sha256, True) for pinned in PINNED
    ]


def test_without_acceptance_nothing_is_fetched(pack: Pack, files: Path, models: Path) -> None:
    with pytest.raises(LicenceNotAccepted, match="install mine --accept-license"):
        install.install(pack, models, source=files)

    assert whole(models) == NOTHING


def test_a_second_install_only_verifies(pack: Pack, files: Path, models: Path) -> None:
    first = install.install(pack, models, source=files, accept_licence=True)

    # No source, no acceptance: neither is needed for what is there.
    assert install.install(pack, models) == first


@pytest.mark.parametrize("name", ["det.onnx", "rec.onnx"])
def test_a_changed_or_missing_file_is_found(
    pack: Pack, files: Path, models: Path, name: str
) -> None:
    install.install(pack, models, source=files, accept_licence=True)
    (models / "mine" / name).write_bytes(CONTENT[name][:-1] + b"!")
    with pytest.raises(DigestMismatch, match=rf"{name} of the model pack mine .* has changed"):
        install.verify(pack, models)

    (models / "mine" / name).unlink()
    with pytest.raises(DigestMismatch, match="missing"):
        install.verify(pack, models)


def test_an_install_repairs_a_damaged_pack(pack: Pack, files: Path, models: Path) -> None:
    install.install(pack, models, source=files, accept_licence=True)
    (models / "mine" / "det.onnx").write_bytes(b"rotten")

    install.install(pack, models, source=files, accept_licence=True)

    assert install.verify(pack, models).pack == "mine"


def test_a_failed_repair_leaves_the_damaged_pack_as_it_was(
    pack: Pack, files: Path, models: Path
) -> None:
    install.install(pack, models, source=files, accept_licence=True)
    (models / "mine" / "det.onnx").write_bytes(b"rotten")
    before = whole(models)

    with pytest.raises(ModelError):
        install.install(pack, models, source=files / "det.onnx", accept_licence=True)

    assert whole(models) == before


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"version": 99}', "\x00"])
def test_a_pack_with_an_unreadable_record_counts_as_not_installed(
    pack: Pack, files: Path, models: Path, record: str
) -> None:
    install.install(pack, models, source=files, accept_licence=True)
    (models / "mine" / "installed.json").write_text(record)

    with pytest.raises(PackNotInstalled, match="models install mine --accept-license"):
        install.show(pack, models)

    install.install(pack, models, source=files, accept_licence=True)
    assert install.verify(pack, models)


def test_a_pack_of_another_manifest_counts_as_not_installed(
    pack: Pack, files: Path, models: Path
) -> None:
    install.install(pack, models, source=files, accept_licence=True)
    changed = replace(pack, recogniser=replace(pack.recogniser, flip="sum"))

    with pytest.raises(PackNotInstalled, match="another version"):
        install.show(changed, models)


def test_a_wrong_file_leaves_nothing_behind(pack: Pack, files: Path, models: Path) -> None:
    (files / "rec.onnx").write_bytes(b"another" * 5000)

    with pytest.raises(DigestMismatch, match=r"rec\.onnx"):
        install.install(pack, models, source=files, accept_licence=True)

    assert whole(models) == NOTHING


def test_a_pack_that_cannot_be_downloaded_says_how_it_comes_in(pack: Pack, models: Path) -> None:
    with pytest.raises(ModelError, match=r"det\.onnx, rec\.onnx cannot be downloaded.*--from"):
        install.install(pack, models, accept_licence=True)

    assert whole(models) == NOTHING


def test_what_a_killed_install_left_is_cleared_away(pack: Pack, files: Path, models: Path) -> None:
    left = models / ".work" / "mine" / "half"
    left.mkdir(parents=True)
    (left / "det.onnx").write_bytes(b"half of it")

    install.install(pack, models, source=files, accept_licence=True)

    assert not left.exists()
    assert install.verify(pack, models)


def test_a_full_disk_is_told_and_leaves_nothing(
    pack: Pack, files: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives, "take", full)

    with pytest.raises(DiskFull, match="full"):
        install.install(pack, models, source=files, accept_licence=True)

    assert whole(models) == NOTHING


def test_a_folder_that_cannot_be_made_is_told(pack: Pack, files: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ModelError, match="cannot be used: Not a directory"):
        install.install(pack, tmp_path / "file" / "models", source=files, accept_licence=True)


def _install(pack: Pack, models: Path, files: Path) -> None:
    install.install(pack, models, source=files, accept_licence=True)


def test_two_installs_at_once_do_not_disturb_each_other(
    pack: Pack, files: Path, models: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_install, args=(pack, models, files)) for _ in range(3)]

    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert install.verify(pack, models)
    assert whole(models) == [
        ".work",
        "mine",
        "mine/det.onnx",
        "mine/installed.json",
        "mine/rec.onnx",
    ]


# --- over the network ---------------------------------------------------------------------------


def zipped(content: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, each in content.items():
            archive.writestr(f"mine/{name}", each)
    return stream.getvalue()


@pytest.fixture
def remote(web_server: WebServer) -> Pack:
    web_server.files["/mine.zip"] = zipped(CONTENT)
    return make_pack(ArchiveSource("archive", f"{web_server.address}/mine.zip", PINNED))


def test_a_pack_comes_out_of_a_downloaded_archive(remote: Pack, models: Path) -> None:
    install.install(remote, models, accept_licence=True)

    assert install.verify(remote, models)
    assert whole(models) == [
        ".work",
        "mine",
        "mine/det.onnx",
        "mine/installed.json",
        "mine/rec.onnx",
    ]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda server: server.cut.add("/mine.zip"), DownloadFailed),
        (lambda server: server.files.clear(), DownloadFailed),
        (lambda server: server.files.update({"/mine.zip": zipped(CONTENT)[:-30]}), DownloadFailed),
        (
            lambda server: server.files.update(
                {"/mine.zip": zipped({**CONTENT, "det.onnx": b"x"})}
            ),
            DigestMismatch,
        ),
        (
            lambda server: server.files.update({"/mine.zip": zipped({"det.onnx": b"x"})}),
            DigestMismatch,
        ),
        (lambda server: server.files.update({"/mine.zip": zipped({})}), ModelError),
    ],
)
def test_a_bad_download_leaves_nothing_behind(
    web_server: WebServer,
    remote: Pack,
    models: Path,
    spoil: Callable[[WebServer], None],
    error: type[Exception],
) -> None:
    spoil(web_server)

    with pytest.raises(error):
        install.install(remote, models, accept_licence=True)

    assert whole(models) == NOTHING


# --- the open pack and the photos of the demo ---------------------------------------------------


def test_the_open_pack_is_converted_the_same_way_everywhere(
    manifest: Manifest, open_folder: Path, models: Path
) -> None:
    pack = manifest.pack("open")
    expected = install.verify(pack, open_folder.parent)

    installed = install.install(pack, models, source=open_folder)

    assert installed.files == expected.files
    assert [file.name for file in installed.files if not file.pinned] == [
        pack.detector.graph, pack.recogniser.graph,
    ]  # fmt: skip


def test_a_network_that_cannot_be_converted_leaves_nothing_behind(
    manifest: Manifest, open_folder: Path, models: Path, tmp_path: Path
) -> None:
    pack = manifest.pack("open")
    bad = tmp_path / pack.recogniser.file
    bad.write_bytes(b"no network")
    pinned = PinnedFile(bad.name, hashlib.sha256(b"no network").hexdigest())
    source = LocalSource("local", (pack.file("centerface.onnx"), pinned))
    (tmp_path / "centerface.onnx").symlink_to(open_folder / "centerface.onnx")

    with pytest.raises(ModelError, match="not the dlib face recognition network"):
        install.install(replace(pack, sources=(source,)), models, source=tmp_path)

    assert whole(models) == NOTHING


def test_the_photos_of_the_demo_are_put_where_they_are_missing(
    manifest: Manifest, tmp_path: Path
) -> None:
    wanted = [file for source in manifest.samples for file in source.files]
    samples = Path(__file__).parents[2] / "models" / "samples"
    if not all((samples / file.name).is_file() for file in wanted):
        pytest.skip("the sample photos are not installed")
    paths = install.install_samples(manifest, tmp_path / "photos", source=samples)
    paths[0].unlink()

    again = install.install_samples(manifest, tmp_path / "photos", source=samples)

    assert again == paths
    assert [path.name for path in paths] == [file.name for file in wanted]
    assert [archives.sha256(path) for path in paths] == [file.sha256 for file in wanted]


def test_a_detector_with_training_left_in_it_becomes_a_plain_dynamic_graph() -> None:
    weight = numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "weight")
    counter = numpy_helper.from_array(np.zeros((), np.int64), "num_batches_tracked")
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["heat"])],
        "detector",
        [
            info("image", TensorProto.FLOAT, [10, 3, 32, 32]),
            info("weight", TensorProto.FLOAT, [1, 3, 1, 1]),
        ],
        [info("heat", TensorProto.FLOAT, [10, 1, 32, 32])],
        [weight, counter],
    )
    data = helper.make_model(graph).SerializeToString()

    made = onnx.load_model_from_string(install.graphs.dynamic_graph(data)).graph

    assert [value.name for value in made.input] == ["image"]
    assert [constant.name for constant in made.initializer] == ["weight"]
    sizes = [dim.dim_param or dim.dim_value for dim in made.input[0].type.tensor_type.shape.dim]
    assert sizes == ["n", 3, "height", "width"]


def test_a_file_that_is_no_graph_is_refused() -> None:
    with pytest.raises(ModelError, match="not an ONNX model"):
        install.graphs.dynamic_graph(b"\xff\xff not a model")
