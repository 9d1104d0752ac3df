"""`facesearch bench ingest` with the recogniser of buffalo_l, as far as its cost goes.

    python -m benchmarks.ingest_r50 DETECTOR FOLDER [PHOTOS]

DETECTOR is an SCRFD file (det_10g.onnx is that of buffalo_l, det_2.5g.onnx that of buffalo_m), FOLDER
holds photos. The recogniser is `benchmarks.make_r50`'s: the topology of w600k_r50 with random weights,
so that the vectors mean nothing and the time is right. Writes into a database of its own.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.make_r50 import iresnet
from core.inference.install import install
from core.inference.packs import load_manifest
from core.pipelines import Pipelines
from core.settings import Settings
from core.throughput import Throughput, measure, plain
from web.cli.measuring import machine
from web.cli.photo_files import photo_files

PACK = "r50_random"
PHOTOS = 200

MANIFEST = """
version = 1
[licences.none]
id = "LicenseRef-none"
title = "Weights of this test"
url = "https://example.org"
summary = "Nothing here is for use."
commercial = false
acceptance = false
[packs.r50_random]
title = "SCRFD and an IResNet-50 of random weights"
summary = "For its speed alone."
threshold = 0.3
threshold_source = "none"
licence = "none"
[packs.r50_random.detector]
kind = "scrfd"
file = "detector.onnx"
[packs.r50_random.recogniser]
kind = "arcface"
file = "recogniser.onnx"
dimension = 512
[[packs.r50_random.sources]]
kind = "local"
"""
FILE = """
[[packs.r50_random.sources.files]]
name = "{name}"
bytes = {size}
sha256 = "{digest}"
"""


def packed(detector: Path, home: Path) -> Path:
    """Put both networks into *home*, with a manifest; return the manifest."""
    lines = [MANIFEST]
    for name, data in (("detector.onnx", detector.read_bytes()), ("recogniser.onnx", iresnet())):
        (home / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        lines.append(FILE.format(name=name, size=len(data), digest=digest))
    manifest = home / "packs.toml"
    manifest.write_text("".join(lines))
    return manifest


def run(detector: Path, folder: Path, photos: int, home: Path) -> Throughput:
    """Install the pack in *home* and take photos in with it."""
    manifest_file = packed(detector, home)
    settings = Settings(data_dir=home, models_dir=home / "models", extra_packs=manifest_file)
    manifest = load_manifest(settings)
    pack = manifest.pack(PACK)
    install(pack, settings.models_dir, source=home)
    files = [each.path for each in photo_files([folder])]
    pipeline = Pipelines(manifest, settings)[pack.space.id]
    return measure(settings, pack, pipeline, files, photos, database=True, tell=lambda _: None)


def main(detector: str, folder: str, photos: str = str(PHOTOS)) -> int:
    """Print the figures; returns the exit code."""
    with tempfile.TemporaryDirectory() as home:
        found = run(Path(detector), Path(folder), int(photos), Path(home))
    print(json.dumps({**plain(found), "setting": machine()}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
