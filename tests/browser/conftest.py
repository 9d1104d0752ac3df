"""A whole running system, and the Chromium that looks at it: the machine's own, or Playwright's."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
PORTRAITS = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "t1.jpg")
START_S = 300
WAIT_MS = 30_000

QUIET = ("--disable-gpu", "--disable-background-networking", "--disable-component-update")


def find_chromium() -> Path | None:
    spec = importlib.util.spec_from_file_location("chromium", Path(__file__).parent / "chromium.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Path | None = module.find()
    return found


def missing(reason: str) -> NoReturn:
    """Skip what cannot be tested here; in CI it must be testable."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Launch it; without one the test is skipped, and in CI it fails."""
    found = find_chromium()
    if found is None:
        missing("no Chromium is installed: `make test` installs one where it can")
    # Chromium's sandbox refuses to run as root, as which CI and containers run.
    sandbox = () if os.geteuid() else ("--no-sandbox",)
    arguments = [*browser_type_launch_args.get("args", ()), *QUIET, *sandbox]
    return {**browser_type_launch_args, "executable_path": str(found), "args": arguments}


@dataclass(frozen=True, slots=True)
class Site:
    """A system that runs, with nothing in it at first."""

    url: str
    environment: dict[str, str]

    def command(self, *arguments: str) -> str:
        """Run ``facesearch`` on it; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "web.cli", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def login_link(self) -> str:
        return self.command("login").strip().splitlines()[-1]


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample photos of the demo."""
    folder = MODELS / "samples"
    if not all((folder / name).exists() for name in PORTRAITS):
        missing("the sample photos are missing: `facesearch demo --fetch` gets them")
    return folder


@pytest.fixture(scope="session")
def site(browser: Browser, samples: Path) -> Iterator[Site]:
    """Postgres, broker, worker, beat and web, as `facesearch up` runs them.

    It needs the browser, so that nothing is started where there is none.
    """
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="fs-page-"))
    folder.chmod(0o755)  # root's Postgres runs as another account
    environment = {
        **{name: value for name, value in os.environ.items() if "FACESEARCH" not in name},
        "FACESEARCH_DATA_DIR": str(folder / "data"),
        "FACESEARCH_MODELS_DIR": str(MODELS),
        "FACESEARCH_PORT": str(port),
        "FACESEARCH_MIN_FREE_DISK_MIB": "0",
        "PYTHONPATH": str(ROOT),
    }
    site = Site(f"http://127.0.0.1:{port}", environment)
    try:
        site.command("up", "--detach")
        try:
            yield site
        finally:
            site.command("down")
    finally:
        shutil.rmtree(folder)


@dataclass
class Visit:
    """A browser window of somebody who is logged in, and what it complained about.

    Attributes:
        expected: Complaints that the test causes on purpose, by a part of their text.
    """

    site: Site
    page: Page
    expected: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        # A blocked style or script is an error here too: the policy is watched by this.
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.site.url + "/", "data:", "blob:")):
            self.complaints.append(f"A request left the origin: {request.url}")

    def go(self, path: str) -> Page:
        self.page.goto(self.site.url + path)
        return self.page

    def new_collection(self) -> str:
        """Make a collection of the test's own; stay on its page and return its path."""
        self.go("/collections")
        self.page.fill("#new input[name=name]", f"Trip {uuid4().hex[:8]}")
        self.page.click("#new button[type=submit]")
        self.page.wait_for_url("**/collections/*-*")
        return self.page.url.removeprefix(self.site.url).partition("?")[0]

    def upload(self, *photos: Path) -> None:
        """Add photos on the page of a collection and wait until all are done."""
        self.page.set_input_files("#photos", photos)
        self.page.wait_for_selector("#uploads [data-summary]:not(:empty)")

    def filled_collection(self, *photos: Path) -> str:
        """Make a collection with these photos; return its path, and stay on its page."""
        path = self.new_collection()
        self.upload(*photos)
        self.go(path)
        return path

    def search_in(self, collection: str) -> Page:
        return self.go(f"/?collection={collection.rpartition('/')[2]}")

    def unexpected(self) -> list[str]:
        return [each for each in self.complaints if not any(part in each for part in self.expected)]


@pytest.fixture
def visiting(site: Site, browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a window with the given options and log in by link; what it complains about fails."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_window(**options: Any) -> Visit:
        contexts.append(browser.new_context(**options))
        visits.append(Visit(site, contexts[-1].new_page()))
        visits[-1].page.goto(site.login_link())
        return visits[-1]

    yield open_window
    for context in contexts:
        context.close()
    assert [each for visit in visits for each in visit.unexpected()] == []


@pytest.fixture
def visit(visiting: Callable[..., Visit]) -> Visit:
    """A window on a desk."""
    return visiting(viewport={"width": 1280, "height": 900})


@pytest.fixture(scope="session")
def couple(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of two people, side by side."""
    both = Image.new("RGB", (1200, 800))
    for index, name in enumerate(("obama2.jpg", "biden.jpg")):
        with Image.open(samples / name) as portrait:
            upper = ImageOps.fit(portrait, (600, 800), centering=(0.5, 0.0))
        both.paste(upper, (600 * index, 0))
    path = tmp_path_factory.mktemp("couple") / "couple.jpg"
    both.save(path, quality=92)
    return path
