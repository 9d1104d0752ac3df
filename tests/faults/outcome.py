"""What a collection holds in the end, and whether everything in it agrees with everything else."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core import blob_check
from core.blob_check import Report
from core.db.pool import Connection
from core.services import services_for
from core.spool import spool_folder
from tests.faults.system import System

SAME_BOX: Final = 0.5
"""Pixels; batches of another size round differently."""

SAME_EMBEDDING: Final = 0.999
"""Cosine; the least between two runs of the same pixels, stored in 16 bits."""


@dataclass(frozen=True, slots=True)
class Face:
    """A stored face, in pixels of its photo."""

    box: NDArray[np.float32]
    embedding: NDArray[np.float32]
    person: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one collection.

    Attributes:
        items: State and reason by name of the import and key.
        faces: By the file name of their image, best first.
        people: Faces by name.
    """

    items: dict[tuple[str, str], tuple[str, str | None]]
    faces: dict[str, list[Face]]
    people: dict[str, int]


def outcome(conn: Connection, home: UUID) -> Outcome:
    """Read what there is; every name is there once."""
    rows = conn.execute(
        """
        SELECT imports.name, items.key, items.state, items.reason
          FROM items JOIN imports ON imports.id = items.job_id WHERE items.collection_id = %s
        """,
        [home],
    ).fetchall()
    items = {(name, key): (state, reason) for name, key, state, reason in rows}
    assert len(items) == len(rows), "an item is there twice"
    faces: dict[str, list[Face]] = {}
    images = conn.execute(
        "SELECT filename FROM images WHERE collection_id = %s AND state = 'indexed'", [home]
    ).fetchall()
    for (filename,) in images:
        assert filename not in faces, f"{filename} is there twice"
        faces[filename] = []
    people: defaultdict[str, int] = defaultdict(int)
    for filename, box, embedding, person in conn.execute(
        """
        SELECT images.filename, faces.box, faces.embedding, people.name
          FROM faces JOIN images ON images.id = faces.image_id
          LEFT JOIN people ON people.id = faces.person_id
         WHERE faces.collection_id = %s ORDER BY faces.image_id, faces.position
        """,
        [home],
    ):
        vector = np.asarray(embedding.to_numpy(), np.float32)
        faces[filename].append(Face(np.array(box, np.float32), vector, person))
        if person is not None:
            people[person] += 1
    return Outcome(items, faces, dict(people))


def require_same(one: Outcome, other: Outcome) -> float:
    """Require that two runs over the same pictures found the same; return the least cosine."""
    for what in ("items", "people"):
        expected, found = getattr(one, what), getattr(other, what)
        differ = {
            key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)
        }
        assert not differ, f"{what} that differ: {differ}"
    assert one.faces.keys() == other.faces.keys()
    least = 1.0
    for filename, faces in one.faces.items():
        assert len(faces) == len(other.faces[filename]), filename
        for left, right in zip(faces, other.faces[filename], strict=True):
            assert np.abs(left.box - right.box).max() < SAME_BOX, filename
            assert left.person == right.person, filename
            least = min(least, float(left.embedding @ right.embedding))
    assert least > SAME_EMBEDDING
    return least


def require_consistent(conn: Connection, home: UUID) -> None:
    """Require that counters, copies and histories say what the rows say, and nothing is open."""
    for question, sql in {
        "images": "SELECT count(*) - (SELECT image_count FROM collections WHERE id = %(id)s) "
        "FROM images WHERE collection_id = %(id)s",
        "faces": "SELECT count(*) - (SELECT face_count FROM collections WHERE id = %(id)s) "
        "FROM faces WHERE collection_id = %(id)s",
        "people": "SELECT count(*) - (SELECT person_count FROM collections WHERE id = %(id)s) "
        "FROM people WHERE collection_id = %(id)s",
        "people of one name": "SELECT count(*) - count(DISTINCT name) FROM people "
        "WHERE collection_id = %(id)s",
        "bytes twice": "SELECT count(*) - count(DISTINCT sha256) FROM images "
        "WHERE collection_id = %(id)s",
        "faces of images": "SELECT count(*) FROM images WHERE collection_id = %(id)s AND face_count "
        "<> (SELECT count(*) FROM faces WHERE image_id = images.id)",
        "faces of one position": "SELECT count(*) - count(DISTINCT (image_id, position)) FROM faces "
        "WHERE collection_id = %(id)s",
        "named faces without a history": "SELECT count(*) FROM faces WHERE collection_id = %(id)s "
        "AND person_id IS NOT NULL AND 1 <> (SELECT count(*) FROM assignment_events AS event "
        "WHERE event.collection_id = %(id)s AND event.face_id = faces.id "
        "AND event.person_id = faces.person_id)",
        "moves without a change": "SELECT count(*) FROM assignment_events "
        "WHERE collection_id = %(id)s AND change_id IS NULL",
        "changes of nothing": "SELECT count(*) FROM changes WHERE collection_id = %(id)s "
        "AND NOT EXISTS (SELECT FROM assignment_events WHERE change_id = changes.id) "
        "AND NOT EXISTS (SELECT FROM person_events WHERE change_id = changes.id)",
        "histories without a face": "SELECT count(*) FROM assignment_events AS event "
        "WHERE collection_id = %(id)s "
        "AND NOT EXISTS (SELECT 1 FROM faces WHERE id = event.face_id)",
        "open images": "SELECT count(*) FROM images WHERE collection_id = %(id)s "
        "AND state NOT IN ('indexed', 'rejected', 'dead')",
        "open items": "SELECT count(*) FROM items WHERE collection_id = %(id)s "
        "AND (state IN ('waiting', 'running') OR finished_at IS NULL OR lease IS NOT NULL)",
        "items that say another thing than their image": "SELECT count(*) FROM items "
        "JOIN images ON images.id = items.image_id WHERE items.collection_id = %(id)s "
        "AND items.state <> 'skipped' AND items.state <> images.state",
        "open imports": "SELECT count(*) FROM imports WHERE collection_id = %(id)s "
        "AND (closed_at IS NULL OR lease IS NOT NULL)",
        "items of imports": "SELECT count(*) FROM imports WHERE collection_id = %(id)s "
        "AND entries_read <> (SELECT count(*) FROM items WHERE job_id = imports.id)",
        "items in no order": "SELECT count(*) FROM imports WHERE collection_id = %(id)s "
        "AND entries_read - 1 <> (SELECT max(position) FROM items WHERE job_id = imports.id)",
        "kept counts": "SELECT count(*) FROM imports WHERE collection_id = %(id)s "
        "AND counts->'states' <> (SELECT jsonb_object_agg(state, n) FROM (SELECT state, count(*) "
        "AS n FROM items WHERE job_id = imports.id GROUP BY state) AS counted)",
    }.items():
        row = conn.execute(sql, {"id": home}).fetchone()
        assert row is not None
        assert (question, row[0]) == (question, 0)


def require_files(system: System) -> Report:
    """Require that no file is missing, and that a cleaning leaves just those that are needed.

    Returns:
        What was there before the cleaning: killed processes leave files that no row needs.
    """
    settings = system.settings.model_copy(
        update={"database_url": system.database_url, "broker_url": system.broker_url}
    )
    assert not any(spool_folder(settings).glob("*")), "received bytes were left"
    with services_for(settings) as services:
        before = blob_check.check(services, grace_s=0, deep=True)
        assert before.whole, before
        blob_check.remove_orphans(services, grace_s=0)
        after = blob_check.check(services, grace_s=0, deep=True)
    assert after.whole
    assert after.removable.files == 0
    assert not any(found.doomed.files for found in after.kinds.values())
    return before
