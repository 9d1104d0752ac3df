"""Numbers that the templates draw with: outlines on photos, bars of cosines, lights of quality."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.db.faces import Face
from core.db.search import Detail
from web.pages.words import in_words

LABELS_ACROSS = 36
"""Label sizes that fit across a photo before a script knows how large it is on the screen."""

GOOD_QUALITY = 0.7
FAIR_QUALITY = 0.55
"""Overall figures from which a light is green and amber. 99.8 % of LFW is green; of faces made worse in
many ways 73 to 80 % of the red ones lose their mate, 23 to 34 % of the amber ones and 7 to 18 % of
the green ones (MobileFaceNet and the open pack, benchmarks/quality_gates.py)."""

THRESHOLD_AT = 0.7
"""Where on a bar the threshold stands, unless the bar would begin below 0: some spaces squeeze
their cosines into 0.8 to 1, others spread them."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A rectangle around a face, in pixels of the upright photo, clipped to it.

    Attributes:
        key: What it is called in the page (``face-<key>``).
        kind: ``match``, ``other``, ``unsearched`` or ``named``: how it looks.
    """

    key: str
    number: int
    left: float
    top: float
    width: float
    height: float
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A cosine on a scale that ends at 1; see `THRESHOLD_AT`.

    Attributes:
        fill: Percent of the bar, as *tick*.
        low: Cosine at its left end.
    """

    fill: float
    tick: float
    low: float


@dataclass(frozen=True, slots=True)
class Light:
    """Quality as a traffic light: ``good``, ``fair`` or ``poor``, the word for it, what it means."""

    kind: str
    word: str
    meaning: str


def outline(
    box: Sequence[float], photo: tuple[int, int], *, key: str, number: int, label: str, kind: str
) -> Outline:
    """Clip a box to a photo of (width, height) pixels."""
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right, bottom = min(float(photo[0]), box[2]), min(float(photo[1]), box[3])
    width, height = max(1.0, right - left), max(1.0, bottom - top)
    return Outline(key, number, left, top, width, height, label, kind)


def stored_outline(face: Face, photo: tuple[int, int]) -> Outline:
    """Return the outline of a face of an image."""
    name = face.person_name or f"Face {face.position + 1}"
    return outline(
        face.box,
        photo,
        key=str(face.id),
        number=face.position + 1,
        label=name,
        kind="other" if face.person_id is None else "named",
    )


def skipped_outline(skipped: Mapping[str, Any], photo: tuple[int, int], number: int) -> Outline:
    """Return the outline of a face that was found and not stored."""
    reasons = skipped.get("reasons", [skipped["reason"]])
    told = "; ".join(in_words(reason).title for reason in reasons)
    label = f"Face {number}, not stored: {told}"
    return outline(
        skipped["box"], photo, key=f"left-{number}", number=number, label=label, kind="unsearched"
    )


def neighbour_outline(neighbour: Detail) -> Outline:
    """Return the outline of a found face in the photo that it comes from."""
    return outline(
        neighbour.box,
        (neighbour.width, neighbour.height),
        key=str(neighbour.face_id),
        number=1,
        label="",
        kind="match",
    )


def around(box: Sequence[float], photo: tuple[int, int]) -> str:
    """Return the ``viewBox`` of a square that shows a face and a little around it."""
    side = 1.25 * max(box[2] - box[0], box[3] - box[1], 1.0)
    side = min(side, max(photo))
    left = (box[0] + box[2] - side) / 2
    top = (box[1] + box[3] - side) / 2
    return f"{left:.1f} {top:.1f} {side:.1f} {side:.1f}"


def bar(cosine: float, threshold: float) -> Bar:
    """Place a cosine and a threshold on a bar."""
    low = max(0.0 if threshold > 0 else -1.0, 1 - (1 - threshold) / (1 - THRESHOLD_AT))
    span = max(0.01, 1 - low)
    fill = min(1.0, max(0.0, (cosine - low) / span))
    return Bar(round(100 * fill, 2), round(100 * (threshold - low) / span, 2), low)


def light(quality: float) -> Light:
    """Return the traffic light of an overall quality from 0 to 1."""
    if quality >= GOOD_QUALITY:
        return Light("good", "Good quality", "Like nearly every press photo.")
    if quality >= FAIR_QUALITY:
        return Light("fair", "Fair quality", "By three in ten such faces nobody is found.")
    return Light("poor", "Poor quality", "By most faces like this their person is not found.")


def label_scale(width: int, height: int) -> float:
    """Return the size of a label in pixels of the photo."""
    return max(width, height) / LABELS_ACROSS


def blank(width: int, height: int) -> str:
    """Return an empty picture of this size in pixels, in place of one that is not kept."""
    return (
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
        f"width='{width}' height='{height}'/%3E"
    )


def data_uri(picture: bytes) -> str:
    """Return a small picture as an address that needs no second request."""
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
