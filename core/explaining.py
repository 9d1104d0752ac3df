"""Why a search found this and not that: quality, near misses, filters, and what the index lost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from core import subjects
from core.db import explaining as rows
from core.db import filters
from core.db import search as search_rows
from core.db.collections import Collection
from core.db.faces import Face
from core.db.search import GroupBy
from core.errors import SearchTimeout
from core.exchange import QueryFace
from core.faces import Quality
from core.filters import NOTHING_ASKED
from core.finding import MOST_MATCHES, Decision, Found, IndexUse, Match, Options
from core.gates import LIMITS, Floors, Gate
from core.routing import Mode
from core.services import Services
from core.subjects import Subject

NEAREST: Final = 100
"""Faces around the query on which each condition is tried alone."""

NEAR_MISSES: Final = 3


class Factor(StrEnum):
    """What can be wrong with a face."""

    SHARPNESS = "sharpness"
    SIZE = "size"
    BRIGHTNESS = "brightness"
    YAW = "yaw"
    PITCH = "pitch"
    SCORE = "score"
    NORM = "norm"


class Level(StrEnum):
    """How good a factor is: good enough to enrol with, to search with, or neither."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True, slots=True)
class Weakness:
    """The factor of a face's quality that is worst, measured by what the gates ask for.

    Attributes:
        level: Good where the strict gate would pass it, fair where only the standard one would.
    """

    factor: Factor
    value: float
    level: Level


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A candidate below the threshold, and how far."""

    match: Match
    short: float


@dataclass(frozen=True, slots=True)
class Removed:
    """What one condition takes away of the nearest faces.

    Attributes:
        condition: The field of `core.filters.Filter`.
        faces: How many of them fail it; *best* is the nearest of these.
    """

    condition: str
    faces: int
    best: Match | None


@dataclass(frozen=True, slots=True)
class Filtering:
    """The nearest faces without any condition, and what each of these removes alone.

    Attributes:
        nearest: How many were looked at.
        kept: How many of them meet all conditions.
    """

    nearest: int
    kept: int
    removed: tuple[Removed, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What looking at every face gives, compared with the answer.

    Attributes:
        same: The same groups in the same order.
        missing: What the answer lacks.
    """

    same: bool
    missing: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one query face found what it found.

    Attributes:
        near_misses: The best candidates below the threshold, unless `MOST_MATCHES` reach it.
        filtering: None where there is no condition.
        agreement: None where looking at every face took longer than a search may.
        index: How the answer was found.
    """

    near_misses: tuple[NearMiss, ...]
    filtering: Filtering | None
    agreement: Agreement | None
    index: IndexUse


def weakest(quality: Quality, score: float, norm: float | None, strict: Floors) -> Weakness:
    """Return the factor that is worst in proportion to what the strict gate asks for.

    Args:
        strict: What that gate asks of the pack's own figures; a floor of 0 judges nothing.
    """
    good, fair = LIMITS[Gate.STRICT], LIMITS[Gate.STANDARD]
    # The value, how many times what is asked for that is, and the same for the standard gate.
    factors: dict[Factor, tuple[float, float, float]] = {
        Factor.SHARPNESS: _above(quality.sharpness, good.sharpness, fair.sharpness),
        Factor.SIZE: _above(quality.size, good.size, fair.size),
        Factor.BRIGHTNESS: _above(quality.brightness, good.brightness, fair.brightness),
        Factor.YAW: _below(quality.yaw, good.yaw, fair.yaw),
        Factor.PITCH: _below(quality.pitch, good.pitch, fair.pitch),
        Factor.SCORE: _above(score, strict.score, 0),
        Factor.NORM: _above(norm or 0, 0 if norm is None else strict.norm, 0),
    }
    factor, (value, of_strict, of_standard) = min(factors.items(), key=lambda item: item[1][1])
    level = Level.GOOD if of_strict >= 1 else Level.FAIR if of_standard >= 1 else Level.POOR
    return Weakness(factor, value, level)


def _above(value: float, good: float, fair: float) -> tuple[float, float, float]:
    return value, value / good if good else 2.0, value / fair if fair else 2.0


def _below(angle: float, good: float, fair: float) -> tuple[float, float, float]:
    turned = max(abs(angle), 1.0)
    return angle, good / turned, fair / turned


def plain(weakness: Weakness) -> dict[str, Any]:
    """Return what JSON can store; `weakness_of` reads it again."""
    return asdict(weakness)


def weakness_of(stored: Mapping[str, Any]) -> Weakness:
    """Read what `plain` wrote."""
    return Weakness(Factor(stored["factor"]), stored["value"], Level(stored["level"]))


def explain(
    services: Services,
    homes: Sequence[Collection],
    subject: Subject,
    options: Options,
    found: Found,
) -> Explanation:
    """Explain what `core.finding.find` answered to the same question.

    Raises:
        SearchTimeout: Even the nearest faces took longer than a search may.
    """
    wider = replace(options, limit=MOST_MATCHES, only_matches=False, mode=Mode.EXACT, counted=False)
    try:
        whole = subjects.find(services, homes, subject, wider).matches
    except SearchTimeout:
        whole, agreement = found.matches, None
    else:
        agreement = _agreement(found, whole, options)
    misses = [match for match in whole if match.decision is Decision.NO_MATCH]
    return Explanation(
        near_misses=tuple(
            NearMiss(match, match.threshold - match.neighbour.cosine)
            for match in misses[:NEAR_MISSES]
        ),
        filtering=_filtering(services, homes, subject, options),
        agreement=agreement,
        index=found.index,
    )


def _agreement(found: Found, whole: Sequence[Match], options: Options) -> Agreement:
    wanted = [
        match for match in whole if match.decision is Decision.MATCH or not options.only_matches
    ][: options.limit]
    keys = [match.neighbour.key for match in found.matches]
    return Agreement(
        same=[match.neighbour.key for match in wanted] == keys,
        missing=tuple(match for match in wanted if match.neighbour.key not in keys),
    )


def _filtering(
    services: Services,
    homes: Sequence[Collection],
    subject: Subject,
    options: Options,
) -> Filtering | None:
    clauses = filters.clauses(options.filter)
    if not clauses:
        return None
    around = Options(
        limit=NEAREST,
        threshold=options.threshold,
        group_by=GroupBy.FACE,
        filter=NOTHING_ASKED,
        counted=False,
    )
    nearest = subjects.find(services, homes, subject, around).matches
    with (
        services.pool.connection() as conn,
        search_rows.bounded(conn, timeout_s=services.settings.search_timeout_s),
    ):
        met = rows.met(
            conn,
            [home.id for home in homes],
            [match.neighbour.face_id for match in nearest],
            clauses,
        )
    known = [match for match in nearest if match.neighbour.face_id in met]
    removed = []
    for number, clause in enumerate(clauses):
        fails = [match for match in known if not met[match.neighbour.face_id][number]]
        removed.append(Removed(clause.name, len(fails), fails[0] if fails else None))
    kept = sum(all(met[match.neighbour.face_id]) for match in known)
    return Filtering(len(known), kept, tuple(removed))


def weakest_of_query(services: Services, home: Collection, query: QueryFace) -> Weakness | None:
    """Return the weakest factor of a face of a photo; None where it could not be measured."""
    if query.quality is None:
        return None
    return weakest(query.quality, query.face.score, query.norm, _strict(services, home))


def weakest_of_stored(services: Services, home: Collection, face: Face) -> Weakness:
    """Return the weakest factor of a stored face."""
    quality = Quality(
        overall=face.quality,
        sharpness=face.sharpness,
        brightness=face.brightness,
        size=face.size,
        yaw=face.yaw,
        pitch=face.pitch,
        roll=face.roll,
    )
    return weakest(quality, face.score, face.norm, _strict(services, home))


def _strict(services: Services, home: Collection) -> Floors:
    return services.manifest.floors(home.space_id, Gate.STRICT)
