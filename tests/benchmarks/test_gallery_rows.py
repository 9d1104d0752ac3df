"""Galleries arrive in the tables as they are."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import gallery_rows as packed
from benchmarks.gallery import Gallery, gallery
from benchmarks.gallery_database import load
from core.db import faces as face_rows
from core.db.pool import Connection


@pytest.fixture
def small(tmp_path: Path) -> Gallery:
    """A gallery of set B."""
    return gallery(tmp_path, "B", 500, photos=None)


def test_ids_say_which_row_they_are_of() -> None:
    ids = {
        packed.uuid_of(what, 3, row) for what in (packed.FACE, packed.IMAGE) for row in (0, 70_000)
    }

    assert len(ids) == 4
    assert {each.version for each in ids} == {7}
    assert sorted(map(packed.row_of, ids)) == [0, 0, 70_000, 70_000]


def test_a_loaded_gallery_has_the_vectors_people_and_facets_of_its_rows(
    conn: Connection, small: Gallery
) -> None:
    collection = load(conn, small, "loaded")

    facets = packed.Facets(small)
    found = conn.execute(
        "SELECT id, person_id IS NOT NULL, tags, quality FROM faces WHERE collection_id = %s",
        [collection],
    ).fetchall()
    assert len(found) == small.size
    for id_, named, tags, quality in found:
        row = packed.row_of(id_)
        assert named == (small.owners[row] % 2 == 0)
        assert set(tags) == {tag for tag, marked in facets.tags.items() if marked[row]}
        assert quality == pytest.approx(facets.quality[row])
    stored = face_rows.embedding(conn, found[7][0])
    assert stored is not None
    assert stored @ small.vectors[packed.row_of(found[7][0])] == pytest.approx(1, abs=1e-3)


def test_tags_are_on_the_shares_they_are_named_after(small: Gallery) -> None:
    facets = packed.Facets(small)

    for kind in ("any", "near"):
        for name, share in packed.SHARES.items():
            assert np.mean(facets.tags[f"{kind}-{name}"]) == pytest.approx(share, abs=0.05)


def test_the_tag_near_is_on_the_faces_most_like_the_first(small: Gallery) -> None:
    cosines = small.vectors @ small.vectors[0]
    near = packed.Facets(small).tags["near-tenth"]

    assert cosines[near].min() >= cosines[~near].max()
