"""Why a search found this and not that."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core import explaining, subjects
from core.db import search as search_rows
from core.db.search import GroupBy
from core.errors import SearchTimeout
from core.explaining import Explanation, Factor, Level
from core.faces import Quality
from core.filters import Filter
from core.finding import Decision, Found, Options
from core.gates import Floors
from core.routing import Mode
from core.subjects import Subject

GOOD = Quality(0.9, 0.9, 0.9, 0.9, 5.0, 3.0, 0.0)


def quality(**parts: float) -> Quality:
    return replace(GOOD, **parts)


@pytest.mark.parametrize(
    ("measured", "factor", "level"),
    [
        (GOOD, Factor.BRIGHTNESS, Level.GOOD),
        (quality(sharpness=0.2), Factor.SHARPNESS, Level.FAIR),
        (quality(sharpness=0.05), Factor.SHARPNESS, Level.POOR),
        (quality(size=0.1), Factor.SIZE, Level.FAIR),
        (quality(brightness=0.1), Factor.BRIGHTNESS, Level.POOR),
        (quality(yaw=-50), Factor.YAW, Level.FAIR),
        (quality(pitch=60), Factor.PITCH, Level.POOR),
        (quality(sharpness=0.2, yaw=80), Factor.YAW, Level.POOR),
    ],
)
def test_the_weakest_factor_is_the_one_furthest_below_what_the_gates_ask(
    measured: Quality, factor: Factor, level: Level
) -> None:
    found = explaining.weakest(measured, 0.9, 20.0, Floors())

    assert (found.factor, found.level) == (factor, level)


def test_scores_and_norms_are_judged_where_the_pack_knows_their_scale() -> None:
    floors = Floors(score=0.8, norm=18)

    assert explaining.weakest(GOOD, 0.9, 12.0, floors).factor is Factor.NORM
    assert explaining.weakest(GOOD, 0.5, 20.0, floors).factor is Factor.SCORE
    assert explaining.weakest(GOOD, 0.9, None, floors).factor is Factor.SCORE


@pytest.fixture
def album(crowd: Callable[..., Any]) -> Any:
    """P0 and P1 named once and unnamed twice each; somebody else."""
    made = crowd()
    for who in (0, 1):
        made.photo(who, named=[who], noise=0.2)
        made.photo(who, noise=0.4)
        made.photo(who, noise=0.6)
    made.photo(4, noise=0.2)
    return made


def ask(album: Any, **options: Any) -> tuple[Subject, Options, Found, Explanation]:
    subject = subjects.of_vector(
        [album.collection], album.looks[0].tolist(), album.collection.space_id
    )
    asked = Options(**{"threshold": 0.5, **options})
    homes = [album.fresh()]
    found = subjects.find(album.services, homes, subject, asked)
    return subject, asked, found, explaining.explain(album.services, homes, subject, asked, found)


def test_near_misses_are_the_best_below_the_threshold(album: Any) -> None:
    *_, why = ask(album, group_by=GroupBy.FACE, only_matches=True)

    assert len(why.near_misses) == 3
    for miss in why.near_misses:
        assert miss.match.decision is Decision.NO_MATCH
        assert miss.short == pytest.approx(0.5 - miss.match.neighbour.cosine)
    shorts = [miss.short for miss in why.near_misses]
    assert shorts == sorted(shorts)
    assert shorts[0] > 0


def test_without_conditions_nothing_is_said_of_them(album: Any) -> None:
    *_, why = ask(album)

    assert why.filtering is None
    assert why.agreement is not None
    assert (why.agreement.same, why.agreement.missing) == (True, ())


def test_each_condition_says_what_it_removes_and_who_would_have_come(album: Any) -> None:
    wanted = Filter(named=True, people=(album.people[1],))

    _, _, found, why = ask(album, filter=wanted, group_by=GroupBy.FACE)

    assert [match.neighbour.person_id for match in found.matches] == [album.people[1]]
    assert why.filtering is not None
    assert (why.filtering.nearest, why.filtering.kept) == (7, 1)
    removed = {each.condition: each for each in why.filtering.removed}
    assert {name: each.faces for name, each in removed.items()} == {"named": 5, "people": 6}
    cosines = album.cosines(album.looks[0])
    best_unnamed = max(
        (cosine, face.id)
        for face, cosine in zip(album.faces, cosines, strict=True)
        if face.person_id is None
    )
    assert removed["named"].best is not None
    assert removed["named"].best.neighbour.face_id == best_unnamed[1]
    assert removed["people"].best is not None
    assert removed["people"].best.neighbour.person_id == album.people[0]


def test_what_the_index_lost_is_named(services: Any, gallery: Callable[..., Any]) -> None:
    raw = np.random.default_rng(0).normal(size=(1500, 128))
    made = gallery((raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32))
    home = made.fresh()
    subject = Subject(made.vectors[:1])
    asked = Options(limit=20, group_by=GroupBy.FACE, mode=Mode.EXACT)
    whole = subjects.find(services, [home], subject, asked)
    lost = whole.matches[3]
    poorer = replace(whole, matches=(*whole.matches[:3], *whole.matches[4:]))

    why = explaining.explain(services, [home], subject, asked, poorer)

    assert why.agreement is not None
    assert not why.agreement.same
    assert [match.neighbour.face_id for match in why.agreement.missing] == [lost.neighbour.face_id]


def test_where_looking_at_every_face_takes_too_long_the_rest_is_still_told(
    album: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, asked, found, _ = ask(album)
    groups = search_rows.groups
    calls = []

    def slow_once(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise SearchTimeout("too long")
        return groups(*args, **more)

    monkeypatch.setattr(search_rows, "groups", slow_once)

    why = explaining.explain(album.services, [album.fresh()], subject, asked, found)

    assert why.agreement is None
    assert [miss.match.neighbour.face_id for miss in why.near_misses] == [
        match.neighbour.face_id for match in found.matches if match.decision is Decision.NO_MATCH
    ][:3]
