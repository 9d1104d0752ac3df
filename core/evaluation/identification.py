"""Open-set search (1:N): some people are enrolled, some are strangers, and both are searched for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidRequest
from core.evaluation.photos import Sample
from core.evaluation.scores import Scores, Share
from core.faces import Embedding

RATES: Final = (0.003, 0.01)
"""False alarm rates (FPIR) of the table; 0.003 is where NIST's identification table stands."""

LEAST_ALARMS: Final = 10
"""False alarms that must be allowed before a threshold says more than who the one stranger is."""

PROBES_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Setting:
    """Who is enrolled.

    Attributes:
        gallery_photos: Photos enrolled of each person, the first in order of names; the others are
            searched for.
        strangers: Share of the people who are not enrolled, above 0 and below 1. The people are
            dealt out so often that nobody is a stranger twice: 0.5 gives two rounds, 0.1 ten.
        seed: Of the dealing.
    """

    gallery_photos: int = 1
    strangers: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class OpenSetPoint:
    """What one threshold gives.

    Attributes:
        fpir: Searches for strangers that found anybody, of those whose photo had a face.
        fnir: Searches for enrolled people that did not find them first and at the threshold.
    """

    threshold: float
    fpir: Share
    fnir: Share


@dataclass(frozen=True, slots=True)
class Target:
    """The threshold of a false alarm rate.

    Attributes:
        trusted: The rate allows `LEAST_ALARMS` false alarms among these searches.
    """

    fpir: float
    point: OpenSetPoint
    trusted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """All rounds together.

    Attributes:
        enrolled: People in the gallery, on average over rounds.
        photos_each: Photos of an enrolled person, on average.
        not_enrolled: People, of those to enrol, with no usable photo to enrol.
        faceless: Probes, of both kinds, without a usable face.
        rank_1: Searches for people to enrol that found them first, at any cosine.
        hits: Cosines of those.
        alarms: Best cosine of each search for a stranger.
        mates: Searches for people to enrol; who could not be enrolled or has no face is missed.
        photos: Different photos in them: each is searched for in every round but one.
    """

    rounds: int
    enrolled: float
    photos_each: float
    not_enrolled: Share
    faceless: Share
    rank_1: Share
    mates: int
    photos: int
    hits: Scores
    alarms: Scores

    def as_photos(self, share: Share) -> Share:
        """Return the same rate of *mates* over different photos, for its uncertainty."""
        return Share(round(share.rate * self.photos), self.photos)

    def at(self, threshold: float) -> OpenSetPoint:
        """Return the error rates at a threshold."""
        missed = self.mates - self.hits.share(threshold).count
        return OpenSetPoint(threshold, self.alarms.share(threshold), Share(missed, self.mates))

    @property
    def targets(self) -> tuple[Target, ...]:
        """The thresholds of `RATES`."""
        return tuple(
            Target(
                rate,
                self.at(self.alarms.threshold(rate)),
                rate * self.alarms.total >= LEAST_ALARMS,
            )
            for rate in RATES
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Round:
    """One dealing of the people: what was enrolled, and what the searches gave."""

    people: int
    enrolled: int
    photos: int
    mates: int
    strangers: int
    searched: int
    hits: NDArray[np.float32]
    alarms: NDArray[np.float32]


def identify(people: Mapping[str, Sequence[Sample]], setting: Setting) -> Identification:
    """Search for enrolled people and for strangers, exactly, in several rounds.

    A person's cosine is that of their nearest enrolled photo, as in the service.

    Raises:
        InvalidRequest: Too few people to have an enrolled one and a stranger, nobody has a photo
            more than are enrolled, or no photo to enrol has a usable face.
    """
    names = sorted(people)
    Random(setting.seed).shuffle(names)  # noqa: S311  a repeatable deal, no secret
    # Rounded up, half of seven people would be four, who leave too few for the second round.
    fair = len(names) // int(1 / setting.strangers)
    each = min(round(setting.strangers * len(names)), max(1, fair))
    if not 0 < each < len(names):
        raise InvalidRequest(f"Of {len(names)} people none can be strangers beside enrolled ones.")
    rounds = [
        _search(people, set(names[start : start + each]), setting.gallery_photos)
        for start in range(0, len(names) - each + 1, each)
    ]
    mates = sum(one.mates for one in rounds)
    if not mates:
        raise InvalidRequest("Nobody who is enrolled has another photo to search for.")
    others = sum(max(0, len(photos) - setting.gallery_photos) for photos in people.values())
    return _together(rounds, others if len(rounds) > 1 else mates)


def _together(rounds: Sequence[_Round], photos: int) -> Identification:
    hits = np.concatenate([one.hits for one in rounds])
    alarms = np.concatenate([one.alarms for one in rounds])
    people = sum(one.people for one in rounds)
    enrolled = sum(one.enrolled for one in rounds)
    mates = sum(one.mates for one in rounds)
    probes = mates + sum(one.strangers for one in rounds)
    return Identification(
        rounds=len(rounds),
        enrolled=enrolled / len(rounds),
        photos_each=sum(one.photos for one in rounds) / max(1, enrolled),
        not_enrolled=Share(people - enrolled, people),
        faceless=Share(probes - sum(one.searched for one in rounds), probes),
        rank_1=Share(len(hits), mates),
        mates=mates,
        photos=photos,
        hits=Scores.of(hits),
        alarms=Scores.of(alarms),
    )


def _search(
    people: Mapping[str, Sequence[Sample]], strangers: set[str], gallery_photos: int
) -> _Round:
    """Enrol everybody but the strangers, then search."""
    homes = [name for name in people if name not in strangers]
    gallery = {name: _usable(people[name][:gallery_photos]) for name in homes}
    gallery = {name: photos for name, photos in gallery.items() if photos}
    probes = [(name, each) for name in homes for each in people[name][gallery_photos:]]
    others = [each for name in sorted(strangers) for each in people[name]]
    known = [(name, each.embedding) for name, each in probes if each.embedding is not None]
    unknown = _usable(others)
    if not gallery:
        raise InvalidRequest("None of the photos to enrol has a usable face.")
    numbers = {name: number for number, name in enumerate(gallery)}
    own = np.array([numbers.get(name, -1) for name, _ in known], np.intp)
    best, who = _best([vector for _, vector in known], gallery)
    return _Round(
        people=len(homes),
        enrolled=len(gallery),
        photos=sum(map(len, gallery.values())),
        mates=len(probes),
        strangers=len(others),
        searched=len(known) + len(unknown),
        hits=best[who == own],
        alarms=_best(unknown, gallery)[0],
    )


def _best(
    probes: Sequence[Embedding], gallery: Mapping[str, Sequence[Embedding]]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the cosine and the number of the nearest person for each probe."""
    enrolled = np.stack([vector for photos in gallery.values() for vector in photos])
    starts = np.cumsum([0, *map(len, gallery.values())])[:-1]
    best, who = [np.empty(0, np.float32)], [np.empty(0, np.intp)]
    for start in range(0, len(probes), PROBES_AT_ONCE):
        cosines = np.stack(probes[start : start + PROBES_AT_ONCE]) @ enrolled.T
        by_person = np.maximum.reduceat(cosines, starts, axis=1)
        who.append(by_person.argmax(axis=1))
        best.append(by_person.max(axis=1))
    return np.concatenate(best), np.concatenate(who)


def _usable(samples: Sequence[Sample]) -> list[Embedding]:
    return [each.embedding for each in samples if each.embedding is not None]
