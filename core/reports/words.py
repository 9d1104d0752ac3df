"""Reports in words: their titles, what they found, and what decisions do.

Pages, files and commands tell it alike. Names of people come as a mapping of their ids; who is not in
it was deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

from core.answers import SUBJECTS, Decision
from core.counting import counted
from core.reports.finding import Side
from core.reports.phrases import EFFECTS, QUESTIONS, SENTENCES, SIDES
from core.reviews import ARRIVAL

Names: TypeAlias = Mapping[UUID, str]

GONE: Final = "somebody who was deleted"
UNNAMED: Final = "without a name"


class Found(Protocol):
    """A finding of a report, or an item of the inbox that was made of one."""

    @property
    def kind(self) -> str:
        """Of `KINDS`."""

    @property
    def sides(self) -> list[dict[str, Any]]:
        """As `core.reports.finding.Side.to_json` writes them."""

    @property
    def facts(self) -> dict[str, Any]:
        """By the names of `fact_words`."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report, or another source of items, for people."""

    title: str
    about: str


REPORTS: Final[Mapping[str, Report]] = MappingProxyType(
    {
        "duplicates": Report(
            "Duplicates",
            "Photos that are there more than once: the same file, the same picture saved anew, or the "
            "same shot cropped or turned.",
        ),
        "two-names": Report("Two names", "One person who is in the collection under two names."),
        "wrong-labels": Report(
            "Wrong labels",
            "Faces with a wrong name: nearer to somebody else, or like none of their person's others.",
        ),
        "look-alikes": Report(
            "Look-alikes",
            "Different people whose faces reach the threshold, or nearly, and what would part them.",
        ),
        "twice-in-photo": Report(
            "Twice in one photo",
            "Two faces of one photo that have one name or look like one person.",
        ),
        "unnamed": Report(
            "Unnamed groups",
            "Faces without a name that look like one person, and who that may be.",
        ),
        "poor-enrolments": Report(
            "Poor enrolments",
            "People who are hard to find, because there are few good faces of them, and what to add.",
        ),
        "health": Report(
            "Health",
            "How well the threshold tells people apart, how good the faces are, what was not "
            "indexed, and how the collection grew.",
        ),
        "activity": Report("Activity", "Searches and hits by day, and who is found most."),
    }
)

SOURCES: Final = {
    ARRIVAL: Report("New photos", "Faces of new photos that contradict what is there."),
    **REPORTS,
}

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "same_bytes": "Same file",
        "same_picture": "Same picture",
        "same_shot": "Same shot",
        "identical_faces": "Near-identical faces",
        "one_person": "One person",
        "somebody_else": "Somebody else's",
        "outlier": "Like none of the others",
        "above": "Above the threshold",
        "near": "Near the threshold",
        "one_name": "One name twice",
        "alike": "Alike",
        "suggested": "With a suggestion",
        "group": "Groups",
        "no_faces": "No face",
        "no_good_face": "No good face",
        "few_good_faces": "Few good faces",
    }
)
"""Of findings, by the codes that reports give them."""

_FACTS: Final[Mapping[str, Mapping[str, str]]] = {
    "duplicates": {
        "different_bits": "Different bits of 256",
        "cosine": "Cosine of the faces",
        "agreement": "Agreement of the pixels",
        "limit": "Limit",
    },
    "two-names": {
        "mean_cosine": "Mean cosine",
        "best_cosine": "Best cosine",
        "least_cosine": "Mean cosine asked for",
    },
    "wrong-labels": {
        "own_mean": "Mean cosine to the own person",
        "own_best": "Best cosine to the own person",
        "other_mean": "Mean cosine to the other person",
        "other_best": "Best cosine to the other person",
        "stranger_cosine": "Cosine of one stranger in 20",
    },
    "look-alikes": {
        "best_cosine": "Best cosine",
        "mean_cosine": "Mean cosine",
        "pairs_above": "Pairs that reach the threshold",
        "pairs": "Pairs of faces",
        "parting_threshold": "Threshold that parts them",
        "own_pairs_lost": "Own pairs that it loses",
        "maybe_one_person": "May be one person",
    },
    "twice-in-photo": {"cosine": "Cosine", "threshold": "Threshold"},
    "unnamed": {
        "faces": "Faces",
        "images": "Photos",
        "mean_to_middle": "Mean cosine to their middle",
        "least_to_middle": "Least cosine to their middle",
        "suggested_cosine": "Cosine to the suggested person",
    },
    "poor-enrolments": {
        "faces": "Faces",
        "good_faces": "Good faces",
        "best_quality": "Best quality",
        "weak_in": "Weak in",
        "missing": "Good faces to add",
    },
}

_ALL_FACTS: Final = {key: label for facts in _FACTS.values() for key, label in facts.items()}

_WEAK: Final = {
    "sharpness": "blurred",
    "brightness": "badly lit",
    "size": "small",
    "pose": "turned away",
}

