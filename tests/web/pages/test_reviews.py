"""The review inbox on pages: deciding one by one and several at once, later, undo, without scripts."""

import re
from typing import Any
from uuid import UUID

import pytest

from core import people, reviews
from core.db.reviews import Item, State
from tests.casts import Cast

Visitor = Any  # tests/web/pages/conftest.py


@pytest.fixture
def root(inbox: Cast) -> str:
    return f"/collections/{inbox.collection.id}/review"


def items(inbox: Cast, state: State = State.OPEN) -> list[Item]:
    return reviews.page(inbox.conn, inbox.collection.id, limit=10, state=state)


def names(inbox: Cast) -> list[str]:
    return sorted(each.name for each in people.page(inbox.conn, inbox.collection.id, limit=50))


def shown(text: str) -> list[str]:
    return re.findall(r'data-item="([^"]+)"', text)


def test_a_decision_brings_the_next_question_and_says_what_was_done(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    first, second, _ = items(inbox)
    page = visitor.get(root)

    after = visitor.post(root, item=str(first.id), decision="same")

    assert shown(page.text) == [str(first.id)]
    assert "one person?" in visitor.read(page)
    assert shown(after.text) == [str(second.id)]
    assert re.search("Same person: merge (Eve into Eva|Eva into Eve)", visitor.read(after))
    assert "Open 2" in visitor.read(after)
    assert len(names(inbox)) == 4


def test_the_last_decision_is_undone_and_asked_again(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    first = items(inbox)[0]
    before = names(inbox)
    visitor.post(root, item=str(first.id), decision="same")

    after = visitor.post(f"{root}/undo", item=str(first.id))

    assert shown(after.text) == [str(first.id)]
    assert "it is asked again" in visitor.read(after)
    assert names(inbox) == before


def test_what_an_undo_cannot_take_back_is_told(visitor: Visitor, inbox: Cast, root: str) -> None:
    wrong = next(each for each in items(inbox) if each.source == "wrong-labels")
    visitor.post(root, item=str(wrong.id), decision="same")
    inbox.give("Bob", [UUID(wrong.sides[0]["faces"][0])])

    after = visitor.post(f"{root}/undo", item=str(wrong.id))

    assert "Not all of it could be taken back" in visitor.read(after)


def test_what_is_put_off_waits_under_later_and_can_be_decided_there(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    first, second, _ = items(inbox)

    after = visitor.post(root, item=str(first.id), decision="later")
    later = visitor.get(f"{root}?state=later")
    decided = visitor.post(root, item=str(first.id), decision="different", state="later")

    assert shown(after.text) == [str(second.id)]
    assert "Put off." in visitor.read(after)
    assert shown(later.text) == [str(first.id)]
    assert "Nothing was put off." in visitor.read(decided)
    assert [each.id for each in items(inbox, State.DECIDED)] == [first.id]


def test_several_are_decided_at_once_and_undone_at_once(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    ids = [str(each.id) for each in items(inbox)]
    before = names(inbox)

    done = visitor.post(root, view="list", item=ids[:2], decision="different")
    decided = visitor.get(f"{root}?state=decided")
    undone = visitor.post(f"{root}/undo", state="decided", item=ids[:2])

    assert "2 questions decided." in visitor.read(done)
    assert done.text.count('name="item"') == 2 + 1
    assert visitor.read(decided).count("Different people: keep them apart") == 2
    assert "Open 3" in visitor.read(undone)
    assert names(inbox) == before


def test_what_cannot_be_decided_like_that_is_told_and_stays(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    first = items(inbox)[0]
    visitor.post(root, item=str(first.id), decision="different")

    again = visitor.post(root, item=str(first.id), decision="same")

    assert "1 question could not be decided like that" in visitor.read(again)
    assert "somebody decided before" in visitor.read(again)
    assert len(names(inbox)) == 5


def test_what_was_changed_meanwhile_is_settled_and_told(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    first = items(inbox)[0]
    person = next(side["person_id"] for side in first.sides)
    visitor.post(f"/people/{person}/delete")

    page = visitor.post(root, item=str(first.id), decision="same")

    assert "about what was changed meanwhile, and is settled" in visitor.read(page)
    assert [each.id for each in items(inbox, State.SETTLED)] == [first.id]


def test_what_a_decision_answers_too_is_not_asked_again(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    first = items(inbox)[0]
    with inbox.conn.transaction():
        inbox.conn.execute(
            "INSERT INTO review_items (collection_id, source, key, kind, score, sides, facts)"
            " SELECT collection_id, 'look-alikes', key, 'above', score, sides, facts"
            " FROM review_items WHERE id = %s",
            [first.id],
        )

    visitor.post(root, item=str(first.id), decision="same")

    assert {each.source for each in items(inbox, State.SETTLED)} == {"look-alikes"}
    assert len(items(inbox)) == 2


def test_questions_are_chosen_by_their_source_and_walked_through(
    visitor: Visitor, inbox: Cast, root: str
) -> None:
    names_first, names_second = (each for each in items(inbox) if each.source == "two-names")
    page = visitor.get(f"{root}?source=two-names")

    following = re.findall(r'href="([^"]+)" data-step data-key="ArrowRight"', page.text)
    second = visitor.get(following[0].replace("&amp;", "&"))
    back = re.findall(r'href="([^"]+)" data-step data-key="ArrowLeft"', second.text)

    assert "All 3" in visitor.read(page)
    assert "Wrong labels 1" in visitor.read(page)
    assert shown(page.text) == [str(names_first.id)]
    assert shown(second.text) == [str(names_second.id)]
    assert 'data-key="ArrowRight"' not in second.text
    assert f"item={names_first.id}" in back[0]


def test_a_script_gets_the_changing_part_only(visitor: Visitor, inbox: Cast, root: str) -> None:
    first = items(inbox)[0]

    page = visitor.post(root, script=True, item=str(first.id), decision="later")

    assert page.headers["X-Fragment"] == "1"
    assert "<html" not in page.text
    assert "data-said" in page.text


def test_questions_of_another_collection_are_none_of_ours(
    visitor: Visitor, inbox: Cast, client: Any
) -> None:
    other = client.collection()["id"]
    first = items(inbox)[0]

    page = visitor.post(f"/collections/{other}/review", item=str(first.id), decision="same")

    assert "Nothing waits for a decision." in visitor.read(page)
    assert len(items(inbox)) == 3


def test_an_empty_inbox_says_so(visitor: Visitor, town: Cast) -> None:
    root = f"/collections/{town.collection.id}/review"

    assert "Nothing waits for a decision." in visitor.read(visitor.get(root))
    assert "Nothing was decided yet." in visitor.read(visitor.get(f"{root}?state=decided"))
    assert visitor.get(f"{root}?state=nonsense").status_code == 400
    assert visitor.get(f"{root}?source=%00").status_code == 400
    assert visitor.post(root, item="", decision="perhaps").status_code == 400
