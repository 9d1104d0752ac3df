"""Photos with several people together: "A and B", "A without B".

The photos of whoever is in the fewest are the candidates. In them everybody else is looked for face by
face, without an index, so nothing is lost by an approximation after the first step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final
from uuid import UUID

from core import finding
from core.db import filters
from core.db import search as rows
from core.db import together as together_rows
from core.db.collections import Collection
from core.db.search import GroupBy
from core.db.together import Others, Standing
from core.errors import InvalidRequest
from core.filters import Filter
from core.finding import MOST_MATCHES, Options
from core.services import Services
from core.subjects import Subject

MOST_SUBJECTS: Final = 5
"""On each side. Whoever stands for whom is tried out."""

MOST_ROUNDS: Final = 8
"""Times `MOST_MATCHES` candidates that one answer looks into."""

CERTAIN: Final = 1.0
"""A name counts like this cosine."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """A photo that shows everybody who was asked for.

    Attributes:
        kept: What there is of it, of `core.keeping.Keeps`.
        cosine: The smallest of *faces*; a face with the right name counts as 1.
        faces: Who stands for each subject, in their order; each face for one of them.
    """

    image_id: UUID
    filename: str | None
    width: int
    height: int
    kept: str
    cosine: float
    faces: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class FoundTogether:
    """The answer.

    Attributes:
        images: Surest first.
        more: There are, or may be, further ones.
        exact: No candidate can be missing.
        examined: Photos that were looked into.
        cut_off: So many photos show the first person that not all were looked into; a next page
            goes on with the others.
        seen: Photos that a next page need not look at again: shown ones, and those that lack
            somebody.
    """

    threshold: float
    threshold_source: str
    images: tuple[FoundImage, ...]
    more: bool
    exact: bool
    examined: int
    cut_off: bool
    seen: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Photos that may show a subject; *whole*: all of them."""

    image_ids: tuple[UUID, ...]
    whole: bool
    exact: bool
    threshold: float
    threshold_source: str


def find(
    services: Services,
    home: Collection,
    all_of: Sequence[Subject],
    none_of: Sequence[Subject],
    options: Options,
) -> FoundTogether:
    """Find photos of *home* with a different face for each of *all_of* and no face of *none_of*.

    A face stands for a subject at or above the threshold; a person's named faces stand for them
    whatever their cosine.

    Args:
        options: *filter* holds for the faces of *all_of*; *shown* are photos to leave out. Grouping
            and *only_matches* mean nothing here.

    Raises:
        InvalidRequest: Nobody is asked for, or too many are.
        SearchTimeout: The database took longer than the settings allow.
    """
    if not 1 <= len(all_of) <= MOST_SUBJECTS or len(none_of) > MOST_SUBJECTS:
        raise InvalidRequest(f"Ask for 1 to {MOST_SUBJECTS} people, and without up to as many.")
    found: list[FoundImage] = []
    seen = list(options.shown)
    examined = 0
    for _ in range(MOST_ROUNDS):
        candidates = _candidates(services, home, all_of, replace(options, shown=tuple(seen)))
        images = _verified(services, home, candidates, all_of, none_of, options.filter)
        found += images
        examined += len(candidates.image_ids)
        if candidates.whole or len(found) >= options.limit:
            break
        seen += candidates.image_ids
    return _answer(candidates, found, options, examined, seen)


def _answer(
    last: _Candidates,
    found: Iterable[FoundImage],
    options: Options,
    examined: int,
    seen: Iterable[UUID],
) -> FoundTogether:
    ordered = sorted(found, key=lambda image: (-image.cosine, image.image_id))
    page, rest = ordered[: options.limit], ordered[options.limit :]
    later = {image.image_id for image in rest}
    done = dict.fromkeys([*seen, *last.image_ids])
    return FoundTogether(
        threshold=last.threshold,
        threshold_source=last.threshold_source,
        images=tuple(page),
        more=bool(rest) or not last.whole,
        exact=last.exact,
        examined=examined,
        cut_off=not last.whole,
        seen=tuple(each for each in done if each not in later),
    )


