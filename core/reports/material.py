"""What all reports of a collection read: its faces, their people and photos, and who is near whom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core import constraints, vectors
from core.db import graphs as graph_rows
from core.db import material as rows
from core.db.binary import uuid_of
from core.db.collections import Collection
from core.db.graphs import Graph
from core.db.material import FaceRows, PersonRow
from core.db.pool import Connection
from core.errors import ReportFailed
from core.neighbours import FARTHER, Halves, unit
from core.reports import clusters, grouping, homes, scale
from core.reports.apart import Apart
from core.reports.finding import MOST_SHOWN, Side
from core.reports.homes import Homes
from core.reports.scale import Scale
from core.services import Services

NOBODY = -1

BLOCK: Final = 2**24
"""Cosines of one block: 64 MiB."""


@dataclass(frozen=True, eq=False)
class Material:
    """One collection, as it was when its report began; what is asked for is read once.

    Faces, people and images are numbers here, from 0 in the order of their ids; -1 is none.

    Attributes:
        conn: In autocommit mode.
        pause: Called between two pieces of work; raises what ends it.
    """

    services: Services
    conn: Connection
    collection: Collection
    graph: Graph
    pause: Callable[[], None] = lambda: None

    @cached_property
    def faces(self) -> FaceRows:
        """Every face."""
        return self._faces_and_vectors[0]

    @cached_property
    def people(self) -> list[PersonRow]:
        """Everybody with a name."""
        return rows.people(self.conn, self.collection.id)

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """The person of each face, shape ``(n,)``."""
        known = np.array([person.id.bytes for person in self.people], "S16")
        return vectors.rows_of(known, self.faces.person_ids)

    @cached_property
    def members(self) -> list[NDArray[np.int64]]:
        """The faces of each person."""
        return grouping.places(self.owners, len(self.people))

    @cached_property
    def images(self) -> NDArray[np.int64]:
        """A number for the photo of each face, shape ``(n,)``."""
        return np.unique(self.faces.image_ids, return_inverse=True)[1]

    @cached_property
    def edges(self) -> "Edges":
        """Who is near whom, among the faces that are there.

        Raises:
            ReportFailed: Somebody else replaced the graph.
        """
        found = rows.edges(self.conn, self.graph)
        if not graph_rows.exists(self.conn, self.graph.id):
            raise ReportFailed("The faces were compared anew meanwhile; ask for the report again.")
        mine = vectors.rows_of(found.face_ids, self.faces.ids)
        known = mine >= 0  # others came since the graph was brought up to date
        neighbours = np.full((len(mine), found.neighbours.shape[1]), NOBODY, np.int64)
        neighbours[known] = vectors.rows_of(self.faces.ids, found.neighbours[mine[known]])
        cosines = np.full(neighbours.shape, FARTHER)
        cosines[known] = np.where(neighbours[known] >= 0, found.cosines[mine[known]], FARTHER)
        return Edges(neighbours, cosines)

    @cached_property
    def halves(self) -> Halves:
        """The vector of each face, shape ``(n, dimension)``, half precision."""
        return self._faces_and_vectors[1]

    @cached_property
    def _faces_and_vectors(self) -> tuple[FaceRows, Halves]:
        """Those that were there as long as it took to read them.

        Raises:
            ReportFailed: There is too little memory.
        """
        if not vectors.fits(self.collection):
            count = self.collection.face_count
            raise ReportFailed(f"Too little memory is free to look at {count:,} faces at once.")
        everything = vectors.read(self.conn, self.collection)
        found = rows.faces(self.conn, self.collection.id)
        places = everything.rows(found.ids)
        there = places >= 0
        if there.all() and len(places) == len(everything.ids):
            return found, everything.halves
        return found.only(there), everything.halves[places[there]]

    @cached_property
    def scale(self) -> Scale:
        """What counts as near here."""
        pack = self.services.manifest.pack(self.collection.pack)
        return scale.measure(self.halves, pack.threshold)

    @cached_property
    def apart(self) -> Apart:
        """What people decided about faces."""
        people = {person.id: number for number, person in enumerate(self.people)}
        return Apart.of(
            constraints.of_collection(self.conn, self.collection.id),
            constraints.between_people(self.conn, self.collection.id),
            faces=self.faces.ids,
            owners=self.owners,
            people=people,
        )

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """A number for the group of each face that looks like one person, named or not."""
        return clusters.find(
            self.halves, self.edges, self.images, self.apart, self.scale, pause=self.pause
        )

    @cached_property
    def homes(self) -> Homes:
        """Whose each group of faces is, and which faces are elsewhere than their person."""
        return homes.find(self.owners, self.clusters)

    def unit(self, faces: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of some faces, of length 1."""
        return unit(self.halves[faces])

    def cosines(
        self, some: NDArray[np.integer], others: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Return the cosines of each of some faces to each of others."""
        return np.asarray(self.unit(some) @ self.unit(others).T)

    def blocks(
        self, some: NDArray[np.integer], others: NDArray[np.integer]
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield `cosines`, some rows at a time, and which these are: one person may have many faces."""
        theirs = self.unit(others).T
        size = max(1, BLOCK // max(1, len(others)))
        for start in range(0, len(some), size):
            self.pause()
            part = slice(start, start + size)
            yield part, np.asarray(self.unit(some[part]) @ theirs)

    def best(
        self, some: NDArray[np.integer], others: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the largest cosine of each of some faces to any of others, and of each of those."""
        own = np.full(len(some), FARTHER)
        theirs = np.full(len(others), FARTHER)
        for part, cosines in self.blocks(some, others):
            own[part] = cosines.max(axis=1)
            np.maximum(theirs, cosines.max(axis=0), out=theirs)
        return own, theirs

    def face(self, number: int) -> UUID:
        """Return the id of a face."""
        return uuid_of(self.faces.ids[number])

    def side(self, faces: NDArray[np.integer], person: int) -> Side:
        """Return faces of one person, best first, as they stand in a finding; *person* may be -1."""
        shown = tuple(self.face(face) for face in faces[:MOST_SHOWN].tolist())
        return Side(shown, len(faces), person_id=self.person(person))

    def image(self, face: int) -> UUID:
        """Return the id of the photo of a face."""
        return uuid_of(self.faces.image_ids[face])

    def person(self, number: int) -> UUID | None:
        """Return the id of a person."""
        return None if number < 0 else self.people[number].id


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The nearest others of each face, nearest first, shape ``(n, k)``.

    Attributes:
        neighbours: Their numbers; -1 behind the last one, or where one is gone.
        cosines: -2 where there is none.
    """

    neighbours: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def pairs(
        self, least: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return each pair that has an edge of *least* once: the smaller number, the larger, the cosine."""
        faces, places = np.nonzero(self.cosines >= least)
        others = self.neighbours[faces, places]
        low, high = np.minimum(faces, others), np.maximum(faces, others)
        _, first = np.unique(low * len(self.cosines) + high, return_index=True)
        return low[first], high[first], self.cosines[faces, places][first]
