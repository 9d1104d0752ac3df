"""Photos of faces made worse in known ways: blurred, shrunk, dark, bright, noisy, covered, turned.

For photos in the manner of LFW: one face in the middle, its head about half as wide as the photo.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

import cv2
import numpy as np

from core.faces import Pixels

Degrade: TypeAlias = Callable[[Pixels], Pixels]

SEED: Final = 7

HEAD: Final = (0.26, 0.36, 0.30)
"""Half width, half height and half depth of the head, in widths of an LFW photo (250 pixels)."""

NOSE: Final = (0.09, 0.035, 0.10)
"""How far the nose stands out, half its width and its height, in the same unit."""

OVERSAMPLING: Final = 3
"""Points drawn per pixel and axis, so that a turned surface has no holes."""


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """Gaussian blur of *sigma* pixels."""
    return _pixels(cv2.GaussianBlur(pixels, (0, 0), sigma))


def shrunk(pixels: Pixels, factor: float) -> Pixels:
    """Scale the whole photo down."""
    return _pixels(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def lit(pixels: Pixels, gain: float) -> Pixels:
    """Multiply all levels, rounded and clipped: underexposed below 1, overexposed above."""
    return _pixels(np.clip(np.round(pixels * np.float32(gain)), 0, 255))


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    """Add independent noise to every channel, in gray levels."""
    noise = np.random.default_rng(SEED).normal(scale=sigma, size=pixels.shape)
    return _pixels(np.clip(np.round(pixels + noise), 0, 255))


def covered(pixels: Pixels, share: float) -> Pixels:
    """Paint the face gray from the chin upwards, over *share* of the head's height."""
    height, width = pixels.shape[:2]
    half_width, half_height, _ = HEAD
    bottom = round(height / 2 + half_height * width)
    top = round(bottom - 2 * half_height * width * share)
    left, right = round(width * (0.5 - half_width)), round(width * (0.5 + half_width))
    painted = pixels.copy()
    painted[top:bottom, left:right] = 150
    return painted


def turned(pixels: Pixels, yaw: float, pitch: float = 0) -> Pixels:
    """Turn the head in the middle by angles in degrees, to the right and up.

    Its photo is laid on an ellipsoid with a nose and drawn again from the side, nearest points
    last. What the photo did not show is drawn from its edge: good enough to turn a head away, no
    more.
    """
    height, width = pixels.shape[:2]
    fine_width, fine_height = width * OVERSAMPLING, height * OVERSAMPLING
    colours = cv2.resize(pixels, (fine_width, fine_height), interpolation=cv2.INTER_LINEAR)
    x, y = np.meshgrid(
        (np.arange(fine_width) + 0.5) / fine_width - 0.5,
        ((np.arange(fine_height) + 0.5) / fine_height - 0.5) * height / width,
    )
    half_width, half_height, half_depth = HEAD
    inside = 1 - (x / half_width) ** 2 - (y / half_height) ** 2
    on_head = inside > 0
    nose, nose_width, nose_height = NOSE
    bump = nose * np.exp(-0.5 * ((x / nose_width) ** 2 + ((y - 0.03) / nose_height * 2) ** 2))
    z = half_depth * np.sqrt(np.maximum(inside, 0)) + bump
    points = np.stack([x, y, z], axis=-1)[on_head]
    points = points @ _turn(yaw, pitch).T
    order = np.argsort(points[:, 2])
    column = np.clip(((points[:, 0] + 0.5) * width).astype(int), 0, width - 1)[order]
    row = np.clip(((points[:, 1] + 0.5 * height / width) * width).astype(int), 0, height - 1)
    drawn = pixels.copy()
    drawn[row[order], column] = colours[on_head][order]
    return drawn


def _turn(yaw: float, pitch: float) -> np.ndarray:
    a, b = np.radians([yaw, pitch])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.asarray(about_x @ about_y)


def _pixels(image: np.ndarray) -> Pixels:
    return np.ascontiguousarray(image, dtype=np.uint8)


def _ways() -> dict[str, Degrade]:
    ways: dict[str, Degrade] = {}
    for sigma in (1, 2, 3, 4, 6):
        ways[f"blurred, sigma {sigma}"] = partial(blurred, sigma=sigma)
    for factor in (0.4, 0.3, 0.25, 0.2):
        ways[f"shrunk to {factor:.0%}"] = partial(shrunk, factor=factor)
    for gain in (0.3, 0.15, 0.08, 0.04):
        ways[f"darkened to {gain:.0%}"] = partial(lit, gain=gain)
    for gain in (1.5, 2, 3, 5):
        ways[f"brightened to {gain:.0%}"] = partial(lit, gain=gain)
    for sigma in (20, 40, 80):
        ways[f"noise of {sigma} levels"] = partial(noisy, sigma=sigma)
    for share in (0.3, 0.45):
        ways[f"lower {share:.0%} covered"] = partial(covered, share=share)
    for yaw in (30, 45, 60, 75):
        ways[f"turned by {yaw} degrees"] = partial(turned, yaw=yaw)
    for pitch in (-25, 25):
        ways[f"nodding by {pitch} degrees"] = partial(turned, yaw=0, pitch=pitch)
    return ways


WAYS: Final[Mapping[str, Degrade]] = _ways()
"""By the words for it, mildest first in each kind."""
