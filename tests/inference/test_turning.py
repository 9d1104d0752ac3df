"""Photos that were stored turned give the faces, boxes and embeddings of the upright ones."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from core.alignment import align
from core.faces import DetectedFace, Embedding, Pixels, unit_embedding
from core.inference.contracts import Detector, FaceModels
from core.inference.templates import ARCFACE_112
from core.inference.turning import Turning

TURNS = {90: -1, 180: 2, 270: 1}
"""Clockwise degrees, and what numpy calls them."""


class Spots:
    """Finds a face at each lit pixel, its score the red, but only while the green is on the left.

    Attributes:
        shapes: Of every image that was looked at.
    """

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Pixels) -> list[DetectedFace]:
        self.shapes.append(image.shape)
        assert image.flags.c_contiguous
        if not image[:, 0, 1].all():
            return []
        rows, columns = np.nonzero(image[..., 0])
        faces = [
            DetectedFace(
                (x, y, x + 2, y + 1),
                np.float32([[x, y], [x + 1, y], [x, y], [x, y + 1], [x + 1, y + 1]]),
                image[y, x, 0] / 255,
            )
            for x, y in zip(columns.tolist(), rows.tolist(), strict=True)
        ]
        return sorted(faces, key=lambda face: -face.score)


@pytest.fixture
def spots() -> Spots:
    return Spots()


def picture(*spots: tuple[int, int, int]) -> Pixels:
    """Draw an upright picture, 9 x 6 pixels, for `Spots`: x, y and score of each."""
    image = np.zeros((6, 9, 3), np.uint8)
    image[:, 0, 1] = 255
    for x, y, score in spots:
        image[y, x, 0] = score
    return image


def turned(image: Pixels, degrees: int) -> Pixels:
    return np.ascontiguousarray(np.rot90(image, TURNS[degrees]))


@pytest.mark.parametrize(
    ("degrees", "box", "eyes"),
    [
        (90, (1, 5, 2, 7), [[1, 5], [1, 6]]),
        (180, (2, 1, 4, 2), [[3, 1], [2, 1]]),
        (270, (4, 2, 5, 4), [[4, 3], [4, 2]]),
    ],
)
def test_boxes_and_landmarks_are_those_of_the_photo_as_stored(
    spots: Spots, degrees: int, box: tuple[float, ...], eyes: list[list[float]]
) -> None:
    stored = turned(picture((5, 4, 200)), degrees)

    ((face,),) = Turning(spots, 0.6).detect([stored])

    assert face.box == box
    assert face.landmarks[:2].tolist() == eyes
    assert face.landmarks.dtype == np.float32
    assert face.score == pytest.approx(200 / 255)


def test_a_photo_with_a_clear_face_is_looked_at_once(spots: Spots) -> None:
    ((face,),) = Turning(spots, 0.6).detect([picture((5, 4, 170))])

    assert face.box == (5, 4, 7, 5)
    assert spots.shapes == [(6, 9, 3)]


def test_a_photo_without_a_face_is_looked_at_once_in_each_turn(spots: Spots) -> None:
    assert Turning(spots, 0.6).detect([np.zeros((6, 9, 3), np.uint8)]) == [[]]

    assert spots.shapes == [(6, 9, 3), (9, 6, 3), (6, 9, 3), (9, 6, 3)]


def test_each_photo_of_several_gets_its_own_faces(spots: Spots) -> None:
    one, none, other = Turning(spots, 0.6).detect(
        [picture((1, 1, 200)), picture(), turned(picture((2, 2, 200), (3, 3, 220)), 180)]
    )

    assert [len(one), len(none), len(other)] == [1, 0, 2]
    assert [face.score * 255 for face in other] == pytest.approx([220, 200])


def test_a_turned_photo_is_believed_only_if_its_best_face_is_good(spots: Spots) -> None:
    weak = turned(picture((2, 2, 140)), 90)
    good = turned(picture((2, 2, 140), (3, 3, 160)), 90)

    none, both = Turning(spots, 0.6).detect([weak, good])

    assert none == []
    assert len(both) == 2


@pytest.mark.parametrize(
    ("scores", "rolls", "right"),
    [
        ((0.7, 0.9, 0.8), (5, -5, 5), 0.9),
        ((0.9, 0.7, 0.8), (0, 0, 0), 0.9),
        ((0.95, 0.7, 0.9), (-85, 10, 100), 0.7),  # as faces are seen that lie on their side
        ((0.95, 0.9, 0.5), (180, 60, 0), 0.9),  # too weak a face is none
    ],
)
def test_the_turn_is_taken_whose_best_face_is_good_and_upright(
    scores: tuple[float, ...], rolls: tuple[float, ...], right: float
) -> None:
    looks = iter([[], *map(standing, scores, rolls)])

    ((face,),) = Turning(Scripted(looks), 0.6).detect([np.zeros((6, 9, 3), np.uint8)])

    assert face.score == right


def test_a_photo_whose_faces_all_lie_is_turned() -> None:
    looks = iter([standing(0.9, 80), [], [], standing(0.7, 3)])

    ((face,),) = Turning(Scripted(looks), 0.6).detect([np.zeros((6, 9, 3), np.uint8)])

    assert face.score == 0.7


def test_faces_that_lie_stay_where_no_turn_shows_better_ones() -> None:
    looks = iter([standing(0.9, 80), [], standing(0.55, 0), standing(0.9, 90)])

    ((face,),) = Turning(Scripted(looks), 0.6).detect([np.zeros((6, 9, 3), np.uint8)])

    assert face.score == 0.9
    assert face.box == (0, 0, 1, 1)


def test_one_who_lies_among_others_turns_nobody() -> None:
    looks = iter([[*standing(0.9, 80), *standing(0.7, 10)]])

    (faces,) = Turning(Scripted(looks), 0.6).detect([np.zeros((6, 9, 3), np.uint8)])

    assert [face.score for face in faces] == [0.9, 0.7]


@pytest.mark.parametrize(("turned_score", "taken"), [(0.8, 0.8), (0.58, 0.55)])
def test_a_weak_face_that_looks_upright_stays_only_if_no_turn_is_better(
    turned_score: float, taken: float
) -> None:
    looks = iter([standing(0.55, 0), [], standing(turned_score, 0), []])

    ((face,),) = Turning(Scripted(looks), 0.6).detect([np.zeros((6, 9, 3), np.uint8)])

    assert face.score == taken


class Scripted:
    """Finds what it is told to, look by look."""

    def __init__(self, looks: Iterator[list[DetectedFace]]) -> None:
        self._looks = looks

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        return [next(self._looks) for _ in images]


def standing(score: float, roll: float) -> list[DetectedFace]:
    """Make a face that is turned by *roll* degrees."""
    level = ARCFACE_112.landmarks @ (1, 1j) * np.exp(1j * np.radians(roll))
    points = np.stack([level.real, level.imag], axis=1).astype(np.float32)
    return [DetectedFace((0, 0, 1, 1), points, score)]


class BlindAtFirst:
    """A real detector that is blind at its first look, as it is to some turned photos."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._looks = 0

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        self._looks += 1
        return self._detector.detect(images) if self._looks > 1 else [[] for _ in images]


