"""Search in SQL against comparing everything: filters in every combination, groups, pages, indexes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from core import ranking
from core.db import collections, filters, indexes, pool
from core.db import search as rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.search import GroupBy, Kind, Query, bounded, index_scan
from core.filters import Filter
from core.ranking import Ranking
from core.routing import Mode, Router
from tests import brute_force
from tests.brute_force import Person, Photo, Stored

DIMENSION, FACES, PEOPLE, PROBE_COUNT = 16, 400, 40, 12
THRESHOLD = 0.5
START = datetime(2024, 1, 1, tzinfo=UTC)
OWN, TAIL = UUID(int=1 << 100), UUID(int=2 << 100)
"""Two collections, the first with its own partition and an index."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The two collections with their faces, in the database."""

    conn: Connection
    homes: tuple[Collection, ...]

    def search(self, query: Query, mode: Mode) -> Ranking:
        homes = [home for home in self.homes if home.id in query.collections]
        with self.conn.transaction(), bounded(self.conn, timeout_s=20):
            parts = Router().plan(self.conn, homes, query, mode, ef_search=100)
            return ranking.rank(self.conn, query, parts)


def person_of(random: Random, people: list[Person]) -> Person | None:
    """Four in ten faces have nobody."""
    return random.choice(people) if random.random() < 0.6 else None


def make_faces(collection_id: UUID, random: Random, first: int) -> list[Stored]:
    """Faces in photos of one to three, with every attribute that a filter asks for."""
    people = [
        Person(
            uuid(random), f"{random.choice('AB')}-{first + number}", {"team": random.choice("xyz")}
        )
        for number in range(PEOPLE)
    ]
    clusters = [uuid(random) for _ in range(6)]
    vectors = np.random.default_rng(first).normal(size=(FACES, DIMENSION)).astype(np.float32)
    vectors[:, 0] += 1.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces: list[Stored] = []
    while len(faces) < FACES:
        photo = Photo(
            uuid(random),
            external_id=random.choice([None, f"A/{len(faces)}", f"B/{len(faces)}"]),
            metadata=random.choice([{}, {"city": "Ulm"}, {"city": "Ulm", "roll": 7}]),
            tags=tuple(random.sample(["beach", "party", "work"], random.randrange(3))),
            captured_at=random.choice([None, START + timedelta(days=random.randrange(100))]),
        )
        for _ in range(min(random.randrange(1, 4), FACES - len(faces))):
            person = person_of(random, people)
            alike = random.choice([None, *clusters]) if person is None else None
            faces.append(
                Stored(
                    uuid7(START + timedelta(hours=len(faces)), random),
                    collection_id,
                    photo,
                    vectors[len(faces)],
                    person=person,
                    cluster_id=alike,
                    external_id=random.choice([None, f"f{len(faces)}"]),
                    metadata=random.choice([{}, {"side": "left"}]),
                    quality=random.randrange(100) / 100,
                    side=float(random.randrange(20, 200)),
                )
            )
    return faces


def uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def uuid7(moment: datetime, random: Random) -> UUID:
    version, variant = 7 << 76, 2 << 62
    return UUID(
        int=(round(moment.timestamp() * 1000) << 80) | version | variant | random.getrandbits(62)
    )


