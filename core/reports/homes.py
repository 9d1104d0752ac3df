"""Whose faces each group of faces is, and who of a person's faces is elsewhere.

Groups are made of what faces look like, names are what people said. Where both agree, a person has a
home: the group that most of their faces are in. Two names with one home are one person's; a face at
somebody else's home has the wrong name.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Homes:
    """Who is at home where.

    Attributes:
        owner: The person of each group that has one.
        second: People whose faces are mostly at somebody else's home: the group, and whose it is.
        strays: Faces that are in another group than their person is: the group's owner, -1 without one.
    """

    owner: Mapping[int, int]
    second: Mapping[int, tuple[int, int]]
    strays: Mapping[int, int]


def find(owners: NDArray[np.int64], clusters: NDArray[np.int64]) -> Homes:
    """Find the homes of people.

    Args:
        owners: The person of each face, -1 without one.
        clusters: The group of each face.
    """
    named = np.flatnonzero(owners >= 0)
    people, groups = owners[named].tolist(), clusters[named].tolist()
    counts = Counter(zip(people, groups, strict=True))
    sizes, crowds = Counter(people), Counter(groups)
    owner, home = _match(counts, crowds)
    second = _second_names(counts, sizes, owner, home)
    strays: dict[int, int] = {}
    for face, person, group in zip(named.tolist(), people, groups, strict=True):
        if owner.get(group) == person or home.get(person) == group:
            continue
        if person in second and (
            second[person][0] == group or owner.get(group) == second[person][1]
        ):
            continue
        strays[face] = owner.get(group, -1)
    return Homes(owner, second, strays)


def _match(
    counts: Mapping[tuple[int, int], int], crowds: Mapping[int, int]
) -> tuple[dict[int, int], dict[int, int]]:
    """Give each group to one person and each person one group, the most faces first."""
    owner: dict[int, int] = {}
    home: dict[int, int] = {}
    for person, group in sorted(
        counts, key=lambda pair: (-counts[pair], -counts[pair] / crowds[pair[1]], pair)
    ):
        if person not in home and group not in owner:
            home[person], owner[group] = group, person
    return owner, home


def _second_names(
    counts: Mapping[tuple[int, int], int],
    sizes: Mapping[int, int],
    owner: Mapping[int, int],
    home: Mapping[int, int],
) -> dict[int, tuple[int, int]]:
    """Return those of whom most is at somebody else's home.

    Of two faces one is not most: where one of them has a wrong name, nobody can tell which.
    """
    of_person: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for (person, group), count in counts.items():
        of_person[person].append((count, int(home.get(person) == group), -group))
    found = {}
    for person, parts in of_person.items():
        count, _, negative = max(parts)
        group = -negative
        most = 2 * count > sizes[person] or (count > 1 and 2 * count == sizes[person])
        if owner[group] != person and (person not in home or most):
            found[person] = (group, owner[group])
    return found
