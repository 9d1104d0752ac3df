"""Who is searched for, compared with looking at everything in numpy."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core import changes, constraints, subjects
from core.db.constraints import Kind, Statement
from core.db.search import GroupBy
from core.errors import FaceNotFound, PersonNotFound
from core.finding import Options
from core.probes import MOST_PROBES, Fuse, Use, chosen
from core.subjects import Subject

NOBODY = UUID(int=7)
BY_FACE = Options(limit=500, group_by=GroupBy.FACE)


@pytest.fixture
def album(crowd: Callable[..., Any]) -> Any:
    """Thirty photos of P0 (all named), twenty of others."""
    made = crowd()
    for _ in range(30):
        made.photo(0, named=[0], noise=0.8)
    for _ in range(20):
        made.photo(1, 2, noise=0.8)
    return made


def found(album: Any, subject: Subject, options: Options = BY_FACE) -> list[tuple[UUID, float]]:
    answer = subjects.find(album.services, [album.fresh()], subject, options)
    return [(match.neighbour.face_id, match.neighbour.cosine) for match in answer.matches]


def by_hand(album: Any, subject: Subject) -> list[tuple[UUID, float]]:
    cosines = np.max([album.cosines(probe) for probe in subject.probes], axis=0)
    rows = [
        (face.id, float(cosine))
        for face, cosine in zip(album.faces, cosines, strict=True)
        if face.id not in subject.faces and face.person_id not in subject.people
    ]
    return sorted(rows, key=lambda row: -row[1])


def same(one: list[tuple[UUID, float]], other: list[tuple[UUID, float]]) -> bool:
    assert [cosine for _, cosine in one] == pytest.approx([c for _, c in other], abs=1e-5)
    return {face for face, _ in one} == {face for face, _ in other}


def test_every_kind_of_query_finds_what_looking_at_everything_finds(album: Any) -> None:
    homes = [album.collection]
    three = [face.id for face in album.faces[:3]]
    with album.services.pool.connection() as conn:
        faces = [subjects.of_face(conn, homes, each) for each in three]
        kinds = {
            "face": faces[0],
            "person": subjects.of_person(conn, homes, album.people[0]),
            "faces of a person": subjects.of_person(conn, homes, album.people[0], Use.FACES),
            "vector": subjects.of_vector(homes, album.looks[1].tolist(), homes[0].space_id),
            "mean of three": subjects.of_several(faces, Fuse.MEAN),
            "nearest of three": subjects.of_several(faces, Fuse.MAX),
        }

    for subject in kinds.values():
        assert same(found(album, subject), by_hand(album, subject))


def decide(album: Any, *said: Statement) -> None:
    with album.services.pool.connection() as conn, conn.transaction():
        change_id = changes.begin(conn, album.collection.id, changes.Kind.DECIDE, "test")
        constraints.add(conn, album.collection.id, said, change_id=change_id)


def test_a_face_finds_nobody_it_was_said_not_to_be(album: Any) -> None:
    query, *_, other, hidden = [face for face in album.faces if face.person_id is None]
    decide(
        album,
        constraints.not_person(query.id, album.people[0]),
        constraints.link(Kind.CANNOT_LINK, query.id, other.id),
        constraints.link(Kind.MUST_LINK, query.id, hidden.id),
        constraints.not_face(hidden.id),
    )
    barred = {query.id, other.id, hidden.id}

    with album.services.pool.connection() as conn:
        subject = subjects.of_face(conn, [album.collection], query.id)

    wanted = {face.id for face in album.faces if face.person_id is None} - barred
    assert {face_id for face_id, _ in found(album, subject)} == wanted


def test_a_person_finds_no_face_and_nobody_that_was_said_to_be_another(album: Any) -> None:
    hers = next(face for face in album.faces if face.person_id is not None)
    refused, his, *others = [face for face in album.faces if face.person_id is None]
    with album.services.pool.connection() as conn:
        album.name(conn, his.id, 1)
        album.name(conn, others[0].id, 1)
    decide(
        album,
        constraints.not_person(refused.id, album.people[0]),
        constraints.link(Kind.CANNOT_LINK, hers.id, his.id),
    )

    with album.services.pool.connection() as conn:
        subject = subjects.of_person(conn, [album.collection], album.people[0])
        both = subjects.of_several([subject], Fuse.MEAN)

    for each in (subject, both):
        assert {face_id for face_id, _ in found(album, each)} == {face.id for face in others[1:]}


def test_a_person_is_searched_with_faces_that_stand_for_all(album: Any) -> None:
    stored = np.stack([face.vector for face in album.faces if face.person_id is not None])

    with album.services.pool.connection() as conn:
        subject = subjects.of_person(conn, [album.collection], album.people[0], Use.FACES)

    assert len(subject.probes) == MOST_PROBES
    assert subject.people == (album.people[0],)
    expected = {each.tobytes() for each in chosen(stored)}
    assert {each.tobytes() for each in subject.probes} == expected


def test_the_nearest_of_several_counts_for_people_and_images_too(album: Any) -> None:
    with album.services.pool.connection() as conn:
        faces = [subjects.of_face(conn, [album.collection], face.id) for face in album.faces[30:33]]
    subject = subjects.of_several(faces, Fuse.MAX)
    best: dict[UUID, float] = {}
    for face_id, cosine in by_hand(album, subject):
        image_id = next(face.image_id for face in album.faces if face.id == face_id)
        best[image_id] = max(cosine, best.get(image_id, -1))

    by_image = found(album, subject, Options(limit=500, group_by=GroupBy.IMAGE))

    assert [c for _, c in by_image] == pytest.approx(sorted(best.values(), reverse=True), abs=1e-5)


def test_what_is_not_there_cannot_be_searched_with(album: Any) -> None:
    with album.services.pool.connection() as conn:
        with pytest.raises(FaceNotFound):
            subjects.of_face(conn, [album.collection], NOBODY)
        with pytest.raises(PersonNotFound):
            subjects.of_person(conn, [album.collection], NOBODY)
