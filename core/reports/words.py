"""Reports in words: their titles, what they found, and what decisions do.

Pages, files and commands tell it alike. Names of people come as a mapping of their ids; who is not in
it was deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

from core.counting import counted
from core.reports.finding import Side
from core.reviews import ARRIVAL, SUBJECTS, Decision

Names: TypeAlias = Mapping[UUID, str]

GONE: Final = "somebody who was deleted"
NOBODY: Final = "nobody"


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

_SOURCES: Final = {
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
        "limit": "Cosine of one stranger in 100",
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

LATER: Final = "Later"


def title(name: str) -> str:
    """Return what a report, or another source of items, is called."""
    return _SOURCES[name].title


def about(name: str) -> str:
    """Return one sentence of what a report, or another source of items, tells."""
    return _SOURCES[name].about


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
    """Return the facts of a finding or an item, each with what it is called."""
    return [(_ALL_FACTS[key], fact_text(key, value)) for key, value in found.facts.items()]


def sentence(found: Found, names: Names) -> str:
    """Return what was found, in one or two sentences."""
    told = SENTENCES[found.kind].format(_Told.of(found, names))
    return told[0].upper() + told[1:]


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
        return NOBODY if person is None else self.names.get(person, GONE)

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


SENTENCES: Final[Mapping[str, str]] = {
    "same_bytes": "The same file is in another collection, too.",
    "same_picture": "The same picture, saved anew or scaled: of 256 bits that describe it "
    "{0.facts[different_bits]} differ.",
    "same_shot": "The same shot, cropped, scaled or turned: where both show something, the pixels "
    "agree to {0.facts[agreement]:.3f}.",
    "identical_faces": "Their faces are nearly identical (cosine {0.facts[cosine]:.3f}); {0.pixels}.",
    "one_person": "{0.own} and {0.other} look like one person: the mean cosine of their faces is "
    "{0.facts[mean_cosine]:.3f}, and {0.facts[least_cosine]:.3f} would do.",
    "somebody_else": "This face is called {0.own} and is nearer to {0.other}: its mean cosine to "
    "them is {0.facts[other_mean]:.3f}, to the other faces of {0.own} {0.facts[own_mean]:.3f}.",
    "outlier": "This face is like none of the others of {0.own}: its mean cosine to them is "
    "{0.facts[own_mean]:.3f}, and one stranger in 100 has {0.facts[limit]:.3f}.",
    "above": "{0.own} and {0.other} can be taken for each other: {0.reaching} of their faces reach "
    "the threshold, the best with cosine {0.facts[best_cosine]:.3f}. {0.parting}",
    "near": "{0.own} and {0.other} come near the threshold: their best cosine is "
    "{0.facts[best_cosine]:.3f}. {0.parting}",
    "one_name": "Two faces of one photo are called {0.own}; their cosine is {0.facts[cosine]:.3f}.",
    "alike": "Two faces of one photo look like one person: their cosine is "
    "{0.facts[cosine]:.3f}, and the threshold {0.facts[threshold]:.3f}.",
    "suggested": "{0.faces} without a name {0.look} like {0.other}: the mean of the best cosines "
    "is {0.facts[suggested_cosine]:.3f}.",
    "group": "{0.faces} without a name, in {0.photos}, look like one person.",
    "no_faces": "There is no face of {0.own}. {0.missing}",
    "no_good_face": "{0.own} has {0.faces} and no good one: the best has quality "
    "{0.facts[best_quality]:.2f}.{0.weak} {0.missing}",
    "few_good_faces": "{0.own} has {0.good_faces} of {0.facts[faces]:,}. {0.missing}",
}
"""By the kind of finding; ``0`` is a `_Told`."""

QUESTIONS: Final[Mapping[str, str]] = {
    "people": "Are {0.own} and {0.other} one person?",
    "misnamed": "This face is called {0.own}. Is it {0.other}?",
    "outlier": "Is this face really {0.own}?",
    "one_name": "Are both faces of this photo {0.own}?",
    "alike": "Are these two faces of one photo one person?",
    "unnamed": "{0.are_these} {0.other}?",
}
"""By the kind of question, of `core.reviews.SUBJECTS`."""

_HIDE: Final = "hide {0.asked} from searches"
_HIDE_SECOND: Final = "hide the second face from searches"
_NOT_OWN: Final = "the face is not {0.own}"
_SECOND_IS_NOT: Final = "the second face is not {0.other}"
_APART: Final = "keep them apart"

EFFECTS: Final[Mapping[tuple[str, Decision], str]] = {
    ("people", Decision.SAME): "merge {0.other} into {0.own}",
    ("people", Decision.DIFFERENT): _APART,
    ("people", Decision.WRONG_LABEL): _SECOND_IS_NOT,
    ("people", Decision.NOT_A_FACE): _HIDE_SECOND,
    ("misnamed", Decision.SAME): "move the face to {0.other}",
    ("misnamed", Decision.DIFFERENT): "the face stays {0.own}",
    ("misnamed", Decision.WRONG_LABEL): "the face is neither {0.own} nor {0.other}",
    ("misnamed", Decision.NOT_A_FACE): _HIDE,
    ("outlier", Decision.SAME): "the face stays {0.own}",
    ("outlier", Decision.DIFFERENT): _NOT_OWN,
    ("outlier", Decision.WRONG_LABEL): _NOT_OWN,
    ("outlier", Decision.NOT_A_FACE): _HIDE,
    ("one_name", Decision.SAME): "both faces stay {0.own}",
    ("one_name", Decision.DIFFERENT): _SECOND_IS_NOT,
    ("one_name", Decision.WRONG_LABEL): _SECOND_IS_NOT,
    ("one_name", Decision.NOT_A_FACE): _HIDE_SECOND,
    ("alike", Decision.SAME): "they are twice in this photo",
    ("alike", Decision.DIFFERENT): _APART,
    ("alike", Decision.NOT_A_FACE): _HIDE_SECOND,
    ("unnamed", Decision.SAME): "give {0.asked} the name {0.other}",
    ("unnamed", Decision.DIFFERENT): "never call {0.asked} {0.other}",
    ("unnamed", Decision.NOT_A_FACE): _HIDE,
}
"""By the kind of question, as `core.reviews.ACTS`."""
