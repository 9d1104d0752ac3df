"""The built wheel works without this folder: nothing that it needs was left out."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "web", "workers", "migrations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


def tracked_files() -> set[str]:
    command = ["git", "ls-files", *PACKAGES]
    listed = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return set(listed.stdout.splitlines())


def test_every_file_of_the_packages_is_in_it(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())

    assert tracked_files() - inside == set()
    assert "core/inference/packs.toml" in inside


def test_it_starts_in_an_environment_that_has_nothing_else_of_ours(
    wheel: Path, tmp_path: Path
) -> None:
    python = install(wheel, tmp_path / "environment")
    program = "import web.cli.local, web.app, workers.app, workers.tasks; print(web.__file__)"

    where = run(python, "-c", program, cwd=tmp_path)
    version = run(python, "-m", "web.cli", "--version", cwd=tmp_path)
    database = run(python, "-c", "from migrations import dump; dump.main()", cwd=tmp_path)

    assert where.startswith(str(tmp_path))
    assert version.startswith("facesearch ")
    assert database == ""
    written = tmp_path / "environment" / "site" / "migrations" / "schema.sql"
    assert written.read_text() == (ROOT / "migrations" / "schema.sql").read_text()


def install(wheel: Path, folder: Path) -> Path:
    """Unpack the wheel into an environment whose only other packages are our dependencies.

    They come in by a .pth file: Python reads no .pth files in a folder that one names, so the
    line that makes this checkout importable in our own environment does not count there.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    )
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    dependencies = sysconfig.get_path("purelib")
    (packages / "wheel.pth").write_text(f"{site}\n{dependencies}\n")
    return python


def run(python: Path, *arguments: str, cwd: Path) -> str:
    result = subprocess.run(
        [str(python), *arguments], check=False, cwd=cwd, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
