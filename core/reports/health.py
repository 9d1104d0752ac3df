"""Health of a gallery: how well it tells people apart, what failed, how good its faces are, its growth."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.budget import alarms_of
from core.db import material as rows
from core.errors import InvalidRequest
from core.evaluation.calibration import Calibration, calibrate
from core.evaluation.scores import PER_ONE, Scores, Share
from core.reports.finding import Outcome
from core.reports.material import Material

NAME: Final = "health"

MOST_FACES: Final = 10_000
"""Named faces of which every two are compared: fifty million pairs, some seconds."""

BAR: Final = PER_ONE // 100
"""Steps of a score that make one bar: 0.01."""

QUALITY_BARS: Final = 20

GROWTH_DAYS: Final = 366

ONE_IN: Final = (100, 1_000, 10_000)
"""Budgets that a threshold is told for: a stranger finds somebody at most once in so many searches."""


def make(material: Material) -> Outcome:
    """Measure the gallery as it is. There are no findings, only numbers."""
    collection = material.collection
    since = datetime.now(UTC) - timedelta(days=GROWTH_DAYS)
    unnamed = int((material.owners < 0).sum())
    return Outcome(
        summary={
            "faces": len(material.owners),
            "unnamed_faces": unnamed,
            "people": len(material.people),
            "images": collection.image_count,
            "threshold": collection.threshold,
            "threshold_source": collection.threshold_source,
            "scores": _scores(material),
            "quality": _bars(material.faces.quality),
            "failures": _failures(material),
            "growth": [
                {**asdict(day), "day": day.day.isoformat()}
                for day in rows.growth(material.conn, collection.id, since=since)
            ],
        }
    )


def _scores(material: Material) -> dict[str, Any] | None:
    """Return what pairs of named faces say about thresholds; None: there are fewer than two people."""
    named = np.flatnonzero(material.owners >= 0)
    random = np.random.default_rng(0)
    chosen = np.sort(random.permutation(named)[:MOST_FACES])
    try:
        found = calibrate(
            material.unit(chosen),
            material.owners[chosen],
            gallery=max(1, len(material.owners)),
            progress=lambda _: material.pause(),
        )
    except InvalidRequest:
        return None
    mates, impostors = found.scores.mates, found.scores.impostors
    threshold = material.collection.threshold
    false = impostors.share(threshold)
    fmr = _fmr(found, threshold, false)
    return {
        "compared_faces": len(chosen),
        "mates": _counted(mates),
        "impostors": _counted(impostors),
        "true_match_rate": _share(mates.share(threshold)),
        "false_match_rate": {**_share(false), "estimate": fmr},
        "false_alarm_rate": None if fmr is None else alarms_of(fmr, found.gallery),
        "budgets": [_budget(found, one_in) for one_in in ONE_IN],
    }


def _fmr(found: Calibration, threshold: float, counted: Share) -> float | None:
    """Return the false match rate at a threshold: counted, else foretold; None: nobody can say."""
    if counted.rate >= found.rarest:
        return counted.rate
    if found.fit is not None and threshold >= found.fit.start:
        return found.fit.fmr(threshold)
    return None


def _budget(found: Calibration, one_in: int) -> dict[str, Any]:
    point = found.budget(1 / one_in, found.gallery).point
    return {
        "one_in": one_in,
        "threshold": point.threshold,
        "evidence": point.evidence.value,
        "true_match_rate": None if point.tar is None else point.tar.rate,
    }


def _share(share: Share) -> dict[str, float]:
    low, high = share.interval
    return {
        "rate": share.rate,
        "count": share.count,
        "total": share.total,
        "low": low,
        "high": high,
    }


def _counted(scores: Scores) -> dict[str, Any]:
    """Return cosines in bars of 0.01, from -1, without the empty ones at both ends."""
    counts = np.add.reduceat(scores.counts, np.arange(0, len(scores.counts), BAR))
    counts[-2] += counts[-1]  # cosines of exactly 1
    return _trimmed(counts[:-1], -1.0, BAR / PER_ONE)


def _bars(quality: NDArray[np.float32]) -> dict[str, Any]:
    counts, _ = np.histogram(quality, QUALITY_BARS, (0, 1))
    return {"start": 0.0, "step": 1 / QUALITY_BARS, "counts": counts.tolist()}


def _trimmed(counts: NDArray[np.int64], start: float, step: float) -> dict[str, Any]:
    filled = np.flatnonzero(counts)
    if not len(filled):
        return {"start": start, "step": step, "counts": [], "total": 0}
    first, last = int(filled[0]), int(filled[-1])
    return {
        "start": round(start + first * step, 4),
        "step": step,
        "counts": counts[first : last + 1].tolist(),
        "total": int(counts.sum()),
    }


def _failures(material: Material) -> dict[str, dict[str, int]]:
    """Return why photos and faces were not indexed, and how often."""
    found: dict[str, dict[str, int]] = {"images": {}, "faces": {}}
    for each in rows.failures(material.conn, material.collection.id):
        found[each.what][each.reason] = each.count
    return found
