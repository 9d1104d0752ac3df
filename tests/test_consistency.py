"""Random work, alone and by many at once: the counters, the rows and the files always agree."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from core import changes, collections, constraints, gallery, indexing, people
from core.blobs import Kind
from core.db import collections as collection_rows
from core.db.collections import Collection
from core.errors import (
    AlreadyUndone,
    ChangeNotFound,
    CollectionNotFound,
    FaceNotFound,
    InvalidRequest,
    PersonNotFound,
    WrongCollection,
)
from core.intake import accept
from core.keeping import Keeps
from core.offers import Upload
from core.rebuilding import rebuild
from core.services import Services
from core.undoing import undo

Photo = Callable[[int], bytes]
GONE = (CollectionNotFound, FaceNotFound, PersonNotFound, ChangeNotFound)
"""What somebody may meet when somebody else deleted it a moment ago."""
REFUSED = (AlreadyUndone, InvalidRequest, WrongCollection)
"""What random choices may ask for: people of two collections, faces that are nobody's any more."""


class Somebody:
    """Does one random thing after another, to whatever is there."""

    def __init__(
        self, services: Services, doorbell: Any, pipeline: Any, photo: Photo, seed: int
    ) -> None:
        self.services = services
        self.doorbell = doorbell
        self.pipeline = pipeline
        self.photo = photo
        self.random = random.Random(seed)  # noqa: S311
        self.space_id = services.manifest.pack("open").space.id

    def do(self, times: int) -> None:
        deeds = [self.upload] * 4 + [self.index] * 5 + [self.sweep] * 2
        deeds += [self.delete_image, self.delete_face, self.name, self.name, self.unname]
        deeds += [self.delete_person, self.fall_silent, self.replace_collection, self.keep_else]
        deeds += [self.merge_people, self.split_person, self.hide_faces, *[self.undo] * 2]
        for _ in range(times):
            try:
                self.random.choice(deeds)()
            except (*GONE, *REFUSED):
                continue

    def pick(self, table: str) -> list[UUID]:
        """Up to three rows that are there now."""
        with self.services.pool.connection() as conn:
            rows = conn.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()  # noqa: S608
        ids = [row[0] for row in rows]
        return self.random.sample(ids, min(len(ids), 3))

    def upload(self) -> None:
        photos = [self.photo(self.random.randrange(30)) for _ in range(self.random.randrange(1, 6))]
        for collection_id in self.pick("collections")[:1]:
            uploads = [Upload(f"{n}.png", data) for n, data in enumerate(photos)]
            accept(self.services, self.doorbell, collection_id, uploads)

    def index(self) -> None:
        try:
            indexing.index_batch(self.services, {self.space_id: self.pipeline})
        except RuntimeError:
            return  # a poisoned photo was in the batch

    def sweep(self) -> None:
        indexing.sweep(self.services)

    def fall_silent(self) -> None:
        with self.services.pool.connection() as conn:
            conn.execute(
                "UPDATE items SET lease_until = now() - interval '1 s' WHERE state = 'running'"
            )

    def delete_image(self) -> None:
        for image_id in self.pick("images")[:1]:
            gallery.delete_image(self.services.pool, self.services.blobs, image_id)

    def delete_face(self) -> None:
        for face_id in self.pick("faces")[:1]:
            gallery.delete_face(self.services.pool, self.services.blobs, face_id)

    def name(self) -> None:
        for face_id in self.pick("faces"):
            with self.services.pool.connection() as conn:
                collection_id = gallery.face(conn, face_id).collection_id
                known = people.page(conn, collection_id, limit=3)
                if known and self.random.random() < 0.6:
                    people.assign(conn, self.random.choice(known).id, [face_id], actor="test")
                else:
                    people.create(
                        conn, collection_id, name="somebody", face_ids=[face_id], actor="test"
                    )

    def unname(self) -> None:
        faces = self.pick("faces")
        for person_id in self.pick("people")[:1]:
            with self.services.pool.connection() as conn:
                people.unassign(conn, person_id, faces, actor="test")

    def delete_person(self) -> None:
        for person_id in self.pick("people")[:1]:
            with self.services.pool.connection() as conn:
                people.delete(conn, person_id, actor="test")

    def merge_people(self) -> None:
        into, *others = self.pick("people") or [None]
        if into is not None and others:
            with self.services.pool.connection() as conn:
                people.merge(conn, into, others, actor="test")

    def split_person(self) -> None:
        for person_id in self.pick("people")[:1]:
            with self.services.pool.connection() as conn:
                home = people.get(conn, person_id).collection_id
                faces = gallery.faces(conn, home, limit=2, person_id=person_id)
                ids = [face.id for face in faces]
                people.split(conn, person_id, ids, name="half", actor="test")

    def hide_faces(self) -> None:
        for face_id in self.pick("faces")[:2]:
            with self.services.pool.connection() as conn:
                home = gallery.face(conn, face_id).collection_id
            with self.services.pool.connection() as conn, conn.transaction():
                collection_rows.hold(conn, [home])
                with changes.recorded(conn, home, changes.Kind.DECIDE, "test") as change_id:
                    constraints.add(
                        conn, home, [constraints.not_face(face_id)], change_id=change_id
                    )

    def undo(self) -> None:
        for change_id in self.pick("changes")[:1]:
            with self.services.pool.connection() as conn:
                undo(conn, change_id, actor="test")

    def keep_else(self) -> None:
        for collection_id in self.pick("collections")[:1]:
            with self.services.pool.connection() as conn:
                collections.change(conn, collection_id, keeps=self.random.choice(list(Keeps)))

    def replace_collection(self) -> None:
        if self.random.random() < 0.7:
            return
        for collection_id in self.pick("collections")[:1]:
            collections.delete(
                self.services.pool, self.services.blobs, collection_id, confirm=str(collection_id)
            )
        with self.services.pool.connection() as conn:
            pack = self.services.manifest.pack("open")
            name = f"collection {self.random.random()}"
            collections.create(conn, pack, name=name)