def make_probes() -> list[np.ndarray]:
    """Vectors near some faces."""
    near = np.stack([face.embedding for face in ALL[:: 2 * FACES // PROBE_COUNT]])
    raw = near + np.random.default_rng(3).normal(size=near.shape, scale=0.2)
    return list((raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32))


def store(conn: Connection, faces: list[Stored]) -> None:
    people = {face.person.id: face.person for face in faces if face.person}
    for person in people.values():
        conn.execute(
            "INSERT INTO people (id, collection_id, name, external_id, metadata)"
            " VALUES (%s, %s, %s, %s, %s)",
            [person.id, faces[0].collection_id, "x", person.external_id, Jsonb(person.metadata)],
        )
    for photo in {face.photo.id: face.photo for face in faces}.values():
        conn.execute(
            "INSERT INTO images (id, collection_id, sha256, external_id, metadata, format, bytes,"
            " width, height) VALUES (%s, %s, %s, %s, %s, 'jpeg', 1, 640, 480)",
            [
                *(photo.id, faces[0].collection_id, photo.id.bytes * 2),
                *(photo.external_id, Jsonb(photo.metadata)),
            ],
        )
    for position, face in enumerate(faces):
        conn.execute(
            "INSERT INTO faces (id, collection_id, image_id, person_id, cluster_id, position,"
            " external_id, metadata, box, landmarks, score, norm, quality, sharpness, brightness,"
            " size, yaw, pitch, roll, embedding, tags, captured_at) VALUES (%s, %s, %s, %s, %s, %s,"
            " %s, %s, %s, array_fill(0::real, ARRAY[10]), 1, 20, %s, 1, 1, 1, 0, 0, 0,"
            " %s::real[]::vector::halfvec, %s, %s)",
            [
                *(face.id, face.collection_id, face.photo.id),
                *(face.person and face.person.id, face.cluster_id, position),
                *(face.external_id, Jsonb(face.metadata), [10.0, 10.0, 10 + face.side, 300.0]),
                *(face.quality, face.embedding.tolist()),
                *(list(face.photo.tags), face.photo.captured_at),
            ],
        )
    collections.count(conn, faces[0].collection_id, faces=len(faces))


def give_own_partition(conn: Connection, collection_id: UUID, dimension: int) -> None:
    """What promotion does, while there is no face yet."""
    table = indexes.table_name(collection_id)
    conn.execute(f"CREATE TABLE {table} PARTITION OF faces FOR VALUES IN ('{collection_id}')")  # type: ignore[call-overload]
    conn.execute("UPDATE collections SET layout = 'own' WHERE id = %s", [collection_id])
    for kind, what in (
        (Kind.HNSW, f"(embedding::halfvec({dimension})) halfvec_cosine_ops"),
        (
            Kind.BIT,
            f"(binary_quantize(embedding::halfvec({dimension}))::bit({dimension})) bit_hamming_ops",
        ),
    ):
        conn.execute(
            f"CREATE INDEX {indexes.index_name(collection_id, kind)} ON {table} USING hnsw ({what})"
        )  # type: ignore[call-overload, arg-type]


_RANDOM = Random(5)  # noqa: S311
FACES_OF = {
    OWN: make_faces(OWN, _RANDOM, 0),
    TAIL: make_faces(TAIL, _RANDOM, 1000),
}
ALL = [*FACES_OF[OWN], *FACES_OF[TAIL]]
PROBES = make_probes()


@pytest.fixture(scope="module")
def world(database_url: str, module_make: Any) -> Iterator[World]:
    with pool.connect(database_url) as conn:
        conn.execute("SELECT 1")
        make = module_make(conn)
        for collection_id in (OWN, TAIL):
            made = make.collection(dimension=DIMENSION)
            conn.execute("UPDATE collections SET id = %s WHERE id = %s", [collection_id, made])
        give_own_partition(conn, OWN, DIMENSION)
        for faces in FACES_OF.values():
            store(conn, faces)
        conn.execute("ANALYZE faces")
        homes = [collections.get(conn, each) for each in (OWN, TAIL)]
        yield World(conn, tuple(home for home in homes if home))
        conn.rollback()


TAGS = st.lists(st.sampled_from(["beach", "party", "work", "none"]), min_size=1, max_size=2).map(
    tuple
)
MOMENTS = st.sampled_from(range(-5, 110)).map(lambda days: START + timedelta(days=days, minutes=1))
METADATA = st.sampled_from([{"city": "Ulm"}, {"city": "Ulm", "roll": 7}, {"roll": "7"}])


def some(ids: Iterable[UUID]) -> st.SearchStrategy[tuple[UUID, ...]]:
    return st.lists(st.sampled_from(sorted(set(ids))), min_size=1, max_size=60).map(tuple)


SOME_PEOPLE = some(face.person.id for face in ALL if face.person)
CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "people": SOME_PEOPLE,
    "not_people": SOME_PEOPLE,
    "named": st.booleans(),
    "person_prefix": st.sampled_from(["A", "B-1", "B-10%", "_"]),
    "person_metadata": st.sampled_from([{"team": "x"}, {"team": "y"}, {"team": 1}]),
    "tags_any": TAGS,
    "tags_all": TAGS,
    "tags_none": TAGS,
    "captured_from": MOMENTS,
    "captured_before": MOMENTS,
    "created_from": MOMENTS,
    "created_before": MOMENTS,
    "image_prefix": st.sampled_from(["A/", "B/1", "a"]),
    "image_metadata": METADATA,
    "not_images": some(face.photo.id for face in ALL),
    "face_prefix": st.sampled_from(["f", "f1"]),
    "face_metadata": st.sampled_from([{"side": "left"}, {"side": "right"}]),
    "not_faces": some(face.id for face in ALL),
    "min_quality": st.sampled_from([0.0, 0.3, 0.31, 0.9]),
    "min_size": st.sampled_from([20, 100, 199, 500]),
}
FILTERS = st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=4, unique=True).flatmap(
    lambda names: st.builds(Filter, **{name: CONDITIONS[name] for name in names})
)


@st.composite
def any_query(draw: st.DrawFn) -> tuple[Query, Filter]:
    wanted = draw(FILTERS)
    homes = draw(st.sampled_from([(OWN,), (TAIL,), (OWN, TAIL)]))
    numbers = st.lists(st.sampled_from(range(PROBE_COUNT)), min_size=1, max_size=3, unique=True)
    query = Query(
        collections=homes,
        thresholds=tuple(0.3 + 0.2 * number for number in range(len(homes))),
        probes=[PROBES[number] for number in draw(numbers)],
        limit=draw(st.sampled_from([1, 2, 5, 30, 500])),
        group_by=draw(st.sampled_from(GroupBy)),
        clauses=tuple(filters.clauses(wanted)),
    )
    return query, wanted


def expected(query: Query, wanted: Filter) -> list[brute_force.Row]:
    return brute_force.search(
        ALL,
        query.probes,
        thresholds=dict(zip(query.collections, query.thresholds, strict=True)),
        group_by=query.group_by,
        limit=query.limit,
        wanted=wanted,
        shown=query.shown,
    )


def assert_same(found: Ranking, true: list[brute_force.Row]) -> None:
    assert [each.detail.key for each in found.ranked] == [row.key for row in true]
    assert [each.detail.face_id for each in found.ranked] == [row.face_id for row in true]
    assert [each.detail.supporting for each in found.ranked] == [row.supporting for row in true]
    assert [each.detail.cosine for each in found.ranked] == pytest.approx(
        [row.cosine for row in true], abs=1e-5
    )
    assert [each.margin for each in found.ranked] == [
        None if row.margin is None else pytest.approx(row.margin, abs=1e-5) for row in true
    ]


def test_every_condition_is_tried() -> None:
    assert set(CONDITIONS) == {field.name for field in fields(Filter)}


@settings(max_examples=250, deadline=None)
@given(asked=any_query(), mode=st.sampled_from([Mode.EXACT, Mode.AUTO]))
def test_filters_of_every_kind_compose_and_give_what_comparing_everything_gives(
    world: World, asked: tuple[Query, Filter], mode: Mode
) -> None:
    query, wanted = asked

    found = world.search(query, mode)

    assert_same(found, expected(query, wanted))
    assert found.more == (len(expected(replace(query, limit=9999), wanted)) > query.limit)


@settings(max_examples=100, deadline=None)
@given(asked=any_query())
def test_an_index_gives_true_answers_and_says_when_it_could_not(
    world: World, asked: tuple[Query, Filter]
) -> None:
    """So few faces that the graph loses none: what is tried is the SQL around it."""
    query, wanted = asked

    found = world.search(query, Mode.APPROXIMATE)

    assert_same(found, expected(query, wanted))
    by_index = [part for part in found.parts if part.part.kind is not Kind.EXACT]
    assert bool(by_index) == (OWN in query.collections)
    for part in by_index:
        assert part.exact or part.candidates >= part.part.candidates


@pytest.mark.parametrize("mode", [Mode.EXACT, Mode.APPROXIMATE])
@pytest.mark.parametrize("group_by", list(GroupBy))
def test_pages_give_everything_once_and_in_order(
    world: World, group_by: GroupBy, mode: Mode
) -> None:
    whole = Query((OWN, TAIL), (0.5, 0.5), [PROBES[2]], limit=9999, group_by=group_by)
    shown: list[UUID] = []
    more = True

    while more:
        page = world.search(replace(whole, limit=97, shown=tuple(shown)), mode)
        shown += [each.detail.key for each in page.ranked]
        more = page.more

    assert shown == [row.key for row in expected(whole, Filter())]


def test_a_filtered_search_uses_the_index_where_that_is_asked_for(world: World) -> None:
    quality = tuple(filters.clauses(Filter(min_quality=0.2)))
    query = Query((OWN,), (0.5,), [PROBES[0]], 5, GroupBy.PERSON, quality)
    with world.conn.transaction(), index_scan(world.conn, ef_search=40, max_scan=1000):
        plan = "\n".join(explained(world.conn, query, Kind.HNSW))

    assert f"Index Scan using {indexes.index_name(OWN, indexes.Kind.HNSW)}" in plan
    assert "faces_tail" not in plan, "other partitions are not looked into"


def test_an_exact_search_of_some_collections_looks_into_no_other_and_at_no_graph(
    world: World,
) -> None:
    query = Query((TAIL,), (0.5,), [PROBES[0]], 5, GroupBy.PERSON)

    plan = "\n".join(explained(world.conn, query, Kind.EXACT))

    assert plan.count("Scan on faces_tail") == 1
    assert "faces_c_" not in plan
    assert "_hnsw" not in plan


def explained(conn: Connection, query: Query, kind: Kind) -> list[str]:
    """The plan of what `core.db.search.groups` asks."""
    asked: list[Any] = []

    class Spy:
        def cursor(self, **_: Any) -> Any:
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def execute(self, statement: Any, params: Any) -> Any:
            asked.extend((statement, params))
            return self

        def fetchall(self) -> list[Any]:
            return []

    rows.groups(Spy(), query, kind, candidates=100)  # type: ignore[arg-type]
    return [row[0] for row in conn.execute(sql.SQL("EXPLAIN ") + asked[0], asked[1])]
