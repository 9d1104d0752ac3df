"""What the policy wants for the index of a collection."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core.db.index_work import Action, State, Work
from core.db.indexes import Incoming, Index, Kind, Table
from core.estimates import MANY_FACES, MORE_LINKS
from core.index_policy import Wish, wish
from core.indexes import Status

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ID = uuid4()
LIMIT = 1000
"""Faces above which a collection is promoted."""


def status(
    *,
    own: bool = True,
    faces: int = LIMIT + 1,
    dead: int = 0,
    valid: bool | None = True,
    photos: int = 0,
    last_upload: datetime | None = None,
    history: tuple[Work, ...] = (),
    open_work: tuple[Work, ...] = (),
) -> Status:
    """Of a collection with one face per photo and, unless *valid* is None, an index."""
    table = Table(ID, "large", "own" if own else "tail", 4, faces, faces + photos, 1, dead)
    index = () if valid is None or not own else (Index(ID, "hnsw", valid, 1),)
    return Status(table, index, Incoming(photos, last_upload), open_work, history, None)


def ended(action: Action, ago: timedelta, state: State = State.DONE) -> Work:
    at = NOW - ago
    return Work(
        uuid4(), ID, action, "hnsw", state, None, 0, 0, 1, None, "Ada", at, at, at
    )  # fmt: skip


def wanted(found: Status) -> Action | None:
    made = wish(found, promote_faces=LIMIT, now=NOW)
    return made.action if made else None


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (status(own=False, faces=LIMIT), None),
        (status(own=False), Action.PROMOTE),
        (status(own=False, photos=LIMIT), Action.PROMOTE),
        (status(), None),
        (status(valid=None), Action.BUILD),
        (status(valid=False), Action.BUILD),
        (status(valid=None, faces=LIMIT), None),
    ],
)
def test_large_collections_get_a_table_and_an_index(found: Status, action: Action | None) -> None:
    assert wanted(found) == action


def test_an_index_is_not_built_in_the_middle_of_a_load() -> None:
    assert wanted(status(valid=None, faces=10_000, photos=2001)) is None
    assert wanted(status(valid=None, faces=10_000, photos=2000)) == Action.BUILD
    assert wanted(status(valid=True, faces=10_000, photos=9000)) is None, "nor dropped"


def test_an_index_that_was_dropped_by_hand_comes_back_after_the_load_that_follows() -> None:
    dropped = (ended(Action.DROP, 5 * HOUR),)

    assert wanted(status(valid=None, history=dropped)) is None
    failed = ended(Action.BUILD, HOUR, State.FAILED)
    assert wanted(status(valid=None, history=(failed, *dropped))) is None
    before, during = NOW - 6 * HOUR, NOW - MINUTE
    assert wanted(status(valid=None, history=dropped, last_upload=before)) is None
    assert wanted(status(valid=None, history=dropped, last_upload=during)) is None
    after = NOW - 10 * MINUTE
    assert wanted(status(valid=None, history=dropped, last_upload=after, photos=1)) is None
    assert wanted(status(valid=None, history=dropped, last_upload=after)) == Action.BUILD
    small = status(valid=None, faces=3, history=dropped, last_upload=after)
    assert wanted(small) == Action.BUILD, "one that was made by hand, too"


def test_an_index_is_rebuilt_when_a_tenth_of_the_table_is_dead_and_not_again_at_once() -> None:
    decayed = status(faces=90_000, dead=10_001)

    assert wanted(decayed) == Action.REBUILD
    assert wanted(status(faces=90_002, dead=9_999)) is None
    assert wanted(status(faces=10_000, dead=5_000)) is None, "too few to be worth it"
    assert wanted(replace(decayed, history=(ended(Action.REBUILD, 30 * MINUTE),))) is None
    rested = replace(decayed, history=(ended(Action.REBUILD, 2 * HOUR),))
    assert wanted(rested) == Action.REBUILD


def test_an_index_is_rebuilt_when_so_many_faces_came_that_its_graph_wants_more_links() -> None:
    outgrown = status(faces=MANY_FACES)
    linked = Index(ID, "hnsw", True, 1, links=MORE_LINKS)

    assert wanted(status(faces=MANY_FACES - 1)) is None
    assert wanted(outgrown) == Action.REBUILD
    assert wanted(replace(outgrown, indexes=(linked,))) is None
    shrunk = replace(status(faces=MANY_FACES // 2), indexes=(linked,))
    assert wanted(shrunk) is None, "more links than needed do no harm"
    bits = replace(outgrown, indexes=(Index(ID, "bit", True, 1),))
    assert wanted(bits) is None, "bits are there to save memory"


def test_what_failed_is_tried_again_later() -> None:
    failed = ended(Action.PROMOTE, 5 * MINUTE, State.FAILED)
    earlier = ended(Action.PROMOTE, 15 * MINUTE, State.FAILED)

    assert wanted(status(own=False, history=(failed,))) is None
    assert wanted(status(own=False, history=(earlier,))) == Action.PROMOTE


def test_nothing_more_is_wanted_while_work_is_open() -> None:
    waiting = ended(Action.PROMOTE, MINUTE, State.WAITING)

    assert wanted(status(own=False, open_work=(waiting,))) is None


def test_the_wish_to_rebuild_is_about_an_index_that_is_there() -> None:
    bits = replace(status(faces=90_000, dead=20_000), indexes=(Index(ID, "bit", True, 1),))

    assert wish(bits, promote_faces=LIMIT, now=NOW) == Wish(Action.REBUILD, Kind.BIT)
