"""Search by hand-made vectors: groups, margins, what is shown of a neighbour, bounds."""

from dataclasses import replace
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from psycopg import sql

from core import ranking
from core.db import collections, faces, search
from core.db.pool import Connection
from core.db.search import Detail, Group, GroupBy, Kind, Query
from core.errors import SearchTimeout
from core.faces import Embedding
from core.ranking import Ranked, Ranking
from core.routing import Estimate, Mode, Part, Router, exact


def find(
    conn: Connection, collection_id: UUID, probe: Any, *more: Any, **options: Any
) -> list[Ranked]:
    standard = Query((collection_id,), (0.5,), [probe, *more], 10, GroupBy.PERSON)
    query = replace(standard, **options)
    with search.bounded(conn, timeout_s=20):
        return list(ranking.rank(conn, query, [exact(query)]).ranked)


def ids(found: list[Ranked]) -> list[UUID]:
    return [each.detail.face_id for each in found]


def by_angle(make: Any, degrees: float) -> Any:
    """A vector so many degrees away from `make.unit(1)`."""
    return make.unit(np.cos(np.radians(degrees)), np.sin(np.radians(degrees)))


def cosine(degrees: float) -> Any:
    return pytest.approx(np.cos(np.radians(degrees)), abs=2e-3)


def test_the_nearest_face_is_first_and_cosines_are_true(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    at = {degrees: make.face(collection_id, by_angle(make, degrees)) for degrees in (60, 0, 150)}

    found = find(conn, collection_id, make.unit(1))

    assert ids(found) == [at[0], at[60], at[150]]
    assert [each.detail.cosine for each in found] == [cosine(0), cosine(60), cosine(150)]


def test_a_neighbour_says_where_it_is_to_be_seen(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    face_id = make.face(collection_id)
    ada = make.person(collection_id, "Ada", [face_id])
    face = faces.get(conn, face_id)
    assert face is not None

    (found,) = find(conn, collection_id, make.unit(1))

    assert found.margin is None
    assert found.detail == Detail(
        key=ada,
        face_id=face_id,
        collection_id=collection_id,
        image_id=face.image_id,
        person_id=ada,
        person_name="Ada",
        cluster_id=None,
        cosine=found.detail.cosine,
        supporting=1,
        box=[10, 20, 110.5, 140.25],
        quality=0.5,
        filename="photo.jpg",
        width=640,
        height=480,
        kept="originals",
    )


def test_an_empty_collection_answers_nothing(conn: Connection, make: Any) -> None:
    assert find(conn, make.collection(), make.unit(1)) == []


def test_a_person_is_one_row_with_the_best_face_and_the_number_that_support_it(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    hers = make.faces(collection_id, [by_angle(make, degrees) for degrees in (50, 10, 80)])
    make.person(collection_id, "Ada", hers)
    unnamed = make.face(collection_id, by_angle(make, 30))

    first, second = (each.detail for each in find(conn, collection_id, make.unit(1)))

    assert (first.face_id, first.person_name, first.supporting) == (hers[1], "Ada", 2)
    assert (second.face_id, second.person_name, second.supporting) == (unnamed, None, 1)


def test_a_hidden_face_is_neither_found_nor_counted(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    first, second, third, hidden = make.faces(
        collection_id, [by_angle(make, degrees) for degrees in (1, 2, 3, 0)]
    )
    cluster = [second, third, hidden]
    conn.execute("UPDATE faces SET cluster_id = %s WHERE id = ANY(%s)", [uuid4(), cluster])
    faces.set_hidden(conn, collection_id, [hidden], hidden=True)

    found = find(conn, collection_id, make.unit(1))

    assert ids(found) == [first, second]
    assert [each.detail.supporting for each in found] == [1, 2]


def test_unnamed_faces_of_one_cluster_are_one_row_and_others_are_alone(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    alike = make.faces(collection_id, [by_angle(make, degrees) for degrees in (20, 10)])
    alone = make.faces(collection_id, [by_angle(make, degrees) for degrees in (30, 40)])
    cluster = uuid4()
    conn.execute("UPDATE faces SET cluster_id = %s WHERE id = ANY(%s)", [cluster, alike])

    found = find(conn, collection_id, make.unit(1))

    assert [each.detail.key for each in found] == [cluster, *alone]
    assert (found[0].detail.face_id, found[0].detail.supporting) == (alike[1], 2)


def test_grouped_by_image_the_best_face_stands_for_the_photo(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    party = make.faces(collection_id, [by_angle(make, degrees) for degrees in (50, 10, 80)])
    portrait = make.face(collection_id, by_angle(make, 30))

    found = find(conn, collection_id, make.unit(1), group_by=GroupBy.IMAGE)

    assert ids(found) == [party[1], portrait]
    assert [each.detail.supporting for each in found] == [2, 1]


def test_of_several_probes_the_nearest_to_a_face_counts(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    left, middle, right = (make.face(collection_id, by_angle(make, a)) for a in (-60, 0, 50))

    found = find(conn, collection_id, by_angle(make, -50), by_angle(make, 50))

    assert ids(found) == [right, left, middle]
    assert [each.detail.cosine for each in found] == [cosine(0), cosine(10), cosine(50)]


def test_the_margin_is_the_lead_over_the_next_other_person(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    hers = make.faces(collection_id, [by_angle(make, 10), by_angle(make, 20)])
    his = make.face(collection_id, by_angle(make, 60))
    make.face(collection_id, by_angle(make, 15))
    make.person(collection_id, "Ada", hers)
    make.person(collection_id, "Bob", [his])

    ada, unnamed, bob = find(conn, collection_id, make.unit(1))

    assert ada.margin == pytest.approx(ada.detail.cosine - bob.detail.cosine)
    assert unnamed.margin == pytest.approx(unnamed.detail.cosine - bob.detail.cosine)
    assert bob.margin is None


def test_the_margin_counts_people_beyond_the_limit(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    ada = make.face(collection_id, by_angle(make, 10))
    make.person(collection_id, "Ada", [ada])
    make.person(collection_id, "Bob", [make.face(collection_id, by_angle(make, 60))])

    (only,) = find(conn, collection_id, make.unit(1), limit=1)

    assert only.detail.face_id == ada
    assert only.margin == pytest.approx(np.cos(np.radians(10)) - 0.5, abs=2e-3)


def test_ties_are_broken_the_same_way_every_time(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    made = make.faces(collection_id, [make.unit(1)] * 5)
    make.person(collection_id, "Ada", made[3:])

    runs = [ids(find(conn, collection_id, make.unit(1), limit=3)) for _ in range(3)]

    assert runs[0] == runs[1] == runs[2]
    assert len(set(runs[0])) == 3


@pytest.mark.parametrize("group_by", [GroupBy.PERSON, GroupBy.FACE])
@pytest.mark.parametrize("limit", [1, 5])
def test_many_faces_of_one_person_do_not_hide_the_others(
    conn: Connection, make: Any, limit: int, group_by: GroupBy
) -> None:
    collection_id = make.collection()
    crowd = make.faces(collection_id, [by_angle(make, a) for a in np.linspace(0, 30, 500)])
    ada = make.person(collection_id, "Ada", crowd)
    others = make.faces(collection_id, [by_angle(make, degrees) for degrees in range(40, 50)])
    make.person(collection_id, "Bob", others[:1])

    found = find(conn, collection_id, make.unit(1), limit=limit, group_by=group_by)

    assert (found[0].detail.person_id, found[0].margin) == (ada, cosine_gap(0, 40))
    if group_by is GroupBy.PERSON:
        assert found[0].detail.supporting == 500
        assert ids(found)[1:] == others[: limit - 1]


def cosine_gap(near: float, far: float) -> Any:
    return pytest.approx(np.cos(np.radians(near)) - np.cos(np.radians(far)), abs=2e-3)


def test_a_collection_without_index_is_exact_whatever_is_asked(conn: Connection, make: Any) -> None:
    home = collections.get(conn, make.collection())
    assert home is not None
    query = Query((home.id,), (0.5,), [make.unit(1)], 10, GroupBy.FACE)

    (part,) = Router().plan(conn, [home], query, Mode.APPROXIMATE, ef_search=100)

    assert part.kind is Kind.EXACT


def test_a_search_that_takes_too_long_is_ended(conn: Connection) -> None:
    with pytest.raises(SearchTimeout, match=r"0\.05 s"), search.bounded(conn, timeout_s=0.05):
        conn.execute("SELECT pg_sleep(5)")


def test_the_bounds_of_a_search_end_with_it(conn: Connection) -> None:
    shown = "SELECT current_setting('enable_sort'), current_setting('hnsw.ef_search')"
    with search.bounded(conn, timeout_s=1.5):
        with search.index_scan(conn, ef_search=77, max_scan=1000):
            inside = conn.execute(shown).fetchone()
        behind = conn.execute("SHOW enable_sort").fetchone()
    conn.rollback()

    assert (inside, behind) == (("off", "77"), ("on",))
    assert conn.execute("SHOW statement_timeout").fetchone() == ("0",)


@pytest.fixture
def astray(conn: Connection, make: Any, monkeypatch: pytest.MonkeyPatch) -> "Astray":
    """An index whose walks end among strangers until they aim beside the query often enough."""
    return Astray(conn, make, monkeypatch)


class Astray:
    """A face near the query, one that is far, and an index that misses the near one at first."""

    def __init__(self, conn: Connection, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.conn, self.probe = conn, make.unit(1)
        self.home = make.collection()
        self.near, self.far = (make.face(self.home, by_angle(make, angle)) for angle in (10, 100))
        self.walks: list[list[Embedding]] = []
        self.misses = 0
        self._groups = search.groups
        monkeypatch.setattr(search, "groups", self.groups)
        monkeypatch.setattr(ranking, "_whole", lambda found, query: True)

    def groups(self, conn: Connection, query: Query, kind: Kind, *, candidates: int) -> list[Group]:
        self.walks.append(list(query.walks))
        lost = self.near if len(self.walks) <= self.misses else None
        found = self._groups(conn, query, Kind.EXACT, candidates=candidates)
        return [replace(group, candidates=candidates) for group in found if group.face_id != lost]

    def rank(self, threshold: float, *, estimate: Estimate | None = None) -> Ranking:
        query = Query((self.home,), (threshold,), [self.probe], 1, GroupBy.FACE)
        part = Part(query, Kind.HNSW, 100, ef_search=100, max_scan=1000, estimate=estimate)
        with search.bounded(self.conn, timeout_s=20):
            return ranking.rank(self.conn, query, [part])


def test_an_index_that_finds_nobody_is_asked_by_other_ways_until_one_leads_to_somebody(
    astray: Astray,
) -> None:
    astray.misses = 3

    ranked = astray.rank(threshold=0.5)

    assert [each.detail.face_id for each in ranked.ranked] == [astray.near] != [astray.far]
    assert ranked.parts[0].detours == 3
    first, *detours = astray.walks
    assert first == []
    for (walk,), cosine in zip(detours, cycle(ranking.BESIDE), strict=False):
        assert float(walk @ astray.probe) == pytest.approx(cosine, abs=1e-6)
        assert np.linalg.norm(walk) == pytest.approx(1, abs=1e-6)
    assert not np.allclose(detours[0][0], detours[1][0])


def test_whoever_is_surely_found_is_not_looked_for_again(astray: Astray) -> None:
    ranked = astray.rank(threshold=0.9)  # the near face has 0.985

    assert (len(astray.walks), ranked.parts[0].detours) == (1, 0)


@pytest.mark.parametrize(("exact_ms", "walks"), [(9.0, 2), (11.0, 1 + ranking.MOST_DETOURS)])
def test_every_face_is_looked_at_where_that_is_no_slower_than_all_other_ways(
    astray: Astray, exact_ms: float, walks: int
) -> None:
    astray.misses = 1 if walks == 2 else 100
    expected = Estimate(faces=2, matching=2, exact_ms=exact_ms, index_ms=1.0)

    ranked = astray.rank(threshold=0.5, estimate=expected)

    [part] = ranked.parts
    found = [each.detail.face_id for each in ranked.ranked]
    assert len(astray.walks) == walks
    assert (part.fallback, part.exact, found) == (
        ("nobody_found", True, [astray.near]) if walks == 2 else (None, False, [astray.far])
    )


def test_the_same_search_takes_the_same_ways_and_ends_when_nobody_is_there(astray: Astray) -> None:
    astray.misses = 100

    first, second = astray.rank(threshold=0.5), astray.rank(threshold=0.5)

    for ranked in (first, second):
        assert [each.detail.face_id for each in ranked.ranked] == [astray.far]
        assert ranked.parts[0].detours == ranking.MOST_DETOURS
    half = len(astray.walks) // 2
    np.testing.assert_array_equal(astray.walks[1:half], astray.walks[half + 1 :])


def test_a_group_is_looked_into_once_though_nothing_is_known_of_a_new_collection(
    conn: Connection, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, wanted = 300, 5
    home = make.collection()
    make.faces(home, [by_angle(make, number / 10) for number in range(many)])
    plans: list[Any] = []

    def explained(conn: Connection, row: Any, statement: sql.Composed, params: Any) -> list[Any]:
        text = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + statement
        plans.append(conn.execute(text, params).fetchall()[0][0][0]["Plan"])
        return true_fetch(conn, row, statement, params)

    true_fetch = search.fetch_all
    monkeypatch.setattr(search, "fetch_all", explained)
    find(conn, home, make.unit(1), limit=wanted)

    assert rows_read(plans[-1]) <= 3 * many * wanted


def rows_read(plan: Any) -> float:
    """Rows that a plan took from tables, also those that it left out."""
    here = 0.0
    if plan.get("Relation Name"):
        here = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return float(here * plan["Actual Loops"]) + sum(map(rows_read, plan.get("Plans", ())))
