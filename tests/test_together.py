"""Photos with several people together, compared with trying everything in numpy."""

from collections.abc import Callable
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from core import changes, constraints, subjects, together
from core.db import faces as face_rows
from core.db.constraints import Kind
from core.errors import InvalidRequest
from core.filters import Filter
from core.finding import Options
from core.subjects import Subject

THRESHOLD = 0.5


def person(crowd: Any, who: int) -> Subject:
    with crowd.services.pool.connection() as conn:
        return subjects.of_person(conn, [crowd.collection], crowd.people[who])


def looks(crowd: Any, who: int) -> Subject:
    return subjects.of_vector(
        [crowd.collection], crowd.looks[who].tolist(), crowd.collection.space_id
    )


def find(crowd: Any, all_of: list[Subject], none_of: list[Subject], **options: Any) -> Any:
    asked = Options(**{"threshold": THRESHOLD, "limit": 500, **options})
    return together.find(crowd.services, crowd.fresh(), all_of, none_of, asked)


def by_hand(crowd: Any, all_of: list[Subject], none_of: list[Subject]) -> dict[UUID, float]:
    """The same by trying every choice: the cosine of each photo."""

    def stands(subject: Subject) -> dict[UUID, float]:
        cosines = crowd.cosines(subject.probes[0])
        for probe in subject.probes[1:]:
            cosines = [max(pair) for pair in zip(cosines, crowd.cosines(probe), strict=True)]
        return {
            face.id: 1.0 if face.person_id in subject.people else float(cosine)
            for face, cosine in zip(crowd.faces, cosines, strict=True)
            if cosine >= THRESHOLD or face.person_id in subject.people
        }

    wanted, barred = [stands(each) for each in all_of], [stands(each) for each in none_of]
    images: dict[UUID, list[UUID]] = {}
    for face in crowd.faces:
        images.setdefault(face.image_id, []).append(face.id)
    found = {}
    for image_id, faces in images.items():
        if any(face in each for face in faces for each in barred):
            continue
        choices = [
            min(each[face] for face, each in zip(choice, wanted, strict=True))
            for choice in permutations(faces, len(wanted))
            if all(face in each for face, each in zip(choice, wanted, strict=True))
        ]
        if choices:
            found[image_id] = max(choices)
    return found


@pytest.fixture
def album(crowd: Callable[..., Any]) -> Any:
    """60 photos of one to four of six people, a fifth of the faces with a name."""
    made = crowd()
    for _ in range(60):
        who = made.random.choice(6, size=made.random.integers(1, 5), replace=False).tolist()
        named = [each for each in who if made.random.random() < 0.2]
        noise = float(made.random.choice([0.4, 0.8, 1.6]))
        made.photo(*who, named=named, noise=noise)
    return made


def test_photos_with_and_without_people_are_those_that_trying_everything_finds(album: Any) -> None:
    queries: list[tuple[list[int], list[int]]] = [
        ([0], []),
        ([1, 2], []),
        ([3], [4]),
        ([0, 1, 2], []),
        ([0, 1], [2, 3]),
        ([4], [4]),
    ]
    for kind in (person, looks):
        for all_of, none_of in queries:
            wanted = [kind(album, who) for who in all_of]
            barred = [kind(album, who) for who in none_of]
            expected = by_hand(album, wanted, barred)

            found = find(album, wanted, barred)

            assert {image.image_id: image.cosine for image in found.images} == pytest.approx(
                expected, abs=1e-5
            )
            cosines = [image.cosine for image in found.images]
            assert cosines == sorted(cosines, reverse=True)
            assert (found.more, found.cut_off, found.exact) == (False, False, True)


def test_each_person_needs_a_face_of_their_own(crowd: Callable[..., Any]) -> None:
    album = crowd()
    alone = album.photo(0, noise=0.1)
    twice = album.photo(0, 0, noise=0.1)

    found = find(album, [looks(album, 0), looks(album, 0)], [])

    assert [image.image_id for image in found.images] == [twice]
    first, second = found.images[0].faces
    assert first.face_id != second.face_id
    assert {image.image_id for image in find(album, [looks(album, 0)], []).images} == {alone, twice}


