"""Groups of faces that look like one person.

Links between near faces make components; within each, groups are joined as long as the mean of all
their distances is small (average linkage). That stops chains: somebody who looks like two strangers does
not make them one person. Whoever was told apart by a person, or is in one photo, stays apart.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from core.neighbours import Halves, unit
from core.reports import grouping
from core.reports.apart import Apart
from core.reports.scale import CLUSTER, Scale

if TYPE_CHECKING:
    from core.reports.material import Edges

SHARED: Final = 3
"""Neighbours that two faces have in common, where only one of them counts the other as near."""

LARGEST: Final = 6000
"""Faces of a component whose distances are held at once: 290 MB; a larger one is cut by firmer links."""

FIRMER: Final = 0.02
"""By how much the cosine of a link rises each time."""

NEVER: Final = 8.0
"""The distance of faces that must not be one person: in any but the largest groups more than the others
can make up for."""

CHUNK: Final = 20_000
"""Faces whose common neighbours are counted at once."""


def find(
    halves: Halves,
    edges: "Edges",
    images: NDArray[np.int64],
    apart: Apart,
    scale: Scale,
    *,
    pause: Callable[[], None] = lambda: None,
) -> NDArray[np.int64]:
    """Return the number of each face's group, from 0; whoever is like nobody is alone in one.

    Args:
        images: A number for the photo of each face: nobody is twice in one.
    """
    count = len(halves)
    if not count:
        return np.empty(0, np.int64)
    first, second, cosines = links(edges, scale.link(count))
    found = np.full(count, -1, np.int64)
    made = 0
    for faces in components(count, first, second, cosines, scale.link(count)):
        pause()
        parts = _split(halves, faces, images, apart, 1 - scale.cosine(CLUSTER))
        found[faces] = parts + made
        made += int(parts.max()) + 1
    return _joined(found, apart)


def links(
    edges: "Edges", least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the links that are followed: of neighbours that count each other so, or share some."""
    faces, places = np.nonzero(edges.cosines >= least)
    others = edges.neighbours[faces, places]
    count = len(edges.cosines)
    ones = np.ones(len(faces), np.int32)
    near = csr_matrix((ones, (faces, others)), shape=(count, count))
    mutual = near.multiply(near.T).tocoo()
    firm = [(mutual.row, mutual.col)]
    for start in range(0, count, CHUNK):
        some = near[start : start + CHUNK]
        common = (some @ near.T).multiply(some).tocoo()
        enough = common.data >= SHARED
        firm.append((common.row[enough] + start, common.col[enough]))
    rows = np.concatenate([row for row, _ in firm]).astype(np.int64)
    columns = np.concatenate([column for _, column in firm]).astype(np.int64)
    low, high = np.minimum(rows, columns), np.maximum(rows, columns)
    kept = np.unique(low * count + high)
    known = np.minimum(faces, others) * count + np.maximum(faces, others)
    order = np.argsort(known, kind="stable")
    of_link = edges.cosines[faces, places][order[np.searchsorted(known[order], kept)]]
    return kept // count, kept % count, of_link


def components(
    count: int,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    cosines: NDArray[np.float32],
    least: float,
) -> list[NDArray[np.int64]]:
    """Return the faces of each component; one that is too large is cut by firmer links alone, and where those
    are of one vector, into parts of `LARGEST`.
    """
    kept = cosines >= least
    matrix = coo_matrix((kept[kept], (first[kept], second[kept])), shape=(count, count))
    parts, labels = connected_components(matrix, directed=False)
    found = []
    for faces in grouping.places(labels, parts):
        if len(faces) <= LARGEST:
            found.append(faces)
            continue
        if least > 1:
            found += np.split(faces, range(LARGEST, len(faces), LARGEST))
            continue
        inside = np.isin(first, faces) & np.isin(second, faces)
        a, b = (np.searchsorted(faces, ends[inside]) for ends in (first, second))
        smaller = components(len(faces), a, b, cosines[inside], least + FIRMER)
        found += [faces[part] for part in smaller]
    return found


def _split(
    halves: Halves,
    faces: NDArray[np.int64],
    images: NDArray[np.int64],
    apart: Apart,
    farthest: float,
) -> NDArray[np.int64]:
    """Return the group of each face of one component."""
    if len(faces) == 1:
        return np.zeros(1, np.int64)
    vectors = unit(halves[faces])
    distances = np.maximum(0, 1 - vectors @ vectors.T)  # of the same vector a little below
    never = apart.within(faces, images[faces])
    distances[never] = NEVER
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform((distances + distances.T) / 2, checks=False), "average")
    labels = fcluster(tree, farthest, "distance").astype(np.int64) - 1
    return _torn(tree, labels, never) if never.any() else labels


def _torn(
    tree: NDArray[np.float64], labels: NDArray[np.int64], never: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Cut groups that hold two who must be apart where the tree parts them."""
    heights = np.unique(tree[:, 2])
    made = int(labels.max()) + 1
    for label in np.unique(labels):
        faces = np.flatnonzero(labels == label)
        inside = never[np.ix_(faces, faces)]
        if not inside.any():
            continue
        low, high = -1, len(heights) - 1  # joined at heights[high] at the latest
        while high - low > 1:
            middle = (low + high) // 2
            parts = fcluster(tree, heights[middle], "distance")[faces]
            if inside[parts[:, None] == parts[None, :]].any():
                high = middle
            else:
                low = middle
        limit = heights[low] if low >= 0 else heights[0] / 2 - 1
        parts = np.unique(fcluster(tree, limit, "distance")[faces], return_inverse=True)[1]
        if low < 0:  # they are the same vector: each alone
            parts = np.arange(len(faces))
        labels[faces] = parts + made
        made += int(parts.max()) + 1
    return labels


def _joined(found: NDArray[np.int64], apart: Apart) -> NDArray[np.int64]:
    """Join the groups of those whom a person called the same, and number the groups from 0."""
    if len(apart.same):
        first, second = found[apart.same[:, 0]], found[apart.same[:, 1]]
        count = int(found.max()) + 1
        joins = coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count))
        found = connected_components(joins, directed=False)[1][found]
    return np.unique(found, return_inverse=True)[1]
