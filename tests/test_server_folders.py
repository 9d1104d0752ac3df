"""Files of the server: those below allowed folders, and no others, whatever links there are."""

import errno
import os
import shutil
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import SourceMissing, SourceNotAllowed, SourceUnreachable
from core.server_folders import (
    MOST_LEVELS,
    FolderFile,
    LeftOut,
    allowed_folders,
    open_file,
    resolve,
    walk,
)
from core.settings import Settings

LONG_NAME = "x" * 300


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """An allowed folder, and beside it one that is not."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.jpg").write_bytes(b"secret")
    folder = tmp_path / "photos"
    (folder / "ann").mkdir(parents=True)
    (folder / "ann" / "1.jpg").write_bytes(b"ann 1")
    (folder / "top.jpg").write_bytes(b"top")
    return folder


def allowing(*folders: Path) -> Settings:
    return Settings(import_folders=os.pathsep.join(map(str, folders)))


def read(settings: Settings, path: Path | str) -> bytes:
    with open_file(settings, path) as file:
        return file.read()


def walked(settings: Settings, folder: Path | str) -> list[str]:
    return [found.key for found in walk(settings, str(folder)) if isinstance(found, FolderFile)]


def left_out(settings: Settings, folder: Path | str) -> LeftOut:
    (found,) = [each for each in walk(settings, str(folder)) if isinstance(each, LeftOut)]
    return found


# --- one file -------------------------------------------------------------------------------


def test_files_below_an_allowed_folder_are_read(photos: Path) -> None:
    settings = allowing(photos)

    assert read(settings, photos / "ann" / "1.jpg") == b"ann 1"
    assert read(settings, "ann/1.jpg") == b"ann 1"
    assert read(settings, f"{photos}//./top.jpg") == b"top"
    assert resolve(settings, str(photos / "ann")) == photos / "ann"
    assert resolve(settings, ".") == photos


def test_a_relative_path_is_in_the_first_folder_that_has_it(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "top.jpg").write_bytes(b"other top")
    (other / "only.jpg").write_bytes(b"only")
    settings = allowing(photos, other)

    assert read(settings, "top.jpg") == b"top"
    assert read(settings, "only.jpg") == b"only"
    with pytest.raises(SourceMissing):
        read(settings, "none.jpg")


def test_no_folder_is_allowed_unless_the_operator_names_it(photos: Path) -> None:
    assert allowed_folders(Settings()) == ()
    for path in (str(photos / "top.jpg"), "top.jpg", "", "/"):
        with pytest.raises(SourceNotAllowed):
            resolve(Settings(), path)


def test_allowed_folders_are_named_by_absolute_paths() -> None:
    with pytest.raises(ValidationError, match="absolute paths"):
        Settings(import_folders=f"/photos{os.pathsep}more")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../secret/key.jpg", "ann/../top.jpg", "ann/../../secret/key.jpg", "/", "a\0b"],
)
def test_what_lies_elsewhere_is_refused_whether_it_is_there_or_not(photos: Path, path: str) -> None:
    settings = allowing(photos)
    beside = f"{photos}-more/x.jpg"

    for refused in (path, f"{photos}/{path}" if ".." in path else path, beside):
        for use in (resolve, read, lambda *given: list(walk(*given))):
            with pytest.raises(SourceNotAllowed, match="FACESEARCH_IMPORT_FOLDERS"):
                use(settings, refused)


def test_what_is_not_there_is_missing(photos: Path) -> None:
    for path in ("none.jpg", "none/1.jpg", "top.jpg/x.jpg", LONG_NAME):
        for use in (resolve, read):
            with pytest.raises(SourceMissing, match="no such file or folder"):
                use(allowing(photos), path)


def test_a_folder_is_no_file(photos: Path) -> None:
    for path in ("ann", "."):
        with pytest.raises(SourceNotAllowed, match="no file"):
            read(allowing(photos), path)
    with pytest.raises(SourceMissing):
        list(walk(allowing(photos), "top.jpg"))


def test_no_message_holds_a_path_of_the_server(photos: Path) -> None:
    for path in (photos / "none.jpg", photos.parent / "secret", photos / "ann"):
        with pytest.raises((SourceMissing, SourceNotAllowed)) as raised:
            read(allowing(photos), path)
        assert str(photos.parent) not in str(raised.value)


def test_a_disk_that_fails_while_a_file_is_read_is_worth_another_try(photos: Path) -> None:
    with (
        pytest.raises(SourceUnreachable, match="Input/output error"),
        open_file(allowing(photos), "top.jpg"),
    ):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


# --- links and other things -----------------------------------------------------------------


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize("make", [_fifo, _socket, _device])
def test_what_is_no_file_is_refused_at_once(photos: Path, make: Callable[[Path], None]) -> None:
    make(photos / "thing.jpg")
    settings = allowing(photos)

    for use in (resolve, read):
        with pytest.raises(SourceNotAllowed, match="no file"):
            use(settings, "thing.jpg")
    assert left_out(settings, photos) == LeftOut(others=1)


def test_links_that_stay_inside_are_followed(photos: Path) -> None:
    (photos / "link.jpg").symlink_to("ann/1.jpg")
    (photos / "folder").symlink_to("ann")
    settings = allowing(photos)

    assert read(settings, "link.jpg") == b"ann 1"
    assert read(settings, "folder/1.jpg") == b"ann 1"
    assert resolve(settings, "folder/1.jpg") == photos / "ann" / "1.jpg"


def test_a_link_may_lead_from_one_allowed_folder_into_another(photos: Path, tmp_path: Path) -> None:
    (photos / "link.jpg").symlink_to(tmp_path / "secret" / "key.jpg")

    assert read(allowing(photos, tmp_path / "secret"), "link.jpg") == b"secret"


def test_an_allowed_folder_may_be_a_link_itself(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(photos)
    settings = allowing(tmp_path / "alias")

    assert read(settings, tmp_path / "alias" / "top.jpg") == b"top"
    assert read(settings, photos / "top.jpg") == b"top"
    assert walked(settings, tmp_path / "alias") == ["ann/1.jpg", "top.jpg"]


@pytest.mark.parametrize(
    "target", ["secret/key.jpg", "secret/none.jpg", "secret", "", "photos/link.jpg"]
)
def test_links_that_lead_out_or_nowhere_are_refused_alike(photos: Path, target: str) -> None:
    (photos / "link.jpg").symlink_to(photos.parent / target)
    (photos / "up").symlink_to(photos.parent)
    settings = allowing(photos)

    for path in ("link.jpg", "up/secret/key.jpg", "up/secret/none.jpg"):
        with pytest.raises(SourceNotAllowed):
            read(settings, path)
    assert walked(settings, photos) == ["ann/1.jpg", "top.jpg"]
    assert left_out(settings, photos) == LeftOut(links=2)


@pytest.mark.parametrize("swapped", ["ann", "ann/1.jpg"])
def test_what_becomes_a_link_between_two_looks_is_not_followed(
    photos: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = photos.parent / "secret" / ("key.jpg" if swapped.endswith("jpg") else "")
    (photos.parent / "secret" / "1.jpg").write_bytes(b"secret")
    realpath = os.path.realpath

    def swapping(path: str | Path) -> str:
        found = realpath(path)
        if found.endswith("1.jpg") and not (photos / swapped).is_symlink():
            (photos / swapped).rename(photos / "before")
            (photos / swapped).symlink_to(target)
        return found

    monkeypatch.setattr(os.path, "realpath", swapping)

    with pytest.raises((SourceNotAllowed, SourceMissing)):
        read(allowing(photos), "ann/1.jpg")
    assert (photos / swapped).is_symlink()


def test_a_file_that_becomes_a_link_at_the_last_moment_is_not_followed(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.stat

    def swapping(path: str, **how: object) -> os.stat_result:
        found = look(path, **how)  # type: ignore[call-overload]
        if "dir_fd" in how:
            (photos / "ann" / "1.jpg").unlink()
            (photos / "ann" / "1.jpg").symlink_to(photos.parent / "secret" / "key.jpg")
        return found

    monkeypatch.setattr(os, "stat", swapping)

    with pytest.raises(SourceNotAllowed, match="no file"):
        read(allowing(photos), "ann/1.jpg")
    assert (photos / "ann" / "1.jpg").read_bytes() == b"secret"


def test_nothing_outside_is_read_while_somebody_swaps_links(photos: Path) -> None:
    """A folder is a folder and a link to another one by turns, as fast as it goes."""
    settings = allowing(photos)
    (photos.parent / "secret" / "1.jpg").write_bytes(b"secret")
    (photos / "spare").symlink_to(photos.parent / "secret")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            os.rename(photos / "ann", photos / "aside")
            os.rename(photos / "spare", photos / "ann")
            os.rename(photos / "ann", photos / "spare")
            os.rename(photos / "aside", photos / "ann")

    swapping = threading.Thread(target=swap)
    swapping.start()
    outcomes = set()
    try:
        for _ in range(3000):
            try:
                outcomes.add(read(settings, "ann/1.jpg"))
            except (SourceNotAllowed, SourceMissing, SourceUnreachable) as error:
                outcomes.add(type(error))
            for found in walk(settings, "."):
                if isinstance(found, FolderFile):
                    outcomes.add(found.bytes)
    finally:
        ended.set()
        swapping.join()

    assert b"secret" not in outcomes
    assert len(b"secret") not in outcomes
    assert b"ann 1" in outcomes
    assert outcomes & {SourceNotAllowed, SourceMissing}


# --- whole folders --------------------------------------------------------------------------


def test_files_come_in_the_order_of_their_paths(photos: Path) -> None:
    for path in ("b/2.jpg", "b/10.jpg", "B/x.jpg", "ann/z/deep.png", "a.jpg", "é.jpg"):
        (photos / path).parent.mkdir(exist_ok=True)
        (photos / path).write_bytes(b"x" * 3)
    settings = allowing(photos)

    assert walked(settings, photos) == [
        "B/x.jpg", "a.jpg", "ann/1.jpg", "ann/z/deep.png", "b/10.jpg", "b/2.jpg", "top.jpg", "é.jpg",
    ]  # fmt: skip
    assert walked(settings, "ann") == ["1.jpg", "z/deep.png"]
    assert next(iter(walk(settings, "b"))) == FolderFile("10.jpg", photos / "b" / "10.jpg", 3)


def test_every_file_that_is_found_can_be_opened(photos: Path) -> None:
    odd = os.fsdecode(b"na\xefve\n.jpg")
    (photos / odd).write_bytes(b"odd")
    (photos / "link.jpg").symlink_to("top.jpg")
    settings = allowing(photos)
    found = {
        each.key: read(settings, each.path)
        for each in walk(settings, ".")
        if isinstance(each, FolderFile)
    }

    assert found == {
        "ann/1.jpg": b"ann 1",
        "link.jpg": b"top",
        "na%EFve%0A.jpg": b"odd",
        "top.jpg": b"top",
    }


def test_junk_is_counted_and_not_looked_into(photos: Path) -> None:
    for path in (".hidden.jpg", "ann/Thumbs.db", "desktop.INI", ".git/1.jpg", "__MACOSX/1.jpg"):
        (photos / path).parent.mkdir(exist_ok=True)
        (photos / path).write_bytes(b"x")

    assert walked(allowing(photos), photos) == ["ann/1.jpg", "top.jpg"]
    assert left_out(allowing(photos), photos) == LeftOut(junk=5)


def test_a_folder_of_photos_alone_leaves_nothing_out(photos: Path) -> None:
    assert [type(found) for found in walk(allowing(photos), photos)] == [FolderFile, FolderFile]


def test_a_loop_of_links_ends(photos: Path) -> None:
    (photos / "ann" / "again").symlink_to(photos)

    assert walked(allowing(photos), photos) == ["ann/1.jpg", "top.jpg"]
    assert left_out(allowing(photos), photos) == LeftOut(links=1)


def test_folders_too_deep_are_counted(photos: Path) -> None:
    deep = photos.joinpath(*["d"] * (MOST_LEVELS + 1))
    deep.mkdir(parents=True)
    (deep / "unseen.jpg").write_bytes(b"x")
    (deep.parent / "seen.jpg").write_bytes(b"x")

    assert "/".join([*["d"] * MOST_LEVELS, "seen.jpg"]) in walked(allowing(photos), photos)
    assert left_out(allowing(photos), photos) == LeftOut(others=1)


def test_what_goes_while_a_folder_is_walked_is_passed_over(photos: Path) -> None:
    (photos / "zoe").mkdir()
    (photos / "zoe" / "1.jpg").write_bytes(b"zoe")
    (photos / "z.jpg").write_bytes(b"z")
    found = walk(allowing(photos), photos)

    assert next(found) == FolderFile("ann/1.jpg", photos / "ann" / "1.jpg", 5)
    shutil.rmtree(photos / "zoe")
    (photos / "z.jpg").unlink()
    assert list(found) == [FolderFile("top.jpg", photos / "top.jpg", 3)]


def test_a_walk_that_is_given_up_leaves_nothing_open(photos: Path) -> None:
    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    found = walk(allowing(photos), photos)
    next(found)
    found.close()  # type: ignore[attr-defined]

    if before is not None:
        assert set(os.listdir("/proc/self/fd")) == before
