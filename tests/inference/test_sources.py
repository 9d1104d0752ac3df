"""Downloads from a real server, whole and broken, and from whatever index pip uses."""

import hashlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import DigestMismatch, DownloadFailed, SetupError
from core.inference import sources
from core.inference.packs import ArchiveSource, PackageSource, PinnedFile
from tests.inference.conftest import WebServer

BODY = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(BODY).hexdigest()
OPENSSL = shutil.which("openssl")
FILES = (PinnedFile("a.onnx", "0" * 64),)


def archive(url: str, *, sha256: str | None = DIGEST, size: int | None = None) -> ArchiveSource:
    return ArchiveSource("archive", url, FILES, sha256, size)


def test_an_archive_arrives_whole_and_its_progress_is_told(
    web_server: WebServer, tmp_path: Path
) -> None:
    web_server.files["/v1/pack.zip"] = BODY
    told: list[tuple[str, int, int | None]] = []

    path = sources.download_archive(
        archive(f"{web_server.address}/v1/pack.zip"), tmp_path, lambda *each: told.append(each)
    )

    assert path == tmp_path / "pack.zip"
    assert path.read_bytes() == BODY
    assert told[-1] == ("pack.zip", len(BODY), len(BODY))
    assert len(told) > 1


def test_a_redirect_is_followed(web_server: WebServer, tmp_path: Path) -> None:
    web_server.redirects["/pack.zip"] = f"{web_server.address}/there/pack.zip"
    web_server.files["/there/pack.zip"] = BODY

    path = sources.download_archive(
        archive(f"{web_server.address}/pack.zip"), tmp_path, lambda *_: None
    )

    assert path.read_bytes() == BODY


@pytest.mark.parametrize("target", ["http://example.org/pack.zip", "file:///etc/passwd"])
def test_a_redirect_to_an_unsafe_address_is_refused(
    web_server: WebServer, tmp_path: Path, target: str
) -> None:
    web_server.redirects["/pack.zip"] = target

    with pytest.raises(
        DownloadFailed, match=r"redirects to an address that is not https|answered 302"
    ):
        sources.download_archive(
            archive(f"{web_server.address}/pack.zip"), tmp_path, lambda *_: None
        )


def test_a_cut_off_download_is_refused(web_server: WebServer, tmp_path: Path) -> None:
    web_server.files["/pack.zip"] = BODY
    web_server.cut.add("/pack.zip")

    with pytest.raises(DownloadFailed, match=f"ended after {len(BODY) // 2} of {len(BODY)} bytes"):
        sources.download_archive(
            archive(f"{web_server.address}/pack.zip", sha256=None), tmp_path, lambda *_: None
        )


def test_another_archive_than_the_pinned_one_is_refused(
    web_server: WebServer, tmp_path: Path
) -> None:
    web_server.files["/pack.zip"] = BODY[::-1]

    with pytest.raises(DigestMismatch, match=r"pack\.zip is not the archive"):
        sources.download_archive(
            archive(f"{web_server.address}/pack.zip"), tmp_path, lambda *_: None
        )


def test_more_than_the_pinned_size_is_not_taken(web_server: WebServer, tmp_path: Path) -> None:
    web_server.files["/pack.zip"] = BODY

    with pytest.raises(DownloadFailed, match="larger than the 1000 bytes"):
        sources.download_archive(
            archive(f"{web_server.address}/pack.zip", size=1000), tmp_path, lambda *_: None
        )


def test_a_missing_archive_is_told_with_its_status(web_server: WebServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="answered 404"):
        sources.download_archive(
            archive(f"{web_server.address}/pack.zip"), tmp_path, lambda *_: None
        )


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1 cannot be reached"):
        sources.download_archive(
            archive(f"http://127.0.0.1:{port}/pack.zip"), tmp_path, lambda *_: None
        )


def test_a_server_that_falls_silent_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/pack.zip"

        with pytest.raises(DownloadFailed):
            sources.download_archive(archive(url), tmp_path, lambda *_: None)


@pytest.mark.skipif(OPENSSL is None, reason="makes a certificate with openssl")
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):  # the client hangs up, as it should
            context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}/pack.zip"
        with pytest.raises(DownloadFailed, match="certificate"):
            sources.download_archive(archive(url), tmp_path, lambda *_: None)
        thread.join()


# --- pip ----------------------------------------------------------------------------------------


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip uses instead of every index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nno-index = true\nfind-links = {folder}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    return folder


def wheel(folder: Path) -> Path:
    path = folder / "facesample-1.0-py3-none-any.whl"
    info = "facesample-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facesample/a.onnx", BODY)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: facesample\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def package(path: Path, *, version: str = "1.0", sha256: str | None = None) -> PackageSource:
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    return PackageSource(
        "package", "facesample", version, "wheel", digest, path.stat().st_size, FILES
    )


def test_pip_fetches_from_the_index_that_the_user_configured(
    local_index: Path, tmp_path: Path
) -> None:
    offered = wheel(local_index)
    work = tmp_path / "work"
    work.mkdir()
    told: list[tuple[str, int, int | None]] = []

    path = sources.download_package(package(offered), work, lambda *each: told.append(each))

    assert path.read_bytes() == offered.read_bytes()
    assert told[-1] == ("facesample 1.0", offered.stat().st_size, offered.stat().st_size)


def test_another_wheel_than_the_pinned_one_is_refused(local_index: Path, tmp_path: Path) -> None:
    offered = wheel(local_index)
    work = tmp_path / "work"
    work.mkdir()

    with pytest.raises(DigestMismatch, match=r"another facesample 1\.0 than the one"):
        sources.download_package(package(offered, sha256="0" * 64), work, lambda *_: None)


def test_what_pip_cannot_find_is_told_in_its_words(local_index: Path, tmp_path: Path) -> None:
    offered = wheel(local_index)
    work = tmp_path / "work"
    work.mkdir()

    with pytest.raises(DownloadFailed, match=r"facesample 2\.0: No matching distribution"):
        sources.download_package(package(offered, version="2.0"), work, lambda *_: None)


def test_an_environment_without_pip_is_told_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    source = PackageSource("package", "facesample", "1.0", "wheel", "0" * 64, 1, FILES)

    with pytest.raises(SetupError, match="python -m ensurepip"):
        sources.download_package(source, tmp_path, lambda *_: None)


def test_an_interrupt_takes_pip_along(local_index: Path, tmp_path: Path) -> None:
    offered = wheel(local_index)
    work = tmp_path / "work"
    work.mkdir()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sources.download_package(package(offered), work, interrupt)

    assert not (work / "archive").exists()
