"""Every query of search.sql: the ranking by hand-made vectors, HNSW by comparison with exact."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from psycopg import sql

from core.db import faces, search
from core.db.pool import Connection
from core.db.search import Neighbour, Query
from core.errors import SearchTimeout

MANY, DIMENSION = 2000, 128


def query(collection_id: UUID, embedding: Any, **options: Any) -> Query:
    standard = Query(collection_id, embedding, threshold=0.5, limit=10, by_person=True)
    return replace(standard, **options)


def by_angle(make: Any, degrees: float) -> Any:
    """A vector so many degrees away from `make.unit(1)`."""
    return make.unit(np.cos(np.radians(degrees)), np.sin(np.radians(degrees)))


def cosine(degrees: float) -> Any:
    return pytest.approx(np.cos(np.radians(degrees)), abs=2e-3)


def test_the_nearest_face_is_first_and_cosines_are_true(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    ids = {degrees: make.face(collection_id, by_angle(make, degrees)) for degrees in (60, 0, 150)}

    found = search.exact(conn, query(collection_id, make.unit(1)))

    assert [neighbour.face_id for neighbour in found] == [ids[0], ids[60], ids[150]]
    assert [neighbour.cosine for neighbour in found] == [cosine(0), cosine(60), cosine(150)]


def test_a_neighbour_says_where_it_is_to_be_seen(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    face_id = make.face(collection_id)
    ada = make.person(collection_id, "Ada", [face_id])
    face = faces.get(conn, face_id)
    assert face is not None

    (found,) = search.exact(conn, query(collection_id, make.unit(1)))

    assert found == Neighbour(
        face_id=face_id,
        image_id=face.image_id,
        person_id=ada,
        person_name="Ada",
        cosine=found.cosine,
        margin=None,
        supporting=1,
        box=[10, 20, 110.5, 140.25],
        quality=0.5,
        filename="photo.jpg",
        width=640,
        height=480,
    )


def test_other_collections_are_never_looked_into(conn: Connection, make: Any) -> None:
    here, elsewhere = make.collection(), make.collection()
    far = make.face(here, by_angle(make, 100))
    make.face(elsewhere, make.unit(1))
    make.face(make.collection(dimension=8), make.unit(1, dimension=8))

    found = search.exact(conn, query(here, make.unit(1)))

    assert [neighbour.face_id for neighbour in found] == [far]


def test_an_empty_collection_answers_nothing(conn: Connection, make: Any) -> None:
    assert search.exact(conn, query(make.collection(), make.unit(1))) == []


def test_a_person_is_one_row_with_the_best_face_and_the_number_that_support_it(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    hers = make.faces(collection_id, [by_angle(make, degrees) for degrees in (50, 10, 80)])
    make.person(collection_id, "Ada", hers)
    unnamed = make.face(collection_id, by_angle(make, 30))

    first, second = search.exact(conn, query(collection_id, make.unit(1)))

    assert (first.face_id, first.person_name, first.supporting) == (hers[1], "Ada", 2)
    assert (second.face_id, second.person_name, second.supporting) == (unnamed, None, 1)


def test_unnamed_faces_are_groups_of_their_own(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    make.faces(collection_id, [make.unit(1)] * 3)

    assert len(search.exact(conn, query(collection_id, make.unit(1)))) == 3


def test_grouped_by_face_every_face_is_a_row(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    hers = make.faces(collection_id, [by_angle(make, degrees) for degrees in (50, 10)])
    make.person(collection_id, "Ada", hers)

    found = search.exact(conn, query(collection_id, make.unit(1), by_person=False))

    assert [neighbour.face_id for neighbour in found] == hers[::-1]
    assert [neighbour.supporting for neighbour in found] == [1, 1]


def test_the_margin_is_the_lead_over_the_next_other_person(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    hers = make.faces(collection_id, [by_angle(make, 10), by_angle(make, 20)])
    his = make.face(collection_id, by_angle(make, 60))
    make.face(collection_id, by_angle(make, 15))
    make.person(collection_id, "Ada", hers)
    make.person(collection_id, "Bob", [his])

    ada, unnamed, bob = search.exact(conn, query(collection_id, make.unit(1)))

    assert ada.margin == pytest.approx(ada.cosine - bob.cosine)
    assert unnamed.margin == pytest.approx(unnamed.cosine - bob.cosine)
    assert bob.margin is None


def test_the_margin_counts_people_beyond_the_limit(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    ada = make.face(collection_id, by_angle(make, 10))
    bob = make.face(collection_id, by_angle(make, 60))
    make.person(collection_id, "Ada", [ada])
    make.person(collection_id, "Bob", [bob])

    (only,) = search.exact(conn, query(collection_id, make.unit(1), limit=1))

    assert only.face_id == ada
    assert only.margin == pytest.approx(np.cos(np.radians(10)) - 0.5, abs=2e-3)


def test_the_limit_counts_groups(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    for degrees in (10, 20, 30):
        both = make.faces(collection_id, [by_angle(make, degrees), by_angle(make, degrees + 1)])
        make.person(collection_id, f"{degrees}", both)

    found = search.exact(conn, query(collection_id, make.unit(1), limit=2))

    assert [neighbour.person_name for neighbour in found] == ["10", "20"]


def test_a_face_that_is_searched_with_is_not_its_own_answer(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    itself, other = make.faces(collection_id, [make.unit(1), make.unit(1, 1)])

    found = search.exact(conn, query(collection_id, make.unit(1), without_face=itself))

    assert [neighbour.face_id for neighbour in found] == [other]


def test_a_person_who_is_searched_with_is_left_out_and_unnamed_faces_are_not(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    hers, his, unnamed = make.faces(collection_id, [make.unit(1)] * 3)
    ada = make.person(collection_id, "Ada", [hers])
    make.person(collection_id, "Bob", [his])

    found = search.exact(conn, query(collection_id, make.unit(1), without_person=ada))

    assert {neighbour.face_id for neighbour in found} == {his, unnamed}


def test_ties_are_broken_the_same_way_every_time(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    ids = make.faces(collection_id, [make.unit(1)] * 5)
    make.person(collection_id, "Ada", ids[3:])

    runs = [
        [n.face_id for n in search.exact(conn, query(collection_id, make.unit(1), limit=3))]
        for _ in range(3)
    ]

    assert runs[0] == runs[1] == runs[2]
    assert len(set(runs[0])) == 3


def as_stored(vectors: np.ndarray) -> Any:
    """Rounded to half precision; a cosine does not depend on the length that this changes."""
    rounded = vectors.astype(np.float16).astype(np.float64)
    return rounded / np.linalg.norm(rounded, axis=-1, keepdims=True)


def brute_force(
    stored: list[tuple[UUID, UUID | None, np.ndarray]], asked: Query
) -> list[tuple[UUID | None, float, float | None, int]]:
    """Person, cosine, margin and supporting faces of each group, by comparing everything."""
    scored = [(face, person, float(vector @ asked.embedding)) for face, person, vector in stored]
    groups: dict[UUID, list[float]] = {}
    owners: dict[UUID, UUID | None] = {}
    people: dict[UUID, float] = {}
    for face, person, value in scored:
        key = person if person and asked.by_person else face
        groups.setdefault(key, []).append(value)
        owners[key] = person
        if person:
            people[person] = max(value, people.get(person, -1))
    ranked = sorted(groups, key=lambda key: (-max(groups[key]), key))[: asked.limit]
    answer = []
    for key in ranked:
        best, own = max(groups[key]), owners[key]
        behind = [value for person, value in people.items() if person != own and value <= best]
        margin = best - max(behind) if behind else None
        answer.append((own, best, margin, sum(v >= asked.threshold for v in groups[key])))
    return answer


@pytest.mark.parametrize("by_person", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 7, 500])
def test_exact_search_is_what_comparing_everything_gives(
    conn: Connection, make: Any, limit: int, by_person: bool
) -> None:
    collection_id = make.collection(dimension=16)
    random = np.random.default_rng(limit).normal(size=(300, 16)).astype(np.float32)
    random[:, 0] += 1
    vectors = random / np.linalg.norm(random, axis=1, keepdims=True)
    ids = make.faces(collection_id, list(vectors))
    owner: dict[UUID, UUID] = {}
    for number in range(25):
        hers = ids[number * 8 : number * 8 + 1 + number % 8]
        owner |= dict.fromkeys(hers, make.person(collection_id, f"{number}", hers))
    rows = zip(ids, as_stored(vectors), strict=True)
    stored = [(face, owner.get(face), vector) for face, vector in rows]
    embedding = make.unit(1, 0.3, -0.2, dimension=16)
    asked = query(collection_id, embedding, limit=limit, by_person=by_person)

    found = search.exact(conn, asked)

    true = brute_force(stored, replace(asked, embedding=as_stored(embedding)))
    assert [(n.person_id, n.supporting) for n in found] == [(row[0], row[3]) for row in true]
    assert [n.cosine for n in found] == pytest.approx([row[1] for row in true], abs=1e-5)
    assert [n.margin for n in found] == [
        None if row[2] is None else pytest.approx(row[2], abs=1e-5) for row in true
    ]


def test_margins_are_worked_out_once_and_not_for_each_row(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    make.person(collection_id, "Ada", make.faces(collection_id, [make.unit(1)] * 3))
    ranked = sql.SQL(search.SQL["ranked"]).format(scored=sql.SQL(search.SQL["scored_exact"]))
    asked = search._params(query(collection_id, make.unit(1)))

    plan = "\n".join(row[0] for row in conn.execute(sql.SQL("EXPLAIN ") + ranked, asked))

    assert "CTE people_best" in plan


def test_a_search_that_takes_too_long_is_ended(conn: Connection) -> None:
    with (
        pytest.raises(SearchTimeout, match=r"0\.05 s"),
        search.bounded(conn, timeout_s=0.05, ef_search=100),
    ):
        conn.execute("SELECT pg_sleep(5)")


def test_the_bounds_of_a_search_end_with_it(conn: Connection) -> None:
    with search.bounded(conn, timeout_s=1.5, ef_search=77):
        inside = conn.execute("SELECT current_setting('hnsw.ef_search')").fetchone()
    conn.rollback()

    assert inside == ("77",)
    assert conn.execute("SHOW statement_timeout").fetchone() == ("0",)


# --- HNSW -----------------------------------------------------------------------------------
