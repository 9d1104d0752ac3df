"""Budgets of false alarms: which cosine lets at most one in N strangers find anybody in a gallery.

FMR, the false match rate, is the share of pairs of different people that pass as one person; it
depends on the cosine alone. How many alarms it raises depends on the size of the gallery too, so a
budget calls for a higher cosine as the gallery grows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from math import ceil, exp, expm1, floor, isinf, log, log1p, log10
from typing import Any, Final, Protocol, Self

from core.errors import SetupError
from core.evaluation.scores import DIGITS, STEP

LEAST_STRANGERS: Final = 2
MOST_STRANGERS: Final = 1_000_000_000
"""Bounds of N in a budget of one alarm in N strangers."""

REACH: Final = 100
"""How many times rarer than the rarest rate that could be measured a fit may be asked for."""

VERSION: Final = 1
"""Of `Impostors.plain`."""

PER_DECADE: Final = 20
"""Counted rates that are kept from one to ten times that: the next rarer is 11 % below."""

MOST_RATE: Final = 0.1
"""Larger rates keep the cosine of this one: nobody wants more than one stranger in ten to pass."""

HIGHEST: Final = round(1 - STEP, DIGITS)
"""Largest cosine that is ever asked for: at 1 not even a copy would be found."""


class Evidence(StrEnum):
    """What a threshold stands on."""

    MEASURED = "measured"
    EXTRAPOLATED = "extrapolated"
    NONE = "too few pairs"


@dataclass(frozen=True, slots=True)
class Fit:
    """``FMR(t) = rate * exp(-(t - start) / scale)`` for cosines *t* of *start* and more.

    Attributes:
        pairs: That it was made from.
    """

    start: float
    rate: float
    scale: float
    pairs: int

    def threshold(self, fmr: float) -> float:
        """Return the cosine of a false match rate, which must not be above *rate*."""
        return self.start + self.scale * log(self.rate / fmr)

    def fmr(self, threshold: float) -> float:
        """Return the false match rate of a cosine, which must not be below *start*."""
        return self.rate * exp(-(threshold - self.start) / self.scale)


class Counted(Protocol):
    """Cosines of impostor pairs, counted."""

    def threshold(self, rate: float) -> float:
        """Return a cosine that at most *rate* of the pairs reach; 1 or more: there is none."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Which cosine keeps which false match rate: counted, else foretold, else none.

    Attributes:
        rarest: The smallest rate that could be measured; infinite where none could.
        fit: Foretells rarer ones; None: nothing does.
    """

    counted: Counted
    rarest: float
    fit: Fit | None

    @property
    def reach(self) -> float:
        """The smallest rate that any cosine is known for."""
        if self.fit is None:
            return self.rarest
        return min(self.rarest, max(self.rarest / REACH, self.fit.fmr(HIGHEST - STEP)))

    def at(self, fmr: float) -> tuple[float | None, Evidence]:
        """Return the cosine of a rate, a multiple of `STEP`, and what it stands on."""
        if fmr < self.reach:
            return None, Evidence.NONE
        threshold, evidence = self.counted.threshold(max(fmr, self.rarest)), Evidence.MEASURED
        if fmr < self.rarest and self.fit is not None:
            # Never below what was counted, which the fit smoothes.
            threshold = max(threshold, ceil(self.fit.threshold(fmr) / STEP) * STEP)
            evidence = Evidence.EXTRAPOLATED
        threshold = round(threshold, DIGITS)
        if threshold > HIGHEST:  # so many photos are there twice, under different names
            return None, Evidence.NONE
        return threshold, evidence


@dataclass(frozen=True, slots=True)
class Steps:
    """Counted cosines of the rates ``rarest * 10 ** (i / PER_DECADE)``, for *i* from 0."""

    rarest: float
    cosines: tuple[float, ...]

    def threshold(self, rate: float) -> float:
        """Return the cosine of the next rarer rate that is kept; *rate* is not below *rarest*."""
        number = floor(log10(rate / self.rarest) * PER_DECADE + 1e-9)
        return self.cosines[min(number, len(self.cosines) - 1)]


@dataclass(frozen=True, slots=True)
class Impostors:
    """What a calibration found about strangers, in so few numbers that a collection carries it.

    Attributes:
        pairs, people: That were compared, at *day*.
    """

    steps: Steps
    fit: Fit | None
    pairs: int
    people: int
    day: date

    @classmethod
    def of(cls, curve: Curve, *, pairs: int, people: int, day: date) -> Self | None:
        """Distil a calibration; None where it could measure nothing."""
        if isinf(curve.rarest) or curve.at(curve.rarest)[0] is None:
            return None
        decades = max(0.0, log10(MOST_RATE / curve.rarest))
        rates = (
            curve.rarest * 10 ** (number / PER_DECADE)
            for number in range(ceil(decades * PER_DECADE) + 1)
        )
        cosines = tuple(round(curve.counted.threshold(rate), DIGITS) for rate in rates)
        return cls(Steps(curve.rarest, cosines), curve.fit, pairs, people, day)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `plain` wrote.

        Raises:
            SetupError: Another version wrote it.
        """
        if stored["version"] != VERSION:
            raise SetupError(
                "This collection was calibrated by another version of facesearch; upgrade this one."
            )
        return cls(
            steps=Steps(stored["rarest"], tuple(stored["cosines"])),
            fit=None if stored["fit"] is None else Fit(**stored["fit"]),
            pairs=stored["pairs"],
            people=stored["people"],
            day=date.fromisoformat(stored["day"]),
        )

    def plain(self) -> dict[str, Any]:
        """Return what JSON can store."""
        return {
            "version": VERSION,
            "rarest": self.steps.rarest,
            "cosines": list(self.steps.cosines),
            "fit": None if self.fit is None else asdict(self.fit),
            "pairs": self.pairs,
            "people": self.people,
            "day": self.day.isoformat(),
        }

    @property
    def curve(self) -> Curve:
        """Which cosine keeps which rate."""
        return Curve(self.steps, self.steps.rarest, self.fit)

    @property
    def origin(self) -> str:
        """What was compared and when, in words."""
        return (
            f"calibrated on {self.pairs:,} pairs of {self.people:,} people, {self.day.isoformat()}"
        )


