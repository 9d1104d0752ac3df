"""Search as its callers see it: routing, spaces, decisions, and what became of every face."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core import analysis, collections, finding, gallery, people, search, subjects
from core.db.collections import Collection
from core.db.pool import connect
from core.db.search import GroupBy
from core.errors import (
    BadEmbedding,
    CollectionNotFound,
    FaceNotFound,
    ImageEmpty,
    InvalidRequest,
    PersonNotFound,
    SpaceMismatch,
    WorkerUnavailable,
)
from core.finding import Decision, Found, IndexUse, Options
from core.maintenance import maintain
from core.routing import Mode
from core.services import Services

Photo = Callable[[int], bytes]
NOBODY = UUID(int=7)


def faces_of(services: Services, collection: Collection) -> list[UUID]:
    """The collection's faces, in the order in which their photos were stored."""
    with services.pool.connection() as conn:
        return [face.id for face in gallery.faces(conn, collection.id, limit=99)][::-1]


def fresh(services: Services, collection: Collection) -> Collection:
    with services.pool.connection() as conn:
        return collections.get(conn, collection.id)


def by_face(services: Services, homes: list[Collection], face_id: UUID, options: Options) -> Found:
    with services.pool.connection() as conn:
        subject = subjects.of_face(conn, homes, face_id)
    return subjects.find(services, homes, subject, options)


def by_person(
    services: Services, homes: list[Collection], person_id: UUID, options: Options
) -> Found:
    with services.pool.connection() as conn:
        subject = subjects.of_person(conn, homes, person_id)
    return subjects.find(services, homes, subject, options)


def by_vector(
    services: Services, homes: list[Collection], vector: Any, space_id: str, options: Options
) -> Found:
    return subjects.find(services, homes, subjects.of_vector(homes, vector, space_id), options)


@pytest.fixture
def other(services: Services, collection: Collection) -> Collection:
    """A collection of another space."""
    with services.pool.connection() as conn:
        return collections.create(conn, services.manifest.pack("buffalo_l"), name="other")


class LocalWorker:
    """A doorbell whose worker is a thread of this process."""

    def __init__(self, services: Services, pipeline: Any, space_id: str) -> None:
        self._services = services
        self._pipelines = {space_id: pipeline}
        self.thread = ThreadPoolExecutor(1)

    def ingest(self) -> None:
        raise AssertionError("nothing is stored by a search")

    def search(self, request_id: str) -> None:
        self.thread.submit(analysis.answer, self._services.exchange, self._pipelines, request_id)


@pytest.fixture
def worker(services: Services, collection: Collection, fake_pipeline: Any) -> Iterator[LocalWorker]:
    made = LocalWorker(services, fake_pipeline, collection.space_id)
    yield made
    made.thread.shutdown()