@pytest.fixture
def somebody(
    services: Services, collection: Collection, doorbell: Any, fake_pipeline: Any, photo: Photo
) -> Callable[[int], Somebody]:
    fake_pipeline.faces = 2
    fake_pipeline.refuse = {photo(3)}
    fake_pipeline.poison = {photo(4)}
    return lambda seed: Somebody(services, doorbell, fake_pipeline, photo, seed)


def finish(services: Services, somebody: Somebody) -> None:
    """Let the queue run empty."""
    somebody.fall_silent()
    while indexing.work_waits(services, [somebody.space_id]):
        somebody.index()
    somebody.sweep()


def assert_all_agrees(services: Services) -> None:
    with services.pool.connection() as conn:

        def ids(query: str) -> set[str]:
            return {str(row[0]) for row in conn.execute(query)}  # type: ignore[call-overload]

        assert not ids(
            """
            SELECT c.id FROM collections AS c
             WHERE c.image_count <> (SELECT count(*) FROM images WHERE collection_id = c.id)
                OR c.face_count <> (SELECT count(*) FROM faces
                                    WHERE collection_id = c.id AND NOT hidden)
            """
        )
        assert not ids(
            """
            SELECT i.id FROM images AS i
             WHERE i.face_count <> (SELECT count(*) FROM faces
                                    WHERE image_id = i.id AND NOT hidden)
                OR i.state = 'waiting'
            """
        )
        assert not ids("SELECT id FROM items WHERE state IN ('waiting', 'running')")
        # Who a face belongs to can be told from the events alone.
        assert not ids(
            """
            SELECT f.id FROM faces AS f
             WHERE f.person_id IS DISTINCT FROM (SELECT e.person_id FROM assignment_events AS e
                                                  WHERE e.face_id = f.id ORDER BY e.id DESC LIMIT 1)
            """
        )
        assert rebuild(conn, check=True).differences == 0
        kept = "SELECT encode(sha256, 'hex') FROM images WHERE kept = 'originals'"
        photos = ids(kept)
        indexed = ids(f"{kept} AND state = 'indexed'")
        faces = ids(
            """
            SELECT replace(f.id::text, '-', '')
              FROM faces AS f JOIN images AS i ON i.id = f.image_id WHERE i.kept <> 'vectors'
            """
        )
    assert files(services, Kind.PHOTO) == photos
    assert indexed <= files(services, Kind.PREVIEW) == files(services, Kind.THUMBNAIL) <= photos
    assert files(services, Kind.CROP) == faces


def files(services: Services, kind: Kind) -> set[str]:
    root = services.settings.data_dir / "blobs" / kind.value
    return {path.name for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", range(4))
def test_everything_agrees_after_random_work(
    services: Services, somebody: Callable[[int], Somebody], seed: int
) -> None:
    one = somebody(seed)

    one.do(120)

    finish(services, one)
    assert_all_agrees(services)


@pytest.mark.parametrize("seed", range(3))
def test_everything_agrees_after_random_work_of_many_at_once(
    services: Services, somebody: Callable[[int], Somebody], seed: int
) -> None:
    them = [somebody(seed * 100 + number) for number in range(5)]

    with ThreadPoolExecutor(len(them)) as pool:
        list(pool.map(lambda one: one.do(50), them))

    finish(services, them[0])
    assert_all_agrees(services)
