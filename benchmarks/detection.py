"""What a detector finds and how fast: by input sides, in turned photos, by threads and batches.

    python -m benchmarks.detection DATA [--detector NAME] [--only closeups,sides,turned,speed]

DATA is a folder with weights/ (det_500m.onnx, det_2.5g.onnx) and faces/ (lfw, lfw_labels.csv, scenes,
deepface, compreface); CenterFace is that of the installed pack `open`. Without `--detector` all three
are measured, on the CPU.

closeups  faces of LFW cut out and enlarged: how many are missed at which sides
sides     faces found of those in a square of 640 pixels, into which the library insightface fits
          every photo; SCRFD only
turned    photos turned in their pixels: how many have their landmarks right when only photos without
          a face are looked at again, and by the rule of `core.inference.turning`
speed     threads of a run against runs at a time, a batch against one by one
"""

import argparse
import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from unittest.mock import Mock

import cv2
import numpy as np
import onnxruntime as ort

from core.faces import DetectedFace, Landmarks, Pixels
from core.images import PhotoLimits, decode
from core.inference import boxes
from core.inference.centerface import CenterFace
from core.inference.contracts import Detector
from core.inference.graphs import MOST_AT_ONCE, batched_scrfd
from core.inference.install import load_graph
from core.inference.packs import CenterFaceSpec, ScrfdSpec, load_manifest
from core.inference.scrfd import Scrfd
from core.inference.session import open_session
from core.inference.turning import CLEAR, Turning
from core.settings import Device, Settings

DETECTORS = ("det_500m", "det_2.5g", "centerface")
THREADS, ROUNDS, RUNS = 2, 7, 6

FACES, TURNED = 283, 100
"""Photos of LFW for close-ups and sides, and to turn. CenterFace gets a fifth of the close-ups."""

CLOSE_SIDE, FILLS = 1280, 0.3
"""Pixels of a close-up's longer side, and the share of it that the box of its face covers at least."""

SAME_FACE, SMALLEST = 0.45, 16
"""Intersection over union of two boxes of one face; pixels of the shorter side of one that counts."""

RIGHT = 0.08
"""How far a landmark may lie off, in widths of the face."""

Look = Callable[[Pixels], list[DetectedFace]]


@dataclass(frozen=True)
class Candidate:
    """A detector as a pack would have it."""

    graph: bytes
    spec: ScrfdSpec | CenterFaceSpec

    @classmethod
    def named(cls, name: str, weights: Path) -> "Candidate":
        """Load one of `DETECTORS`."""
        if name == "centerface":
            settings = Settings()
            pack = load_manifest(settings).pack("open")
            return cls(load_graph(pack, settings.models_dir, pack.detector), pack.detector)
        file = weights / f"{name}.onnx"
        return cls(file.read_bytes(), ScrfdSpec("scrfd", file.name))

    def session(self, threads: int, graph: bytes | None = None) -> ort.InferenceSession:
        return open_session(graph or self.graph, Device.CPU, threads, shapes_lie=True)

    def detector(self, sides: tuple[int, ...] = ()) -> Scrfd | CenterFace:
        if isinstance(self.spec, ScrfdSpec):
            return Scrfd(self.session(THREADS), self.spec)
        return CenterFace(self.session(THREADS), replace(self.spec, sides=sides or self.spec.sides))

    def looking(self, *sides: int) -> Look:
        """At these sides, to which SCRFD enlarges every photo; without sides as packs do."""
        detector = self.detector(sides)
        if isinstance(detector, Scrfd) and sides:
            return partial(detector.detect_at, sides=sides)
        return lambda image: detector.detect([image])[0]


def load(path: Path) -> Pixels:
    return decode(path.read_bytes(), PhotoLimits(max_bytes=2**26, max_pixels=10**8)).pixels


