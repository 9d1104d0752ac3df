"""The phrases that `core.reports.words` fills in; ``0`` is what it knows of a finding."""

from collections.abc import Mapping
from typing import Final

from core.answers import Decision

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
    "{0.facts[own_mean]:.3f}, and one stranger in 20 has {0.facts[stranger_cosine]:.3f}.",
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
"""By the kind of finding."""

SIDES: Final[Mapping[str, tuple[str, ...]]] = {
    "same_bytes": ("Here", "In another collection"),
    "same_picture": ("One photo", "The other"),
    "same_shot": ("One photo", "The other"),
    "identical_faces": ("One photo", "The other"),
    "somebody_else": ("This face, called {0.own}", "{0.other}", "The others of {0.own}"),
    "outlier": ("This face, called {0.own}", "The others of {0.own}"),
    "suggested": ("Without a name", "{0.other}"),
    "group": ("Without a name",),
}
"""Where the names of people alone do not say what the sides of a finding are."""

QUESTIONS: Final[Mapping[str, str]] = {
    "people": "Are {0.own} and {0.other} one person?",
    "misnamed": "This face is called {0.own}. Is it {0.other}?",
    "outlier": "Is this face really {0.own}?",
    "one_name": "Are both faces of this photo {0.own}?",
    "alike": "Are these two faces of one photo one person?",
    "unnamed": "{0.are_these} {0.other}?",
}
"""By the kind of question, of `core.answers.SUBJECTS`."""

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
"""By the kind of question, as `core.answers.ACTS`."""
