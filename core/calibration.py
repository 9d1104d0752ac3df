"""Calibrating a collection: what its named people say about thresholds, and setting one by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np

from core import collections
from core.budget import Impostors
from core.db import calibration as rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.errors import InvalidRequest
from core.evaluation.calibration import Calibration, Point
from core.evaluation.comparing import Embeddings, Owners


@dataclass(frozen=True, slots=True)
class Who:
    """A stored face, for people to look at."""

    face_id: UUID
    image_id: UUID
    person_id: UUID
    person_name: str


@dataclass(frozen=True, slots=True, eq=False)
class NamedFaces:
    """Faces of named people.

    Attributes:
        who: Of each row.
    """

    who: Sequence[Who]
    embeddings: Embeddings
    owners: Owners


def named_faces(conn: Connection, collection: Collection, *, limit: int) -> NamedFaces:
    """Read up to *limit* faces of a collection that have a person, chosen evenly.

    Raises:
        InvalidRequest: There is none.
    """
    who: list[Who] = []
    stored: list[Embeddings] = []
    with conn.transaction():  # in which a cursor of the server lives
        for face in rows.named_faces(conn, collection.id, limit=limit):
            who.append(Who(face.id, face.image_id, face.person_id, face.person_name))
            stored.append(np.asarray(face.embedding.to_numpy(), dtype=np.float32))
    if not stored:
        raise InvalidRequest(f"Nobody in {collection.name!r} has a name yet; see `people create`.")
    vectors = np.stack(stored)
    # Half precision, in which they are stored, leaves lengths that are not quite 1.
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    # By id and not as they come: the fit is checked on halves of the people, always the same ones.
    numbers = {id_: number for number, id_ in enumerate(sorted({each.person_id for each in who}))}
    owners = np.array([numbers[each.person_id] for each in who], dtype=np.int64)
    return NamedFaces(who, vectors, owners)


def apply(
    conn: Connection, collection: Collection, found: Calibration, point: Point, day: date
) -> Collection:
    """Set the collection's threshold to that of *point*, and write down where it comes from.

    What was found about impostors is kept with it, so that budgets can be set later on.

    Raises:
        InvalidRequest: The pairs are too few to say.
        CollectionNotFound: It is gone.
    """
    if point.threshold is None:
        raise InvalidRequest(
            f"{found.scores.impostors.total:,} pairs of different people are too few to say which "
            f"cosine keeps a false match rate of {point.fmr:.1e}; the threshold is left as it is."
        )
    source = (
        f"calibrated on {found.scores.impostors.total:,} pairs of {found.people:,} named people "
        f"here: FMR {point.fmr:.1e}, {point.evidence.value}, {day.isoformat()}"
    )
    return collections.change(
        conn,
        collection.id,
        threshold=point.threshold,
        threshold_source=source,
        impostors=_impostors(found, day),
    )


def apply_budget(
    conn: Connection, collection: Collection, found: Calibration, one_in: int, day: date
) -> Collection:
    """Let the collection's threshold keep a budget from now on, by what was found.

    Raises:
        InvalidRequest: The pairs are too few to say anything.
        CalibrationNeeded: They are too few for this budget.
        CollectionNotFound: The collection is gone.
    """
    impostors = _impostors(found, day)
    if impostors is None:
        raise InvalidRequest(
            f"{found.scores.impostors.total:,} pairs of different people are too few to say what "
            "keeps a budget; the threshold is left as it is."
        )
    return collections.change(conn, collection.id, alarm_budget=one_in, impostors=impostors)


def _impostors(found: Calibration, day: date) -> Impostors | None:
    pairs = found.scores.impostors.total
    return Impostors.of(found.curve, pairs=pairs, people=found.people, day=day)
