"""Photos that are there more than once."""

from collections.abc import Callable
from uuid import UUID

import cv2
import numpy as np
import pytest

from core.blobs import Kind
from core.faces import Pixels
from core.picture_hash import picture_hash
from core.reports import duplicates
from core.reports.finding import Finding
from tests.casts import Cast, directions, near
from tests.reports.test_shots import scenery


@pytest.fixture
def album(cast: Callable[[], Cast]) -> Cast:
    """A collection of strangers, whose pictures are not kept."""
    made = cast()
    made.add(directions(20, seed=4))
    return made


def image_of(album: Cast, face: UUID) -> UUID:
    row = album.conn.execute("SELECT image_id FROM faces WHERE id = %s", [face]).fetchone()
    assert row is not None
    image: UUID = row[0]
    return image


def keep(album: Cast, face: UUID, picture: Pixels) -> UUID:
    """Keep a picture of the photo of a face, which fills it."""
    image = image_of(album, face)
    side = picture.shape[0]
    row = album.conn.execute(
        "UPDATE images SET kept = 'originals', width = %s, height = %s, picture_hash = %s"
        " WHERE id = %s RETURNING sha256",
        [side, side, picture_hash(picture), image],
    ).fetchone()
    assert row is not None
    marks = [
        side / 4,
        side / 4,
        side / 2,
        side / 4,
        side / 3,
        side / 3,
        side / 4,
        side / 2,
        side / 2,
        side / 2,
    ]
    album.conn.execute("UPDATE faces SET landmarks = %s WHERE id = %s", [marks, face])
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    album.services.blobs.put(Kind.THUMBNAIL, row[0].hex(), jpeg)
    return image


def found(album: Cast) -> list[Finding]:
    return list(duplicates.make(album.material()).findings)


def test_pictures_that_were_scaled_are_the_same_picture(album: Cast) -> None:
    first, second, other = album.add(directions(3, seed=6))
    photo = scenery(1)
    images = {keep(album, first, photo), keep(album, second, cv2.resize(photo, (150, 150)))}
    keep(album, other, scenery(2))

    (finding,) = found(album)

    assert finding.kind == "same_picture"
    assert set(finding.about) == images
    assert {side.image_id for side in finding.sides} == images
    assert finding.facts["different_bits"] <= 15  # type: ignore[operator]


def test_pictures_of_one_colour_are_not_told_to_be_the_same(album: Cast) -> None:
    for face, gray in zip(album.add(directions(2, seed=6)), (20, 200), strict=True):
        keep(album, face, np.full((100, 100, 3), gray, np.uint8))

    assert found(album) == []


def test_a_cropped_copy_is_the_same_shot(album: Cast) -> None:
    who = directions(1, seed=6)[0]
    first, second = album.add(near(who, 0.97, 2, seed=1))
    photo = scenery(1)
    images = {
        keep(album, first, photo),
        keep(album, second, np.ascontiguousarray(photo[:190, :190])),
    }
    # The crop begins at the same corner, so that the marks are elsewhere in it.
    album.conn.execute(
        "UPDATE faces SET landmarks = (SELECT landmarks FROM faces WHERE id = %s) WHERE id = %s",
        [first, second],
    )

    (finding,) = found(album)

    assert finding.kind == "same_shot"
    assert set(finding.about) == images
    assert finding.facts["agreement"] > 0.985  # type: ignore[operator]


def test_other_photos_with_nearly_the_same_face_are_told_apart_from_copies(album: Cast) -> None:
    who = directions(1, seed=6)[0]
    close = album.add(near(who, 0.99, 2, seed=1))
    farther = album.add(near(directions(1, seed=7)[0], 0.9, 2, seed=2))
    for number, face in enumerate([*close, *farther]):
        keep(album, face, scenery(number + 10))

    (finding,) = found(album)

    assert finding.kind == "identical_faces"
    assert set(finding.about) == {image_of(album, face) for face in close}


def test_faces_alone_tell_of_a_shot_where_no_picture_is_kept(album: Cast) -> None:
    close = album.add(near(directions(1, seed=6)[0], 0.99, 2, seed=1))

    (finding,) = found(album)

    assert (finding.kind, finding.facts["agreement"]) == ("identical_faces", None)
    assert set(finding.about) == {image_of(album, face) for face in close}


def test_bytes_that_another_collection_has_are_told(cast: Callable[[], Cast]) -> None:
    here, there = cast(), cast()
    mine, theirs = (each.add(directions(1, seed=n))[0] for n, each in enumerate((here, there)))
    here.conn.execute(
        "UPDATE images SET sha256 = (SELECT sha256 FROM images WHERE id = %s) WHERE id = %s",
        [image_of(there, theirs), image_of(here, mine)],
    )

    (finding,) = found(here)

    assert finding.kind == "same_bytes"
    assert finding.about == (image_of(here, mine), image_of(there, theirs))


def test_of_too_many_pairs_the_most_alike_are_compared_and_the_others_counted(
    album: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MOST_COMPARED", 2)
    album.add(near(directions(1, seed=6)[0], 0.995, 4, seed=1))

    outcome = duplicates.make(album.material())

    assert len(outcome.findings) == 2
    assert outcome.summary["not_compared"] == 4
