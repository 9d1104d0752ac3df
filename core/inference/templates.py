"""Where the five landmarks stand in an aligned crop: one template per family of recognisers.

A name is part of a space's contract and never gets other numbers; new numbers get a new name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from core.faces import Landmarks


@dataclass(frozen=True, slots=True)
class Template:
    """One way to align a face.

    Attributes:
        side: Width and height of the crop, in pixels.
        points: x, y of left eye, right eye, nose, left and right mouth corner, in pixels.
    """

    name: str
    side: int
    points: tuple[tuple[float, float], ...]

    @property
    def landmarks(self) -> Landmarks:
        """The points as float32 ``(5, 2)``."""
        return np.array(self.points, dtype=np.float32)


ARCFACE_112 = Template(
    "arcface-112-v1",
    112,
    (
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ),
)
"""What ArcFace, AdaFace and most later recognisers are trained with."""

ARCFACE_128 = Template("arcface-128-v1", 128, tuple((x + 8.0, y) for x, y in ARCFACE_112.points))
"""The face of 112 pixels in the middle of a wider crop, as InsightFace cuts 128."""

ARCFACE_224 = Template("arcface-224-v1", 224, tuple((2 * x, 2 * y) for x, y in ARCFACE_112.points))
"""Twice as large, as InsightFace cuts 224."""

DLIB_150 = Template(
    "dlib-150-v1",
    150,
    ((48.14, 47.47), (103.49, 47.23), (75.31, 78.98), (51.71, 104.51), (98.19, 104.54)),
)
"""Where five landmarks fall in the 150x150 chips that dlib cuts by its own 68 landmarks."""

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {t.name: t for t in (ARCFACE_112, ARCFACE_128, ARCFACE_224, DLIB_150)}
)
