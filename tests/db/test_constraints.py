"""What the table of decisions refuses; its queries are tested through their use."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.db import changes, constraints
from core.db.constraints import Kind, Statement
from core.db.pool import Connection

SMALL, LARGE, SOMEBODY = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.mark.parametrize(
    "wrong",
    [
        Statement(Kind.MUST_LINK, LARGE, SMALL),
        Statement(Kind.CANNOT_LINK, SMALL, SMALL),
        Statement(Kind.MUST_LINK, SMALL),
        Statement(Kind.CANNOT_LINK, SMALL, LARGE, SOMEBODY),
        Statement(Kind.NOT_PERSON, SMALL),
        Statement(Kind.NOT_PERSON, SMALL, LARGE, SOMEBODY),
        Statement(Kind.NOT_FACE, SMALL, person_id=SOMEBODY),
    ],
)
def test_a_statement_has_what_its_kind_needs_and_no_more(
    conn: Connection, make: Any, wrong: Statement
) -> None:
    collection_id = make.collection()
    change_id = changes.insert(conn, collection_id=collection_id, kind="decide", actor="test")

    with pytest.raises(psycopg.errors.CheckViolation):
        constraints.insert(conn, collection_id, wrong, change_id)


def test_a_statement_holds_once_and_can_be_made_again_when_it_was_withdrawn(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    change_id = changes.insert(conn, collection_id=collection_id, kind="decide", actor="test")
    said = Statement(Kind.NOT_FACE, SMALL)

    made = [constraints.insert(conn, collection_id, said, change_id) for _ in range(2)]
    withdrawn = [constraints.withdraw(conn, collection_id, said, change_id) for _ in range(2)]

    assert (made, withdrawn) == ([True, False], [True, False])
    assert constraints.holds(conn, collection_id, said) is None
    assert constraints.insert(conn, collection_id, said, change_id)
    assert constraints.holds(conn, collection_id, said) == change_id


def test_people_who_are_kept_apart_are_known_from_either_side(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    one, two = sorted(make.faces(collection_id, [make.unit(1)] * 2))
    ada, bob = make.person(collection_id, "Ada", [one]), make.person(collection_id, "Bob", [two])
    change_id = changes.insert(conn, collection_id=collection_id, kind="decide", actor="test")
    constraints.insert(conn, collection_id, Statement(Kind.CANNOT_LINK, one, two), change_id)

    assert constraints.apart_from(conn, collection_id, ada) == [bob]
    assert constraints.apart_from(conn, collection_id, bob) == [ada]
