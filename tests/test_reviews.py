"""The review inbox: what becomes an item, what each decision does, and that it can be undone."""

from collections.abc import Callable
from threading import Event
from uuid import UUID, uuid4

import pytest

from core import constraints, people, reporting, reviews
from core.answers import Decision, answers
from core.db import reviews as rows
from core.db.reviews import Item, State
from core.errors import InvalidRequest, PersonNotFound, ReviewItemNotFound, WrongState
from core.reports import registry, two_names
from core.reports.finding import Outcome
from core.reports.material import Material
from core.undoing import undo
from tests.casts import Cast, directions, near
from tests.conftest import RecordingDoorbell

WHO = directions(8)


@pytest.fixture
def town(cast: Callable[[], Cast]) -> Cast:
    """Five people, each with one kind of trouble."""
    made = cast()
    for number, name in enumerate(["Ann", "Bob", "Eve", "Joe", "Zoe"]):
        made.add(near(WHO[number], 0.9, 5, seed=number), name)
    made.add(near(WHO[2], 0.9, 4, seed=9), "Eva")  # Eve's second name
    made.add(near(WHO[0], 0.9, 1, seed=10), "Bob")  # a face of Ann
    made.add(near(WHO[7], 0.9, 1, seed=11), "Joe")  # a face of nobody
    made.add(near(WHO[4], 0.9, 2, seed=12), "Zoe", together=True)
    made.add(near(WHO[3], 0.9, 2, seed=13))  # Joe, without a name
    return made


Look = Callable[[], dict[str, Item]]


@pytest.fixture
def look(town: Cast, doorbell: RecordingDoorbell) -> Look:
    """Make all reports; return the open items by their kinds."""

    def make() -> dict[str, Item]:
        reporting.ask(
            town.services, doorbell, town.collection.id, list(reporting.registry.REPORTS), actor="t"
        )
        reporting.work(town.services, lambda: None, Event())
        found = reviews.page(town.conn, town.collection.id, limit=100)
        return {each.kind: each for each in found}

    return make


def decide(town: Cast, item: Item, decision: Decision) -> Item:
    return reviews.decide(town.conn, item.id, decision, actor="test")


def first_face(item: Item, side: int = 0) -> UUID:
    return UUID(item.sides[side]["faces"][0])


def name_of(town: Cast, face: UUID) -> str | None:
    owner = town.owners()[face]
    return None if owner is None else people.get(town.conn, owner).name


def test_reports_ask_about_what_a_person_can_decide(look: Look, town: Cast) -> None:
    found = look()

    assert found.keys() == {
        "one_person",
        "above",
        "somebody_else",
        "outlier",
        "one_name",
        "suggested",
    }
    counts = {
        (each.source, each.state): each.count
        for each in reviews.counts(town.conn, town.collection.id)
    }
    assert counts["two-names", "open"] == 1


def test_the_same_person_is_merged_and_an_undo_parts_them_and_asks_again(
    look: Look, town: Cast
) -> None:
    item = look()["one_person"]
    before = town.owners()

    decided = decide(town, item, Decision.SAME)

    assert (decided.state, decided.decision) == ("decided", "same")
    with pytest.raises(PersonNotFound):
        people.get(town.conn, town.people["Eva"])
    assert decided.change_id is not None
    undo(town.conn, decided.change_id, actor="test")
    assert town.owners() == before
    assert reviews.get(town.conn, item.id).state == "open"


def test_different_people_are_not_asked_about_again(look: Look, town: Cast) -> None:
    found = look()
    decide(town, found["one_person"], Decision.DIFFERENT)

    again = look()

    assert "one_person" not in again
    assert constraints.between_people(town.conn, town.collection.id) == {
        tuple(sorted((town.people["Eve"], town.people["Eva"])))
    }


