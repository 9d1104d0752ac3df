"""What people decided about faces, as reports respect it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.constraints import Decisions
from core.db.binary import id_bytes
from core.vectors import rows_of

SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """Decisions, by the numbers of faces and people.

    Attributes:
        same: Pairs of faces that are one person's, ascending, the smaller number first, shape ``(n, 2)``.
        different: Pairs of faces that are not, likewise.
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
        low, high = (np.searchsorted(pairs[:, 0], faces, side) for side in SIDES)
        # Only those that begin with one of the faces are looked at: decisions may be many.
        first = np.repeat(np.arange(len(faces)), high - low)
        others = pairs[
            np.repeat(high - np.cumsum(high - low), high - low) + np.arange(len(first)), 1
        ]
        second = np.minimum(np.searchsorted(faces, others), len(faces) - 1)
        known = faces[second] == others
        first, second = first[known], second[known]
        return np.concatenate([first, second]), np.concatenate([second, first])

    def decided(self, faces: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of which of some faces a person said that they are one person's, or are not, shape ``(n, n)``.

        Args:
            faces: Ascending.
        """
        found = np.zeros((len(faces), len(faces)), np.bool_)
        for pairs in (self.same, self.different):
            found[self._inside(pairs, faces)] = True
        return found


def _numbers(faces: NDArray[np.bytes_], pairs: Sequence[tuple[UUID, UUID]]) -> NDArray[np.int64]:
    """Return pairs of faces that are there by their numbers, the smaller one first."""
    ids = id_bytes([face for pair in pairs for face in pair])
    found = rows_of(faces, ids).reshape(-1, 2)
    there = np.sort(found[(found >= 0).all(axis=1)], axis=1)
    return there[np.lexsort((there[:, 1], there[:, 0]))]