def _candidates(
    services: Services, home: Collection, all_of: Sequence[Subject], options: Options
) -> _Candidates:
    """Return the photos of the subject that is in the fewest."""
    return min(
        (_photos_of(services, home, subject, options) for subject in all_of),
        key=lambda photos: (not photos.whole, len(photos.image_ids)),
    )


def _photos_of(
    services: Services, home: Collection, subject: Subject, options: Options
) -> _Candidates:
    nearest = replace(options, limit=MOST_MATCHES, group_by=GroupBy.IMAGE, only_matches=True)
    found = finding.find(services, [home], list(subject.probes), nearest)
    image_ids = {match.neighbour.image_id: None for match in found.matches}
    named: list[UUID] = []
    if subject.people:
        with (
            services.pool.connection() as conn,
            rows.bounded(conn, timeout_s=services.settings.search_timeout_s),
        ):
            named = together_rows.named_images(
                conn,
                home.id,
                subject.people,
                shown=options.shown,
                limit=MOST_MATCHES,
                clauses=filters.clauses(options.filter),
            )
    return _Candidates(
        image_ids=tuple(image_ids | dict.fromkeys(named)),
        whole=not found.more and len(named) < MOST_MATCHES,
        exact=found.index.exact,
        threshold=found.threshold,
        threshold_source=found.threshold_source,
    )


def _verified(
    services: Services,
    home: Collection,
    candidates: _Candidates,
    all_of: Sequence[Subject],
    none_of: Sequence[Subject],
    wanted: Filter,
) -> list[FoundImage]:
    with (
        services.pool.connection() as conn,
        rows.bounded(conn, timeout_s=services.settings.search_timeout_s),
    ):
        standing, unwanted = (
            together_rows.standing(
                conn,
                home.id,
                image_ids=candidates.image_ids,
                probes=dict(enumerate(list(subject.probes) for subject in subjects)),
                people=dict(enumerate(subject.people for subject in subjects)),
                others=_others(subjects),
                threshold=candidates.threshold,
                clauses=clauses,
            )
            if subjects
            else []
            for subjects, clauses in ((all_of, filters.clauses(wanted)), (none_of, []))
        )
    barred = {each.image_id for each in unwanted}
    by_image: dict[UUID, list[Standing]] = {}
    for each in standing:
        if each.image_id not in barred:
            by_image.setdefault(each.image_id, []).append(each)
    images = (_image(faces, len(all_of)) for faces in by_image.values())
    return [image for image in images if image is not None]


def _others(subjects: Sequence[Subject]) -> Others:
    return Others(
        faces=dict(enumerate(subject.not_faces for subject in subjects)),
        people=dict(enumerate(subject.not_people for subject in subjects)),
    )


def _image(standing: Sequence[Standing], subjects: int) -> FoundImage | None:
    """Give each subject a face of their own, so that the least sure of them is as sure as can be."""
    options: Mapping[int, list[Standing]] = {number: [] for number in range(subjects)}
    for each in sorted(standing, key=lambda face: (-_sureness(face), face.face_id)):
        options[each.subject].append(each)
    chosen = _assigned([options[number] for number in range(subjects)])
    if chosen is None:
        return None
    first = chosen[0]
    return FoundImage(
        image_id=first.image_id,
        filename=first.filename,
        width=first.width,
        height=first.height,
        kept=first.kept,
        cosine=min(map(_sureness, chosen)),
        faces=chosen,
    )


def _assigned(
    options: Sequence[Sequence[Standing]], taken: frozenset[UUID] = frozenset()
) -> tuple[Standing, ...] | None:
    """Try every choice of different faces; each subject's options begin with the surest."""
    if not options:
        return ()
    best: tuple[Standing, ...] | None = None
    least = -inf
    for face in options[0]:
        if _sureness(face) <= least:
            break  # those behind it are no surer
        if face.face_id not in taken:
            rest = _assigned(options[1:], taken | {face.face_id})
            if rest is not None and min(map(_sureness, (face, *rest))) > least:
                best = (face, *rest)
                least = min(map(_sureness, best))
    return best


def _sureness(face: Standing) -> float:
    return CERTAIN if face.named else face.cosine