def of_lfw(faces: Path, count: int) -> list[Path]:
    """About this many photos, spread evenly over the people."""
    photos = sorted((faces / "lfw").glob("*/*.jpg"))
    return photos[:: -(-len(photos) // count)]


def close_ups(faces: Path, photos: Sequence[Path]) -> Iterator[Pixels]:
    """The labelled face of each photo, with a margin of 15 % and without, enlarged."""
    with (faces / "lfw_labels.csv").open(newline="") as file:
        labels = {faces / row["file"]: row for row in csv.DictReader(file)}
    for path in photos:
        left, top, right, bottom = (float(labels[path][key]) for key in ("x1", "y1", "x2", "y2"))
        for margin in (0.15, 0):
            across, down = (right - left) * margin, (bottom - top) * margin
            rows = slice(int(max(0, top - down)), int(bottom + down))
            cut = load(path)[rows, int(max(0, left - across)) : int(right + across)]
            scale = CLOSE_SIDE / max(cut.shape[:2])
            larger = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            yield np.asarray(larger, dtype=np.uint8)


def measure_closeups(each: Candidate, faces: Path) -> None:
    """Print how many close-ups each choice of sides misses."""
    photos, sides = of_lfw(faces, FACES), (96, 128, 160, 192, 256, 320, 640)
    if isinstance(each.spec, CenterFaceSpec):
        photos, sides = photos[::5], (128, 192, 256, 320, 640, 960, 1280)
    looks = {f"{side} alone": each.looking(side) for side in sides} | {"both": each.looking()}
    missed = dict.fromkeys(looks, 0)
    for image in close_ups(faces, photos):
        for name, look in looks.items():
            missed[name] += all(face.area < FILLS * image[..., 0].size for face in look(image))
    counts = ", ".join(f"{name} {count}" for name, count in missed.items())
    print(f"  missed of {2 * len(photos)}: {counts} ({each.spec.sides})")


def without_mate(faces: Sequence[DetectedFace], others: Sequence[DetectedFace]) -> list[int]:
    """Pixels of each face that counts and is not among the others."""
    alone = [face for face in faces if all(overlap(face, each) < SAME_FACE for each in others)]
    return [round(face.shorter_side) for face in alone if face.shorter_side >= SMALLEST]


def overlap(one: DetectedFace, two: DetectedFace) -> float:
    """Intersection over union."""
    left, top = np.maximum(one.box[:2], two.box[:2])
    right, bottom = np.minimum(one.box[2:], two.box[2:])
    common = float(max(0, right - left) * max(0, bottom - top))
    return common / (one.area + two.area - common)


def compare(photos: Sequence[Path], reference: Look, looks: Mapping[str, Look]) -> None:
    """Print what each choice of sides finds of the reference's faces, and what besides."""
    total = 0
    missed: dict[str, list[int]] = {name: [] for name in looks}
    more: dict[str, list[int]] = {name: [] for name in looks}
    for path in photos:
        image = load(path)
        known = reference(image)
        total += len(without_mate(known, []))
        for name, look in looks.items():
            found = look(image)
            missed[name] += without_mate(known, found)
            more[name] += without_mate(found, known)
    print(f"  {len(photos)} photos, {total} faces of {SMALLEST} pixels and more in a square")
    for name, sizes in missed.items():
        print(f"    {name}: all but {len(sizes)} {sorted(sizes)}, others {sorted(more[name])}")


def measure_sides(each: Candidate, faces: Path) -> None:
    """Compare choices of sides on photos of LFW, and on group scenes and whole photos."""
    if isinstance(each.spec, CenterFaceSpec):
        return
    enlarged, as_packs_do = each.looking(*each.spec.sides), {"as packs do": each.looking()}
    finest = max(each.spec.sides)

    def in_square(image: Pixels) -> list[DetectedFace]:
        scale = finest / max(image.shape[:2])
        height, width = (max(1, int(side * scale)) for side in image.shape[:2])
        square = boxes.padded(boxes.resized(image, height, width), finest, finest)
        return [face.enlarged(1 / scale) for face in enlarged(square)]

    compare(of_lfw(faces, FACES), in_square, as_packs_do | {"128, 384": each.looking(128, 384)})
    photos = [faces.glob(files) for files in ("scenes/*.jpg", "deepface/*/*", "compreface/*/*")]
    choices = {"640": each.looking(640), "128, 640": enlarged, "320, 640": each.looking(320, 640)}
    compare([path for some in photos for path in sorted(some)], in_square, as_packs_do | choices)


def central(faces: Sequence[DetectedFace], image: Pixels) -> DetectedFace:
    middle = np.array(image.shape[1::-1]) / 2
    return min(faces, key=lambda f: np.abs(np.reshape(f.box, (2, 2)).mean(axis=0) - middle).sum())


def turns(image: Pixels, landmarks: Landmarks) -> Iterator[tuple[Pixels, Landmarks]]:
    """The photo turned by 90, 180 and 270 degrees anticlockwise, and where its landmarks are then."""
    for _ in range(3):
        across = image.shape[1] - 1 - landmarks[:, 0]
        image, landmarks = np.rot90(image), np.stack([landmarks[:, 1], across], axis=1)
        yield np.ascontiguousarray(image), landmarks


def turned_right(plain: Detector, turning: Detector, images: Sequence[Pixels]) -> None:
    """Print how many turned photos have their landmarks right, and how many look clear."""
    right = {"photos without a face": [0, 0, 0], "those without a clear upright one": [0, 0, 0]}
    unclear = [0, 0, 0, 0]
    for image in images:
        as_it_is = plain.detect([image])[0]
        upright = central(as_it_is, image)
        unclear[0] += as_it_is[0].score < CLEAR
        for number, (turned, expected) in enumerate(turns(image, upright.landmarks)):
            found, again = plain.detect([turned])[0], turning.detect([turned])[0]
            unclear[number + 1] += all(face.score < CLEAR for face in found)
            for counts, faces in zip(right.values(), (found or again, again), strict=True):
                off = np.abs(central(faces, turned).landmarks - expected).max() if faces else np.inf
                counts[number] += bool(off < RIGHT * (upright.box[2] - upright.box[0]))
    for name, counts in right.items():
        print(f"  looking again at {name}: {sum(counts)} of {3 * len(images)} right; {counts}")
    print(f"  no face of {CLEAR} or more, by angle from 0: {unclear} of {len(images)}")


def measure_turned(each: Candidate, faces: Path) -> None:
    """Print what comes of turned photos, and how many upright ones are looked at again."""
    plain = each.detector()
    spy = Mock(wraps=plain)
    turning = Turning(spy, each.spec.turned_threshold)
    images = [load(path) for path in of_lfw(faces, TURNED)]
    turned_right(plain, Turning(plain, each.spec.turned_threshold), images)
    for side in (250, 70, 50):
        looked = changed = 0
        for image in images:
            made = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
            small = np.asarray(made, dtype=np.uint8)
            spy.reset_mock()
            boxes_after = [face.box for face in turning.detect([small])[0]]
            looked += spy.detect.call_count > 1
            changed += boxes_after != [face.box for face in plain.detect([small])[0]]
        print(f"  upright, {side} pixels: {looked} looked at again, {changed} with other faces")


def by_threads(each: Candidate) -> None:
    """Print milliseconds a photo by threads of a run and runs at a time, in turn."""
    sessions = {threads: each.session(threads) for threads in (1, 2)}
    blob = np.random.default_rng(0).normal(size=(1, 3, 480, 640)).astype(np.float32)
    feed = {sessions[1].get_inputs()[0].name: blob}
    took: dict[tuple[int, int], list[float]] = {way: [] for way in ((1, 1), (2, 1), (1, 2), (2, 2))}
    for _ in range(ROUNDS):
        for (threads, callers), times in took.items():
            with ThreadPoolExecutor(callers) as pool:
                begin = perf_counter()
                list(pool.map(partial(sessions[threads].run, None), [feed] * RUNS))
                times.append((perf_counter() - begin) / RUNS * 1e3)
    for (threads, callers), times in took.items():
        print(f"  480 x 640, {callers} runs of {threads} threads: {median(times):.1f} ms a photo")


def by_batch(each: Candidate) -> None:
    """Print how long a run of several photos takes against a run for each."""
    single, batched = each.session(THREADS), each.session(THREADS, batched_scrfd(each.graph))
    name = single.get_inputs()[0].name
    for side in (320, 640):
        blob = np.zeros((MOST_AT_ONCE, 3, side, side), np.float32)
        ratios = []
        for _ in range(ROUNDS):
            begin = perf_counter()
            for photo in blob:
                single.run(None, {name: photo[None]})
            middle = perf_counter()
            batched.run(None, {name: blob})
            ratios.append((perf_counter() - middle) / (middle - begin))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"  {MOST_AT_ONCE} in a run at {side}: {median(ratios):.2f} of one by one ({spread})")


def measure_speed(each: Candidate, faces: Path) -> None:
    """Measure bare runs, of which *faces* is no part."""
    by_threads(each)
    if isinstance(each.spec, ScrfdSpec):
        by_batch(each)


def main(arguments: Sequence[str]) -> int:
    """Measure the detectors; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.detection")
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", choices=DETECTORS)
    parser.add_argument("--only", default="closeups,sides,turned,speed")
    given = parser.parse_args(arguments)
    parts = {"closeups": measure_closeups, "sides": measure_sides, "turned": measure_turned}
    parts["speed"] = measure_speed
    print(f"ONNX Runtime {ort.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in [given.detector] if given.detector else DETECTORS:
        each = Candidate.named(name, given.data / "weights")
        for part in given.only.split(","):
            print(f"{name}, {part}", flush=True)
            parts[part](each, given.data / "faces")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
