"""The pictures of the reports. It brings Matplotlib along: import it where pictures are wanted."""

from collections.abc import Callable

from core.evaluation.calibration import Calibration
from core.evaluation.identification import Identification
from core.evaluation.plots import DARK, LIGHT, Names, Theme, det, histogram, tail
from core.evaluation.verification import Verification
from web.cli.reporting import Picture

PAIRS = Names("pairs of one person", "pairs of two people", "FMR", "FNMR")
SEARCHES = Names("found first", "nearest to a stranger", "FPIR", "FNIR")


def of_verification(found: Verification, own: float) -> list[Picture]:
    """Draw the pairs of a list; *own* is the threshold in use."""
    marks = [("best", found.best.threshold), ("own", own)]
    return [
        _scores(lambda theme: histogram(found.mates, found.impostors, PAIRS, own, theme)),
        _det(
            "pairs of two people that pass (FMR)",
            "pairs of one person that do not pass (FNMR)",
            lambda theme: det(found.mates, found.same, found.impostors, PAIRS, marks, theme),
        ),
    ]


def of_identification(found: Identification, own: float) -> list[Picture]:
    """Draw searches for enrolled people and strangers."""
    marks = [(f"FPIR {each.fpir:g}", each.point.threshold) for each in found.targets]
    marks.append(("own", own))
    return [
        _scores(lambda theme: histogram(found.hits, found.alarms, SEARCHES, own, theme)),
        _det(
            "searches for strangers that find anybody (FPIR)",
            "searches for enrolled people that do not find them first (FNIR)",
            lambda theme: det(found.hits, found.mates, found.alarms, SEARCHES, marks, theme),
        ),
    ]


def of_calibration(found: Calibration, own: float) -> list[Picture]:
    """Draw all pairs of faces, and the far end of the impostors'."""
    mates, impostors = found.scores.mates, found.scores.impostors
    known = [(each.fmr, each.threshold) for each in found.points if each.threshold is not None]
    marks = [(f"FMR {fmr:g}", threshold) for fmr, threshold in known]
    return [
        _picture(
            "tail",
            "Share of the pairs of two people that reach a cosine: counted, and foretold by the "
            "fit. Points: the thresholds of the table.",
            lambda theme: tail(impostors, found.fit, known, theme),
        ),
        _scores(lambda theme: histogram(mates, impostors, PAIRS, own, theme)),
        _det(
            "pairs of two people that pass (FMR)",
            "pairs of one person that do not pass (FNMR)",
            lambda theme: det(mates, mates.total, impostors, PAIRS, marks, theme),
        ),
    ]


def _scores(draw: Callable[[Theme], bytes]) -> Picture:
    return _picture("scores", "How the cosines of both kinds lie, and the threshold in use.", draw)


def _det(false: str, missed: str, draw: Callable[[Theme], bytes]) -> Picture:
    caption = f"At every threshold, the share of {missed}, over the share of {false}: a DET curve."
    return _picture("det", caption, draw)


def _picture(name: str, caption: str, draw: Callable[[Theme], bytes]) -> Picture:
    return Picture(name, caption, draw(LIGHT), draw(DARK))