DECISIONS: Final[Mapping[Decision, str]] = MappingProxyType(
    {
        Decision.SAME: "Same person",
        Decision.DIFFERENT: "Different people",
        Decision.WRONG_LABEL: "Wrong label",
        Decision.NOT_A_FACE: "Not a face",
    }
)


def title(name: str) -> str:
    """Return what a report, or another source of items, is called."""
    return SOURCES[name].title


def about(name: str) -> str:
    """Return one sentence of what a report, or another source of items, tells."""
    return SOURCES[name].about


def kind_words(kind: str) -> str:
    """Return what findings of a kind are called, as a heading or a choice."""
    return KINDS[kind]


def fact_words(name: str) -> Mapping[str, str]:
    """Return what the facts of a report's findings are called; health and activity have none."""
    return _FACTS.get(name, {})


def fact_text(key: str, value: float | int | str | None) -> str:
    """Return the value of a fact, as tables show it."""
    if value is None:
        return "none"
    if key == "own_pairs_lost":
        return f"{100 * float(value):.0f} %"
    if key == "maybe_one_person":
        return "yes" if value else "no"
    if key == "weak_in":
        return _weaknesses(str(value))
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def facts(found: Found) -> list[tuple[str, str]]:
    """Return the facts of a finding or an item, each with what it is called, in a fixed order."""
    return [
        (label, fact_text(key, found.facts[key]))
        for key, label in _ALL_FACTS.items()
        if key in found.facts
    ]


def sentence(found: Found, names: Names) -> str:
    """Return what was found, in one or two sentences."""
    told = SENTENCES[found.kind].format(_Told.of(found, names))
    return told[0].upper() + told[1:]


def side_words(found: Found, names: Names) -> list[str]:
    """Return what stands above each side: whose faces these are."""
    told = _Told.of(found, names)
    named = ["{0.own}", "{0.other}"] if len(told.sides) > 1 else ["{0.own}"]
    return [each.format(told) for each in SIDES.get(found.kind, named)]


def question(item: Found, names: Names) -> str:
    """Return what an item asks."""
    return QUESTIONS[SUBJECTS[item.kind]].format(_Told.of(item, names))


def decision_words(item: Found, decision: Decision, names: Names) -> str:
    """Return what a decision says and does: Same person: merge Eva into Eve."""
    return f"{DECISIONS[decision]}: {effect(item, decision, names)}"


def effect(item: Found, decision: Decision, names: Names) -> str:
    """Return what a decision does, as a button says it."""
    return EFFECTS[SUBJECTS[item.kind], decision].format(_Told.of(item, names))


@dataclass(frozen=True, slots=True)
class _Told:
    """A finding as the sentences below name its parts."""

    sides: tuple[Side, ...]
    facts: Mapping[str, Any]
    names: Names

    @classmethod
    def of(cls, found: Found, names: Names) -> "_Told":
        return cls(tuple(Side.from_json(each) for each in found.sides), found.facts, names)

    def _name(self, side: int) -> str:
        person = self.sides[side].person_id
        return UNNAMED if person is None else self.names.get(person, GONE)

    @property
    def own(self) -> str:
        """Whose name the first side has."""
        return self._name(0)

    @property
    def other(self) -> str:
        """Whose name the second side has."""
        return self._name(1)

    @property
    def asked(self) -> str:
        """The faces in question."""
        count = self.sides[0].count
        return "the face" if count == 1 else f"the {count:,} faces"

    @property
    def are_these(self) -> str:
        count = self.sides[0].count
        return "Is this face" if count == 1 else f"Are these {count:,} faces"

    @property
    def faces(self) -> str:
        return counted(self.facts["faces"], "face")

    @property
    def look(self) -> str:
        return "looks" if self.facts["faces"] == 1 else "look"

    @property
    def photos(self) -> str:
        return counted(self.facts["images"], "photo")

    @property
    def pixels(self) -> str:
        agreement = self.facts["agreement"]
        if agreement is None:
            return "not both photos are kept, so that their pixels cannot be compared"
        return f"their pixels agree to {agreement:.3f} only"

    @property
    def parting(self) -> str:
        """What would part two look-alikes, and at which price."""
        lost = self.facts["own_pairs_lost"]
        price = (
            "" if lost is None else f" and lose {100 * lost:.0f} % of the pairs of their own faces"
        )
        one = " They may be one person." if self.facts["maybe_one_person"] else ""
        return f"A threshold of {self.facts['parting_threshold']:.3f} would part them{price}.{one}"

    @property
    def reaching(self) -> str:
        count, pairs = self.facts["pairs_above"], self.facts["pairs"]
        return f"{count:,} of {counted(pairs, 'pair')}"

    @property
    def weak(self) -> str:
        codes = self.facts["weak_in"]
        return f" They are {_weaknesses(codes)}." if codes else ""

    @property
    def good_faces(self) -> str:
        return counted(self.facts["good_faces"], "good face")

    @property
    def missing(self) -> str:
        return f"Add {counted(self.facts['missing'], 'good one')}."


def _weaknesses(codes: str) -> str:
    *first, last = [_WEAK[code] for code in codes.split(", ")]
    return f"{', '.join(first)} and {last}" if first else last