def test_a_stored_face_finds_itself_not_and_says_how_it_searched(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    store(photo(1), photo(2), photo(3))
    first, *others = faces_of(services, collection)

    found = by_face(services, [fresh(services, collection)], first, Options())

    assert {match.neighbour.face_id for match in found.matches} == set(others)
    assert [match.rank for match in found.matches] == [1, 2]
    assert (found.searched_faces, found.index) == (3, IndexUse("exact", True, candidates=2))
    assert found.threshold == pytest.approx(collection.threshold)
    assert found.threshold_source == collection.threshold_source


def test_the_decision_is_made_at_the_threshold_that_counts(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    store(photo(1), photo(2))
    with services.pool.connection() as conn:
        vector = gallery.embedding(conn, faces_of(services, collection)[0])

    def decisions(**options: Any) -> list[Decision]:
        found = finding.find(services, [collection], [vector], Options(**options))
        assert found.threshold_source == "request"
        return [match.decision for match in found.matches]

    assert decisions(threshold=0.99) == [Decision.MATCH, Decision.NO_MATCH]
    assert decisions(threshold=-1.0) == [Decision.MATCH, Decision.MATCH]
    assert decisions(threshold=0.99, only_matches=True) == [Decision.MATCH]


def test_a_person_is_searched_with_the_mean_of_their_faces_and_not_found_themselves(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    store(*(photo(n) for n in range(4)))
    hers = faces_of(services, collection)[:2]
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=hers, actor="test")
        nobody = people.create(conn, collection.id, name="Nobody", actor="test")

    found = by_person(services, [collection], ada.id, Options())

    assert len(found.matches) == 2
    assert not set(hers) & {match.neighbour.face_id for match in found.matches}
    with pytest.raises(InvalidRequest, match="Nobody has no face"):
        by_person(services, [collection], nobody.id, Options())


def test_grouping_is_by_person_unless_faces_are_asked_for(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    store(*(photo(n) for n in range(3)))
    ids = faces_of(services, collection)
    with services.pool.connection() as conn:
        people.create(conn, collection.id, name="Ada", face_ids=ids[:2], actor="test")
        vector = gallery.embedding(conn, ids[0])

    people_found = finding.find(services, [collection], [vector], Options())
    faces_found = finding.find(services, [collection], [vector], Options(group_by=GroupBy.FACE))

    assert (len(people_found.matches), len(faces_found.matches)) == (2, 3)
    assert people_found.matches[0].neighbour.person_name == "Ada"


def test_unknown_faces_and_people_are_errors(services: Services, collection: Collection) -> None:
    with pytest.raises(FaceNotFound):
        by_face(services, [collection], NOBODY, Options())
    with pytest.raises(PersonNotFound):
        by_person(services, [collection], NOBODY, Options())


def test_vectors_of_another_space_are_never_compared(
    services: Services, collection: Collection, other: Collection, store: Any, photo: Photo
) -> None:
    store(photo(1))
    (face_id,) = faces_of(services, collection)
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=[face_id], actor="test")
    of_this = [1.0] + [0.0] * 127

    for ask in (
        lambda: by_face(services, [other], face_id, Options()),
        lambda: by_person(services, [other], ada.id, Options()),
        lambda: by_vector(services, [other], of_this, collection.space_id, Options()),
    ):
        with pytest.raises(SpaceMismatch) as error:
            ask()
        assert error.value.details == {"expected": other.space_id, "given": collection.space_id}


@pytest.mark.parametrize(
    "vector",
    [
        [],
        [1.0] * 127,
        [1.0] * 129,
        [0.0] * 128,
        [float("nan")] + [0.0] * 127,
        [float("inf")] + [0.0] * 127,
        [1e300] * 128,
        [1e-300] * 128,
    ],
)
def test_a_vector_that_cannot_be_compared_is_refused(
    services: Services, collection: Collection, vector: list[float]
) -> None:
    with pytest.raises(BadEmbedding):
        by_vector(services, [collection], vector, collection.space_id, Options())


def test_a_vector_of_any_length_is_searched_by_its_direction(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    store(photo(1))
    (face_id,) = faces_of(services, collection)
    with services.pool.connection() as conn:
        vector = gallery.embedding(conn, face_id)

    found = by_vector(services, [collection], list(vector * 1000), collection.space_id, Options())

    assert found.matches[0].neighbour.cosine == pytest.approx(1, abs=1e-3)


def test_a_large_collection_is_searched_by_its_index_once_that_is_built(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    store(*(photo(n) for n in range(6)))
    first = faces_of(services, collection)[0]
    asked = Options(limit=2, mode=Mode.APPROXIMATE)

    before = by_face(services, [fresh(services, collection)], first, asked)
    url, small = services.settings.database_url, {"promote_faces": 5}
    assert url is not None
    with connect(url, autocommit=True) as conn:
        maintain(conn, services.settings.model_copy(update=small))
    after = by_face(services, [fresh(services, collection)], first, asked)

    assert (before.index.kind, before.index.exact) == ("exact", True)
    assert after.index.kind == "hnsw"
    assert after.index.fallback == "too_few_rows", "six faces are fewer than it asks for"
    assert after.index.ef_search == services.settings.hnsw_ef_search
    assert [m.neighbour.face_id for m in after.matches] == [
        m.neighbour.face_id for m in before.matches
    ]


def test_a_large_collection_that_is_deleted_meanwhile_is_not_found(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    store(*(photo(n) for n in range(6)))
    url = services.settings.database_url
    assert url is not None
    with connect(url, autocommit=True) as conn:
        maintain(conn, services.settings.model_copy(update={"promote_faces": 5}))
    large = fresh(services, collection)
    vector = np.eye(collection.dimension, dtype=np.float32)[0]
    collections.delete(services.pool, services.blobs, large.id, confirm=str(large.id))

    with pytest.raises(CollectionNotFound):
        finding.find(services, [large], [vector], Options())


def test_every_face_of_a_query_photo_is_searched_and_says_what_became_of_it(
    services: Services,
    collection: Collection,
    store: Any,
    photo: Photo,
    fake_pipeline: Any,
    worker: LocalWorker,
) -> None:
    store(photo(1), photo(2))
    fake_pipeline.faces, fake_pipeline.skipped = 2, 1

    found = search.by_photo(
        services, worker, [fresh(services, collection)], photo(1), Options(limit=1), preview=True
    )

    first, second, unusable = found.faces
    assert first.found is not None
    assert second.found is not None
    assert first.found.matches[0].neighbour.cosine == pytest.approx(1, abs=1e-3)
    assert second.found.matches[0].neighbour.cosine < 0.9
    assert (unusable.found, unusable.reasons) == (None, ("bad_landmarks",))
    assert (found.photo.width, found.photo.preview) == (8, b"preview")
    assert {"queue", "detect", "search"} <= set(found.seconds)


def test_faces_that_were_not_asked_for_say_so(
    services: Services,
    collection: Collection,
    photo: Photo,
    fake_pipeline: Any,
    worker: LocalWorker,
) -> None:
    fake_pipeline.faces = 3

    chosen = search.by_photo(services, worker, [collection], photo(1), Options(), faces=[1])
    largest = search.by_photo(services, worker, [collection], photo(1), Options(), largest=True)

    assert [face.reasons for face in chosen.faces] == [("not_selected",), (), ("not_selected",)]
    assert sum(face.found is not None for face in largest.faces) == 1
    with pytest.raises(InvalidRequest, match="no face 3"):
        search.by_photo(services, worker, [collection], photo(1), Options(), faces=[3])


def test_a_photo_without_a_face_is_an_answer_and_no_error(
    services: Services,
    collection: Collection,
    photo: Photo,
    fake_pipeline: Any,
    worker: LocalWorker,
) -> None:
    fake_pipeline.faces = 0

    assert search.by_photo(services, worker, [collection], photo(1), Options()).faces == ()


def test_a_photo_that_cannot_be_used_is_refused_before_a_worker_sees_it(
    services: Services, collection: Collection, doorbell: Any
) -> None:
    with pytest.raises(ImageEmpty):
        search.by_photo(services, doorbell, [collection], b"", Options())

    assert doorbell.searches == []


def test_a_search_without_a_worker_ends_in_time_and_leaves_no_photo_behind(
    services: Services, collection: Collection, photo: Photo, doorbell: Any
) -> None:
    hasty = replace(
        services, settings=services.settings.model_copy(update={"search_timeout_s": 0.2})
    )

    with pytest.raises(WorkerUnavailable):
        search.by_photo(hasty, doorbell, [collection], photo(1), Options())

    assert len(doorbell.searches) == 1
    assert list(services.broker.scan_iter("facesearch:*")) == []
