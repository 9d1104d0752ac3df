"""What people decided about faces, as reports respect it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.constraints import Decisions
from core.db.binary import id_bytes
from core.vectors import rows_of


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """Decisions, by the numbers of faces and people.

    Attributes:
        same: Pairs of faces that are one person's, shape ``(n, 2)``.
        different: Pairs of faces that are not, the smaller number first, shape ``(n, 2)``.
        not_people: Pairs of a face and a person whose it is not.
        people_apart: Pairs of people who are not one, the smaller number first.
        sure: Faces that a person called the same as one of their owner's others.
    """

    same: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    different: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    not_people: frozenset[tuple[int, int]] = frozenset()
    people_apart: frozenset[tuple[int, int]] = frozenset()
    sure: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        decided: Decisions,
        people_apart: Iterable[tuple[UUID, UUID]],
        *,
        faces: NDArray[np.bytes_],
        owners: NDArray[np.int64],
        people: Mapping[UUID, int],
    ) -> Self:
        """Translate decisions into numbers; what they say of who is gone means nothing.

        Args:
            faces: The id of each face, of `core.db.binary.ID_BYTES`, ascending.
            owners: The person of each, -1 without one.
            people: The number of each person.
        """
        same = _numbers(faces, decided.must_link)
        mates = same[(owners[same[:, 0]] == owners[same[:, 1]]) & (owners[same[:, 0]] >= 0)]
        refused = rows_of(faces, id_bytes([face for face, _ in decided.not_person]))
        return cls(
            same=same,
            different=_numbers(faces, decided.cannot_link),
            not_people=frozenset(
                (face, people[person])
                for face, (_, person) in zip(refused.tolist(), decided.not_person, strict=True)
                if face >= 0 and person in people
            ),
            people_apart=frozenset(
                (min(people[a], people[b]), max(people[a], people[b]))
                for a, b in people_apart
                if a in people and b in people
            ),
            sure=frozenset(mates.ravel().tolist()),
        )

    def within(self, faces: NDArray[np.int64], images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which of some faces must not be one person, shape ``(n, n)``.

        Args:
            faces: Ascending.
            images: The photo of each: nobody is twice in one, unless a person said so.
        """
        never: NDArray[np.bool_] = images[:, None] == images[None, :]
        np.fill_diagonal(never, False)
        never[self._inside(self.same, faces)] = False
        never[self._inside(self.different, faces)] = True
        return never

    def _inside(
        self, pairs: NDArray[np.int64], faces: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where pairs of *faces* stand among them, both ways round."""
        places = np.minimum(np.searchsorted(faces, pairs), len(faces) - 1)
        known = (faces[places] == pairs).all(axis=1)
        first, second = places[known].T
        return np.concatenate([first, second]), np.concatenate([second, first])

    def is_pair_decided(self, first: int, second: int) -> bool:
        """Say whether a person said that two faces are of one person, or are not."""
        pair = (min(first, second), max(first, second))
        return any((known == pair).all(axis=1).any() for known in (self.same, self.different))


def _numbers(faces: NDArray[np.bytes_], pairs: Sequence[tuple[UUID, UUID]]) -> NDArray[np.int64]:
    """Return pairs of faces that are there by their numbers, the smaller one first."""
    ids = id_bytes([face for pair in pairs for face in pair])
    found = rows_of(faces, ids).reshape(-1, 2)
    return np.sort(found[(found >= 0).all(axis=1)], axis=1)
