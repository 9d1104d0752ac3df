"""The far end of the impostors' cosines, where too few pairs are left to count: an exponential fit.

Why exponential and no generalised Pareto distribution, whose shape follows the data: from few pairs
that shape comes out so that the fit ends below cosines which impostors do reach. Thresholds that a
tenth to four tenths of the people of LFW foretold were held against all of them, with two packs: asked
for a rate 100 times rarer than could be counted, the exponential let up to 3.1 times as many pass
(median 0.4), Pareto up to 72 times (median 5); 10 times rarer, 3.3 and 9.5. A rate that could just be
counted was off by up to 4 itself. `benchmarks/tail_fit.py` measures it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.budget import Fit
from core.evaluation.comparing import CLOSEST, Owners, Tail
from core.evaluation.scores import Share

LEAST, ENOUGH, MOST = 100, 300, CLOSEST // 2
"""Impostor pairs that a fit is made from: never fewer than the first; the second where they are
among the `DEEPEST` share; of many pairs the `USUAL` share, up to the third."""

USUAL: Final = 1e-3
DEEPEST: Final = 1e-2
"""Of all impostor pairs. Further in, cosines fall more steeply with their rate than at the end."""


def fitted(cosines: NDArray[np.floating], total: int) -> Fit | None:
    """Fit the largest of *total* impostor cosines, given in descending order.

    None: they are too few.
    """
    wanted = round(max(USUAL * total, min(ENOUGH, DEEPEST * total)))
    wanted = min(wanted, MOST, len(cosines) - 1)
    if wanted < LEAST:
        return None
    start = float(cosines[wanted])
    scale = float(np.mean(cosines[:wanted], dtype=np.float64)) - start
    if scale <= 0:  # as many equal cosines: copies of one photo under several names
        return None
    return Fit(start, wanted / total, scale, wanted)


@dataclass(frozen=True, slots=True)
class Check:
    """Each half of the impostor pairs held against the fit to the other.

    Attributes:
        fmr: That the fits were asked for.
        found: Pairs that reach the cosine which the fit to the other half gave.
    """

    fmr: float
    found: Share


def check(tail: Tail, owners: Owners, fmr: float) -> Check | None:
    """Try at *fmr* whether the fit to one half of the pairs of people foretells the other half.

    A pair of people is in one half with all its pairs of photos, since those resemble each other.
    None: too few pairs for two fits.
    """
    odd = (owners[tail.first] + owners[tail.second]) % 2 == 1
    photos = np.bincount(owners % 2, minlength=2)
    halves = {True: int(photos[0] * photos[1]), False: _even_pairs(owners)}
    reached = 0
    for half, total in halves.items():
        fit = fitted(tail.cosines[odd != half], sum(halves.values()) - total)
        if fit is None or fmr > fit.rate:
            return None
        reached += int((tail.cosines[odd == half] >= fit.threshold(fmr)).sum())
    return Check(fmr, Share(reached, sum(halves.values())))


def _even_pairs(owners: Owners) -> int:
    """Count the impostor pairs of two people who are both even or both odd."""
    found = 0
    for parity in (0, 1):
        sizes = np.unique(owners[owners % 2 == parity], return_counts=True)[1]
        found += (int(sizes.sum()) ** 2 - int((sizes**2).sum())) // 2
    return found
