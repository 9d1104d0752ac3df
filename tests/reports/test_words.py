"""What people read of reports."""

from typing import Any
from uuid import UUID

import pytest

from core import answers, reviews
from core.answers import Decision
from core.db.reports import StoredFinding
from core.reports import phrases, registry, words
from core.reports.finding import Side

EVA, EVE = UUID(int=1), UUID(int=2)
NAMES = {EVA: "Eva {0}", EVE: "Eve"}
FACE = UUID(int=3)


def finding(kind: str, facts: dict[str, Any], count: int = 1) -> StoredFinding:
    sides = [Side((FACE,), count, person_id=person).to_json() for person in (EVA, EVE)]
    return StoredFinding(UUID(int=0), 0, "key", kind, 1.0, False, sides, facts)


def test_every_report_and_every_source_of_items_has_a_title_and_a_sentence() -> None:
    assert list(words.REPORTS) == list(registry.REPORTS)
    for name in (*registry.REPORTS, reviews.ARRIVAL):
        assert words.title(name)
        assert words.about(name).endswith(".")


def test_every_question_and_every_decision_has_words() -> None:
    assert set(phrases.EFFECTS) == set(answers.ACTS)
    assert set(phrases.QUESTIONS) == set(answers.SUBJECTS.values())
    assert set(words.DECISIONS) == set(Decision)
    assert set(phrases.SENTENCES) == set(words.KINDS) >= set(answers.SUBJECTS)


@pytest.mark.parametrize(
    ("kind", "facts", "told"),
    [
        (
            "one_person",
            {"mean_cosine": 0.71249, "best_cosine": 0.9, "least_cosine": 0.5},
            "Eva {0} and Eve look like one person: the mean cosine of their faces is 0.712, and "
            "0.500 would do.",
        ),
        (
            "above",
            {
                "best_cosine": 0.62,
                "mean_cosine": 0.4,
                "pairs_above": 3,
                "pairs": 1200,
                "parting_threshold": 0.6201,
                "own_pairs_lost": 0.125,
                "maybe_one_person": 1,
            },
            "Eva {0} and Eve can be taken for each other: 3 of 1,200 pairs of their faces reach the "
            "threshold, the best with cosine 0.620. A threshold of 0.620 would part them and lose 12 % "
            "of the pairs of their own faces. They may be one person.",
        ),
        (
            "identical_faces",
            {"cosine": 0.98, "agreement": None, "limit": 0.985},
            "Their faces are nearly identical (cosine 0.980); not both photos are kept, so that their "
            "pixels cannot be compared.",
        ),
        (
            "suggested",
            {"faces": 1, "images": 1, "suggested_cosine": 0.5},
            "1 face without a name looks like Eve: the mean of the best cosines is 0.500.",
        ),
        (
            "no_good_face",
            {
                "faces": 2,
                "good_faces": 0,
                "best_quality": 0.41,
                "weak_in": "sharpness, size, pose",
                "missing": 3,
            },
            "Eva {0} has 2 faces and no good one: the best has quality 0.41. They are blurred, small "
            "and turned away. Add 3 good ones.",
        ),
    ],
)
def test_a_finding_is_told_with_its_numbers(kind: str, facts: dict[str, Any], told: str) -> None:
    assert words.sentence(finding(kind, facts), NAMES) == told


def test_sides_say_whose_faces_they_show() -> None:
    assert words.side_words(finding("above", {}), NAMES) == ["Eva {0}", "Eve"]
    assert words.side_words(finding("outlier", {}), NAMES) == [
        "This face, called Eva {0}",
        "The others of Eva {0}",
    ]


def test_whoever_was_deleted_has_no_name() -> None:
    found = finding("few_good_faces", {"faces": 4, "good_faces": 1, "missing": 2})

    assert words.sentence(found, {}) == (
        "Somebody who was deleted has 1 good face of 4. Add 2 good ones."
    )


def test_facts_are_shown_with_their_names_in_a_fixed_order() -> None:
    facts = {"pairs": 1200, "own_pairs_lost": None, "maybe_one_person": 0, "best_cosine": 0.5}

    assert words.facts(finding("above", facts)) == [
        ("Best cosine", "0.500"),
        ("Pairs of faces", "1,200"),
        ("Own pairs that it loses", "none"),
        ("May be one person", "no"),
    ]


def test_a_decision_says_what_it_does() -> None:
    people = finding("one_person", {})
    group = finding("suggested", {}, count=12)

    assert words.decision_words(people, Decision.SAME, NAMES) == (
        "Same person: merge Eve into Eva {0}"
    )
    assert words.decision_words(group, Decision.SAME, NAMES) == (
        "Same person: give the 12 faces the name Eve"
    )
    assert words.question(group, NAMES) == "Are these 12 faces Eve?"
