"""Explanations of a search in the words of the page, for people who know nothing of indexes."""

from dataclasses import dataclass
from typing import Final

from core import explaining
from core.explaining import Explanation, Factor, Level, Weakness
from core.filters import Filter
from core.finding import Found
from core.paging import Position
from web.pages import results
from web.pages.results import Card

_FACTORS: Final = {
    Factor.SHARPNESS: "it is not sharp",
    Factor.SIZE: "it is small",
    Factor.BRIGHTNESS: "it is too dark or too bright",
    Factor.YAW: "it is turned to the side",
    Factor.PITCH: "it looks up or down",
    Factor.SCORE: "the detector is not quite sure of it, as of covered or turned faces",
    Factor.NORM: "the model can make little of it",
}

_CONDITIONS: Final = {
    "named": "the name",
    "tags_any": "the tags",
    "tags_none": "the tags to leave out",
    "captured_from": "the first day",
    "captured_before": "the last day",
    "min_quality": "the quality",
}
"""Conditions that the page has fields for; others come by name."""

_FALLBACKS: Final = {
    "too_few_rows": "it found too few faces that fit",
    "crowded": "the many faces of one person hid the others",
    "nobody_found": "it found nobody, and looking at every face takes no longer than asking again",
}


@dataclass(frozen=True, slots=True)
class Near:
    """A card, and how far below the threshold it is."""

    card: Card
    short: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What one condition takes away."""

    condition: str
    faces: int
    best: Card | None


@dataclass(frozen=True, slots=True)
class Why:
    """An explanation, sentence by sentence.

    Attributes:
        nearest: Faces on which the conditions were tried; 0 where there is none.
        lost: Matches that the answer lacks.
    """

    title: str
    quality: str | None
    near: tuple[Near, ...]
    nearest: int
    kept: int
    taken: tuple[Taken, ...]
    compared: str
    lost: tuple[Card, ...]
    way: str | None


def told(position: Position, found: Found, why: Explanation) -> Why:
    """Put an explanation into words."""
    stored = position.about.get("weakest")
    filtering, agreement = why.filtering, why.agreement
    return Why(
        title=_title(position),
        quality=None if stored is None else _quality(explaining.weakness_of(stored)),
        near=tuple(Near(results.card(miss.match), miss.short) for miss in why.near_misses),
        nearest=filtering.nearest if filtering else 0,
        kept=filtering.kept if filtering else 0,
        taken=tuple(
            Taken(
                _CONDITIONS.get(each.condition, each.condition.replace("_", " ")),
                each.faces,
                None if each.best is None else results.card(each.best),
            )
            for each in (filtering.removed if filtering else ())
        ),
        compared=_compared(found, why),
        lost=tuple(results.card(match) for match in (agreement.missing if agreement else ())),
        way=_way(found, position.options.filter),
    )


def _title(position: Position) -> str:
    number, name = position.about.get("number"), position.about.get("name")
    return f"face {number}" if number is not None else str(name or "this face")


def _quality(weakness: Weakness) -> str:
    if weakness.level is Level.GOOD:
        return "The face that was searched with is good: nothing about it stands in the way."
    what = _FACTORS[weakness.factor]
    if weakness.level is Level.FAIR:
        return (
            f"The weak point of the face that was searched with: {what}. That lowers cosines a bit."
        )
    return (
        f"The face that was searched with is of little use: {what}. That lowers every cosine; another "
        "photo may find more."
    )


def _compared(found: Found, why: Explanation) -> str:
    faces = f"{found.searched_faces:,}"
    if found.index.exact:
        ruled_out = " or ruled out by your filters" if why.filtering else ""
        return f"Each of the {faces} faces was compared{ruled_out}: nothing is missing."
    picked = f"{found.index.candidates:,} of {faces} faces were picked by an index and compared."
    if why.agreement is None:
        return f"{picked} Comparing every face took too long to say what it would change."
    if why.agreement.same:
        return f"{picked} Comparing every face gives the same result."
    return f"{picked} Comparing every face gives another result."


def _way(found: Found, asked: Filter) -> str | None:
    used = found.index
    if used.fallback is not None:
        reason = _FALLBACKS.get(used.fallback, used.fallback)
        return f"The index was asked first and given up, since {reason}."
    if not used.estimates:
        return None
    exact_ms = sum(each.exact_ms for each in used.estimates)
    index_ms = sum(each.index_ms for each in used.estimates)
    matching = sum(each.matching for each in used.estimates)
    fit = f" About {matching:,} faces meet your filters." if asked.asked else ""
    closer = (
        " It found nobody, and was asked again by other ways through its graph."
        if used.second_look
        else ""
    )
    return (
        f"Comparing every face was expected to take {_ms(exact_ms)}, asking the index "
        f"{_ms(index_ms)}.{fit}{closer}"
    )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds >= 1 else "less than 1 ms"
