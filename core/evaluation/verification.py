"""Verification (1:1) by LFW's protocol: a threshold chosen on nine folds and judged on the tenth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidRequest
from core.evaluation.pairs import Pair
from core.evaluation.photos import Sample
from core.evaluation.scores import DIGITS, STEP, STEPS, Scores, Share

RATES: Final = (1e-2, 1e-3, 1e-4)
"""False match rates of the table."""

LEAST_MATCHES: Final = 10
"""False matches that a rate must allow before its threshold says more than what one pair does."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Pairs judged at the threshold that was best for those of all other folds."""

    threshold: float
    correct: Share


@dataclass(frozen=True, slots=True)
class Target:
    """The threshold of a false match rate.

    Attributes:
        false_matches: Pairs of two people that reach it, of those that could be compared.
        tar: Pairs of one person that reach it, of all.
        trusted: The rate allows `LEAST_MATCHES` false matches among these pairs.
    """

    fmr: float
    threshold: float
    false_matches: Share
    tar: Share
    trusted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What comparing each pair gave. A pair with a photo without a usable face counts as wrong.

    Attributes:
        same, different: Pairs of one person and of two.
        failed: Pairs that could not be compared.
        best: At the threshold that is best for all pairs: flattering, since chosen on them.
        mates, impostors: Cosines of the pairs that could be compared.
    """

    same: int
    different: int
    failed: int
    folds: tuple[Fold, ...]
    best: Fold
    mates: Scores
    impostors: Scores

    @property
    def mean(self) -> float:
        """Accuracy, averaged over folds."""
        return fmean(fold.correct.rate for fold in self.folds)

    @property
    def deviation(self) -> float:
        """Standard deviation of the accuracy of folds; the mean's own error is a third of it."""
        return stdev(fold.correct.rate for fold in self.folds)

    @property
    def threshold(self) -> float:
        """Averaged over folds."""
        return fmean(fold.threshold for fold in self.folds)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The thresholds of `RATES`."""
        return tuple(self._target(rate) for rate in RATES)

    def at(self, threshold: float) -> Fold:
        """Judge all pairs at a threshold."""
        return Fold(threshold, _correct(self.mates, self.impostors, threshold, self._pairs))

    @property
    def _pairs(self) -> int:
        return self.same + self.different

    def _target(self, rate: float) -> Target:
        threshold = self.impostors.threshold(rate)
        return Target(
            fmr=rate,
            threshold=threshold,
            false_matches=self.impostors.share(threshold),
            tar=Share(self.mates.share(threshold).count, self.same),
            trusted=rate * self.impostors.total >= LEAST_MATCHES,
        )


def verify(pairs: Sequence[Pair], samples: Mapping[Path, Sample]) -> Verification:
    """Compare each pair.

    Args:
        samples: Of every photo of the pairs.

    Raises:
        InvalidRequest: No pair can be compared.
    """
    cosines = np.array([_cosine(pair, samples) for pair in pairs])
    same = np.array([pair.same for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    scored = ~np.isnan(cosines)
    if not scored.any():
        raise InvalidRequest("None of the pairs has a usable face in both photos.")
    mates, impostors = _kinds(cosines, same, scored)
    best = _best_threshold(mates, impostors)
    return Verification(
        same=int(same.sum()),
        different=int((~same).sum()),
        failed=int((~scored).sum()),
        folds=tuple(_judge(cosines, same, folds == fold) for fold in np.unique(folds)),
        best=Fold(best, _correct(mates, impostors, best, len(pairs))),
        mates=mates,
        impostors=impostors,
    )


def _cosine(pair: Pair, samples: Mapping[Path, Sample]) -> float:
    a, b = samples[pair.first].embedding, samples[pair.second].embedding
    return float("nan") if a is None or b is None else float(a @ b)


def _judge(
    cosines: NDArray[np.float64], same: NDArray[np.bool_], tested: NDArray[np.bool_]
) -> Fold:
    scored = ~np.isnan(cosines)
    threshold = _best_threshold(*_kinds(cosines, same, scored & ~tested))
    mates, impostors = _kinds(cosines, same, scored & tested)
    return Fold(threshold, _correct(mates, impostors, threshold, int(tested.sum())))


def _kinds(
    cosines: NDArray[np.float64], same: NDArray[np.bool_], chosen: NDArray[np.bool_]
) -> tuple[Scores, Scores]:
    return Scores.of(cosines[chosen & same]), Scores.of(cosines[chosen & ~same])


def _correct(mates: Scores, impostors: Scores, threshold: float, pairs: int) -> Share:
    refused = impostors.total - impostors.share(threshold).count
    return Share(mates.share(threshold).count + refused, pairs)


def _best_threshold(mates: Scores, impostors: Scores) -> float:
    """Return the threshold with most correct pairs: the middle of the longest run of such."""
    correct = mates.reaching - impostors.reaching
    edges = np.flatnonzero(np.diff(np.concatenate([[0], correct == correct.max(), [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    middle = min((int(starts[longest]) + int(ends[longest])) // 2, STEPS - 1)
    return round(middle * STEP - 1, DIGITS)