def test_what_is_decided_while_a_report_is_made_is_not_asked_again(
    look: Look, town: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = look()["one_person"]
    make = two_names.make

    def slowly(material: Material) -> Outcome:
        outcome = make(material)
        decide(town, item, Decision.DIFFERENT)
        return outcome

    monkeypatch.setattr(registry, "REPORTS", {two_names.NAME: slowly})
    look()

    assert reviews.get(town.conn, item.id).state == "decided"


def test_a_decision_does_not_wait_for_whoever_decides_what_it_answers_too(
    look: Look, town: Cast
) -> None:
    found = look()
    merged = found["one_person"]
    about = town.conn.execute(
        "INSERT INTO review_items (collection_id, source, key, kind, score, sides)"
        " SELECT collection_id, source, 'other', kind, score, sides FROM review_items"
        " WHERE id = %s RETURNING id",
        [merged.id],
    ).fetchone()
    assert about is not None
    town.conn.execute("SET lock_timeout = '2s'")

    with town.services.pool.connection() as somebody:
        rows.get(somebody, about[0], lock=True)
        decided = decide(town, merged, Decision.SAME)

    assert decided.state == "decided"


def test_a_face_with_a_wrong_name_is_given_to_whom_it_shows(look: Look, town: Cast) -> None:
    item = look()["somebody_else"]

    decide(town, item, Decision.SAME)

    assert name_of(town, first_face(item)) == "Ann"
    assert "somebody_else" not in look()


@pytest.mark.parametrize(
    ("decision", "name"), [(Decision.DIFFERENT, "Bob"), (Decision.WRONG_LABEL, None)]
)
def test_a_face_that_is_not_the_other_person_stays_or_has_no_name(
    look: Look, town: Cast, decision: Decision, name: str | None
) -> None:
    item = look()["somebody_else"]

    decide(town, item, decision)

    assert name_of(town, first_face(item)) == name
    again = look()
    assert "somebody_else" not in again
    # It looks like Ann, and nobody is asked about that once more.
    suggested = [again["suggested"]] if "suggested" in again else []
    assert first_face(item) not in [first_face(each) for each in suggested]


def test_a_face_that_is_none_is_hidden_until_that_is_undone(look: Look, town: Cast) -> None:
    item = look()["outlier"]

    decided = decide(town, item, Decision.NOT_A_FACE)

    hidden = town.conn.execute("SELECT id FROM faces WHERE hidden").fetchall()
    assert hidden == [(first_face(item),)]
    assert decided.change_id is not None
    undo(town.conn, decided.change_id, actor="test")
    assert town.conn.execute("SELECT id FROM faces WHERE hidden").fetchall() == []
    assert name_of(town, first_face(item)) == "Joe"


def test_an_outlier_may_be_right(look: Look, town: Cast) -> None:
    item = look()["outlier"]

    decide(town, item, Decision.SAME)

    assert name_of(town, first_face(item)) == "Joe"
    assert "outlier" not in look()


def test_of_two_faces_of_one_name_in_a_photo_the_second_may_be_wrong(
    look: Look, town: Cast
) -> None:
    item = look()["one_name"]

    decide(town, item, Decision.DIFFERENT)

    assert name_of(town, first_face(item)) == "Zoe"
    assert name_of(town, first_face(item, side=1)) is None
    assert "one_name" not in look()


def test_a_group_without_a_name_is_given_to_whom_it_looks_like(look: Look, town: Cast) -> None:
    item = look()["suggested"]

    decide(town, item, Decision.SAME)

    assert {name_of(town, UUID(face)) for face in item.sides[0]["faces"]} == {"Joe"}


def test_a_suggestion_that_was_refused_is_not_made_again(look: Look, town: Cast) -> None:
    item = look()["suggested"]

    decide(town, item, Decision.DIFFERENT)

    assert "suggested" not in look()


def test_later_is_later_and_can_be_decided_then(look: Look, town: Cast) -> None:
    item = look()["one_person"]

    reviews.postpone(town.conn, item.id)

    assert item.id not in {each.id for each in look().values()}
    (later,) = reviews.page(town.conn, town.collection.id, limit=10, state=State.LATER)
    assert later.id == item.id
    assert decide(town, later, Decision.DIFFERENT).state == "decided"


def test_what_was_decided_is_not_decided_again(look: Look, town: Cast) -> None:
    item = look()["one_person"]
    decide(town, item, Decision.DIFFERENT)

    with pytest.raises(WrongState):
        decide(town, item, Decision.SAME)
    with pytest.raises(WrongState):
        reviews.postpone(town.conn, item.id)


def test_what_changed_meanwhile_is_settled_and_nothing_is_done(look: Look, town: Cast) -> None:
    item = look()["somebody_else"]
    town.give("Zoe", [first_face(item)])

    with pytest.raises(WrongState, match="changed meanwhile"):
        decide(town, item, Decision.SAME)

    assert name_of(town, first_face(item)) == "Zoe"
    assert reviews.get(town.conn, item.id).state == "settled"


def test_an_answer_that_says_nothing_is_refused(look: Look, town: Cast) -> None:
    item = look()["suggested"]

    assert Decision.WRONG_LABEL not in answers(item)
    with pytest.raises(InvalidRequest):
        decide(town, item, Decision.WRONG_LABEL)
    assert reviews.get(town.conn, item.id).state == "open"
    with pytest.raises(ReviewItemNotFound):
        reviews.get(town.conn, uuid4())


def test_what_a_report_does_not_find_any_more_is_settled(look: Look, town: Cast) -> None:
    item = look()["one_person"]
    people.merge(town.conn, town.people["Eve"], [town.people["Eva"]], actor="somebody")

    look()

    assert reviews.get(town.conn, item.id).state == "settled"


def test_items_are_given_in_pages_the_surest_first(look: Look, town: Cast) -> None:
    look()
    pages: list[Item] = []
    while True:
        after = (pages[-1].score, pages[-1].id) if pages else None
        some = rows.page(town.conn, town.collection.id, limit=2, after=after)
        if not some:
            break
        pages += some

    scores = [each.score for each in pages]
    assert len(pages) == len({each.id for each in pages}) == 6
    assert scores == sorted(scores, reverse=True)


def test_items_of_all_reports_are_ranked_by_how_sure_they_are(look: Look, town: Cast) -> None:
    town.add(near(WHO[3], 0.9, 20, seed=30))  # a large group, which is no surer for that

    found = look()

    assert found["suggested"].score == pytest.approx(found["suggested"].facts["suggested_cosine"])
    assert all(0 <= each.score <= 1 for each in found.values())
