"""Fixtures: the manifests, the installed open pack, test packs, photos, a web server that fails."""

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from core import images
from core.errors import PackNotInstalled
from core.faces import Pixels
from core.images import PhotoLimits
from core.inference import install
from core.inference.contracts import FaceModels
from core.inference.loading import load_models
from core.inference.packs import Manifest, read_manifest, tracked_manifest
from core.settings import Device, Settings

TESTS = Path(__file__).parents[1]
MODELS = TESTS.parent / "models"
LIMITS = PhotoLimits(max_bytes=2**26, max_pixels=10**8)


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """The tracked manifest."""
    return read_manifest(tracked_manifest())


@pytest.fixture(scope="session")
def test_manifest() -> Manifest:
    """The packs of the tests, whose files come from the shared folder."""
    return read_manifest(TESTS / "data" / "packs.toml")


@pytest.fixture(scope="session")
def open_folder(manifest: Manifest) -> Path:
    """The folder of the open pack, as `make test` installs it."""
    try:
        return install.show(manifest.pack("open"), MODELS).folder
    except PackNotInstalled as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must install the model pack: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def open_models(manifest: Manifest, open_folder: Path) -> FaceModels:
    """The open pack, loaded on the CPU."""
    settings = Settings(_env_file=None, models_dir=open_folder.parent, device=Device.CPU)
    return load_models(manifest.pack("open"), settings)


@pytest.fixture(scope="session")
def weights(shared_data: Path) -> Path:
    """The folder of small real networks."""
    return shared_data / "weights"


@pytest.fixture(scope="session")
def photo(shared_data: Path) -> Callable[[str], Pixels]:
    """Read one of the shared photos."""

    @functools.cache
    def read(name: str) -> Pixels:
        return images.decode((shared_data / "faces" / name).read_bytes(), LIMITS).pixels

    return read


@pytest.fixture
def crops() -> np.ndarray:
    """Nine different 112x112 pictures; no faces, but numbers for a recogniser."""
    return np.random.default_rng(5).integers(0, 256, (9, 112, 112, 3), dtype=np.uint8)


@dataclass
class WebServer:
    """A real HTTP server on this machine.

    Attributes:
        files: What is served, by path.
        redirects: Where a path leads instead.
        cut: Paths whose connection ends after half of the body.
        requests: Paths asked for, in order.
    """

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def web_server() -> Iterator[WebServer]:
    """A server to download from, and to be let down by."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(self.path)
            if self.path in served.redirects:
                self.send_response(302)
                self.send_header("Location", served.redirects[self.path])
                self.end_headers()
                return
            if self.path not in served.files:
                self.send_error(404)
                return
            body = served.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path in served.cut else body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = WebServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield served
        server.shutdown()
        thread.join()