def embeddings(models: FaceModels, image: Pixels, faces: list[DetectedFace]) -> list[Embedding]:
    embedder = models.embedder
    crops = [align(image, face.landmarks, embedder.template, embedder.side) for face in faces]
    raw = embedder.embed(np.stack([crop for crop in crops if crop is not None]))
    return [unit_embedding(each, embedder.dimension)[0] for each in raw]


@pytest.mark.shared_data
@pytest.mark.parametrize("pack", ["open_models", "scrfd_models"])
@pytest.mark.parametrize("name", ["scenes/insightface_t1.jpg", "deepface/person_02/img13.jpg"])
@pytest.mark.parametrize("degrees", TURNS)
def test_a_turned_photo_gives_the_embeddings_of_the_upright_one(
    request: pytest.FixtureRequest,
    photo: Callable[[str], Pixels],
    pack: str,
    name: str,
    degrees: int,
) -> None:
    models: FaceModels = request.getfixturevalue(pack)
    upright = photo(name)
    stored = turned(upright, degrees)
    (expected,) = models.detector.detect([upright])

    (faces,) = Turning(BlindAtFirst(models.detector), 0.6).detect([stored])

    assert len(faces) == len(expected) > 0
    pairs = zip(
        embeddings(models, upright, expected), embeddings(models, stored, faces), strict=True
    )
    assert min(float(one @ other) for one, other in pairs) > 0.999