def test_the_faces_say_who_stands_for_whom(crowd: Callable[..., Any]) -> None:
    album = crowd()
    album.photo(3, 1, 2, named=[1], noise=0.3)

    (image,) = find(album, [person(album, 1), looks(album, 2)], []).images

    one, two = image.faces
    assert (one.person_id, one.named, one.box[0]) == (album.people[1], True, 10)
    assert (two.person_id, two.named, two.box[0]) == (None, False, 20)
    assert image.cosine == two.cosine


def test_a_name_counts_whatever_the_cosine(crowd: Callable[..., Any]) -> None:
    album = crowd()
    album.photo(0, named=[0], noise=0.1)
    unlike = album.photo(1, noise=0.1)
    with album.services.pool.connection() as conn:
        album.name(conn, album.faces[1].id, 0)

    found = find(album, [person(album, 0)], [])

    assert unlike in [image.image_id for image in found.images]
    assert [image.cosine for image in found.images] == [1, 1]


def test_a_face_does_not_stand_for_whom_it_was_said_not_to_be(crowd: Callable[..., Any]) -> None:
    album = crowd()
    album.photo(0, named=[0], noise=0.1)
    alike = album.photo(0, noise=0.1)
    named = album.photo(0, noise=0.1)
    with album.services.pool.connection() as conn, conn.transaction():
        album.name(conn, album.faces[2].id, 1)
        change_id = changes.begin(conn, album.collection.id, changes.Kind.DECIDE, "test")
        said = [
            constraints.not_person(album.faces[1].id, album.people[0]),
            constraints.link(Kind.CANNOT_LINK, album.faces[0].id, album.faces[2].id),
        ]
        before = {image.image_id for image in find(album, [looks(album, 0)], []).images}
        constraints.add(conn, album.collection.id, said, change_id=change_id)

    after = {image.image_id for image in find(album, [person(album, 0)], []).images}

    assert before - after == {alike, named}


def test_a_hidden_face_stands_for_nobody(crowd: Callable[..., Any]) -> None:
    album = crowd()
    album.photo(0, 1, noise=0.1)
    seen = find(album, [looks(album, 0), looks(album, 1)], []).images
    with album.services.pool.connection() as conn:
        face_rows.set_hidden(conn, album.collection.id, [album.faces[1].id], hidden=True)

    assert len(seen) == 1
    assert find(album, [looks(album, 0), looks(album, 1)], []).images == ()
    assert len(find(album, [looks(album, 0)], [looks(album, 1)]).images) == 1


def test_conditions_hold_for_the_faces_that_are_wanted_only(crowd: Callable[..., Any]) -> None:
    album = crowd()
    named = album.photo(0, named=[0], noise=0.1)
    album.photo(0, noise=0.1)
    album.photo(0, 1, named=[0], noise=0.1)

    found = find(album, [looks(album, 0)], [looks(album, 1)], filter=Filter(named=True))

    assert [image.image_id for image in found.images] == [named]


def test_pages_have_every_photo_once_while_photos_come_and_go(
    album: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that some of the first person's photos are beyond what one answer looks into.
    monkeypatch.setattr(together, "MOST_MATCHES", 5)
    monkeypatch.setattr(together, "MOST_ROUNDS", 2)
    all_of = [looks(album, 0), looks(album, 1)]
    expected = by_hand(album, all_of, [])
    pages: list[UUID] = []
    found = find(album, all_of, [], limit=2)
    while True:
        assert len(found.images) <= 2
        pages += [image.image_id for image in found.images]
        if not found.more:
            break
        album.photo(0, 1, noise=0.2)
        gone = album.photo(0, 1, noise=0.1)
        album.delete(gone)
        found = find(album, all_of, [], limit=2, shown=found.seen)

    assert len(pages) == len(set(pages))
    assert set(expected) <= set(pages)


def test_a_search_for_nobody_or_for_too_many_is_refused(crowd: Callable[..., Any]) -> None:
    album = crowd()
    somebody = looks(album, 0)

    for all_of, none_of in (([], [somebody]), ([somebody] * 6, []), ([somebody], [somebody] * 6)):
        with pytest.raises(InvalidRequest):
            find(album, all_of, none_of)


def test_a_collection_without_photos_answers_nothing(crowd: Callable[..., Any]) -> None:
    album = crowd()

    found = find(album, [looks(album, 0)], [looks(album, 1)])

    assert (found.images, found.more, found.examined) == ((), False, 0)