@dataclass(frozen=True, slots=True)
class Effective:
    """What a budget comes to in a gallery of one size.

    Attributes:
        cosine: The threshold that counts.
        fmr: The false match rate that it keeps.
        evidence: What that stands on, measured or extrapolated.
        one_in: The budget: at most one in so many strangers finds anybody.
        keeps_one_in: What can be kept: *one_in*, or less where the calibration reaches no further.
        faces: Size of the gallery.
        source: All of this in words.
    """

    cosine: float
    fmr: float
    evidence: Evidence
    one_in: int
    keeps_one_in: int
    faces: int
    source: str

    @property
    def kept(self) -> bool:
        """Whether the calibration reaches far enough for this budget and gallery."""
        return self.keeps_one_in >= self.one_in


def rate_of(alarms: float, gallery: int) -> float:
    """Return the FMR at which a search among *gallery* strangers finds one with chance *alarms*.

    Solves ``alarms = 1 - (1 - FMR) ** gallery``. Faces of one person resemble each other, so that
    several photos of each make the true chance somewhat smaller.
    """
    return -expm1(log1p(-alarms) / gallery)


def alarms_of(fmr: float, gallery: int) -> float:
    """Return the chance that a search among *gallery* strangers finds one; undoes `rate_of`."""
    return -expm1(log1p(-fmr) * gallery)


def threshold_at(impostors: Impostors, one_in: int, faces: int) -> Effective:
    """Turn a budget into a cosine that never falls while the gallery grows.

    Where the calibration does not reach so far, the strictest cosine that it supports counts, and
    what that keeps is said: a cosine beyond would be a guess, and one below would raise alarms.
    """
    curve, gallery = impostors.curve, max(1, faces)
    fmr = rate_of(1 / one_in, gallery)
    cosine, evidence = curve.at(fmr)
    if cosine is not None:
        source = (
            f"at most one false alarm in {one_in:,} strangers, gallery of {faces:,}: "
            f"FMR {fmr:.1e}, {evidence.value}; {impostors.origin}"
        )
        return Effective(cosine, fmr, evidence, one_in, one_in, faces, source)
    fmr = curve.reach
    cosine, evidence = curve.at(fmr)
    assert cosine is not None, "what reaches nowhere is not kept, see Impostors.of"
    keeps = max(1, floor(1 / alarms_of(fmr, gallery)))
    source = (
        f"the strictest cosine that its calibration supports: gallery of {faces:,}, one false alarm "
        f"in {keeps:,} strangers instead of {one_in:,}; calibrate again with more people; "
        f"{impostors.origin}"
    )
    return Effective(cosine, fmr, evidence, one_in, keeps, faces, source)
